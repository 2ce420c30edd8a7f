"""What befell users with messages, from engagement events that other systems sent."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from currents.catalogue import catalogue
from currents.log import NewEvent, append_events
from profiles import engagement
from profiles.engagement import Source, Touch, actions_of, name_campaign, source_of
from profiles.message_stores import DailyEngagement, LastEngagement, MessageSource
from profiles.models import Profile
from profiles.received import count_received
from tests.profiles.conftest import Post
from workspaces.models import Workspace

TIME = 1_714_560_000
CAMPAIGN = {"campaign_id": "c-1", "campaign_name": "Spring"}
CANVAS = {"canvas_id": "v-1", "canvas_name": "Welcome"}
Receive = Callable[..., None]


@pytest.fixture
def user(workspace: Workspace) -> Profile:
    return Profile.objects.create(workspace=workspace, external_id="user-1")


@pytest.fixture
def receive(workspace: Workspace) -> Receive:
    def send(event_type: str, time: int = TIME, **properties: Any) -> None:
        event = NewEvent(f"users.{event_type}", time, "user-1", properties=properties)
        append_events(workspace.pk, [event], from_outside=True)
        count_received()

    return send


def counted() -> list[tuple[Any, ...]]:
    names = {one.pk: str(one) for one in MessageSource.objects.all()}
    rows = DailyEngagement.objects.order_by("action", "channel", "day")
    return [(row.action, names.get(row.source, ""), row.channel, row.day.isoformat(), row.count) for row in rows]


def last() -> dict[tuple[str, str], int]:
    return {(row.action, row.channel): int(row.last_at.timestamp()) for row in LastEngagement.objects.all()}


@pytest.mark.django_db(transaction=True)
def test_it_works(user: Profile, receive: Receive) -> None:
    receive("messages.email.Send", **CAMPAIGN)
    receive("messages.email.Send", TIME + 60, **CAMPAIGN)
    receive("messages.email.Send", TIME - 86_400, **CAMPAIGN)
    receive("messages.email.Open", **CAMPAIGN)
    receive("campaigns.Conversion", **CAMPAIGN)
    assert counted() == [
        ("converted", "Spring", "", "2024-05-01", 1),
        ("opened", "Spring", "email", "2024-05-01", 1),
        ("received", "Spring", "email", "2024-04-30", 1),
        ("received", "Spring", "email", "2024-05-01", 2),
    ]
    assert last() == {("received", "email"): TIME + 60, ("opened", "email"): TIME, ("converted", ""): TIME}


@pytest.mark.django_db(transaction=True)
def test_a_message_of_no_campaign_counts_too(user: Profile, receive: Receive) -> None:
    receive("messages.sms.Send")
    assert counted() == [("received", "", "sms", "2024-05-01", 1)]
    assert not MessageSource.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_strangers_are_stepped_over(workspace: Workspace, receive: Receive) -> None:
    receive("messages.email.Send", **CAMPAIGN)
    assert counted() == []


@pytest.mark.parametrize(
    ("event_type", "properties", "expected"),
    [
        ("messages.email.Send", {}, [("received", "email")]),
        ("messages.email.Delivery", {}, []),
        ("messages.email.Open", {"machine_open": "true"}, [("machine", "email")]),
        ("messages.email.Open", {"machine_open": "false"}, [("opened", "email")]),
        ("messages.email.Open", {"machine_open": True}, [("machine", "email")]),
        ("messages.email.Click", {}, [("clicked", "email")]),
        ("messages.email.Bounce", {}, [("bounced", "email")]),
        ("messages.email.SoftBounce", {}, [("softbounce", "email")]),
        ("messages.email.MarkAsSpam", {}, [("spam", "email")]),
        ("messages.pushnotification.Send", {}, [("received", "push")]),
        ("messages.pushnotification.Open", {}, [("opened", "push")]),
        ("messages.pushnotification.Bounce", {}, []),
        ("messages.sms.Send", {}, [("received", "sms")]),
        ("messages.sms.ShortLinkClick", {}, [("clicked", "sms")]),
        ("messages.whatsapp.Read", {}, [("opened", "whatsapp")]),
        ("messages.webhook.Send", {}, [("received", "webhook")]),
        ("messages.contentcard.Send", {}, []),
        ("messages.contentcard.Impression", {}, [("received", "content_card")]),
        ("messages.inappmessage.Impression", {}, [("received", "in_app_message")]),
        ("messages.inappmessage.Click", {}, [("clicked", "in_app_message")]),
        ("messages.featureflag.Impression", {}, []),
        ("messages.pigeon.Send", {}, []),
        ("campaigns.Conversion", {}, [("converted", "")]),
        ("campaigns.EnrollInControl", {}, [("control", "")]),
        ("canvas.Conversion", {}, [("converted", "")]),
        ("canvas.Entry", {}, [("entered", "")]),
        ("canvas.Entry", {"in_control_group": True}, [("entered", ""), ("control", "")]),
        ("behaviors.CustomEvent", {}, []),
    ],
)
def test_what_events_tell(event_type: str, properties: dict[str, Any], expected: list[Any]) -> None:
    assert actions_of(f"users.{event_type}", properties) == expected


def test_every_kind_of_send_counts_as_received() -> None:
    """Of the channels that a campaign or Canvas has; a live activity is no message of either."""
    sends = [name for name in catalogue() if name.endswith(".Send")]
    silent = [one for one in sends if not actions_of(one, {})]
    assert silent == ["users.messages.contentcard.Send", "users.messages.liveactivity.Send"]


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (CAMPAIGN, (Source("campaign", "c-1"), "Spring")),
        (CANVAS, (Source("canvas", "v-1"), "Welcome")),
        ({"canvas_api_id": "v-1"}, (Source("canvas", "v-1"), "")),
        ({"campaign_id": "c-1", "campaign_name": None}, (Source("campaign", "c-1"), "")),
        ({"campaign_id": None}, (None, "")),
        ({"campaign_id": 7}, (None, "")),
        ({"campaign_id": "x" * 256}, (None, "")),
        ({}, (None, "")),
    ],
)
def test_where_a_message_came_from(properties: dict[str, Any], expected: Any) -> None:
    assert source_of(properties) == expected


@pytest.mark.django_db
def test_the_last_name_of_a_campaign_is_kept(workspace: Workspace) -> None:
    name_campaign(workspace.pk, MessageSource.Kind.CAMPAIGN, "c-1", "Draft")
    name_campaign(workspace.pk, MessageSource.Kind.CAMPAIGN, "c-1", "Spring")
    name_campaign(workspace.pk, MessageSource.Kind.CAMPAIGN, "c-1", "")
    name_campaign(workspace.pk, MessageSource.Kind.CANVAS, "c-1", "Canvas")
    assert sorted(MessageSource.objects.values_list("kind", "name")) == [("campaign", "Spring"), ("canvas", "Canvas")]


def touches(ids: list[int], days: int = 3) -> list[Touch]:
    return [
        Touch(pk, "received", "email", datetime(2024, 5, day + 1, tzinfo=UTC), Source("campaign", f"c-{day}"))
        for pk in ids
        for day in range(days)
    ]


@pytest.mark.django_db
def test_the_number_of_statements_does_not_grow(workspace: Workspace) -> None:
    ids = [one.pk for one in Profile.objects.bulk_create(Profile(workspace=workspace) for _ in range(30))]
    counts = []
    for some in ([ids[0]], ids, ids):
        with CaptureQueriesContext(connection) as queries:
            engagement.record(workspace.pk, touches(some))
        counts.append(len(queries))
    assert counts == [4, 3, 3]


@pytest.mark.django_db
def test_a_merge_adds_up(workspace: Workspace, track: Post, post: Post) -> None:
    track(attributes=[{"external_id": one} for one in ("a", "b", "c")])
    a, b, c = Profile.objects.order_by("external_id").values_list("pk", flat=True)
    engagement.record(workspace.pk, touches([a, b], 2) + touches([c], 1))
    pairs = [
        {"identifier_to_merge": {"external_id": one}, "identifier_to_keep": {"external_id": "c"}} for one in ("a", "b")
    ]
    assert post("/users/merge", {"merge_updates": pairs}).status_code == 202
    rows = DailyEngagement.objects.order_by("day").values_list("profile_id", "count")
    assert list(rows) == [(c, 3), (c, 2)]
    assert LastEngagement.objects.get().last_at.day == 2


@pytest.mark.django_db
def test_what_befell_a_deleted_user_is_gone(workspace: Workspace, track: Post, post: Post) -> None:
    track(attributes=[{"external_id": "a"}])
    engagement.record(workspace.pk, touches([Profile.objects.get().pk]))
    post("/users/delete", {"external_ids": ["a"]})
    assert not DailyEngagement.objects.exists()
    assert not LastEngagement.objects.exists()
