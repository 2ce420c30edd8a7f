"""What is deleted in time: events that every Current has passed, received ids, old dead letters and counts."""

from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from currents.dead_letters import KEPT_DAYS
from currents.log import HORIZON_SQL

#: Rows of one statement: a transaction of ours never lasts long.
CHUNK = 10_000


def purge(chunk: int = CHUNK) -> int:
    """Delete what is over its time; returns how many events went.

    An event goes after EVENT_RETENTION_DAYS, unless a Current that is not stopped has not passed it yet.
    """
    now = timezone.now()
    before = now - timedelta(days=settings.EVENT_RETENTION_DAYS)
    events = 0
    while deleted := _purge_events(before, chunk):
        events += deleted
    while _purge_chunk("currents_receivedeventid", "day", before.date(), chunk):
        pass
    while _purge_chunk("currents_deadletter", "created_at", now - timedelta(days=KEPT_DAYS), chunk):
        pass
    return events


def _purge_events(before: datetime, chunk: int) -> int:
    """One chunk of events, by the index on their time of receipt; what is waited for is stepped over."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            DELETE FROM currents_event WHERE id = ANY(ARRAY(
                SELECT e.id FROM currents_event e
                 WHERE e.received_at < %s AND e.xid < {HORIZON_SQL}
                   AND NOT EXISTS (
                       SELECT 1 FROM currents_cursor c JOIN currents_current k ON k.id = c.current_id
                        WHERE k.workspace_id = e.workspace_id AND k.status <> 'stopped'
                          AND c.shard = e.shard AND (c.xid, c.event) < (e.xid, e.id))
                 ORDER BY e.received_at LIMIT %s))
            """,  # noqa: S608 - a constant
            [before, chunk],
        )
        return cursor.rowcount


def _purge_chunk(table: str, column: str, before: date, chunk: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {column} < %s LIMIT %s))",  # noqa: S608
            [before, chunk],
        )
        return cursor.rowcount
