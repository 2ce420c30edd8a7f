"""The event log by day: partitions made ahead, dropped when their time is over, kept for a Current that waits."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from currents import delivery, lifecycle, log, marks, retention
from currents.due import due_currents
from currents.log import Position, read, shard_of
from currents.models import Current, Event, EventKeeping, LogMark, Notice, ReceivedEventId
from currents.partitions import DAYS_AHEAD, REST, Partition, drop, make_ahead, partitions
from tests.currents.conftest import arrived_ids, counts, event, log_events
from tests.currents.test_log import other_connection
from tests.sandbox.running import RunningSandbox
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

#: No test begins so shortly before a day ends.
MIDNIGHT = timedelta(minutes=2)


def today() -> date:
    """The day of what is received now."""
    return datetime.now(UTC).date()


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Only the partitions that a fresh database has are there, and no marks; and it stays the same day."""
    left = Partition(today()).end - datetime.now(UTC)
    if left < MIDNIGHT:
        time.sleep(left.total_seconds() + 1)
    make_ahead()
    _forget_marks()
    yield
    Event.objects.all().delete()
    for one in partitions():
        if not today() <= one.day <= today() + timedelta(days=DAYS_AHEAD):
            assert drop(one)
    _forget_marks()


def _forget_marks() -> None:
    LogMark.objects.all().delete()
    marks._loaded_at = float("-inf")


def _partition(days_ago: int) -> Partition:
    make_ahead(today() - timedelta(days=days_ago))
    return Partition(today() - timedelta(days=days_ago))


def _age(days: int, *numbers: int) -> Partition:
    """Have events received so many days ago."""
    made = _partition(days)
    ids = [event(number).event_id for number in numbers]
    Event.objects.filter(event_id__in=ids).update(received_at=made.start + timedelta(hours=12))
    return made


def _rows(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
        return int(cursor.fetchone()[0])


def test_it_works(workspace: Workspace) -> None:
    log_events(workspace, event(1), event(2))

    assert _rows(Partition(today()).table) == 2
    assert [one.day for one in partitions()] == [today() + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)]
    assert make_ahead() == 0
    assert make_ahead(today() + timedelta(days=2)) == 2


def test_a_day_that_has_no_partition_loses_nothing(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    for one in partitions():
        drop(one)
    log_events(workspace, event(1))
    assert _rows(REST) == 1

    assert make_ahead() == DAYS_AHEAD  # all but today: its events are in the rest already
    log_events(workspace, event(2))
    delivery.deliver(current.pk)
    assert arrived_ids(mixpanel) == [event(1).event_id, event(2).event_id]
    Event.objects.all().delete()
    assert make_ahead() == 1


def test_a_busy_log_is_left_for_the_next_time(workspace: Workspace) -> None:
    with other_connection() as other:
        other.execute("LOCK TABLE currents_event IN ACCESS SHARE MODE")
        assert not drop(Partition(today()))
        other.execute("SELECT count(*) FROM currents_event")
    assert drop(Partition(today()))


def test_readers_leave_out_partitions_that_cannot_hold_anything(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader near the end looks at yesterday and today, whatever is kept and made ahead."""
    for days in range(30):
        _partition(days)
    marks.take()
    LogMark.objects.update(taken_at=timezone.now())
    log_events(workspace, event(1))
    plans: list[str] = []

    @contextmanager
    def explained() -> Iterator[Any]:
        with connection.cursor() as cursor:
            monkeypatch.setattr(cursor, "fetchall", lambda: plans.append(str(cursor.cursor.fetchall())) or [])
            execute = cursor.execute
            monkeypatch.setattr(cursor, "execute", lambda sql, values: execute(f"EXPLAIN {sql}", values))
            yield cursor

    place = Position(LogMark.objects.get().next_xid, 0)
    with monkeypatch.context() as patch:
        patch.setattr(log, "raw_cursor", explained)
        read(workspace.pk, shard_of("user-1", None), place, 10)
    found = read(workspace.pk, shard_of("user-1", None), place, 10)

    assert [one.event_id for one in found] == [event(1).event_id]
    looked_at = [one for one in partitions() if one.table in plans[0]]
    assert len(partitions()) > 30
    assert Partition(today()) in looked_at
    assert len(looked_at) <= 3


def test_a_reader_far_behind_goes_on_window_by_window_and_misses_nothing(workspace: Workspace) -> None:
    """Marks lie between the days; one transaction was open across a mark, and its event is in the later day."""
    numbers = iter(range(1, 1_000))
    start = Position(0, 0)
    written = []
    for days in (5, 4, 3, 2, 1):
        with other_connection() as slow:
            slow.execute("SELECT pg_current_xact_id()")
            mine = [next(numbers) for _number in range(7)]
            log_events(workspace, *(event(number) for number in mine))
            _age(days, *mine)
            _mark(days)
            late = next(numbers)
            slow.execute(
                "INSERT INTO currents_event (workspace_id, shard, event_id, event_type, time, external_user_id,"
                " payload, received_at) VALUES (%s, %s, %s, 'users.messages.email.Open', 1, 'user-1', '{}', %s)",
                [
                    workspace.pk,
                    shard_of("user-1", None),
                    event(late).event_id,
                    Partition(today() - timedelta(days=days - 1)).start + timedelta(hours=1),
                ],
            )
        written += [late, *mine]
    marks._loaded_at = float("-inf")

    seen: list[str] = []
    while page := read(workspace.pk, shard_of("user-1", None), start, 3):
        seen += [one.event_id for one in page]
        start = page[-1].position

    assert seen == [event(number).event_id for number in written]


def _mark(days: int) -> None:
    """A mark at the end of that day, of the present transaction ids."""
    LogMark.objects.filter(taken_at__gt=timezone.now() - timedelta(hours=1)).delete()
    marks.take()
    taken = LogMark.objects.order_by("-taken_at").first()
    assert taken is not None
    LogMark.objects.filter(pk=taken.pk).update(taken_at=Partition(today() - timedelta(days=days)).end)


def test_marks_are_taken_once_an_hour_and_forgotten_with_their_days() -> None:
    marks.take()
    marks.take()
    assert LogMark.objects.count() == 1
    for days in (40, 31, 30):
        moment = timezone.now() - timedelta(days=days)
        LogMark.objects.create(taken_at=moment, first_xid=1, next_xid=1)

    marks.forget(timezone.now() - timedelta(days=30, hours=1))

    assert LogMark.objects.count() == 3


# --- the drop rule


def test_an_old_partition_is_dropped_when_every_current_has_passed_it(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    log_events(workspace, event(1), event(2))
    old = _age(32, 1)
    retention.keep()
    assert old in partitions()

    delivery.deliver(current.pk)
    retention.keep()

    assert old not in partitions()
    assert [one.event_id for one in Event.objects.all()] == [event(2).event_id]


def test_a_young_partition_is_kept(workspace: Workspace) -> None:
    young = _partition(29)
    retention.keep()
    assert young in partitions()


@pytest.mark.parametrize(("status", "kept"), [("paused", True), ("failed", True), ("stopped", False)])
def test_who_is_waited_for(current: Current, workspace: Workspace, status: str, kept: bool) -> None:
    log_events(workspace, event(1))
    old = _age(32, 1)
    Current.objects.filter(pk=current.pk).update(status=status)

    retention.keep()

    assert (old in partitions()) is kept


def test_another_workspaces_current_is_not_waited_for(current: Current) -> None:
    log_events(Workspace.objects.create(name="Other"), event(1))
    old = _age(32, 1)
    retention.keep()
    assert old not in partitions()


def test_what_is_kept_past_its_time_is_told_once_a_week(current: Current, workspace: Workspace) -> None:
    lifecycle.pause(current)
    log_events(workspace, event(1))
    old = _age(32, 1)

    retention.keep()
    retention.keep()

    assert len(mail.outbox) == 1
    assert mail.outbox[0].to == ["contact@example.com"]
    assert str(old.day) in mail.outbox[0].body
    assert str((old.end + timedelta(days=90)).date()) in mail.outbox[0].body
    held = retention.held_past_time(current)
    assert held is not None
    assert held.partition == old
    Notice.objects.update(created_at=timezone.now() - timedelta(days=8))
    retention.keep()
    assert len(mail.outbox) == 2


def test_at_the_cap_what_waits_is_lost_counted_and_mailed(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    EventKeeping.objects.create(workspace=workspace, cap_days=40)
    lifecycle.select(current, ["users.messages.email.Open"])
    lifecycle.pause(current)
    log_events(workspace, event(1), event(2, "user-2"), event(3, event_type="users.messages.email.Send"), event(4))
    old = _age(45, 1, 2, 3)

    retention.keep()

    assert old not in partitions()
    assert counts(current) == {"lost": 2}
    examples = set(current.counts.filter(outcome="lost").values_list("example", flat=True))  # two around a full hour
    assert examples <= {event(1).event_id, event(2).event_id, event(3).event_id}
    assert len(mail.outbox) == 1
    assert "2 of them" in mail.outbox[0].body
    current.refresh_from_db()
    lifecycle.resume(current)
    delivery.deliver(current.pk)
    assert arrived_ids(mixpanel) == [event(4).event_id]
    assert due_currents() == []


def test_below_the_cap_nothing_is_lost(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    EventKeeping.objects.create(workspace=workspace, cap_days=60)
    lifecycle.pause(current)
    log_events(workspace, event(1))
    old = _age(45, 1)

    retention.keep()

    assert old in partitions()
    current.refresh_from_db()
    lifecycle.resume(current)
    delivery.deliver(current.pk)
    assert arrived_ids(mixpanel) == [event(1).event_id]
    retention.keep()
    assert old not in partitions()


def test_a_shard_that_is_being_delivered_is_not_given_up(current: Current, workspace: Workspace) -> None:
    EventKeeping.objects.create(workspace=workspace, cap_days=30)
    log_events(workspace, event(1))
    old = _age(61, 1)
    shard = shard_of("user-1", None)
    current.cursors.filter(shard=shard).update(
        lease="00000000-0000-4000-8000-000000000000", leased_until=timezone.now() + timedelta(minutes=1)
    )

    retention.keep()
    assert old in partitions()
    assert counts(current) == {}

    current.cursors.update(lease=None, leased_until=None)
    retention.keep()
    assert old not in partitions()
    assert counts(current) == {"lost": 1}


def test_a_notice_that_cannot_be_sent_is_sent_later(
    current: Current, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from currents import notices

    def broken(*_arguments: Any) -> None:
        raise OSError("no mail server")

    with monkeypatch.context() as patch:
        patch.setattr(notices, "send_mail", broken)
        notices.tell(current, Notice.Kind.RECOVERED)
    assert notices.send_all() == 0
    assert mail.outbox == []

    Notice.objects.update(leased_until=timezone.now())
    assert notices.send_all() == 1
    assert notices.send_all() == 0
    assert len(mail.outbox) == 1


# --- received ids


def test_received_ids_are_spread_and_purged_with_their_day(workspace: Workspace) -> None:
    ReceivedEventId.objects.bulk_create(
        ReceivedEventId(workspace=workspace, event_id=f"e-{number}", day=today() - timedelta(days=31 * (number % 2)))
        for number in range(400)
    )
    assert all(50 < _rows(table) < 150 for table in retention._received_tables())

    retention.purge(chunk=7)

    assert ReceivedEventId.objects.count() == 200
    assert not ReceivedEventId.objects.filter(day__lt=today()).exists()


def test_a_partitions_bounds_are_utc_days() -> None:
    one = Partition(date(2026, 1, 31))
    assert one.table == "currents_event_20260131"
    assert (one.start, one.end) == (datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
