"""After a dump and restore the logs' transaction ids come from another cluster, and the new one does not continue them.

The new cluster may count lower than the logs do: what is written from then on would come before what is there. So
everything old is shifted, all by the same distance, to below what the new cluster has reached; its order stays. Other
apps that keep transaction ids, in a log or a cursor of their own, register them here.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from currents.log import horizon, needs_rebase
from currents.models import LogMark
from currents.waiting import NOT_COUNTED_SQL


@dataclass(frozen=True)
class Xids:
    """Transaction ids in ``column`` of ``table``, in the rows of the old cluster: those that meet ``condition`` (SQL).

    It may use the parameters ``restored_at``, and ``old``: the old cluster's identifier. ``also`` is set beside; it may
    use ``new``, the identifier of the present cluster.
    """

    table: str
    column: str
    condition: str
    also: str = ""


@dataclass(frozen=True)
class Rebased:
    """How many events were shifted, and by how many transaction ids; ``needed`` False: the cluster is the log's own."""

    needed: bool
    events: int = 0
    shift: int = 0


_RUNS: Final = "current_id IN (SELECT id FROM currents_current WHERE status IN ('active', 'paused', 'failed'))"
_EVENTS: Final = Xids("currents_event", "xid", "received_at < %(restored_at)s")
_registered: list[Xids] = [
    _EVENTS,
    Xids("currents_cursor", "xid", _RUNS, also=NOT_COUNTED_SQL),
    Xids("currents_eventselection", "from_xid", _RUNS),
    Xids("currents_replay", "end_xid", "state = 'running'"),
]


def register(*tables: Xids) -> None:
    """Have these shifted too; apps do it when they are ready."""
    _registered.extend(one for one in tables if one not in _registered)


def stamp() -> None:
    """Record the present cluster as the log's own."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM currents_logcluster")
        cursor.execute(
            "INSERT INTO currents_logcluster (system_identifier) SELECT system_identifier FROM pg_control_system()"
        )


def rebase(restored_at: datetime) -> Rebased:
    """Bring logs, cursors and selections into the present cluster's numbers. All of it or, on an error, nothing.

    ``restored_at`` parts what was restored from what was logged in the new cluster since.
    """
    if not needs_rebase():
        return Rebased(needed=False)
    with transaction.atomic(), connection.cursor() as cursor:
        tables = ", ".join(dict.fromkeys(one.table for one in _registered))
        cursor.execute(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")
        parameters = {"restored_at": restored_at, **_clusters(cursor)}
        shift = max(0, _highest(cursor, parameters) - horizon() + 1)
        shifted = {one: _shift(cursor, one, {**parameters, "shift": shift}) for one in _registered}
        LogMark.objects.all().delete()
        stamp()
    return Rebased(needed=True, events=shifted[_EVENTS] if shift else 0, shift=shift)


def _clusters(cursor: Any) -> dict[str, int]:
    cursor.execute("SELECT system_identifier FROM currents_logcluster")
    old = cursor.fetchone()[0]
    cursor.execute("SELECT system_identifier FROM pg_control_system()")
    return {"old": old, "new": cursor.fetchone()[0]}


def _highest(cursor: Any, parameters: dict[str, Any]) -> int:
    """The highest transaction id of the old cluster."""
    each = ", ".join(
        f"(SELECT max({one.column}) FROM {one.table} WHERE {one.condition})"  # noqa: S608 - names of ours
        for one in _registered
    )
    cursor.execute(f"SELECT GREATEST({each}, 0)", parameters)
    return int(cursor.fetchone()[0])


def _shift(cursor: Any, one: Xids, parameters: dict[str, Any]) -> int:
    if not parameters["shift"] and not one.also:
        return 0
    changes = ", ".join(filter(None, [f"{one.column} = {one.column} - %(shift)s", one.also]))
    cursor.execute(f"UPDATE {one.table} SET {changes} WHERE {one.condition}", parameters)  # noqa: S608 - names of ours
    return int(cursor.rowcount)
