"""What ties the order of the log, transaction ids, to its partitions, days of receipt.

A mark says what the cluster's transaction ids were at a moment. An event is received when the statement that writes it
begins, and its transaction gets its id then or earlier. So what a transaction from ``next_xid`` on has written was
received after the mark (``_SLACK`` allows for a writer that stalls before its first row), and what was received after
the mark was written by a transaction from ``first_xid`` on. Both let a reader leave partitions out, and never an event.
"""

import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection

#: Processes read the marks this often; an older one is as true as ever.
_REFRESH_SECONDS = 60.0
_SLACK = timedelta(hours=1)
#: How much of the log a reader that is far behind looks at: two partitions, three at most.
_WINDOW = timedelta(days=1)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Mark:
    """See ``currents.models.LogMark``."""

    taken_at: datetime
    first_xid: int
    next_xid: int


class Marks:
    """The marks in order of time."""

    def __init__(self, marks: Sequence[Mark] = ()) -> None:
        self.marks = list(marks)
        self._next_xids = [one.next_xid for one in self.marks]
        self._times = [one.taken_at for one in self.marks]

    def since(self, xid: int) -> datetime:
        """What was written from transaction ``xid`` on was received at this moment or later."""
        place = bisect_right(self._next_xids, xid) - 1
        return self._times[place] - _SLACK if place >= 0 else _BEGINNING

    def end_of_window(self, xid: int) -> Mark | None:
        """A mark well behind ``xid``: up to its moment, below its ``first_xid``, nothing of the log's order is missing.

        None: ``xid`` is near the log's end, and there is no use in a window.
        """
        place = bisect_right(self._times, self.since(xid) + _WINDOW)
        return next((one for one in self.marks[place:] if one.first_xid > xid), None)

    def before(self, moment: datetime) -> int:
        """What was received from ``moment`` on was written by this transaction or a later one."""
        place = bisect_right(self._times, moment) - 1
        return self.marks[place].first_xid if place >= 0 else 0


def take() -> None:
    """Mark the present moment. One an hour is plenty: days are what is told apart."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO currents_logmark (taken_at, first_xid, next_xid)
            SELECT clock_timestamp(), pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint
              FROM pg_current_snapshot() now
             WHERE NOT EXISTS (SELECT 1 FROM currents_logmark WHERE taken_at > now() - interval '50 minutes')
            ON CONFLICT DO NOTHING
            """
        )


def forget(before: datetime) -> None:
    """Delete the marks that are no use once nothing older than ``before`` is in the log."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM currents_logmark
             WHERE taken_at < (SELECT max(taken_at) FROM currents_logmark WHERE taken_at < %s)
            """,
            [before],
        )


def load() -> Marks:
    """The marks as they are in the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT taken_at, first_xid, next_xid FROM currents_logmark ORDER BY taken_at")
        return Marks([Mark(*row) for row in cursor.fetchall()])


def marks() -> Marks:
    """The marks, read again when they are older than a minute: no statement for most calls."""
    global _loaded, _loaded_at
    now = time.monotonic()
    if now - _loaded_at > _REFRESH_SECONDS:
        _loaded, _loaded_at = load(), now
    return _loaded


_loaded = Marks()
_loaded_at = float("-inf")
