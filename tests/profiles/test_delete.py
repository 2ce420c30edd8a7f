"""POST /users/delete. Braze: delete users."""

from typing import Any

import pytest

from currents.models import Event
from profiles.models import Alias, Profile, PushToken
from profiles.stores import DailyCount
from tests.profiles.conftest import Post
from tests.profiles.worlds import alias, check_live, event, last_change, of_alias, user
from workspaces.models import App, Workspace

pytestmark = pytest.mark.django_db
PATH = "/users/delete"
FIRST = ["unidentified", "most_recently_updated"]


def test_it_works(post: Post, track: Post, workspace: Workspace) -> None:
    """The documented example: users by all kinds of names in one request."""
    app = App.objects.create(workspace=workspace, name="Shop", platform="web")
    track(
        attributes=[
            {"external_id": "external_identifier1", "push_tokens": [{"app_id": str(app.api_id), "token": "t"}]},
            {"external_id": "external_identifier2"},
            {"external_id": "stays"},
            of_alias("user_alias1", "alias_label1"),
            {"email": "user@example.com"},
            {"phone": "+15043277269"},
        ],
        events=[event(external_id="external_identifier1")],
    )
    gone = sorted(Profile.objects.exclude(external_id="stays").values_list("pk", flat=True))
    answer = post(
        PATH,
        {
            "external_ids": ["external_identifier1", "nobody"],
            "braze_ids": [user("external_identifier2").braze_id],
            "user_aliases": [alias("user_alias1", "alias_label1")],
            "email_addresses": [{"email": "user@example.com", "prioritization": FIRST}],
            "phone_numbers": [{"phone": "+15043277269", "prioritization": FIRST}],
        },
    )
    assert (answer.status_code, answer.json()) == (201, {"deleted": 5, "message": "success"})
    assert list(Profile.objects.values_list("external_id", flat=True)) == ["stays"]
    assert not any(model.objects.exists() for model in (Alias, PushToken, DailyCount))
    assert Event.objects.count() == 1, "what they did stays in the log"
    assert last_change("deleted") == (gone, None)
    check_live(workspace)


def test_deleting_again_deletes_nobody(post: Post, track: Post) -> None:
    track(attributes=[{"external_id": "user-1"}])
    assert post(PATH, {"external_ids": ["user-1", "user-1"]}).json()["deleted"] == 1
    assert post(PATH, {"external_ids": ["user-1"]}).json()["deleted"] == 0


def test_whoever_comes_back_is_somebody_new(post: Post, track: Post, workspace: Workspace) -> None:
    track(attributes=[{"external_id": "user-1", "plan": "gold"}])
    before = user("user-1").pk
    post(PATH, {"external_ids": ["user-1"]})
    track(attributes=[{"external_id": "user-1"}])
    assert user("user-1").custom_attributes == {}
    assert user("user-1").pk != before
    check_live(workspace)


def test_users_of_another_workspace_are_out_of_reach(post: Post) -> None:
    stranger = Profile.objects.create(workspace=Workspace.objects.create(name="Other"), external_id="user-1")
    body = {"external_ids": ["user-1"], "braze_ids": [stranger.braze_id]}
    assert post(PATH, body).json()["deleted"] == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "must name a user"),
        ({"external_ids": []}, "must name a user"),
        ({"external_ids": "user-1"}, "'external_ids' must be an array of strings."),
        ({"braze_ids": {"a": "b"}}, "'braze_ids' must be an array of strings."),
        ({"user_aliases": "user-1"}, "'user_aliases' must be an array of objects."),
        ({"email_addresses": "user@example.com"}, "'email_addresses' must be an array of objects."),
        ({"external_ids": ["user-1"] * 51}, "The max number of ids per request was exceeded"),
        ({"external_ids": [None]}, "must be a non-empty string"),
        ({"user_aliases": ["a"]}, "'user_alias' must be an object"),
        ({"email_addresses": ["user@example.com"]}, "with 'prioritization'"),
        ({"email_addresses": [{"email": "user@example.com"}]}, "'prioritization' must be an array"),
        ({"phone_numbers": [{"phone": "x", "prioritization": FIRST}]}, "not a valid phone number"),
    ],
)
def test_what_cannot_be_used_is_400(post: Post, track: Post, body: dict[str, Any], words: str) -> None:
    track(attributes=[{"external_id": "user-1"}])
    answer = post(PATH, {**body})
    assert answer.status_code == 400
    assert words in answer.json()["message"]
    assert user("user-1")
