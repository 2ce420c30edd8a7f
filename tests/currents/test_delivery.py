"""Delivery over a real socket: what arrives, what is counted, what each answer does."""

import threading
import time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from currents import delivery, lifecycle, sending
from currents.due import due_currents
from currents.log import append_events, shard_of
from currents.models import SHARDS, Current, DeliveryRequest
from sandbox.config import MAX_EVENTS_PER_REQUEST
from tests.currents.conftest import arrived, arrived_ids, counts, event, log_events
from tests.sandbox.running import RunningSandbox
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

SHARD = shard_of("user-1", None)


def _deliver(current: Current, times: int = 1) -> None:
    for _time in range(times):
        delivery.deliver(current.pk)


def _users(number: int) -> str:
    return f"user-{number % 50}"


def test_it_works(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    log_events(workspace, *(event(number, _users(number)) for number in range(200)))

    assert due_currents() == [current.pk]
    _deliver(current)

    assert len(arrived(mixpanel)) == 200
    assert counts(current) == {"delivered": 200}
    assert due_currents() == []
    requests = DeliveryRequest.objects.filter(current=current)
    assert sum(one.events for one in requests) == 200
    assert {one.status for one in requests} == {200}
    assert not current.cursors.exclude(lease=None).exists()


def test_each_users_events_come_in_order(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    for batch in range(10):
        log_events(workspace, *(event(batch * 100 + number, _users(number)) for number in range(100)))
    mixpanel.misbehave("500", times=5, path="/import")

    _deliver(current, 8)

    by_user: dict[str, list[int]] = {}
    for one in arrived(mixpanel):
        by_user.setdefault(one["properties"]["distinct_id"], []).append(one["properties"]["time"])
    assert sum(map(len, by_user.values())) == 1000
    assert all(times == sorted(times) for times in by_user.values())


@pytest.mark.usefixtures("remembered_marks")
def test_a_batch_costs_a_fixed_number_of_statements(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    used = []
    for size in (10, MAX_EVENTS_PER_REQUEST - 1):
        log_events(workspace, *(event(size * 10_000 + number) for number in range(size)))
        with CaptureQueriesContext(connection) as queries:
            _deliver(current)
        used.append(len(queries))
    assert used[0] == used[1] < 30
    assert mixpanel.total() == MAX_EVENTS_PER_REQUEST + 9


def test_full_batches_follow_each_other(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    log_events(workspace, *(event(number) for number in range(4_500)))

    _deliver(current)

    sizes = DeliveryRequest.objects.order_by("id").values_list("events", flat=True)
    assert list(sizes) == [2_000, 2_000, 500]
    assert arrived_ids(mixpanel) == [event(number).event_id for number in range(4_500)]


def test_a_batch_stays_within_the_size_limit(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    big = {"name": "big", "custom_properties": {"text": "x" * 800_000}}
    log_events(
        workspace,
        *(event(number, event_type="users.behaviors.CustomEvent", properties=big) for number in range(20)),
    )

    _deliver(current)

    assert mixpanel.total() == 20
    assert DeliveryRequest.objects.count() == 2


def test_a_part_batch_waits_for_the_flush_interval(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, settings: Any
) -> None:
    settings.CURRENTS_FLUSH_INTERVAL = 60.0
    log_events(workspace, event(1))

    assert due_currents() == []
    _deliver(current)
    assert mixpanel.total() == 0

    delivery.deliver(current.pk, flush=True)
    assert mixpanel.total() == 1


def test_a_full_batch_does_not_wait(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, settings: Any
) -> None:
    settings.CURRENTS_FLUSH_INTERVAL = 60.0
    log_events(workspace, *(event(number) for number in range(2_100)))

    assert due_currents() == [current.pk]
    _deliver(current)

    assert mixpanel.total() == 2_000


def test_what_is_not_sent_is_counted_by_reason(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    lifecycle.select(current, ["users.messages.email.Open", "users.behaviors.CustomEvent"])
    log_events(
        workspace,
        event(1),
        event(2, user=None),
        event(3, time=1_262_303_999),
        event(4, time=1_262_304_000),
        event(5, event_type="users.messages.email.Send"),
        event(6, event_type="users.messages.unknown.Send"),
        event(
            7,
            event_type="users.behaviors.CustomEvent",
            properties={"name": "big", "custom_properties": {"text": "x" * 950_000}},
        ),
    )

    _deliver(current)

    assert sorted(arrived_ids(mixpanel)) == [event(1).event_id, event(4).event_id]
    assert counts(current) == {
        "delivered": 2,
        "no_external_id": 1,
        "too_old": 1,
        "not_selected": 2,
        "too_large": 1,
    }
    assert current.counts.get(outcome="too_old").example == event(3).event_id
    assert due_currents() == []


def test_much_that_is_not_selected_is_passed_without_a_request(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    lifecycle.select(current, ["users.messages.email.Send"])
    log_events(workspace, *(event(number) for number in range(5_000)))
    log_events(workspace, event(9_999, event_type="users.messages.email.Send"))

    _deliver(current)

    assert DeliveryRequest.objects.count() == 1
    assert arrived_ids(mixpanel) == [event(9_999).event_id]
    assert counts(current) == {"delivered": 1, "not_selected": 5_000}


# --- several workers


def test_at_most_the_set_number_of_requests_is_in_flight(
    current: Current,
    workspace: Workspace,
    mixpanel: RunningSandbox,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CURRENTS_REQUESTS_IN_FLIGHT = 3
    _meet(monkeypatch, 3)
    log_events(workspace, *(event(number, f"user-{number}") for number in range(200)))

    _deliver(current)

    assert mixpanel.total() == 200
    assert mixpanel.call("GET", "/sandbox/events/summary").json["max_in_flight"] <= 3


def test_all_shards_can_be_in_flight(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    _meet(monkeypatch, SHARDS)
    log_events(workspace, *(event(number, f"user-{number}") for number in range(200)))

    _deliver(current)

    assert mixpanel.total() == 200


def _meet(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The first requests wait until so many are under way; without them the test fails."""
    meeting = threading.Barrier(number, timeout=60)
    waiting = threading.Semaphore(number)

    def send(request: Any) -> Any:
        if waiting.acquire(blocking=False):
            meeting.wait()
        return sending.send(request)

    monkeypatch.setattr(delivery, "send", send)


def test_workers_that_share_a_current_keep_the_order(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    """Three at once, a destination that fails now and then, events that keep coming."""
    mixpanel.misbehave("500", probability=0.2, path="/import")
    mixpanel.misbehave("reset", probability=0.2, path="/import", ingest_first=True)
    done = threading.Event()

    def work() -> None:
        try:
            while not done.is_set():
                delivery.deliver(current.pk)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _number in range(3)]
    for worker in workers:
        worker.start()
    for part in range(20):
        log_events(workspace, *(event(part * 100 + number, _users(number)) for number in range(100)))
    deadline = time.monotonic() + 120
    while counts(current) != {"delivered": 2_000} and time.monotonic() < deadline:
        time.sleep(0.05)
    done.set()
    for worker in workers:
        worker.join()

    by_user: dict[str, list[int]] = {}
    for one in arrived(mixpanel):
        by_user.setdefault(one["properties"]["distinct_id"], []).append(one["properties"]["time"])
    assert sum(map(len, by_user.values())) == 2_000
    assert all(times == sorted(times) for times in by_user.values())
    assert counts(current) == {"delivered": 2_000}


def test_one_workspace_does_not_see_anothers_events(current: Current, mixpanel: RunningSandbox) -> None:
    append_events(Workspace.objects.create(name="Other").pk, [event(1)])

    _deliver(current)

    assert mixpanel.total() == 0
