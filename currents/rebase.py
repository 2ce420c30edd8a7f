"""After a dump and restore the log's transaction ids come from another cluster, and the new one does not continue them.

The new cluster may count lower than the log does: what is written from then on would come before what is there. So
everything old is shifted, all by the same distance, to below what the new cluster has reached; its order stays.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import F

from currents.log import horizon, needs_rebase
from currents.models import Current, Cursor, Event, EventSelection, LogMark, Replay


@dataclass(frozen=True)
class Rebased:
    """How many events were shifted, and by how many transaction ids; ``needed`` False: the cluster is the log's own."""

    needed: bool
    events: int = 0
    shift: int = 0


def stamp() -> None:
    """Record the present cluster as the log's own."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM currents_logcluster")
        cursor.execute(
            "INSERT INTO currents_logcluster (system_identifier) SELECT system_identifier FROM pg_control_system()"
        )


def rebase(restored_at: datetime) -> Rebased:
    """Bring log, cursors and selections into the present cluster's numbers. All of it or, on an error, nothing.

    ``restored_at`` parts what was restored from what was logged in the new cluster since.
    """
    if not needs_rebase():
        return Rebased(needed=False)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE currents_event, currents_cursor IN SHARE ROW EXCLUSIVE MODE")
        shift = _distance(restored_at)
        events = _shift_all(restored_at, shift) if shift > 0 else 0
        stamp()
    return Rebased(needed=True, events=events, shift=max(0, shift))


def _distance(restored_at: datetime) -> int:
    """How far the highest old id lies at or above what the new cluster has reached."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT GREATEST((SELECT max(xid) FROM currents_event WHERE received_at < %s),
                            (SELECT max(xid) FROM currents_cursor),
                            (SELECT max(from_xid) FROM currents_eventselection), 0)
            """,
            [restored_at],
        )
        highest = int(cursor.fetchone()[0])
    return highest - horizon() + 1


def _shift_all(restored_at: datetime, shift: int) -> int:
    running = Current.objects.filter(status__in=Current.KEEPS)
    Cursor.objects.filter(current__in=running).update(xid=F("xid") - shift)
    EventSelection.objects.filter(current__in=running).update(from_xid=F("from_xid") - shift)
    Replay.objects.filter(state=Replay.State.RUNNING).update(end_xid=F("end_xid") - shift)
    LogMark.objects.all().delete()
    return Event.objects.filter(received_at__lt=restored_at).update(xid=F("xid") - shift)
