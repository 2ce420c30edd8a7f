"""Search Users, the page of a user, Custom Events."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from profiles.models import Alias, Device, Profile
from profiles.panels import _makers
from tests.profiles.conftest import Post
from workspaces.models import Membership, User, Workspace
from workspaces.roles import Role

SEARCH = "/admin/profiles/profile/"
EVENTS = "/admin/profiles/customevent/"


@pytest.fixture
def client(workspace: Workspace) -> Client:
    user = User.objects.create_user("marketer")
    Membership.objects.create(user=user, workspace=workspace, role=Role.MARKETER)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def user(workspace: Workspace) -> Profile:
    made = Profile.objects.create(
        workspace=workspace, external_id="user-1", email="User-1@example.com", phone="+15550100", braze_id="ab" * 12
    )
    Alias.objects.create(workspace=workspace, profile=made, label="shop", name="shopper-1")
    return made


@pytest.mark.parametrize(
    "query", ["user-1", " user-1 ", "ab" * 12, "AB" * 12, "shopper-1", "User-1@example.com", "+15550100"]
)
def test_it_works(client: Client, user: Profile, query: str) -> None:
    page = client.get(SEARCH, {"q": query}).content.decode()
    assert f"{SEARCH}{user.pk}/" in page


@pytest.mark.parametrize("query", ["user", "user-2", "shop", "%", "\x00"])
def test_nobody_is_found_by_another_text(client: Client, user: Profile, query: str) -> None:
    assert "Nobody found" in client.get(SEARCH, {"q": query}).content.decode()


def test_without_a_search_the_newest_are_shown(client: Client, user: Profile) -> None:
    assert "Newest users" in client.get(SEARCH).content.decode()


def test_an_empty_workspace_says_what_to_do(client: Client) -> None:
    assert "No users yet" in client.get(SEARCH).content.decode()
    assert "No custom events yet" in client.get(EVENTS).content.decode()


def test_users_of_another_workspace_are_not_found(client: Client) -> None:
    other = Workspace.objects.create(name="Other")
    stranger = Profile.objects.create(workspace=other, external_id="stranger", email="s@example.com")
    Alias.objects.create(workspace=other, profile=stranger, label="shop", name="stranger")
    for query in ("stranger", "s@example.com", stranger.braze_id):
        assert "Nobody found" in client.get(SEARCH, {"q": query}).content.decode()
    assert client.get(f"{SEARCH}{stranger.pk}/").status_code == 404


def test_a_user_page_shows_everything(client: Client, user: Profile, track: Post, workspace: Workspace) -> None:
    Device.objects.create(workspace=workspace, profile=user, device_id="device-1")
    track(
        attributes=[
            {"external_id": "user-1", "plan": "<b>gold</b>", "tags": ["a"], "first_name": "One", "twitter": {"id": 7}}
        ]
    )
    page = client.get(f"{SEARCH}{user.pk}/").content.decode()
    for text in (
        "user-1",
        user.braze_id,
        "shopper-1",
        "device-1",
        "&lt;b&gt;gold",
        "[&quot;a&quot;]",
        "One",
        "twitter",
    ):
        assert text in page


def test_floors_above_add_panels(client: Client, user: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    from profiles.panels import Panel

    makers: list[Callable[..., Any]] = [
        lambda request, profile: [Panel("Cohorts of the user", "workspaces/pages.html")]
    ]
    monkeypatch.setattr("profiles.panels._makers", [*_makers, *makers])
    assert "Cohorts of the user" in client.get(f"{SEARCH}{user.pk}/").content.decode()


def test_custom_events_and_attributes_are_listed_with_counts(client: Client, track: Post) -> None:
    event = {"external_id": "user-1", "name": "rented_movie", "time": "2024-01-01"}
    track(attributes=[{"external_id": "user-1", "plan": "gold"}], events=[event] * 3)
    page = client.get(EVENTS).content.decode()
    for text in ("rented_movie", ">3<", "plan", "String"):
        assert text in page
