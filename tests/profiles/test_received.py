"""Events from other systems count for the users that we know."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from currents.log import NewEvent, append_events
from currents.models import Event
from profiles.models import CustomEvent, Profile
from profiles.received import count_received
from profiles.renaming import rename_external_ids
from profiles.stores import DailyCount, KeptEvent, LogCursor, Product
from tests.profiles.conftest import Post
from tests.transactions import held_open
from workspaces.models import ApiKey, App, Workspace

pytestmark = pytest.mark.django_db(transaction=True)
Receive = Callable[..., None]
TIME = 1_714_560_000


@pytest.fixture
def user(workspace: Workspace) -> Profile:
    return Profile.objects.create(workspace=workspace, external_id="user-1", braze_id="ab" * 12)


@pytest.fixture
def receive(workspace: Workspace, post: Post) -> Receive:
    """Sends one event to /currents/events."""
    _row, key = ApiKey.make(workspace=workspace, name="Currents", permissions=["currents.events"])

    def send(event_type: str, event_id: str = "e1", user: dict[str, str] | None = None, **properties: Any) -> None:
        event = {
            "event_type": f"users.behaviors.{event_type}",
            "id": event_id,
            "time": TIME,
            "user": user or {"external_user_id": "user-1"},
            "properties": properties,
        }
        answer = post("/currents/events", {"events": [event]}, Authorization=f"Bearer {key.secret}")
        assert answer.status_code == 200, answer.content

    return send


def counted() -> list[tuple[Any, ...]]:
    return list(DailyCount.objects.order_by("kind", "name").values_list("kind", "name", "currency", "count", "money"))


def test_it_works(user: Profile, receive: Receive) -> None:
    receive("CustomEvent", "e1", name="song", custom_properties={"genre": "jazz"})
    receive("CustomEvent", "e2", user={"user_id": "ab" * 12}, name="song")
    receive("Purchase", "e3", product_id="hat", currency="usd", price=2.5)
    receive("app.SessionStart", "e4")
    assert count_received(batch=3) == 4
    assert counted() == [
        ("event", "song", "", 2, 0),
        ("purchase", "hat", "USD", 1, 2.5),
        ("session", "", "", 1, 0),
    ]
    assert CustomEvent.objects.get().count == 2
    assert Product.objects.get().name == "hat"
    user.refresh_from_db()
    assert user.first_used_at == user.last_used_at == datetime.fromtimestamp(TIME, UTC)


def test_first_and_last_use_move_apart_only(user: Profile, receive: Receive) -> None:
    moment = datetime.fromtimestamp(TIME, UTC)
    before, after = moment - timedelta(days=1), moment + timedelta(days=1)
    Profile.objects.update(first_used_at=before, last_used_at=after)
    receive("app.SessionStart")
    count_received()
    user.refresh_from_db()
    assert (user.first_used_at, user.last_used_at) == (before, after)


def test_every_event_counts_once(user: Profile, receive: Receive) -> None:
    receive("CustomEvent", name="song")
    receive("CustomEvent", name="song")
    assert [count_received(), count_received()] == [1, 0]
    assert counted() == [("event", "song", "", 1, 0)]


def test_what_was_caused_here_is_counted_already(user: Profile, track: Post) -> None:
    track(events=[{"external_id": "user-1", "name": "song", "time": "2024-05-01"}])
    assert count_received() == 0
    assert counted() == [("event", "song", "", 1, 0)]


@pytest.mark.parametrize(
    ("event_type", "properties"),
    [
        ("CustomEvent", {}),
        ("CustomEvent", {"name": 5}),
        ("CustomEvent", {"name": "x" * 256}),
        ("Purchase", {"price": 1}),
        ("Location", {"latitude": 1}),
        ("of.tomorrow", {"name": "song"}),
    ],
)
def test_what_cannot_be_counted_is_stepped_over(
    user: Profile, receive: Receive, event_type: str, properties: dict[str, Any]
) -> None:
    receive(event_type, **properties)
    assert count_received() == 1
    assert counted() == []


def test_events_under_an_external_id_that_was_renamed_count(user: Profile, receive: Receive) -> None:
    """A connector may know the user by the old name for a while."""
    assert rename_external_ids(user.workspace_id, [("user-1", "user-2")]) == [None]
    receive("CustomEvent", "e1", name="song")
    receive("CustomEvent", "e2", user={"external_user_id": "user-2"}, name="song")
    receive("CustomEvent", "e3", user={"external_user_id": "user-3"}, name="song")
    assert count_received() == 3
    assert counted() == [("event", "song", "", 2, 0)]


def test_strangers_are_not_counted_and_not_made(workspace: Workspace, receive: Receive) -> None:
    Profile.objects.create(workspace=Workspace.objects.create(name="Other"), external_id="user-1")
    receive("CustomEvent", name="song")
    count_received()
    assert counted() == []
    assert Profile.objects.filter(workspace=workspace).count() == 0
    assert not CustomEvent.objects.exists()


def test_a_purchase_with_an_odd_price_still_counts(user: Profile, receive: Receive) -> None:
    receive("Purchase", product_id="hat", currency="shells", price="many")
    count_received()
    assert counted() == [("purchase", "hat", "", 1, 0)]


def test_the_number_of_statements_does_not_grow(workspace: Workspace) -> None:
    """Events of every kind that is counted, of one user or of thirty."""
    names = [f"user-{n}" for n in range(30)]
    Profile.objects.bulk_create(Profile(workspace=workspace, external_id=name) for name in names)
    app = App.objects.create(workspace=workspace, name="Shop", platform="ios")
    used = {"app_id": str(app.api_id), "app_version": "1.0"}
    told: list[tuple[str, dict[str, Any]]] = [
        ("behaviors.CustomEvent", {"name": "song", **used}),
        ("behaviors.Purchase", {"product_id": "hat", "currency": "USD", "price": 1}),
        ("behaviors.app.SessionStart", used),
        ("messages.email.Send", {"campaign_id": "c-1", "campaign_name": "Spring"}),
        ("canvas.Entry", {"canvas_id": "v-1", "in_control_group": True}),
    ]
    counts = []
    count_received()
    for users in (names[:1], names, names):
        events = [
            NewEvent(f"users.{kind}", TIME, user, properties=properties) for user in users for kind, properties in told
        ]
        append_events(workspace.pk, events, from_outside=True)
        with CaptureQueriesContext(connection) as queries:
            assert count_received() == len(events)
        counts.append(len(queries))
    # The first time the campaign and the Canvas are new.
    assert counts[0] - 1 == counts[1] == counts[2]
    assert counts[1] <= 22


@pytest.mark.parametrize("properties", [{"genre": "jazz"}, '{"genre": "jazz"}'])
def test_properties_of_a_chosen_event_are_kept(
    user: Profile, workspace: Workspace, receive: Receive, properties: Any
) -> None:
    import time

    CustomEvent.objects.create(workspace=workspace, name="song", keeps_properties=True)
    name = "custom_properties" if isinstance(properties, dict) else "properties"
    event = NewEvent(
        "users.behaviors.CustomEvent", int(time.time()), "user-1", properties={"name": "song", name: properties}
    )
    append_events(workspace.pk, [event], from_outside=True)
    count_received()
    assert KeptEvent.objects.get().properties == {"genre": "jazz"}


def test_an_open_transaction_holds_back_and_loses_nothing(
    user: Profile, workspace: Workspace, receive: Receive
) -> None:
    event = NewEvent("users.behaviors.CustomEvent", TIME, "user-1", properties={"name": "slow"})
    with held_open(lambda: append_events(workspace.pk, [event], from_outside=True)):
        receive("CustomEvent", "e2", name="quick")
        assert count_received() == 0
    assert count_received() == 2
    assert [name for _, name, *_ in counted()] == ["quick", "slow"]


def test_while_one_reads_another_leaves_it_alone(user: Profile, receive: Receive) -> None:
    import threading

    from django.db import transaction

    count_received()
    receive("CustomEvent", name="song")
    read: list[int] = []

    def read_too() -> None:
        read.append(count_received())
        connection.close()

    with transaction.atomic():
        LogCursor.objects.select_for_update().get()
        other = threading.Thread(target=read_too)
        other.start()
        other.join(20)
    assert read == [0]
    assert count_received() == 1


def test_after_a_restore_it_goes_on_at_its_event(user: Profile, receive: Receive) -> None:
    receive("CustomEvent", "e1", name="old")
    count_received()
    # As after currents_rebase: the old events have lower transaction ids, the cursor is another cluster's.
    Event.objects.update(xid=5)
    LogCursor.objects.update(cluster=1, xid=10**12)
    receive("CustomEvent", "e2", name="new")
    assert count_received() == 1
    assert [name for _, name, *_ in counted()] == ["new", "old"]
