"""What users do, counted by day, in the request that tells it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from profiles import counters, occurrences
from profiles.counters import Deed, Kind, habits
from profiles.models import CustomEvent, Profile
from profiles.stores import DailyCount, KeptEvent, Product
from tests.profiles.conftest import Post
from workspaces.models import Workspace

USER = {"external_id": "user-1"}


def counted(**lookup: Any) -> list[tuple[Any, ...]]:
    rows = DailyCount.objects.filter(**lookup).order_by("kind", "name", "day")
    return [(row.kind, row.name, row.day.isoformat(), row.count) for row in rows]


def test_it_works(track: Post) -> None:
    track(
        events=[
            {**USER, "name": "song", "time": "2024-05-01T23:30:00Z"},
            {**USER, "name": "song", "time": "2024-05-01T10:00:00Z"},
            {**USER, "name": "song", "time": "2024-05-02T00:10:00+02:00"},
            {**USER, "name": "rest", "time": "2024-05-02T00:10:00Z"},
        ]
    )
    track(events=[{**USER, "name": "song", "time": "2024-05-01T12:00:00Z"}])
    assert counted() == [("event", "rest", "2024-05-02", 1), ("event", "song", "2024-05-01", 4)]
    row = DailyCount.objects.get(name="song")
    assert row.first_at == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert row.last_at == datetime(2024, 5, 1, 23, 30, tzinfo=UTC)


def test_purchases_add_up_by_product_and_currency_to_the_cent(track: Post) -> None:
    one = {**USER, "product_id": "hat", "currency": "USD", "price": 0.1, "time": "2024-05-01"}
    track(purchases=[one, {**one, "quantity": 2}, {**one, "currency": "EUR", "price": 5}])
    rows = {row.currency: (row.count, row.money) for row in DailyCount.objects.all()}
    assert rows == {"USD": (3, Decimal("0.3")), "EUR": (1, Decimal(5))}


def test_products_are_noted_once(track: Post) -> None:
    one = {**USER, "product_id": "hat", "currency": "USD", "price": 1, "time": "2024-05-01"}
    for _ in range(2):
        track(purchases=[one, {**one, "product_id": "bag"}, one])
    assert sorted(Product.objects.values_list("name", flat=True)) == ["bag", "hat"]


def test_the_highest_price_is_counted_and_a_higher_one_is_refused(track: Post) -> None:
    one = {**USER, "product_id": "star", "currency": "USD", "price": 1e15, "time": "2024-05-01"}
    assert track(purchases=[one, one]).status_code == 201
    assert DailyCount.objects.get().money == Decimal("2e15")
    for price in (1.1e15, -1e16, 1e308):
        answer = track(purchases=[{**one, "price": price}])
        assert (answer.status_code, answer.json()["errors"][0]["type"]) == (400, "'price' is not valid")


def test_nothing_is_counted_for_an_event_about_nobody(track: Post) -> None:
    track(events=[{**USER, "name": "song", "time": "2024-05-01", "_update_existing_only": True}])
    assert counted() == []


def test_a_request_counts_in_one_statement(workspace: Workspace, django_assert_num_queries: Any, track: Post) -> None:
    """Another asks which of the events are kept with their properties."""
    track(attributes=[{"external_id": f"user-{n}"} for n in range(50)])
    ids = list(Profile.objects.values_list("pk", flat=True))
    deeds = [Deed(pk, Kind.EVENT, name, timezone.now()) for pk in ids for name in ("song", "rest")]
    with django_assert_num_queries(2):
        counters.record(workspace.pk, deeds)
    assert DailyCount.objects.count() == 100


def test_habits_add_up_all_days(track: Post) -> None:
    track(events=[{**USER, "name": "song", "time": f"2024-05-0{day}"} for day in (1, 2, 2)])
    user = Profile.objects.get()
    (habit,) = habits([user.pk])[user.pk]
    assert (habit.kind, habit.name, habit.count) == ("event", "song", 3)
    assert (habit.first_at.date(), habit.last_at.date()) == (date(2024, 5, 1), date(2024, 5, 2))


# --- Properties of chosen events ---


def kept() -> list[dict[str, Any]]:
    return [row.properties for row in KeptEvent.objects.order_by("pk")]


def sing(track: Post, **properties: Any) -> None:
    event = {**USER, "name": "song", "time": timezone.now().isoformat(), "properties": properties}
    assert track(events=[event]).status_code == 201


def test_properties_are_kept_when_an_admin_chose_so(track: Post) -> None:
    sing(track, genre="jazz")
    assert kept() == []
    CustomEvent.objects.update(keeps_properties=True)
    sing(track, genre="jazz", loud=True, length=3.5, long="x" * 300, by={"name": "band", "of": ["a", "b"]}, none=None)
    assert kept() == [
        {"genre": "jazz", "loud": True, "length": 3.5, "by.name": "band", "by.of": ["a", "b"]},
    ]


def test_an_event_without_properties_is_kept_too(track: Post) -> None:
    sing(track)
    CustomEvent.objects.update(keeps_properties=True)
    sing(track)
    sing(track, none=None)
    track(events=[{**USER, "name": "song", "time": timezone.now().isoformat()}])
    assert kept() == [{}, {}, {}]


def test_properties_of_old_events_are_not_kept(track: Post) -> None:
    sing(track)
    CustomEvent.objects.update(keeps_properties=True)
    track(events=[{**USER, "name": "song", "time": "2024-05-01", "properties": {"genre": "jazz"}}])
    assert kept() == []


def test_properties_go_after_30_days(track: Post) -> None:
    sing(track)
    CustomEvent.objects.update(keeps_properties=True)
    for genre in ("jazz", "folk", "punk"):
        sing(track, genre=genre)
    KeptEvent.objects.exclude(properties={"genre": "jazz"}).update(time=timezone.now() - timedelta(days=31))
    assert occurrences.purge(chunk=1) == 2
    assert kept() == [{"genre": "jazz"}]


# --- Merges and deletions ---


def test_a_merge_adds_the_counts_up(workspace: Workspace, track: Post) -> None:
    for user in ("a", "b", "c"):
        event = {"external_id": user, "name": "song", "time": "2024-05-01", "properties": {"n": 1}}
        track(events=[event, {**event, "time": "2024-05-02"}])
    a, b, c = Profile.objects.order_by("external_id").values_list("pk", flat=True)
    counters.move([a, b], [c, c])
    assert counted(profile=c) == [("event", "song", "2024-05-01", 3), ("event", "song", "2024-05-02", 3)]
    assert counted() == counted(profile=c)


def test_a_merge_moves_events_with_properties(workspace: Workspace, track: Post) -> None:
    sing(track)
    CustomEvent.objects.update(keeps_properties=True)
    sing(track, genre="jazz")
    stays = Profile.objects.create(workspace=workspace)
    counters.move([Profile.objects.get(external_id="user-1").pk], [stays.pk])
    assert [one.profile_id for one in KeptEvent.objects.all()] == [stays.pk]


def test_what_is_forgotten_is_gone(track: Post) -> None:
    sing(track)
    CustomEvent.objects.update(keeps_properties=True)
    sing(track, genre="jazz")
    counters.forget([Profile.objects.get().pk])
    assert counted() == []
    assert kept() == []


# --- Events that attributes cause ---


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (
            {"email": "a@example.com", "email_subscribe": "opted_in"},
            [("email", "Opted In", "a@example.com")],
        ),
        ({"email_subscribe": "subscribed"}, []),
        (
            {"email_subscribe": "unsubscribed", "push_subscribe": "opted_in"},
            [("email", "Unsubscribed", None), ("push", "Opted In", None)],
        ),
    ],
)
def test_a_change_of_subscription_is_an_event(track: Post, attributes: dict[str, Any], expected: list[Any]) -> None:
    from currents.models import Event

    for _ in range(2):
        track(attributes=[{**USER, **attributes}])
    events = Event.objects.filter(event_type="users.behaviors.subscription.GlobalStateChange").order_by("id")
    found = [event.payload["properties"] for event in events]
    assert [(one["channel"], one["subscription_status"], one.get("email_address")) for one in found] == expected
    assert all(one["state_change_source"] == "REST API" for one in found)


@pytest.mark.django_db(transaction=True)
def test_a_place_is_an_event(track: Post) -> None:
    from currents.models import Event

    track(attributes=[{**USER, "current_location": {"latitude": 1, "longitude": 2.5}}, {**USER, "plan": "gold"}])
    (event,) = Event.objects.all()
    assert event.event_type == "users.behaviors.Location"
    assert event.payload["properties"] == {"latitude": 1.0, "longitude": 2.5}
