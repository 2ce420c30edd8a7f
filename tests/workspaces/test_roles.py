"""The permission table, walked over the real addresses of the dashboard.

The addresses are read from the admin site, so a new screen that names no action fails here.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from currents.models import Current
from partners.models import Cohort, Integration
from profiles.models import Profile, SubscriptionGroup
from segments.models import Segment
from workspaces.encryption import Secrets
from workspaces.models import ApiKey, App, Membership, User, Workspace
from workspaces.roles import PERMISSIONS, Action, Role

#: What everybody who is logged in may open, or what is open to nobody in particular: named one by one.
OPEN = {
    "index",
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "autocomplete",
    "jsi18n",
    "view_on_site",
    "app_list",
    "search",
    "choose_workspace",
}
#: What only a superuser may do, though the screen belongs to a role's action: making another workspace.
SUPERUSERS_ONLY = {"workspaces_workspace_add"}
#: Which action of an admin class Django's own pages need.
DJANGO_PAGES = {
    "changelist": "view_action",
    "change": "view_action",
    "history": "view_action",
    "add": "edit_action",
    "delete": "edit_action",
}


@dataclass(frozen=True)
class Address:
    """One named address of the dashboard, with a value for each of its parameters."""

    name: str
    path: str
    action: Action | None

    def __str__(self) -> str:
        return self.name


def walk(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, route)
        elif pattern.name:
            yield route, pattern


def filled(route: str) -> str:
    """A path that matches ``route``, about a thing that does not exist."""
    values = {"int": "999999", "slug": "mixpanel", "uuid": "00000000-0000-4000-8000-000000000000", "path": "999999"}
    path = re.sub(r"<(?:(\w+):)?\w+>", lambda found: values.get(found[1] or "str", "mixpanel"), route)
    return "/admin/" + path.replace("^", "").replace("$", "")


def action_of(pattern: URLPattern) -> Action | None:
    """The action that an address needs: its view's own, else the one of Django's page of an admin class."""
    if needed := getattr(pattern.callback, "needs", None):
        return Action(needed)
    owner = getattr(pattern.callback, "model_admin", None)
    page = DJANGO_PAGES.get(str(pattern.name).rsplit("_", 1)[-1])
    return getattr(owner, page, None) if owner and page else None


def addresses() -> list[Address]:
    found = [
        Address(str(pattern.name), filled(route), action_of(pattern))
        for route, pattern in walk(admin.site.get_urls())
        if pattern.name not in OPEN
    ]
    return sorted(found, key=lambda one: one.name)


ADDRESSES = addresses()
Login = Callable[..., Client]


def lets_in(client: Client, path: str) -> bool:
    """Whether the person gets past the door, by GET and by POST: anything but the login page and 403."""
    answers = {client.get(path).status_code, client.post(path).status_code}
    assert not answers & {500, 501, 503}, (path, answers)
    return not answers & {401, 403} and "/login/" not in client.get(path).headers.get("Location", "")


def test_it_works() -> None:
    assert len(ADDRESSES) > 30
    assert {one.name for one in ADDRESSES} >= {"workspaces_apikey_add", "profiles_profile_changelist"}


def test_every_address_needs_an_action() -> None:
    assert [one.name for one in ADDRESSES if one.action is None] == []


def test_every_action_guards_something() -> None:
    assert set(Action) - {one.action for one in ADDRESSES} == set()


@pytest.mark.parametrize("role", list(Role))
def test_a_role_opens_what_the_table_says_and_nothing_else(login: Login, role: Role) -> None:
    client = login(role)
    for one in ADDRESSES:
        expected = one.action in PERMISSIONS[role] and one.name not in SUPERUSERS_ONLY
        assert lets_in(client, one.path) == expected, one.name


def test_a_superuser_opens_everything(login: Login) -> None:
    client = login(None, is_superuser=True)
    assert [one.name for one in ADDRESSES if not lets_in(client, one.path)] == []


def test_who_is_in_no_workspace_opens_nothing(login: Login) -> None:
    client = login(None)
    assert [one.name for one in ADDRESSES if lets_in(client, one.path)] == []


def test_who_is_not_logged_in_opens_nothing(workspace: Workspace) -> None:
    assert [one.name for one in ADDRESSES if lets_in(Client(), one.path)] == []


def test_who_was_made_inactive_opens_nothing(login: Login) -> None:
    client = login(Role.ADMIN)
    User.objects.update(is_active=False)
    assert not lets_in(client, reverse("admin:workspaces_apikey_changelist"))


def test_a_removed_person_is_out_from_the_next_request_on(login: Login, workspace: Workspace) -> None:
    client = login(Role.MARKETER)
    address = reverse("admin:profiles_profile_changelist")
    assert client.get(address).status_code == 200
    workspace.memberships.all().delete()
    assert client.get(address).status_code != 200


@pytest.mark.parametrize("role", list(Role))
def test_the_left_bar_shows_what_the_role_may_open(login: Login, role: Role) -> None:
    page = login(role).get("/admin/").content.decode()
    for one in ADDRESSES:
        if one.name.endswith("_changelist") and one.action not in PERMISSIONS[role]:
            assert f'href="{one.path}"' not in page, one.name


# --- Nobody sees another workspace ---


def test_things_of_another_workspace_are_not_found(login: Login, workspace: Workspace) -> None:
    """Every kind of thing that the dashboard shows, made in another workspace, is looked for with an admin's eyes."""
    other = Workspace.objects.create(name="Other")
    client = login(Role.ADMIN)
    checked = set()
    for made in strangers(other):
        label = f"{made._meta.app_label}_{made._meta.model_name}_"
        for route, pattern in walk(admin.site.get_urls()):
            if not str(pattern.name).startswith(label) or "int:" not in route:
                continue
            path = filled(route).replace("999999", str(made.pk), 1)
            for answer in (client.get(path), client.post(path)):
                assert answer.status_code in (404, 405), (pattern.name, answer.status_code)
            checked.add(pattern.name)
    assert len(checked) >= 8


def strangers(other: Workspace) -> Iterator[Model]:
    integration = Integration.objects.create(workspace=other, partner_slug="mixpanel")
    yield other
    yield ApiKey.make(workspace=other, name="Key")[0]
    yield Membership.objects.create(user=User.objects.create_user("stranger"), workspace=other, role=Role.ADMIN)
    yield Profile.objects.create(workspace=other, external_id="user-1")
    yield SubscriptionGroup.objects.create(workspace=other, name="News")
    yield Segment.objects.create(workspace=other, name="Segment")
    yield Current.objects.create(workspace=other, name="Current", contact_email="a@example.com", destination="mixpanel")
    yield integration
    yield Cohort.objects.create(integration=integration, cohort_id="1", name="Cohort")


def test_an_app_of_another_workspace_is_not_found(login: Login, workspace: Workspace) -> None:
    app = App.objects.create(workspace=Workspace.objects.create(name="Other"), name="Web", platform="web")
    address = reverse("admin:workspaces_workspace_remove_app", args=[workspace.pk, app.pk])
    assert login().post(address).status_code == 404
    assert App.objects.exists()


def test_one_cannot_choose_a_workspace_that_one_is_not_in(login: Login) -> None:
    other = Workspace.objects.create(name="Other")
    client = login()
    assert client.post("/admin/workspace/", {"workspace": other.pk}).status_code == 403
    assert b"Other" not in client.get("/admin/").content


@pytest.mark.parametrize("secret", ["s3cret-value", "t0ken-value"])
def test_no_page_shows_a_secret(login: Login, workspace: Workspace, secret: str) -> None:
    current = Current.objects.create(
        workspace=workspace,
        name="Current",
        contact_email="a@example.com",
        destination="mixpanel",
        secrets=Secrets(api_secret="s3cret-value", token="t0ken-value"),
    )
    for role in Role:
        client = login(role)
        for route, pattern in walk(admin.site.get_urls()):
            if str(pattern.name).startswith("currents_current"):
                path = filled(route).replace("999999", str(current.pk), 1)
                assert secret.encode() not in client.get(path).content, pattern.name
