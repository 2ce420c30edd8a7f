"""What else events tell: uninstalls, lengths of sessions, attributions, parts of Canvases, orders, purchases."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from currents.log import NewEvent, append_events
from profiles.held import everything_held
from profiles.message_stores import DailyEngagement, MessageSource
from profiles.models import AppUse, Device, Profile, PushToken, PushToStart
from profiles.occurrences import purchase_properties, purge
from profiles.received import count_received
from profiles.stores import DailyCount, KeptPurchase, SessionLength, Uninstall
from profiles.versions import DataChange, Kind
from tests.profiles.conftest import Post
from workspaces.models import ApiKey, App, Workspace

pytestmark = pytest.mark.django_db(transaction=True)
Receive = Callable[..., None]
TIME = 1_714_560_000
MOMENT = datetime.fromtimestamp(TIME, UTC)


@pytest.fixture
def user(workspace: Workspace) -> Profile:
    return Profile.objects.create(workspace=workspace, external_id="user-1")


@pytest.fixture
def app(workspace: Workspace) -> App:
    return App.objects.create(workspace=workspace, name="Shop", platform="ios")


@pytest.fixture
def receive(workspace: Workspace, post: Post) -> Receive:
    """Sends one event to /currents/events, and has it counted."""
    _row, key = ApiKey.make(workspace=workspace, name="Currents", permissions=["currents.events"])

    def send(event_type: str, time: int = TIME, external_id: str = "user-1", **properties: Any) -> None:
        event = {
            "event_type": f"users.{event_type}",
            "id": uuid.uuid4().hex,
            "time": time,
            "user": {"external_user_id": external_id},
            "properties": properties,
        }
        answer = post("/currents/events", {"events": [event]}, Authorization=f"Bearer {key.secret}")
        assert answer.status_code == 200, answer.content
        count_received()

    return send


def exported(post: Post, external_id: str = "user-1") -> dict[str, Any]:
    [found] = post("/users/export/ids", {"external_ids": [external_id]}).json()["users"]
    return dict(found)


def merge(post: Post, goes: str, stays: str) -> None:
    names = {"identifier_to_merge": {"external_id": goes}, "identifier_to_keep": {"external_id": stays}}
    assert post("/users/merge", {"merge_updates": [names]}).status_code == 202


# --- Uninstalls ------------------------------------------------------------------------------------------------------


def test_an_uninstall_is_noted_until_the_app_is_used_again(
    user: Profile, app: App, receive: Receive, post: Post
) -> None:
    app_id = str(app.api_id).upper()
    receive("behaviors.Uninstall", TIME - 60, app_id=app_id)
    receive("behaviors.Uninstall", app_id=app_id)
    receive("behaviors.Uninstall", TIME - 90, app_id=app_id)
    assert Uninstall.objects.get().uninstalled_at == MOMENT
    assert exported(post)["uninstalled_at"] == "2024-05-01T10:40:00.000Z"
    receive("behaviors.app.SessionStart", TIME + 60, app_id=app_id)
    assert "uninstalled_at" not in exported(post)
    receive("behaviors.Uninstall", TIME + 90, app_id=app_id)
    assert exported(post)["uninstalled_at"] == "2024-05-01T10:41:30.000Z"


@pytest.mark.parametrize("app_id", [None, 7, "nonsense", "00000000-0000-4000-8000-000000000000"])
def test_an_uninstall_of_no_app_is_stepped_over(user: Profile, receive: Receive, app_id: Any) -> None:
    receive("behaviors.Uninstall", app_id=app_id)
    assert not Uninstall.objects.exists()


# --- Lengths of sessions ---------------------------------------------------------------------------------------------


def test_lengths_of_sessions_are_counted(user: Profile, receive: Receive) -> None:
    for duration in (1.4, 0.6, 300, None, "5", True, -1, 10**9):
        receive("behaviors.app.SessionEnd", duration=duration)
    assert dict(SessionLength.objects.values_list("seconds", "count")) == {1: 2, 300: 1}


# --- Attributions ----------------------------------------------------------------------------------------------------


def test_the_newest_attribution_is_kept(user: Profile, receive: Receive, post: Post) -> None:
    Profile.objects.update(other_fields={"twitter": {"id": 7}})
    receive("behaviors.InstallAttribution", source="Network", campaign="Spring", adgroup=7, ad="x" * 256)
    receive("behaviors.InstallAttribution", TIME - 60, source="Older")
    found = exported(post)
    assert (found["attributed_source"], found["attributed_campaign"]) == ("Network", "Spring")
    assert "attributed_adgroup" not in found
    assert "attributed_ad" not in found
    receive("behaviors.InstallAttribution", TIME + 60, source="Organic")
    assert exported(post)["attributed_source"] == "Organic"
    user.refresh_from_db()
    assert user.other_fields["twitter"] == {"id": 7}
    notes = DataChange.objects.filter(kind=Kind.ATTRIBUTION).count()
    receive("behaviors.InstallAttribution", TIME + 60, source="Organic")
    receive("behaviors.InstallAttribution", TIME + 90, source=None)
    assert DataChange.objects.filter(kind=Kind.ATTRIBUTION).count() == notes


# --- Devices ---------------------------------------------------------------------------------------------------------


def test_a_device_has_an_advertising_id_a_carrier_and_a_browser(
    user: Profile, workspace: Workspace, post: Post
) -> None:
    told = {"ad_id": "ABC", "ad_id_type": "iOS_IDFA", "ad_tracking_enabled": True, "carrier": "Example Mobile"}
    mail = {"browser": "Mail", "email_address": "a@example.com"}
    events = [
        NewEvent("users.messages.banner.Impression", TIME, "user-1", device_id="d", properties={"browser": "Firefox"}),
        NewEvent("users.behaviors.Location", TIME + 1, "user-1", device_id="d", properties=told),
        NewEvent("users.messages.email.Click", TIME + 2, "user-1", device_id="d", properties=mail),
        NewEvent(
            "users.behaviors.Location", TIME + 3, "user-1", device_id="d", properties={"ad_tracking_enabled": "False"}
        ),
    ]
    append_events(workspace.pk, events, from_outside=True)
    count_received()
    device = Device.objects.get()
    assert (device.ad_id, device.ad_id_type, device.ad_tracking) == ("ABC", "ios_idfa", "false")
    assert (device.carrier, device.browser) == ("Example Mobile", "Firefox")
    assert exported(post)["devices"] == [
        {"device_id": "d", "carrier": "Example Mobile", "idfa": "ABC", "ad_tracking_enabled": False}
    ]


# --- Push tokens -----------------------------------------------------------------------------------------------------

CHANGE = "behaviors.pushnotification.TokenStateChange"


def tokens() -> list[tuple[Any, ...]]:
    rows = PushToken.objects.order_by("token")
    return list(rows.values_list("profile__external_id", "token", "device_id", "is_foreground", "is_provisional"))


def test_tokens_come_change_and_go(user: Profile, app: App, receive: Receive, track: Post) -> None:
    own = {"app_id": str(app.api_id), "token": "t-1", "device_id": "d-1"}
    track(attributes=[{"external_id": "user-1", "push_tokens": [own]}, {"external_id": "user-2"}])
    told = {"app_id": str(app.api_id).upper(), "push_token": "t-1", "push_token_state_change_type": "update"}
    receive(CHANGE, **told, push_token_foreground_push_disabled=True)
    assert tokens() == [("user-1", "t-1", "d-1", False, False)]
    receive(CHANGE, TIME + 60, "user-2", **told, push_token_provisionally_opted_in=True, push_token_device_id="d-2")
    assert tokens() == [("user-2", "t-1", "d-2", True, True)]
    removed = {**told, "push_token_state_change_type": "remove"}
    receive(CHANGE, TIME + 90, **removed)
    receive(CHANGE, TIME + 30, "user-2", **removed)
    receive(CHANGE, TIME + 30, **told)
    assert tokens() == [("user-2", "t-1", "d-2", True, True)], "not theirs, and too late"
    receive(CHANGE, TIME + 90, "user-2", **removed)
    assert tokens() == []
    receive(CHANGE, TIME + 120, app_id="nonsense", push_token="t-2")
    receive(CHANGE, TIME + 120, app_id=str(app.api_id), push_token=7)
    receive(CHANGE, TIME + 120, push_token="t-2")
    assert tokens() == []


def test_tokens_that_start_live_activities(user: Profile, app: App, receive: Receive, post: Post) -> None:
    Profile.objects.create(workspace_id=user.workspace_id, external_id="user-2")
    told = {"app_id": str(app.api_id), "push_to_start_token": "s-1", "push_token_state_change_type": "add"}
    receive("behaviors.liveactivity.PushToStartTokenChange", **told)
    assert not PushToken.objects.exists()
    merge(post, "user-1", "user-2")
    assert PushToStart.objects.get().profile.external_id == "user-2"
    removed = {**told, "push_token_state_change_type": "remove"}
    receive("behaviors.liveactivity.PushToStartTokenChange", TIME + 1, "user-2", **removed)
    assert not PushToStart.objects.exists()


# --- Parts of campaigns and Canvases ---------------------------------------------------------------------------------

STEP = {"canvas_id": "v", "canvas_name": "Welcome", "canvas_step_id": "s", "canvas_step_name": "Hello"}


def parts() -> dict[tuple[str, str, str], set[str]]:
    """By kind, title and channel of sources: the actions that are stored of them."""
    found: dict[tuple[str, str, str], set[str]] = {}
    sources = MessageSource.objects.select_related("parent").in_bulk()
    for row in DailyEngagement.objects.exclude(source=0):
        one = sources[row.source]
        found.setdefault((one.kind, one.title, row.channel), set()).add(row.action)
    return found


def test_steps_variations_and_links_of_a_canvas(user: Profile, receive: Receive) -> None:
    path = {"canvas_variation_id": "p", "canvas_variation_name": "Path A"}
    receive("canvas.Entry", canvas_id="v", **path, in_control_group=False)
    receive("messages.email.Send", **STEP, **path, message_variation_id="m")
    receive("messages.email.Click", **STEP, link_alias="buy")
    receive("canvas.Conversion", **STEP)
    assert parts() == {
        ("canvas", "Welcome", ""): {"entered", "converted"},
        ("canvas", "Welcome", "email"): {"received", "clicked"},
        ("variation", "Welcome: Path A", ""): {"entered"},
        ("step", "Welcome: Hello", "email"): {"received", "clicked"},
        ("link", "Hello: buy", "email"): {"clicked"},
    }


def test_variants_and_links_of_a_campaign(user: Profile, receive: Receive) -> None:
    variant = {"campaign_id": "c", "campaign_name": "Spring", "message_variation_id": "m"}
    receive("messages.email.Send", **variant, canvas_step_id="s")
    receive("messages.email.Send", **variant, message_variation_name="Variant 1")
    receive("messages.email.Click", campaign_id="c", link_alias="buy")
    receive("messages.email.Click", link_alias="of no campaign")
    assert parts() == {
        ("campaign", "Spring", "email"): {"received", "clicked"},
        ("variant", "Spring: Variant 1", "email"): {"received"},
        ("link", "Spring: buy", "email"): {"clicked"},
    }
    assert MessageSource.objects.count() == 3


def test_a_link_of_the_same_alias_elsewhere_is_another(user: Profile, receive: Receive) -> None:
    for campaign in ("c-1", "c-2", "c-2"):
        receive("messages.email.Click", campaign_id=campaign, link_alias="buy")
    assert sorted(MessageSource.objects.filter(kind="link").values_list("parent__source_id", flat=True)) == [
        "c-1",
        "c-2",
    ]


# --- Orders and purchases --------------------------------------------------------------------------------------------


def test_orders_are_counted_with_their_value(user: Profile, receive: Receive, track: Post) -> None:
    order = {"order_id": "1", "total_value": 9.5, "currency": "usd"}
    receive("behaviors.CustomEvent", name="ecommerce.order_placed", custom_properties=order)
    event = {"external_id": "user-1", "time": "2024-05-01T00:00:00Z"}
    track(
        events=[
            {**event, "name": "ecommerce.order_placed", "properties": order},
            {**event, "name": "ecommerce.order_refunded", "properties": {**order, "total_value": 1}},
            {**event, "name": "ecommerce.order_placed", "properties": {**order, "total_value": "much"}},
            {**event, "name": "something.else", "properties": order},
        ]
    )
    rows = DailyCount.objects.order_by("name", "currency").values_list("name", "currency", "count", "money")
    assert [(name, currency, count, float(money)) for name, currency, count, money in rows] == [
        ("ecommerce.order_placed", "", 1, 0),
        ("ecommerce.order_placed", "USD", 2, 19),
        ("ecommerce.order_refunded", "USD", 1, 1),
        ("something.else", "", 1, 0),
    ]


def test_purchases_are_kept_with_their_properties(
    user: Profile, app: App, receive: Receive, track: Post, workspace: Workspace
) -> None:
    now = timezone.now()
    bought = {"external_id": "user-1", "product_id": "hat", "currency": "USD", "price": 1, "app_id": str(app.api_id)}
    track(
        purchases=[
            {**bought, "time": now.isoformat(), "quantity": 3, "properties": {"color": "red"}},
            {**bought, "time": "2024-01-01T00:00:00Z", "properties": {"color": "old"}},
        ]
    )
    receive("behaviors.Purchase", int(now.timestamp()), product_id="hat", purchase_properties='{"size": 7}')
    assert sorted(KeptPurchase.objects.values_list("count", flat=True)) == [1, 3]
    found = purchase_properties(workspace.pk, "hat")
    assert [(one.property, one.type) for one in found] == [("color", "string"), ("size", "number")]
    assert AppUse.objects.get().first_purchased_at == datetime(2024, 1, 1, tzinfo=UTC)
    KeptPurchase.objects.filter(count=1).update(time=datetime(2024, 1, 1, tzinfo=UTC))
    assert purge() == 1


# --- Since when somebody has opted in or unsubscribed -----------------------------------------------------------------


def test_the_moments_of_choices_are_noted(track: Post, post: Post) -> None:
    before = timezone.now()
    track(attributes=[{"external_id": "user-1", "email_subscribe": "opted_in", "push_subscribe": "subscribed"}])
    one = Profile.objects.get()
    assert one.email_opted_in_at is not None
    assert before <= one.email_opted_in_at <= timezone.now()
    assert (one.email_unsubscribed_at, one.push_opted_in_at, one.push_unsubscribed_at) == (None, None, None)
    track(attributes=[{"external_id": "user-1", "email_subscribe": "opted_in", "first_name": "One"}])
    track(attributes=[{"external_id": "user-1", "push_subscribe": "unsubscribed"}])
    two = Profile.objects.get()
    assert two.email_opted_in_at == one.email_opted_in_at
    assert two.push_unsubscribed_at
    assert {"email_opted_in_at", "push_unsubscribed_at"} <= exported(post).keys()


def test_they_come_along_with_the_address(track: Post, post: Post) -> None:
    track(
        attributes=[
            {"external_id": "goes", "email": "a@example.com", "email_subscribe": "opted_in"},
            {"external_id": "stays", "push_subscribe": "opted_in"},
        ]
    )
    goes, stays = Profile.objects.order_by("external_id")
    merge(post, "goes", "stays")
    merged = Profile.objects.get()
    assert merged.email_opted_in_at == goes.email_opted_in_at
    assert merged.push_opted_in_at == stays.push_opted_in_at


# --- Merging, deleting, statements -----------------------------------------------------------------------------------

TOLD: list[tuple[str, dict[str, Any]]] = [
    ("behaviors.app.SessionEnd", {"duration": 5}),
    ("behaviors.Purchase", {"product_id": "hat", "price": 1, "currency": "USD"}),
    ("behaviors.InstallAttribution", {"source": "Network"}),
    ("messages.email.Click", {**STEP, "link_alias": "buy"}),
    ("canvas.Entry", {"canvas_id": "v", "canvas_variation_id": "p"}),
]


def told(app: App) -> list[tuple[str, dict[str, Any]]]:
    own = {"app_id": str(app.api_id)}
    return [
        *TOLD,
        ("behaviors.Uninstall", own),
        (CHANGE, {**own, "push_token": "t"}),
        ("behaviors.liveactivity.PushToStartTokenChange", {**own, "push_to_start_token": "s"}),
    ]


def test_a_merge_carries_everything_along(user: Profile, app: App, receive: Receive, post: Post) -> None:
    stays = Profile.objects.create(workspace_id=user.workspace_id, external_id="user-2")
    for kind, properties in told(app):
        receive(kind, int(timezone.now().timestamp()), **properties)
    receive("behaviors.app.SessionEnd", external_id="user-2", duration=5)
    receive("behaviors.Uninstall", external_id="user-2", app_id=str(app.api_id))
    merge(post, "user-1", "user-2")
    assert SessionLength.objects.values_list("profile_id", "count").get() == (stays.pk, 2)
    assert Uninstall.objects.get().profile_id == stays.pk
    assert Uninstall.objects.get().uninstalled_at > MOMENT
    assert KeptPurchase.objects.get().profile_id == stays.pk
    assert exported(post, "user-2")["attributed_source"] == "Network"
    assert set(DailyEngagement.objects.values_list("profile_id", flat=True)) == {stays.pk}
    assert ("link", "Hello: buy", "email") in parts()


def test_nothing_is_left_of_a_deleted_user(user: Profile, app: App, receive: Receive, post: Post) -> None:
    for kind, properties in told(app):
        receive(kind, int(timezone.now().timestamp()), **properties)
    post("/users/delete", {"external_ids": ["user-1"]})
    for model in (SessionLength, Uninstall, KeptPurchase, DailyEngagement):
        assert not model._default_manager.exists()


def test_the_number_of_statements_does_not_grow(workspace: Workspace, app: App) -> None:
    names = [f"user-{n}" for n in range(20)]
    Profile.objects.bulk_create(Profile(workspace=workspace, external_id=name) for name in names)
    counts = []
    count_received()
    now = int(timezone.now().timestamp())
    for users in (names[:1], names[:1], names):
        events = [
            NewEvent(f"users.{kind}", now, user, properties=properties)
            for user in users
            for kind, properties in told(app)
        ]
        append_events(workspace.pk, events, from_outside=True)
        with CaptureQueriesContext(connection) as queries:
            assert count_received() == len(events)
        counts.append(len(queries))
    assert counts[1] == counts[2] <= 30


def test_a_user_can_have_all_of_it(user: Profile, app: App, receive: Receive) -> None:
    for kind, properties in told(app):
        receive(kind, int(timezone.now().timestamp()), **properties)
    held = everything_held(user)
    assert held["session_lengths"] == [{"seconds": 5, "sessions": 1}]
    assert [one["app"] for one in held["uninstalls"]] == ["Shop"]
    assert held["push_to_start"] == ["s"]
    assert [one["product_id"] for one in held["purchases_with_properties"]] == ["hat"]
    assert {(one["source"], one["id"]) for one in held["messages"]} >= {("step", "s"), ("link", "buy")}
