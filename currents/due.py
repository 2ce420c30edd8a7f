"""Which Currents have work for a worker now: asked of the database, since wake-up calls may be lost."""

from django.db import connection

from currents.destinations import destinations
from currents.log import AT_HOME_SQL
from currents.waiting import FREE_SQL, WORK_WAITS_SQL, remember, work_waits


def due_currents(workspace_id: int | None = None) -> list[int]:
    """The ids of the Currents (of one workspace, or of all) that a worker should look at: three statements.

    Active ones with a free shard that has work or a dead letter to retry, Failed ones whose probe is due.
    """
    waits = work_waits(workspace_id=workspace_id, full=min(one.max_events for one in destinations()))
    remember(waits)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT k.id FROM currents_current k
             WHERE {AT_HOME_SQL} AND (%(workspace)s::bigint IS NULL OR k.workspace_id = %(workspace)s)
               AND (k.status = 'active' AND (
                        EXISTS (SELECT 1 FROM currents_cursor c
                                 WHERE c.current_id = k.id AND c.replay_id IS NULL AND c.next_try_at <= now()
                                   AND {FREE_SQL} AND {WORK_WAITS_SQL})
                     OR EXISTS (SELECT 1 FROM currents_deadletter d
                                 WHERE d.current_id = k.id AND d.retry_at <= now()
                                   AND (d.leased_until IS NULL OR d.leased_until <= now())))
                 OR k.status = 'failed' AND (k.probe_at IS NULL OR k.probe_at <= now()))
             ORDER BY k.id
            """,  # noqa: S608 - constants
            waits,
        )
        return [current_id for (current_id,) in cursor.fetchall()]


def due_replays() -> list[int]:
    """The ids of running replays that no worker is at, with a shard that is due or with none left: one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT r.id FROM currents_replay r JOIN currents_current k ON k.id = r.current_id
             WHERE {AT_HOME_SQL} AND r.state = 'running' AND k.status = 'active'
               AND (NOT EXISTS (SELECT 1 FROM currents_cursor c WHERE c.replay_id = r.id)
                 OR EXISTS (SELECT 1 FROM currents_cursor c WHERE c.replay_id = r.id AND c.next_try_at <= now())
                AND NOT EXISTS (SELECT 1 FROM currents_cursor c WHERE c.replay_id = r.id AND NOT {FREE_SQL}))
             ORDER BY r.id
            """  # noqa: S608 - constants
        )
        return [replay_id for (replay_id,) in cursor.fetchall()]
