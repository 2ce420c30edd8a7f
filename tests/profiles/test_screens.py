"""Search Users, the page of a user, Custom Events."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from currents.catalogue import catalogue
from currents.event_titles import TITLES
from profiles.message_stores import DailyEngagement, MessageSource
from profiles.models import Alias, CustomAttribute, CustomEvent, DeprecatedId, Device, Profile, SubscriptionGroup
from profiles.panels import _makers
from tests.logins import client_of
from tests.profiles.conftest import Post
from workspaces.models import Activity, Membership, Workspace
from workspaces.roles import Role

SEARCH = "/admin/profiles/profile/"
EVENTS = "/admin/profiles/customevent/"


@pytest.fixture
def client(workspace: Workspace) -> Client:
    return client_of(workspace, Role.MARKETER)


@pytest.fixture
def user(workspace: Workspace) -> Profile:
    made = Profile.objects.create(
        workspace=workspace, external_id="user-1", email="User-1@example.com", phone="+15550100", braze_id="ab" * 12
    )
    Alias.objects.create(workspace=workspace, profile=made, label="shop", name="shopper-1")
    Device.objects.create(workspace=workspace, profile=made, device_id="device-7")
    DeprecatedId.objects.create(workspace=workspace, profile=made, external_id="old-1")
    return made


@pytest.mark.parametrize(
    "query",
    ["user-1", " user-1 ", "ab" * 12, "AB" * 12, "shopper-1", "device-7", "old-1", "User-1@example.com", "+15550100"],
)
def test_it_works(client: Client, user: Profile, query: str) -> None:
    page = client.get(SEARCH, {"q": query}).content.decode()
    assert f"{SEARCH}{user.pk}/" in page


@pytest.mark.parametrize("query", ["user", "user-2", "shop", "%"])
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


# --- What the user did, where they are in, and their rights ---


def test_the_page_tells_what_the_user_did(client: Client, user: Profile, track: Post) -> None:
    event = {"external_id": "user-1", "name": "rented_movie", "time": "2024-01-01"}
    purchase = {"external_id": "user-1", "product_id": "hat", "currency": "USD", "price": 2.5, "time": "2024-01-01"}
    track(events=[event] * 3, purchases=[{**purchase, "quantity": 2}])
    page = client.get(f"{SEARCH}{user.pk}/").content.decode()
    for text in ("rented_movie", ">3<", "hat", "5.00 USD", "Custom Event: rented_movie", "Purchase: hat"):
        assert text in page


def test_the_timeline_shows_the_newest_first(user: Profile, track: Post) -> None:
    from profiles.timeline import timeline

    for day in (2, 3, 1):
        properties = {"day": day} if day == 3 else {}
        track(
            events=[
                {"external_id": "user-1", "name": f"day-{day}", "time": f"2024-01-0{day}", "properties": properties},
                {"external_id": f"user-{day}2", "name": "other", "time": "2024-01-01"},
            ]
        )
    found = timeline(user)
    assert [line.title for line in found.lines] == [f"Custom Event: day-{day}" for day in (3, 2, 1)]
    assert found.lines[0].details == '{"day":3}'
    assert found.is_whole
    fewer = timeline(user, shown=2)
    assert (len(fewer.lines), fewer.is_whole) == (2, False)


def test_the_timeline_speaks_the_persons_language(client: Client, user: Profile, track: Post) -> None:
    track(
        attributes=[{"external_id": "user-1", "email_subscribe": "unsubscribed"}],
        events=[{"external_id": "user-1", "name": "rented_movie", "time": "2024-01-01"}],
    )
    page = client.get(f"{SEARCH}{user.pk}/", headers={"Accept-Language": "ja"}).content.decode()
    assert "カスタムイベント: rented_movie" in page
    assert "購読状態の変更（全体）" in page


def test_every_type_of_event_has_a_title() -> None:
    assert TITLES.keys() == catalogue().keys()


def test_the_timeline_knows_the_time_before_the_external_id(workspace: Workspace, track: Post) -> None:
    from profiles.timeline import timeline

    alias = {"alias_name": "a", "alias_label": "shop"}
    track(
        events=[{"user_alias": alias, "name": "early", "time": "2024-01-01", "_update_existing_only": False}],
    )
    user = Profile.objects.get()
    Profile.objects.update(external_id="user-1")
    user.refresh_from_db()
    track(events=[{"external_id": "user-1", "name": "late", "time": "2024-01-02"}])
    assert [line.title for line in timeline(user).lines] == ["Custom Event: late", "Custom Event: early"]


def test_the_timeline_knows_the_time_before_a_renaming(track: Post, post: Post) -> None:
    from profiles.timeline import timeline

    track(events=[{"external_id": "old", "name": "early", "time": "2024-01-01"}])
    post(
        "/users/external_ids/rename",
        {"external_id_renames": [{"current_external_id": "old", "new_external_id": "new"}]},
    )
    track(events=[{"external_id": "new", "name": "late", "time": "2024-01-02"}])
    user = Profile.objects.get()
    assert [line.title for line in timeline(user).lines] == ["Custom Event: late", "Custom Event: early"]


def test_the_timeline_does_not_carry_payloads_that_nobody_reads(user: Profile, track: Post) -> None:
    from profiles.timeline import timeline

    # Of many letters, so that it stays large when it is compressed.
    text = [f"{number * 7919:x}" for number in range(9_000)]
    track(events=[{"external_id": "user-1", "name": "large", "time": "2024-01-01", "properties": {"all": text}}])
    assert [line.details for line in timeline(user).lines] == ["Too large to be shown here."]


def test_an_index_leads_to_the_events_of_a_user(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of the log: the newest first, without reading what the user ever did."""
    from currents import newest

    plans: list[str] = []

    @contextmanager
    def explaining() -> Iterator[Any]:
        def execute(sql: str, values: list[Any]) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
                cursor.execute(f"EXPLAIN {sql}", values)
                plans.append("".join(line for (line,) in cursor.fetchall()))

        yield SimpleNamespace(execute=execute, fetchall=list)

    monkeypatch.setattr(newest, "raw_cursor", explaining)
    newest.newest_of_user(workspace.pk, ["user-1"], "ab" * 12, 10)
    assert len(plans) == 2
    for plan in plans:
        assert "Merge Append" in plan
        assert "Index Scan Backward" in plan
        assert "Seq Scan" not in plan


def test_the_page_shows_cohorts_and_segments(client: Client, user: Profile, workspace: Workspace) -> None:
    from partners.models import Cohort, Integration
    from profiles.live import log_identity
    from profiles.models import IdentityChange
    from profiles.sets import ProfileSet
    from segments.models import Segment

    log_identity(workspace.pk, IdentityChange.Kind.CREATED, [user.pk])
    integration = Integration.objects.create(workspace=workspace, partner_slug="mixpanel")
    Cohort.objects.create(integration=integration, cohort_id="1", name="Cohort with", members=ProfileSet([user.pk]))
    Cohort.objects.create(integration=integration, cohort_id="2", name="Cohort without")
    country = {"id": "f1", "filter": "country", "operator": "is_any_of", "value": ["US"]}
    Segment.objects.create(workspace=workspace, name="Everybody")
    Segment.objects.create(
        workspace=workspace,
        name="Americans",
        filters={**Segment().filters, "rows": [{"id": "r1", "filters": [country]}]},
    )
    page = client.get(f"{SEARCH}{user.pk}/").content.decode()
    assert "Cohort with<" in page
    assert "Cohort without" not in page
    (address,) = re.findall(r'hx-get="([^"]+)"', page)
    inside, _heading, outside = client.get(address).content.decode().partition("1 segment that the user is not in")
    assert ">Everybody<" in inside
    assert ">Americans<" not in inside
    assert ">Americans<" in outside


def test_segments_of_a_stranger_are_not_told(client: Client) -> None:
    stranger = Profile.objects.create(workspace=Workspace.objects.create(name="Other"), external_id="stranger")
    assert client.get(f"/admin/segments/segment/of-user/{stranger.pk}/").status_code == 404


def test_a_user_is_exported_as_a_file(client: Client, user: Profile, track: Post) -> None:
    group = SubscriptionGroup.objects.create(workspace=user.workspace, name="News")
    state = {"subscription_group_id": str(group.api_id), "subscription_state": "unsubscribed"}
    CustomEvent.objects.create(workspace=user.workspace, name="early", keeps_properties=True)
    source = MessageSource.objects.create(workspace=user.workspace, kind="campaign", source_id="spring")
    now = timezone.now()
    DailyEngagement.objects.create(
        workspace=user.workspace,
        profile=user,
        action="opened",
        source=source.pk,
        channel="email",
        day=now.date(),
        count=2,
        last_at=now,
    )
    track(
        attributes=[{"external_id": "user-1", "plan": "gold", "twitter": {"id": 7}, "subscription_groups": [state]}],
        events=[{"external_id": "old-1", "name": "early", "time": now.isoformat(), "properties": {"a": 1}}],
    )
    answer = client.get(f"{SEARCH}{user.pk}/export.json")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "no-store" in answer.headers["Cache-Control"]
    told = answer.json()
    assert (told["external_id"], told["custom_attributes"]) == ("user-1", {"plan": "gold"})
    assert (told["other_fields"], told["deprecated_external_ids"]) == ({"twitter": {"id": 7}}, ["old-1"])
    assert [(one["name"], one["subscribed"]) for one in told["subscription_groups"]] == [("News", False)]
    assert [one["type"].rsplit(".", 1)[1] for one in told["events"]] == ["CustomEvent", "StateChange"]
    assert told["events"][0]["properties"]["custom_properties"] == {"a": 1}
    assert [one["properties"] for one in told["custom_events_with_properties"]] == [{"a": 1}]
    assert [(one["what"], one["times"], one["id"]) for one in told["messages"]] == [("opened", 2, "spring")]


def test_an_admin_deletes_a_user_and_no_name_stays_in_the_log(
    client: Client, user: Profile, workspace: Workspace
) -> None:
    assert client.post(f"{SEARCH}{user.pk}/delete/").status_code == 403
    assert "Delete User" not in client.get(f"{SEARCH}{user.pk}/").content.decode()
    Membership.objects.update(role=Role.ADMIN)
    assert "Delete this user for ever?" in client.get(f"{SEARCH}{user.pk}/").content.decode()
    page = client.post(f"{SEARCH}{user.pk}/delete/", follow=True).content.decode()
    assert "The user was deleted." in page
    assert not Profile.objects.exists()
    assert not Alias.objects.exists()
    (line,) = Activity.objects.filter(workspace=workspace)
    assert (line.object_name, line.message) == (user.braze_id, "Deleted the user.")


# --- Custom events ---


def test_attributes_have_their_number_of_users(client: Client, track: Post) -> None:
    track(attributes=[{"external_id": f"user-{n}", "plan": "gold", "size": n} for n in range(3)])
    track(attributes=[{"external_id": "user-0", "size": None}])
    client.get(EVENTS)
    counts = dict(CustomAttribute.objects.values_list("name", "users"))
    assert counts == {"plan": 3, "size": 2}


def test_an_event_has_a_page_with_its_last_days(client: Client, track: Post) -> None:
    now = timezone.now().isoformat()
    track(events=[{"external_id": "user-1", "name": "song", "time": now}] * 4)
    event = CustomEvent.objects.get()
    page = client.get(f"{EVENTS}{event.pk}/").content.decode()
    assert f"{EVENTS}{event.pk}/" in client.get(EVENTS).content.decode()
    assert ": 4" in page
    assert "height: 100%" in page


def test_an_admin_chooses_which_events_keep_their_properties(client: Client, track: Post) -> None:
    def sing() -> None:
        now = timezone.now().isoformat()
        track(events=[{"external_id": "user-1", "name": "song", "time": now, "properties": {"genre": "jazz"}}])

    sing()
    event = CustomEvent.objects.get()
    address = f"{EVENTS}{event.pk}/"
    assert client.post(f"{address}properties/", {"keep": "1"}).status_code == 403
    assert "Keep properties" not in client.get(address).content.decode()
    Membership.objects.update(role=Role.ADMIN)
    page = client.post(f"{address}properties/", {"keep": "1"}, follow=True).content.decode()
    assert "are kept from now on" in page
    sing()
    page = client.get(address).content.decode()
    assert "genre" in page
    assert "Stop keeping" in page
    client.post(f"{address}properties/", {"keep": "0"})
    assert not CustomEvent.objects.get().keeps_properties


def test_the_page_shows_push_tokens_and_subscription_groups(
    client: Client, user: Profile, workspace: Workspace
) -> None:
    from profiles.models import PushToken, SubscriptionGroup, SubscriptionState
    from workspaces.models import App

    app = App.objects.create(workspace=workspace, name="Shop app", platform="ios")
    PushToken.objects.create(workspace=workspace, profile=user, app=app, token="t" * 64, device_id="device-9")
    group = SubscriptionGroup.objects.create(workspace=workspace, name="Weekly letter")
    SubscriptionState.objects.create(profile=user, group=group, is_subscribed=False)
    page = client.get(f"{SEARCH}{user.pk}/").content.decode()
    for text in ("Shop app", "device-9", "Weekly letter", "Unsubscribed"):
        assert text in page
    assert "t" * 64 not in page
