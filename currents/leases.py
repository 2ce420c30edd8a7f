"""Leases on the shards of a Current: who may send its next batch, and until when.

A lease is a token on the cursor's row, taken with SKIP LOCKED. All times are the database's, so that workers on
machines with different clocks agree; a worker itself counts the seconds that it has left on its monotonic clock.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from currents.log import AT_HOME_SQL, Position
from currents.models import SHARDS, Current, Replay
from currents.waiting import FREE_SQL, WORK_WAITS_SQL, remember, work_waits

#: How many requests of a Current are under way. A replay's is counted where somebody has set a limit: with as many
#: requests as there are shards it takes none from live delivery.
_IN_FLIGHT_SQL = f"""
    SELECT count(*) FROM currents_cursor o
     WHERE o.current_id = %(current)s AND o.lease IS NOT NULL AND o.leased_until > now()
       AND (o.replay_id IS NULL OR %(in_flight)s < {SHARDS})"""  # noqa: S608 - constants

_RETURNED = "c.id, c.current_id, c.shard, c.xid, c.event, c.attempt, c.batch_limit, c.replay_id"


@dataclass
class Lease:
    """One shard of a Current, ours until ``deadline`` (monotonic clock). ``attempt`` counts the failures in a row.

    ``replay_id``: it is the shard of a replay, not of live delivery.
    """

    cursor_id: int
    current_id: int
    shard: int
    position: Position
    attempt: int
    batch_limit: int
    token: UUID
    deadline: float
    replay_id: int | None = None
    batches: int = 0

    @property
    def seconds_left(self) -> float:
        """How long the lease still lasts."""
        return self.deadline - time.monotonic()


def take(current: Current, token: UUID, limit: int, *, full: int, flush: bool = False) -> list[Lease]:
    """Lease at most ``limit`` shards of an active Current that have work, the longest unserved first.

    Together with other workers' leases they stay within the Current's requests in flight. ``full`` is the size of a
    full batch; with ``flush`` a part batch counts as work however young it is. Two statements, and one more when fewer
    than ``limit`` have work: it remembers how much waits on the others.
    """
    waits = work_waits(current.pk, full=full, flush=flush)
    taken = _take(
        f"""
        SELECT c.id FROM currents_cursor c JOIN currents_current k ON k.id = c.current_id
         WHERE c.current_id = %(current)s AND c.replay_id IS NULL AND k.status = 'active' AND c.next_try_at <= now()
           AND {FREE_SQL} AND {AT_HOME_SQL} AND {WORK_WAITS_SQL}
         ORDER BY c.leased_until NULLS FIRST, c.shard
         LIMIT GREATEST(0, LEAST(%(limit)s, %(in_flight)s - ({_IN_FLIGHT_SQL})))
           FOR UPDATE OF c SKIP LOCKED
        """,  # noqa: S608 - constants
        current,
        token,
        {"limit": limit, **waits},
    )
    if len(taken) < limit:
        remember(waits)
    return taken


def take_for_probe(current: Current, token: UUID) -> list[Lease]:
    """Lease one shard of a Failed Current that has events waiting, whatever its back-off says."""
    return _take(
        f"""
        SELECT c.id FROM currents_cursor c JOIN currents_current k ON k.id = c.current_id
         WHERE c.current_id = %(current)s AND c.replay_id IS NULL
           AND {FREE_SQL} AND {AT_HOME_SQL} AND {WORK_WAITS_SQL}
         ORDER BY c.shard LIMIT 1
           FOR UPDATE OF c SKIP LOCKED
        """,  # noqa: S608 - constants
        current,
        token,
        work_waits(current.pk, full=1, flush=True),
    )


def take_for_replay(replay: Replay, current: Current, token: UUID) -> list[Lease]:
    """Lease one shard of a running replay, the longest unserved; none while another worker has one, or while live
    delivery uses up the Current's requests in flight.
    """
    return _take(
        f"""
        SELECT c.id FROM currents_cursor c JOIN currents_current k ON k.id = c.current_id
         WHERE c.replay_id = %(replay)s AND k.status = 'active' AND c.next_try_at <= now() AND {FREE_SQL}
           AND {AT_HOME_SQL} AND (%(in_flight)s >= {SHARDS} OR ({_IN_FLIGHT_SQL}) < %(in_flight)s)
           AND NOT EXISTS (SELECT 1 FROM currents_cursor o
                            WHERE o.replay_id = %(replay)s AND o.lease IS NOT NULL AND o.leased_until > now())
         ORDER BY c.leased_until NULLS FIRST, c.shard LIMIT 1
           FOR UPDATE OF c SKIP LOCKED
        """,  # noqa: S608 - constants
        current,
        token,
        {"replay": replay.pk},
    )


def renew(leases: Iterable[Lease]) -> None:
    """Prolong leases of one worker, by one statement. One that was lost meanwhile keeps its deadline, and runs out."""
    by_id = {lease.cursor_id: lease for lease in leases}
    if not by_id:
        return
    deadline = time.monotonic() + settings.CURRENTS_LEASE_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE currents_cursor SET leased_until = now() + %s * interval '1 second'
             WHERE id = ANY(%s) AND lease = %s RETURNING id
            """,
            [settings.CURRENTS_LEASE_SECONDS, list(by_id), next(iter(by_id.values())).token],
        )
        for (cursor_id,) in cursor.fetchall():
            by_id[cursor_id].deadline = deadline


def release(leases: Iterable[Lease]) -> None:
    """Let shards of one worker go, by one statement."""
    held = list(leases)
    if not held:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE currents_cursor SET lease = NULL, leased_until = now() WHERE id = ANY(%s) AND lease = %s",
            [[lease.cursor_id for lease in held], held[0].token],
        )


def workers_on(current_id: int) -> int:
    """How many workers hold a lease of the Current now, those of a replay left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(DISTINCT lease) FROM currents_cursor
             WHERE current_id = %s AND replay_id IS NULL AND lease IS NOT NULL AND leased_until > now()
            """,
            [current_id],
        )
        return int(cursor.fetchone()[0])


def _take(select: str, current: Current, token: UUID, parameters: dict[str, Any]) -> list[Lease]:
    deadline = time.monotonic() + settings.CURRENTS_LEASE_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH due AS MATERIALIZED ({select})
            UPDATE currents_cursor c
               SET lease = %(token)s, leased_until = now() + %(seconds)s * interval '1 second'
              FROM due WHERE c.id = due.id
            RETURNING {_RETURNED}
            """,  # noqa: S608 - constants
            {
                **parameters,
                "current": current.pk,
                "token": token,
                "seconds": settings.CURRENTS_LEASE_SECONDS,
                "in_flight": current.max_in_flight,
            },
        )
        rows = cursor.fetchall()
    return [
        Lease(cursor_id, current_id, shard, Position(xid, event), attempt, batch_limit, token, deadline, replay_id)
        for cursor_id, current_id, shard, xid, event, attempt, batch_limit, replay_id in rows
    ]
