"""Whether a shard has work: its oldest waiting event has waited long enough, or a full batch waits.

A batch that fills up slowly is asked for many times before it is full. So how many events wait is remembered with the
cursor, and only what came since is counted: each event is counted about once, however often anybody asks. What lies
below the log's horizon never changes, so a count that was right stays right until the cursor moves.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection

from currents.log import HORIZON_SQL
from currents.marks import marks

#: Counts are written when they have grown by so many: a few events are counted again more cheaply than written down.
REMEMBER_FROM: Final = 100
#: Nobody holds the cursor c.
FREE_SQL: Final = "(c.lease IS NULL OR c.leased_until <= now())"
#: To be set wherever a cursor is moved.
NOT_COUNTED_SQL: Final = "counted = 0, counted_xid = NULL, counted_event = NULL"

_OF_SHARD: Final = f"""
    e.workspace_id = k.workspace_id AND e.shard = c.shard AND e.xid < {HORIZON_SQL}
    AND e.received_at >= %(since)s AND e.received_at < %(until)s"""
_NOT_COUNTED: Final = "(e.xid, e.id) > (COALESCE(c.counted_xid, c.xid), COALESCE(c.counted_event, c.event))"
_OLDEST: Final = f"""
    (SELECT e.received_at FROM currents_event e WHERE {_OF_SHARD} AND (e.xid, e.id) > (c.xid, c.event)
      ORDER BY e.xid, e.id LIMIT 1)"""  # noqa: S608 - constants
_LONG_AGO: Final = """
    now() - CASE WHEN %(flush)s THEN 0 ELSE COALESCE(k.flush_interval, %(interval)s) END * interval '1 second'"""
#: The cursor c, of the Current k, is worth a worker's time. Wants the parameters of ``work_waits``.
WORK_WAITS_SQL: Final = f"""
    COALESCE(
        {_OLDEST} <= {_LONG_AGO}
        OR c.counted >= %(full)s
        OR EXISTS (SELECT 1 FROM currents_event e WHERE {_OF_SHARD} AND {_NOT_COUNTED}
                    ORDER BY e.xid, e.id OFFSET GREATEST(%(full)s - c.counted, 1) - 1 LIMIT 1),
        false)
"""  # noqa: S608 - constants
# Of a cursor that was moved or counted meanwhile, or that somebody is at just now, nothing is written.
_REMEMBER: Final = f"""
    WITH seen AS MATERIALIZED (
        SELECT c.id, c.xid, c.event, c.counted_xid, w.number, w.last
          FROM currents_cursor c JOIN currents_current k ON k.id = c.current_id
         CROSS JOIN LATERAL (
               SELECT count(*) AS number, max(ARRAY[e.xid, e.id]) AS last
                 FROM (SELECT e.xid, e.id FROM currents_event e WHERE {_OF_SHARD} AND {_NOT_COUNTED}
                        ORDER BY e.xid, e.id LIMIT %(full)s) e) w
         WHERE k.status = 'active' AND c.replay_id IS NULL AND c.counted < %(full)s AND {FREE_SQL}
           -- Nobody needs a count of what is old enough to leave.
           AND {_OLDEST} > {_LONG_AGO}
           AND (%(current)s::bigint IS NULL OR k.id = %(current)s)
           AND (%(workspace)s::bigint IS NULL OR k.workspace_id = %(workspace)s)
           AND w.number >= %(least)s),
    mine AS MATERIALIZED (
        SELECT c.id FROM currents_cursor c JOIN seen ON seen.id = c.id
         WHERE (c.xid, c.event) = (seen.xid, seen.event) AND c.counted_xid IS NOT DISTINCT FROM seen.counted_xid
           FOR UPDATE OF c SKIP LOCKED)
    UPDATE currents_cursor c
       SET counted = c.counted + seen.number, counted_xid = seen.last[1], counted_event = seen.last[2]
      FROM seen JOIN mine USING (id) WHERE c.id = seen.id
"""  # noqa: S608 - constants


def work_waits(
    current_id: int | None = None, workspace_id: int | None = None, *, full: int, flush: bool = False
) -> dict[str, Any]:
    """The parameters of WORK_WAITS_SQL and ``remember`` for the cursors of one Current or workspace, or of all.

    One statement. ``since`` is where the hindmost of them stands: what was received before, in older partitions, is not
    looked at, nor are partitions that are made ahead.
    """
    whose = {"current": current_id, "workspace": workspace_id}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT COALESCE(min(c.xid), 0) FROM currents_cursor c JOIN currents_current k ON k.id = c.current_id
             WHERE c.replay_id IS NULL AND k.status <> 'stopped'
               AND (%(current)s::bigint IS NULL OR c.current_id = %(current)s)
               AND (%(workspace)s::bigint IS NULL OR k.workspace_id = %(workspace)s)
            """,
            whose,
        )
        hindmost = int(cursor.fetchone()[0])
    return {
        **whose,
        "since": marks().since(hindmost),
        "until": datetime.now(UTC) + timedelta(days=1),
        "interval": settings.CURRENTS_FLUSH_INTERVAL,
        "full": full,
        "flush": flush,
    }


def remember(parameters: dict[str, Any]) -> None:
    """Count what has come to the free shards of those Currents that ``work_waits`` was asked for. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_REMEMBER, {**parameters, "least": REMEMBER_FROM})
