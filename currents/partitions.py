"""The partitions of the event log, one for each UTC day of receipt: made ahead, and dropped as a whole.

Both want a lock that everybody who reads or writes the log would queue up behind, so they wait for it briefly and leave
it for the next time. A day that nobody made a partition for goes to the one that takes the rest, and stays there.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db import OperationalError, connection, transaction
from django.utils import timezone

logger = logging.getLogger(__name__)

DAYS_AHEAD = 3
#: The partition of the days that have none.
REST = "currents_event_rest"
_PREFIX = "currents_event_"
_LOCK_TIMEOUT = "500ms"


@dataclass(frozen=True, order=True)
class Partition:
    """The events that were received on one day (UTC)."""

    day: date

    @property
    def table(self) -> str:
        """Its table's name."""
        return f"{_PREFIX}{self.day:%Y%m%d}"

    @property
    def start(self) -> datetime:
        """The moment at which it begins."""
        return datetime.combine(self.day, time(), UTC)

    @property
    def end(self) -> datetime:
        """The moment before which it ends."""
        return self.start + timedelta(days=1)


def partitions() -> list[Partition]:
    """All of them but the one for the rest, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = 'currents_event'::regclass AND c.relname <> %s
            """,
            [REST],
        )
        return sorted(Partition(datetime.strptime(name, f"{_PREFIX}%Y%m%d").date()) for (name,) in cursor.fetchall())


def make_ahead(today: date | None = None) -> int:
    """Make the partitions of today and the next DAYS_AHEAD days that are missing; returns how many were made."""
    start = today or timezone.now().astimezone(UTC).date()
    have = {one.day for one in partitions()}
    wanted = [Partition(start + timedelta(days=ahead)) for ahead in range(DAYS_AHEAD + 1)]
    return sum(_make(one) for one in wanted if one.day not in have)


def drop(partition: Partition) -> bool:
    """Drop a partition with all that it holds. False: somebody was using the log; try again later."""
    return _with_lock(lambda: _run(f"DROP TABLE {partition.table}"))


def _make(partition: Partition) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT 1 FROM {REST} WHERE received_at >= %s AND received_at < %s)",  # noqa: S608
            [partition.start, partition.end],
        )
        if cursor.fetchone()[0]:
            logger.warning("Events of %s came before their partition was made: they stay where they are", partition.day)
            return False

    def attach() -> None:
        # Made first and attached then: creating it in place would lock out all readers and writers of the log.
        _run(f"CREATE TABLE {partition.table} (LIKE currents_event INCLUDING DEFAULTS INCLUDING STORAGE)")
        _run(
            f"ALTER TABLE currents_event ATTACH PARTITION {partition.table}"
            f" FOR VALUES FROM ('{partition.start.isoformat()}') TO ('{partition.end.isoformat()}')"
        )

    return _with_lock(attach)


def _with_lock(change: Callable[[], None]) -> bool:
    try:
        with transaction.atomic():
            _run(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            change()
    except OperationalError as error:
        logger.info("The event log was busy, its partitions are changed later: %s", type(error).__name__)
        return False
    return True


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
