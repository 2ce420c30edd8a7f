"""What is deleted in time: partitions of the log that every Current has passed, received ids, old dead letters, hours.

A partition goes when its day lies EVENT_RETENTION_DAYS back and no cursor of a Current that is not stopped lies before
its end. Else it is kept, and the contact is told, until its workspace's cap: then what waits in it is counted as lost,
the contact is told that too, and the cursor goes on behind it.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from currents import marks, notices
from currents.catalogue import catalogue
from currents.dead_letters import KEPT_DAYS
from currents.log import HORIZON_SQL
from currents.models import Current, EventKeeping, Notice, Outcome
from currents.outcomes import add_counts
from currents.partitions import REST, Partition, drop, make_ahead, partitions
from currents.selections import SELECTED_SQL
from currents.waiting import FREE_SQL, NOT_COUNTED_SQL
from workspaces.models import Workspace

logger = logging.getLogger(__name__)

#: Rows of one statement: a transaction of ours never lasts long.
CHUNK = 10_000
#: Counts are kept by the hour for so many days; what is older is one sum for each outcome, so that totals stay.
COUNTS_KEPT_DAYS = 90
#: The hour under which that sum is kept.
_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
#: How often the contact is reminded that events are kept past their time.
_REMIND = timedelta(days=7)

#: A cursor k's Current still needs: c has not passed the event e.
_WAITS_SQL = "e.workspace_id = k.workspace_id AND e.shard = c.shard AND (e.xid, e.id) > (c.xid, c.event)"


@dataclass(frozen=True)
class Held:
    """A partition that a Current still needs past its time."""

    current_id: int
    workspace_id: int
    partition: Partition

    @property
    def cap(self) -> datetime:
        """When what waits in it is given up."""
        return self.partition.end + timedelta(days=cap_days(self.workspace_id))


def keep(now: datetime | None = None) -> None:
    """What beat asks for: partitions made ahead, a mark taken, old partitions dropped or kept."""
    now = now or timezone.now()
    make_ahead(now.date())
    marks.take()
    drop_old(now)


def drop_old(now: datetime) -> int:
    """Drop the partitions whose time is over and that nobody needs; returns how many went."""
    dropped = 0
    for partition in partitions():
        if partition.end > now - timedelta(days=settings.EVENT_RETENTION_DAYS):
            break
        for held in held_by(partition):
            if now >= held.cap:
                _give_up(held)
            else:
                _warn(held, now)
        if not held_by(partition):
            dropped += drop(partition)
    if dropped:
        oldest = partitions()
        marks.forget(oldest[0].start if oldest else now)
    return dropped


def cap_days(workspace_id: int) -> int:
    """For how many days a workspace's events are kept at most, whoever waits for them."""
    own = EventKeeping.objects.filter(workspace=workspace_id).values_list("cap_days", flat=True).first()
    return max(settings.EVENT_RETENTION_DAYS, settings.EVENT_RETENTION_CAP_DAYS if own is None else own)


@dataclass(frozen=True)
class Keeping:
    """How long events are kept, for people: usually ``days``, at most ``cap`` (itself at most ``most``); since when."""

    days: int
    cap: int
    begins: datetime | None
    most: int = 3_650


def keeping(workspace_id: int) -> Keeping:
    """How a workspace's events are kept."""
    days = partitions()
    return Keeping(settings.EVENT_RETENTION_DAYS, cap_days(workspace_id), days[0].start if days else None)


def set_cap(workspace: Workspace, days: int) -> None:
    """Keep a workspace's events for at most so many days. Raises ValueError outside of what is possible."""
    limits = keeping(workspace.pk)
    if not limits.days <= days <= limits.most:
        raise ValueError(days)
    EventKeeping.objects.update_or_create(workspace=workspace, defaults={"cap_days": days})


def held_by(partition: Partition) -> list[Held]:
    """The Currents that still need something of a partition: one probe of its index for each cursor."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT DISTINCT k.id, k.workspace_id FROM currents_cursor c JOIN currents_current k ON k.id = c.current_id
             WHERE k.status <> 'stopped' AND EXISTS (SELECT 1 FROM {partition.table} e WHERE {_WAITS_SQL})
             ORDER BY k.id
            """  # noqa: S608 - a constant, and a day
        )
        return [Held(current_id, workspace_id, partition) for current_id, workspace_id in cursor.fetchall()]


def held_past_time(current: Current, now: datetime | None = None) -> Held | None:
    """The oldest partition that is kept for a Current past its time, if there is one."""
    limit = (now or timezone.now()) - timedelta(days=settings.EVENT_RETENTION_DAYS)
    old = (one for one in partitions() if one.end <= limit)
    return next((held for one in old for held in held_by(one) if held.current_id == current.pk), None)


def purge(chunk: int = CHUNK) -> int:
    """Delete single rows that are over their time; returns how many events went.

    Events only of days that had no partition of their own.
    """
    now = timezone.now()
    before = now - timedelta(days=settings.EVENT_RETENTION_DAYS)
    events = 0
    while deleted := _purge_events(before, chunk):
        events += deleted
    for table in _received_tables():
        while _purge_chunk(table, "day", before.date(), chunk):
            pass
    while _purge_chunk("currents_deadletter", "created_at", now - timedelta(days=KEPT_DAYS), chunk):
        pass
    while _purge_chunk("currents_notice", "created_at", now - timedelta(days=KEPT_DAYS), chunk):
        pass
    _sum_up_counts(now - timedelta(days=COUNTS_KEPT_DAYS))
    return events


def _sum_up_counts(before: datetime) -> None:
    """Put the counts of hours before that moment together: one statement, so that no total is ever seen halfway."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH gone AS (
                DELETE FROM currents_deliverycount WHERE hour < %(before)s AND hour > %(first)s
                RETURNING current_id, outcome, hour, count, example)
            INSERT INTO currents_deliverycount AS c (current_id, hour, outcome, count, example)
            SELECT current_id, %(first)s, outcome, sum(count),
                   COALESCE((array_agg(example ORDER BY hour DESC) FILTER (WHERE example <> ''))[1], '')
              FROM gone GROUP BY current_id, outcome ORDER BY current_id, outcome
            ON CONFLICT (current_id, hour, outcome) DO UPDATE SET count = c.count + EXCLUDED.count,
                example = CASE WHEN EXCLUDED.example <> '' THEN EXCLUDED.example ELSE c.example END
            """,
            {"before": before, "first": _BEFORE},
        )


def _warn(held: Held, now: datetime) -> None:
    """Tell the contact, once in a while, that events are kept past their time, and until when."""
    with transaction.atomic():
        current = Current.objects.select_for_update().get(pk=held.current_id)
        if current.notices.filter(kind=Notice.Kind.KEPT, created_at__gt=now - _REMIND).exists():
            return
        facts = {"since": held.partition.day.isoformat(), "until": held.cap.date().isoformat()}
        notices.tell(current, Notice.Kind.KEPT, facts)
    logger.warning("Events of %s are kept for the Current %s past their time", held.partition.day, held.current_id)


def _give_up(held: Held) -> None:
    """Take the cursors of a Current past a partition at its cap; a shard that is leased just now has its turn later."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT c.id, c.xid, c.event, c.replay_id IS NULL, last.xid, last.id,
                   (SELECT count(*) FROM currents_event e
                     WHERE {_WAITS_SQL} AND (e.xid, e.id) <= (last.xid, last.id) AND {SELECTED_SQL}
                       AND e.received_at < %(until)s),
                   last.event_id
              FROM currents_cursor c JOIN currents_current k ON k.id = c.current_id
             CROSS JOIN LATERAL (SELECT e.xid, e.id, e.event_id FROM {held.partition.table} e
                                  WHERE {_WAITS_SQL} ORDER BY e.xid DESC, e.id DESC LIMIT 1) last
             WHERE c.current_id = %(current)s
            """,  # noqa: S608 - constants, and a day
            {
                "current": held.current_id,
                "known": list(catalogue()),
                # Around midnight the order of the log and that of the days may differ a little.
                "until": held.partition.end + timedelta(days=1),
            },
        )
        rows = cursor.fetchall()
    lost, example = 0, ""
    with transaction.atomic():
        current = Current.objects.select_for_update().get(pk=held.current_id)
        for cursor_id, xid, event, is_live, last_xid, last_id, waiting, last_event_id in rows:
            if _pass(cursor_id, (xid, event), (last_xid, last_id)) and is_live:
                lost, example = lost + waiting, last_event_id
        if lost:
            add_counts(held.current_id, {Outcome.LOST: lost}, {Outcome.LOST: example})
            notices.tell(current, Notice.Kind.LOST, {"events": lost, "day": held.partition.day.isoformat()})
            logger.error("%s events of %s were lost to the Current %s", lost, held.partition.day, held.current_id)


def _pass(cursor_id: int, place: tuple[int, int], to: tuple[int, int]) -> bool:
    """Move a cursor on if it still is where it was, and nobody works on it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE currents_cursor c SET xid = %s, event = %s, {NOT_COUNTED_SQL}
             WHERE c.id = %s AND (c.xid, c.event) = (%s, %s) AND {FREE_SQL}
            """,  # noqa: S608 - a constant
            [*to, cursor_id, *place],
        )
        return bool(cursor.rowcount)


def _purge_events(before: datetime, chunk: int) -> int:
    """One chunk of the events that are in no day's partition; what is waited for is stepped over."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            DELETE FROM {REST} WHERE ctid = ANY(ARRAY(
                SELECT e.ctid FROM {REST} e
                 WHERE e.received_at < %s AND e.xid < {HORIZON_SQL}
                   AND NOT EXISTS (
                       SELECT 1 FROM currents_cursor c JOIN currents_current k ON k.id = c.current_id
                        WHERE k.status <> 'stopped' AND {_WAITS_SQL})
                 ORDER BY e.received_at LIMIT %s))
            """,  # noqa: S608 - constants
            [before, chunk],
        )
        return cursor.rowcount


def _received_tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'currents_receivedeventid'::regclass"
        )
        return [table for (table,) in cursor.fetchall()]


def _purge_chunk(table: str, column: str, before: date, chunk: int) -> int:
    parameters: list[Any] = [before, chunk]
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {column} < %s LIMIT %s))",  # noqa: S608
            parameters,
        )
        return cursor.rowcount
