"""Audience > Subscription Groups, what editors change on the page of a user, and test users."""

import pytest
from django.test import Client

from currents.models import Event
from profiles import groups
from profiles.models import Profile, SubscriptionGroup, SubscriptionState
from tests.logins import client_of
from tests.profiles.conftest import Post
from workspaces.models import Activity, Workspace
from workspaces.roles import PERMISSIONS, Action, Role

GROUPS = "/admin/profiles/subscriptiongroup/"
USERS = "/admin/profiles/profile/"


@pytest.fixture
def client(workspace: Workspace) -> Client:
    return client_of(workspace, Role.MARKETER)


@pytest.fixture
def user(workspace: Workspace) -> Profile:
    return Profile.objects.create(workspace=workspace, external_id="user-1", email="shared@example.com")


def reading_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is a marketer may look and change nothing."""
    monkeypatch.setitem(PERMISSIONS, Role.MARKETER, frozenset({Action.VIEW_USERS}))


def test_it_works(client: Client, workspace: Workspace) -> None:
    assert "No subscription groups yet" in client.get(GROUPS).content.decode()
    form = {"name": "Weekly news", "channel": "email", "description": "Every Monday"}
    page = client.post(f"{GROUPS}add/", form, follow=True).content.decode()
    group = SubscriptionGroup.objects.get()
    assert (group.workspace, group.name, group.channel, group.description) == (workspace, *form.values())
    for text in ("Weekly news", "Every Monday", str(group.api_id), "Copy"):
        assert text in page
    assert Activity.objects.get().message == "Created the subscription group “Weekly news”."


def test_a_group_is_renamed_and_keeps_id_and_channel(client: Client, news: SubscriptionGroup) -> None:
    form = {"name": "Daily news", "channel": "sms", "description": "Every day"}
    assert client.post(f"{GROUPS}{news.pk}/", form).status_code == 302
    group = SubscriptionGroup.objects.get()
    assert (group.name, group.channel, group.description, group.api_id) == (
        "Daily news",
        "email",
        "Every day",
        news.api_id,
    )
    assert Activity.objects.get().message == "Renamed the subscription group “News” to “Daily news”."
    client.post(f"{GROUPS}{news.pk}/", form)
    assert Activity.objects.count() == 1, "nothing was changed the second time"


def test_counts_are_of_those_who_chose(client: Client, news: SubscriptionGroup, track: Post) -> None:
    for number in range(3):
        state = "subscribed" if number else "unsubscribed"
        one = {"subscription_group_id": str(news.api_id), "subscription_state": state}
        track(attributes=[{"external_id": f"user-{number}", "subscription_groups": [one]}])
    track(attributes=[{"external_id": "never"}])
    page = client.get(GROUPS).content.decode()
    assert 'data-label="Subscribed">2<' in page
    assert 'data-label="Unsubscribed">1<' in page
    news.refresh_from_db()
    assert (news.subscribed, news.unsubscribed) == (2, 1)


def test_large_workspaces_show_what_beat_counted(
    client: Client, news: SubscriptionGroup, user: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiles.admin.groups.COUNTED_HERE", -1)
    SubscriptionState.objects.create(group=news, profile=user, is_subscribed=True)
    assert 'data-label="Subscribed">–<' in client.get(GROUPS).content.decode()
    groups.count_states_everywhere()
    assert 'data-label="Subscribed">1<' in client.get(GROUPS).content.decode()


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"name": "", "channel": "email"}, "This field is required."),
        ({"name": "x" * 256, "channel": "email"}, "Ensure this value has at most 255 characters"),
        ({"name": "a\x00b", "channel": "email"}, "Null characters are not allowed."),
        ({"name": "News", "channel": "email"}, "of that name already"),
        ({"name": "Other", "channel": "pigeon"}, "Select a valid choice."),
    ],
    ids=["no name", "a long name", "NUL", "a name twice", "no channel of ours"],
)
def test_a_bad_group_is_refused_beside_the_field(
    client: Client, news: SubscriptionGroup, form: dict[str, str], error: str
) -> None:
    assert error in client.post(f"{GROUPS}add/", form).content.decode()
    assert SubscriptionGroup.objects.count() == 1


def test_another_workspace_may_use_the_same_name(client: Client) -> None:
    SubscriptionGroup.objects.create(workspace=Workspace.objects.create(name="Other"), name="News")
    assert client.post(f"{GROUPS}add/", {"name": "News", "channel": "email"}).status_code == 302


def test_there_is_a_limit(client: Client, news: SubscriptionGroup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profiles.forms.LIMIT", 1)
    form = {"name": "Another", "channel": "email"}
    assert "can have 1 subscription groups" in client.post(f"{GROUPS}add/", form).content.decode()
    groups.archive(news)
    assert client.post(f"{GROUPS}add/", form).status_code == 302


def test_an_archived_group_cannot_be_changed_and_comes_back(client: Client, news: SubscriptionGroup) -> None:
    client.post(f"{GROUPS}{news.pk}/archive/")
    client.post(f"{GROUPS}{news.pk}/archive/")
    assert str(news.api_id) not in client.get(GROUPS).content.decode()
    assert str(news.api_id) in client.get(GROUPS, {"archived": "1"}).content.decode()
    client.post(f"{GROUPS}{news.pk}/", {"name": "Renamed"})
    assert SubscriptionGroup.objects.get().name == "News"
    client.post(f"{GROUPS}{news.pk}/unarchive/")
    assert str(news.api_id) in client.get(GROUPS).content.decode()
    assert [one.message for one in Activity.objects.order_by("pk")] == [
        "Archived the subscription group “News”.",
        "Took the subscription group “News” out of the archive.",
    ]


def test_users_can_still_unsubscribe_from_an_archived_group(
    client: Client, news: SubscriptionGroup, user: Profile, post: Post
) -> None:
    groups.archive(news)
    body = {"subscription_group_id": str(news.api_id), "subscription_state": "unsubscribed", "external_id": "user-1"}
    assert post("/subscription/status/set", body).status_code == 201
    page = client.get(f"{USERS}{user.pk}/").content.decode()
    assert "Archived" in page
    assert f'name="group-{news.pk}"' not in page


def test_who_may_only_look_sees_no_buttons(
    client: Client, news: SubscriptionGroup, user: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading_only(monkeypatch)
    page = client.get(GROUPS).content.decode()
    assert "News" in page
    assert "Create Subscription Group" not in page
    assert "/archive/" not in page
    page = client.get(f"{USERS}{user.pk}/").content.decode()
    assert "Never chosen" in page
    assert "Save Subscriptions" not in page
    assert "Mark as Test User" not in page
    for path in (f"{GROUPS}add/", f"{GROUPS}{news.pk}/", f"{USERS}{user.pk}/subscriptions/", f"{USERS}{user.pk}/test/"):
        assert client.post(path, {}).status_code == 403


# --- The page of a user ---


def test_an_editor_changes_what_a_user_chose(client: Client, news: SubscriptionGroup, user: Profile) -> None:
    other = Profile.objects.create(workspace=user.workspace, external_id="user-2", email=user.email)
    form = {"email_subscribe": "unsubscribed", "push_subscribe": "subscribed", f"group-{news.pk}": "1"}
    for _ in range(2):
        client.post(f"{USERS}{user.pk}/subscriptions/", form)
    user.refresh_from_db()
    assert (user.email_subscribe, user.push_subscribe) == ("unsubscribed", "subscribed")
    states = SubscriptionState.objects.values_list("profile_id", "is_subscribed")
    assert set(states) == {(user.pk, True), (other.pk, True)}, "who has the same address follows"
    events = Event.objects.order_by("event_type", "external_user_id")
    assert [(one.event_type.rsplit(".", 2)[1], one.external_user_id) for one in events] == [
        ("subscription", "user-1"),
        ("subscriptiongroup", "user-1"),
        ("subscriptiongroup", "user-2"),
    ]
    assert {one.payload["properties"]["state_change_source"] for one in events} == {"Dashboard"}
    line = Activity.objects.get()
    assert (line.message, line.object_name) == ("Changed the subscriptions of the user.", user.braze_id)


def test_a_group_that_was_never_chosen_stays_so(client: Client, news: SubscriptionGroup, user: Profile) -> None:
    form = {"email_subscribe": "opted_in", "push_subscribe": "subscribed", f"group-{news.pk}": ""}
    client.post(f"{USERS}{user.pk}/subscriptions/", form)
    assert not SubscriptionState.objects.exists()
    assert Profile.objects.get().email_subscribe == "opted_in"


@pytest.mark.parametrize(
    "form", [{}, {"email_subscribe": "maybe", "push_subscribe": "subscribed"}], ids=["empty", "a state that is none"]
)
def test_a_form_that_is_not_ours_changes_nothing(client: Client, user: Profile, form: dict[str, str]) -> None:
    page = client.post(f"{USERS}{user.pk}/subscriptions/", form, follow=True).content.decode()
    assert "Choose one of the states" in page
    assert not Event.objects.exists()


def test_a_group_of_another_workspace_cannot_be_set(client: Client, user: Profile) -> None:
    strange = SubscriptionGroup.objects.create(workspace=Workspace.objects.create(name="Other"), name="News")
    form = {"email_subscribe": "subscribed", "push_subscribe": "subscribed", f"group-{strange.pk}": "1"}
    client.post(f"{USERS}{user.pk}/subscriptions/", form)
    assert not SubscriptionState.objects.exists()


# --- Test users ---


def test_test_users_are_marked_found_and_unmarked(client: Client, user: Profile) -> None:
    Profile.objects.create(workspace=user.workspace, external_id="user-2")
    for _ in range(2):
        client.post(f"{USERS}{user.pk}/test/", {"test": "1"})
    assert "Test user</span>" in client.get(f"{USERS}{user.pk}/").content.decode()
    page = client.get(USERS, {"test": "1"}).content.decode()
    assert "user-1" in page
    assert "user-2" not in page
    assert "No test users here" in client.get(USERS, {"test": "1", "q": "user-2"}).content.decode()
    client.post(f"{USERS}{user.pk}/test/", {"test": "0"})
    assert "No test users here" in client.get(USERS, {"test": "1"}).content.decode()
    assert [one.message for one in Activity.objects.order_by("pk")] == [
        "Marked as a test user.",
        "No longer a test user.",
    ]


def test_a_merge_keeps_the_mark(user: Profile, post: Post) -> None:
    Profile.objects.create(workspace=user.workspace, external_id="user-2", is_test_user=True)
    pair = {"identifier_to_merge": {"external_id": "user-2"}, "identifier_to_keep": {"external_id": "user-1"}}
    post("/users/merge", {"merge_updates": [pair]})
    assert Profile.objects.get().is_test_user
