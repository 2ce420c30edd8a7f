"""Replay: a stretch of the log sent once more, beside live delivery."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from currents import delivery, leases, lifecycle, replays
from currents.due import due_currents, due_replays
from currents.lifecycle import LifecycleError
from currents.log import shard_of
from currents.models import Current, DeadLetter, DeliveryRequest, Event, Replay
from tests.currents.conftest import arrived, arrived_ids, counts, event, log_events
from tests.sandbox.running import RunningSandbox, wait_until
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


@pytest.fixture
def begin() -> datetime:
    """Before anything was logged."""
    return timezone.now() - timedelta(minutes=1)


@pytest.fixture
def delivered(begin: datetime, current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> Current:
    """A Current that has delivered 300 events of 30 users, to a destination that has lost them since."""
    log_events(workspace, *(event(number, f"user-{number % 30}") for number in range(300)))
    delivery.deliver(current.pk)
    assert mixpanel.total() == 300
    mixpanel.call("DELETE", "/sandbox/events")
    return current


def _state(replay: Replay) -> tuple[str, int, int, int]:
    replay.refresh_from_db()
    return replay.state, replay.delivered, replay.refused, replay.skipped


def test_it_works(delivered: Current, begin: datetime, mixpanel: RunningSandbox) -> None:
    made = replays.start(delivered, begin)
    assert (made.expected, made.expected_more) == (300, False)
    assert due_replays() == [made.pk]

    assert not replays.run(made.pk)

    assert len(set(arrived_ids(mixpanel))) == 300
    assert _state(made) == ("done", 300, 0, 0)
    assert made.finished_at is not None
    assert not made.cursors.exists()
    assert due_replays() == []
    assert counts(delivered) == {"delivered": 300}
    assert DeliveryRequest.objects.filter(is_replay=True).exists()


def test_each_users_events_come_in_order(delivered: Current, begin: datetime, mixpanel: RunningSandbox) -> None:
    mixpanel.misbehave("500", times=3, path="/import")
    made = replays.start(delivered, begin)
    for _time in range(5):
        replays.run(made.pk)

    by_user: dict[str, list[int]] = {}
    for one in arrived(mixpanel):
        by_user.setdefault(one["properties"]["distinct_id"], []).append(one["properties"]["time"])
    assert sum(map(len, by_user.values())) == 300
    assert all(times == sorted(times) for times in by_user.values())
    assert _state(made)[0] == "done"


def test_only_what_lies_between_two_moments_is_sent(
    delivered: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    now = timezone.now()
    for number, ago in ((10, 5), (11, 3), (12, 3), (13, 1)):
        Event.objects.filter(event_id=event(number).event_id).update(received_at=now - ago * HOUR)

    assert replays.preview(delivered, now - 4 * HOUR, now - 2 * HOUR) == replays.Preview(2, more=False)
    made = replays.start(delivered, now - 4 * HOUR, now - 2 * HOUR)
    replays.run(made.pk)

    assert sorted(arrived_ids(mixpanel)) == [event(11).event_id, event(12).event_id]
    assert _state(made) == ("done", 2, 0, 0)


def test_what_is_logged_meanwhile_is_not_in_it(
    delivered: Current, begin: datetime, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    made = replays.start(delivered, begin, timezone.now() + HOUR)
    log_events(workspace, event(900))
    replays.run(made.pk)

    assert event(900).event_id not in arrived_ids(mixpanel)
    delivery.deliver(delivered.pk)
    assert event(900).event_id in arrived_ids(mixpanel)
    assert counts(delivered) == {"delivered": 301}


def test_the_present_selection_is_replayed(
    delivered: Current, begin: datetime, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    """Also events that were not selected when they came."""
    lifecycle.select(delivered, ["users.messages.email.Send"])
    log_events(workspace, event(900), event(901, event_type="users.messages.email.Send", user=None))
    lifecycle.select(delivered, ["users.messages.email.Open"])
    delivery.deliver(delivered.pk)
    mixpanel.call("DELETE", "/sandbox/events")

    made = replays.start(delivered, begin)
    replays.run(made.pk)

    assert (made.expected, mixpanel.total()) == (301, 301)


def test_live_delivery_goes_on_beside_it(
    delivered: Current, begin: datetime, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    made = replays.start(delivered, begin)
    before = {one.shard: (one.xid, one.event) for one in delivered.cursors.filter(replay=None)}
    [lease] = leases.take_for_replay(made, delivered, "00000000-0000-4000-8000-000000000000")  # type: ignore[arg-type]
    log_events(workspace, *(event(900 + number, f"user-{number}") for number in range(100)))

    delivery.deliver(delivered.pk)

    assert counts(delivered) == {"delivered": 400}
    assert mixpanel.total() == 100
    leases.release([lease])
    replays.run(made.pk)
    assert mixpanel.total() == 400
    after = {one.shard: (one.xid, one.event) for one in delivered.cursors.filter(replay=None)}
    assert set(after) == set(before)
    assert all(after[shard] >= place for shard, place in before.items())


def test_a_replay_leaves_when_other_work_waits(
    delivered: Current, begin: datetime, workspace: Workspace, mixpanel: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "BUSY_SECONDS", 0.0)
    made = replays.start(delivered, begin)
    log_events(workspace, event(900))

    assert replays.run(made.pk)
    assert mixpanel.total() == 0

    delivery.deliver(delivered.pk)
    assert not replays.run(made.pk)
    assert mixpanel.total() == 301


def test_one_worker_at_a_time(delivered: Current, begin: datetime) -> None:
    made = replays.start(delivered, begin)
    token = "00000000-0000-4000-8000-000000000000"
    first = leases.take_for_replay(made, delivered, token)  # type: ignore[arg-type]
    assert len(first) == 1
    assert leases.take_for_replay(made, delivered, token) == []  # type: ignore[arg-type]
    assert leases.workers_on(delivered.pk) == 0


def test_a_limit_of_requests_holds_for_both(delivered: Current, begin: datetime, workspace: Workspace) -> None:
    Current.objects.filter(pk=delivered.pk).update(requests_in_flight=1)
    delivered.refresh_from_db()
    made = replays.start(delivered, begin)
    log_events(workspace, event(900))
    token: Any = "00000000-0000-4000-8000-000000000000"

    taken = leases.take_for_replay(made, delivered, token)
    assert leases.take(delivered, token, 16, full=2_000) == []
    leases.release(taken)
    assert len(leases.take(delivered, token, 16, full=2_000)) == 1
    assert leases.take_for_replay(made, delivered, token) == []


@pytest.mark.parametrize("kind", ["401", "403"])
def test_refused_credentials_fail_the_current_and_the_replay_waits(
    delivered: Current, begin: datetime, mixpanel: RunningSandbox, kind: str
) -> None:
    mixpanel.misbehave(kind, times=1, path="/import")
    made = replays.start(delivered, begin)

    assert not replays.run(made.pk)

    delivered.refresh_from_db()
    assert delivered.status == Current.Status.FAILED
    assert due_replays() == []
    Current.objects.update(status=Current.Status.ACTIVE)
    replays.run(made.pk)
    assert _state(made)[0] == "done"
    assert mixpanel.total() == 300


def test_what_is_refused_becomes_a_dead_letter(
    delivered: Current, begin: datetime, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    log_events(workspace, event(900, time=4_000_000_000), event(901, user=None))
    made = replays.start(delivered, begin)
    replays.run(made.pk)

    assert _state(made) == ("done", 300, 1, 1)
    assert DeadLetter.objects.get().event_id == event(900).event_id


def test_a_worker_that_dies_is_replaced(delivered: Current, begin: datetime, mixpanel: RunningSandbox) -> None:
    made = replays.start(delivered, begin)
    made.cursors.exclude(shard=shard_of("user-1", None)).delete()
    leases.take_for_replay(made, delivered, "00000000-0000-4000-8000-000000000000")  # type: ignore[arg-type]
    assert due_replays() == []

    made.cursors.update(leased_until=timezone.now())
    assert due_replays() == [made.pk]
    replays.run(made.pk)
    assert _state(made)[0] == "done"
    assert 0 < mixpanel.total() < 300


def test_one_that_died_before_its_end_was_noted(delivered: Current, begin: datetime) -> None:
    made = replays.start(delivered, begin)
    made.cursors.all().delete()
    assert due_replays() == [made.pk]
    replays.run(made.pk)
    assert _state(made)[0] == "done"


def test_cancel(delivered: Current, begin: datetime, mixpanel: RunningSandbox) -> None:
    made = replays.start(delivered, begin)
    replays.cancel(delivered)

    assert not replays.run(made.pk)
    assert _state(made)[0] == "cancelled"
    assert mixpanel.total() == 0
    with pytest.raises(LifecycleError, match="No replay"):
        replays.cancel(delivered)


def test_cancelled_while_it_is_sent(delivered: Current, begin: datetime, mixpanel: RunningSandbox) -> None:
    """Its cursors are gone: the worker notices, and live delivery is untouched."""
    made = replays.start(delivered, begin)
    mixpanel.misbehave("slow", delay=1.0, path="/import")

    def work() -> None:
        try:
            replays.run(made.pk)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    assert wait_until(mixpanel.total)
    replays.cancel(delivered)
    worker.join()

    assert _state(made)[0] == "cancelled"
    assert mixpanel.total() < 300
    assert delivered.cursors.count() == 16


def test_stop_cancels_it(delivered: Current, begin: datetime) -> None:
    made = replays.start(delivered, begin)
    lifecycle.stop(delivered)
    assert _state(made)[0] == "cancelled"
    assert not made.cursors.exists()


def test_while_paused_it_waits(delivered: Current, begin: datetime, mixpanel: RunningSandbox) -> None:
    made = replays.start(delivered, begin)
    lifecycle.pause(delivered)
    assert due_replays() == []
    assert not replays.run(made.pk)
    assert mixpanel.total() == 0
    lifecycle.resume(delivered)
    replays.run(made.pk)
    assert mixpanel.total() == 300


def test_one_at_a_time(delivered: Current, begin: datetime) -> None:
    replays.start(delivered, begin)
    with pytest.raises(LifecycleError, match="running already"):
        replays.start(delivered, begin)
    assert Replay.objects.count() == 1


@pytest.mark.parametrize(("begins", "ends"), [(1, 2), (-1, -2), (-1, -1), (0.001, None)])
def test_a_stretch_that_is_none_is_refused(delivered: Current, begins: float, ends: float | None) -> None:
    now = timezone.now()
    with pytest.raises(LifecycleError, match="before it ends"):
        replays.start(delivered, now + begins * HOUR, None if ends is None else now + ends * HOUR)


@pytest.mark.parametrize("status", ["draft", "paused", "failed", "stopped"])
def test_only_an_active_current_replays(delivered: Current, begin: datetime, status: str) -> None:
    Current.objects.filter(pk=delivered.pk).update(status=status)
    with pytest.raises(LifecycleError, match="Only an active"):
        replays.start(delivered, begin)
    assert not Replay.objects.exists()


def test_a_count_has_a_limit(delivered: Current, begin: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "COUNT_LIMIT", 100)
    assert replays.preview(delivered, begin, timezone.now()) == replays.Preview(100, more=True)


@pytest.mark.usefixtures("remembered_marks")
def test_a_batch_costs_a_fixed_number_of_statements(
    current: Current, begin: datetime, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    used = []
    for size in (10, 1_900):
        moment = timezone.now()
        log_events(workspace, *(event(size * 10_000 + number) for number in range(size)))
        delivery.deliver(current.pk)
        made = replays.start(current, moment)
        made.cursors.exclude(shard=shard_of("user-1", None)).delete()
        with CaptureQueriesContext(connection) as queries:
            replays.run(made.pk)
        used.append(len(queries))
    assert used[0] == used[1] < 40
    assert due_currents() == []
