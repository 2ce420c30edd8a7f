"""Events from other systems count for the users that we know."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from currents.log import NewEvent, append_events
from currents.models import Event
from profiles.models import CustomEvent, Profile
from profiles.received import count_received
from profiles.stores import DailyCount, LogCursor, PropertyValue
from tests.profiles.conftest import Post
from workspaces.models import ApiKey, Workspace

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
    assert PropertyValue.objects.get().value == "jazz"


def test_an_open_transaction_holds_back_and_loses_nothing(
    user: Profile, workspace: Workspace, receive: Receive, django_db_blocker: Any
) -> None:
    import threading

    from django.db import transaction

    written, commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            event = NewEvent("users.behaviors.CustomEvent", TIME, "user-1", properties={"name": "slow"})
            append_events(workspace.pk, [event], from_outside=True)
            written.set()
            commit.wait(20)
        connection.close()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert written.wait(20)
    receive("CustomEvent", "e2", name="quick")
    assert count_received() == 0
    commit.set()
    writer.join()
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
