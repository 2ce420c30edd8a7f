"""The event log: appended to in the transaction of what caused an event, read by anybody with a cursor of their own.

Sequence values are handed out before their rows are committed, so a reader that goes by id alone can step over a row
that commits later. Each row therefore holds the id of the transaction that wrote it, and readers take only rows below
the oldest transaction that is still running (the *horizon*), in (xid, id) order: nothing can appear behind a cursor.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from zlib import crc32

import orjson
from django.db import connection, transaction
from psycopg import Cursor
from psycopg.pq import Format
from psycopg.types.string import ByteaBinaryLoader

from currents.marks import Mark, marks
from currents.models import SHARDS
from currents.wakeup import wake_on_commit

#: The lowest transaction id that may still be writing.
HORIZON_SQL = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
#: The log's transaction ids are this cluster's. After a dump and restore they are not, until ``currents_rebase`` ran.
AT_HOME_SQL = """NOT EXISTS (
    SELECT 1 FROM currents_logcluster
     WHERE system_identifier <> (SELECT system_identifier FROM pg_control_system()))"""

_NO_XID = 2**63 - 1
#: What a page of the log may bring along without being asked for its size: 2,000 of these are 16 MB.
_SMALL_SQL = "pg_column_size(e.payload) < 8192 AND pg_column_compression(e.payload) IS NULL"
#: Larger payloads are loaded until a page has so many bytes of them: more than a request may hold.
LARGE_BYTES = 11 * 1024 * 1024
_FIRST_LARGE, _MOST_LARGE = 8, 500
_COPY = """COPY currents_event
    (workspace_id, shard, event_id, event_type, time, external_user_id, payload, from_outside) FROM STDIN"""
_COLUMNS = ("int8", "int2", "text", "text", "int8", "text", "text", "bool")


class Position(NamedTuple):
    """A place in the log: everything up to and including this event is behind it."""

    xid: int
    event: int


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append. ``time`` is in seconds since 1970 (UTC); ``properties`` are the type's own fields under their
    storage names, for a custom event with ``name`` and ``custom_properties``, for a purchase with
    ``purchase_properties``. ``extra`` holds unknown fields beside them.
    """

    event_type: str
    time: int
    external_user_id: str | None = None
    user_id: str | None = None
    device_id: str | None = None
    timezone: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    extra: dict[str, Any] = field(default_factory=dict)

    def payload(self) -> dict[str, Any]:
        """What the log's column of that name holds."""
        named = {"user_id": self.user_id, "device_id": self.device_id, "timezone": self.timezone}
        user = {name: value for name, value in named.items() if value is not None}
        return {**self.extra, "user": {**self.extra.get("user", {}), **user}, "properties": self.properties}


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the log: received from ``start`` on and before ``end``, by transactions below ``end_xid``."""

    start: datetime
    end: datetime
    end_xid: int


class LoggedEvent(NamedTuple):
    """An event as read from the log; times in seconds since 1970.

    ``payload`` is undecoded JSON; None when its type was not asked for, NOT_LOADED when the page has no room for it.
    """

    id: int
    xid: int
    event_id: str
    event_type: str
    time: int
    external_user_id: str | None
    received_at: float
    payload: bytes | None

    @property
    def position(self) -> Position:
        """Where a cursor stands that has passed this event."""
        return Position(self.xid, self.id)


#: Stands for a payload that is to be read with the next page.
NOT_LOADED = b""
_as_event: Callable[[tuple[Any, ...]], LoggedEvent] = partial(tuple.__new__, LoggedEvent)


def shard_of(external_user_id: str | None, user_id: str | None) -> int:
    """The shard that a user's events go to, for ever: all events of one user are in one, so they stay in order."""
    return crc32((external_user_id or user_id or "").encode("utf-8", "surrogatepass")) % SHARDS


def append_events(workspace_id: int, events: Sequence[NewEvent], *, from_outside: bool = False) -> None:
    """Append ``events`` in the caller's transaction (or one of its own), in their order, by one COPY.

    When the transaction commits, delivery is woken; if that message is lost, beat finds the events.
    """
    if not events:
        return
    with transaction.atomic(savepoint=False), connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(_COLUMNS)
        for one in events:
            copy.write_row(
                (
                    workspace_id,
                    shard_of(one.external_user_id, one.user_id),
                    one.event_id,
                    one.event_type,
                    one.time,
                    one.external_user_id,
                    orjson.dumps(one.payload()).decode(),
                    from_outside,
                )
            )
    wake_on_commit(workspace_id)


def horizon() -> int:
    """The lowest transaction id that may still be writing: what a reader may take lies below it."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {HORIZON_SQL}")
        return int(cursor.fetchone()[0])


def here() -> Position:
    """The position from which on events count that are not yet below the horizon."""
    return Position(horizon(), 0)


def read(
    workspace_id: int,
    shard: int,
    after: Position,
    limit: int,
    types: Iterable[str] | None = None,
    stretch: Stretch | None = None,
) -> list[LoggedEvent]:
    """At most ``limit`` events of a shard after a position, in order, all of them below the horizon.

    One statement, two for a reader that is days behind. Every type is returned; ``payload`` comes along for ``types``
    only (None: for all). Large payloads cost a few statements more, and a page holds LARGE_BYTES of them: the first
    always, those that have no room are NOT_LOADED. With ``stretch`` only what lies in it.
    """
    wanted = None if types is None else frozenset(types)
    place: dict[str, Any] = {
        "wanted": None if wanted is None else list(wanted),
        "workspace": workspace_id,
        "shard": shard,
        "since": max(marks().since(after.xid), stretch.start) if stretch else marks().since(after.xid),
        "until": stretch.end if stretch else _far_ahead(),
        "end_xid": stretch.end_xid if stretch else _NO_XID,
    }
    window = marks().end_of_window(after.xid)
    events = _read({**place, "limit": limit, "after": after}, window) if window else []
    if len(events) < limit:
        after = events[-1].position if events else after
        events += _read({**place, "limit": limit - len(events), "after": after}, None)
    return _with_large(place, events, wanted)


def _with_large(
    place: Mapping[str, Any], events: list[LoggedEvent], wanted: frozenset[str] | None
) -> list[LoggedEvent]:
    """``events`` with the large payloads that they still lack, as far as there is room."""
    lacking = [one for one in events if one.payload is None and (wanted is None or one.event_type in wanted)]
    if not lacking:
        return events
    found: dict[int, bytes] = dict.fromkeys((one.id for one in lacking), NOT_LOADED)
    size, start, number = 0, 0, _FIRST_LARGE
    while start < len(lacking) and size < LARGE_BYTES:
        loaded = _payloads(place, lacking[start : start + number])
        found |= loaded
        size += sum(map(len, loaded.values()))
        start += number
        # As many as there is room for if they go on like this.
        number = min(_MOST_LARGE, max(1, (LARGE_BYTES - size) * start // max(1, size)))
    return [one._replace(payload=found[one.id]) if one.id in found else one for one in events]


def _payloads(place: Mapping[str, Any], events: Sequence[LoggedEvent]) -> dict[int, bytes]:
    """The payloads of these events of one shard, by id. One statement."""
    with raw_cursor() as cursor:
        cursor.execute(
            """
            SELECT e.id, e.payload FROM unnest(%(xids)s::bigint[], %(ids)s::bigint[]) AS w (xid, id)
              JOIN currents_event e ON e.xid = w.xid AND e.id = w.id
             WHERE e.workspace_id = %(workspace)s AND e.shard = %(shard)s AND e.received_at >= %(since)s
            """,
            {**place, "xids": [one.xid for one in events], "ids": [one.id for one in events]},
        )
        return dict(cursor.fetchall())


def _read(place: dict[str, Any], window: Mark | None) -> list[LoggedEvent]:
    """``window``: only what lies before that mark; nothing, if the marks have changed meanwhile."""
    parameters = {**place, "xid": place["after"].xid, "event": place["after"].event}
    del parameters["after"]
    within = ""
    if window:
        within = "AND EXISTS (SELECT 1 FROM currents_logmark WHERE taken_at = %(mark)s AND first_xid = %(mark_xid)s)"
        parameters |= {
            "mark": window.taken_at,
            "mark_xid": window.first_xid,
            "until": min(place["until"], window.taken_at),
            "end_xid": min(place["end_xid"], window.first_xid),
        }
    with raw_cursor() as cursor:
        cursor.execute(
            f"""
            SELECT e.id, e.xid, e.event_id, e.event_type, e.time, e.external_user_id,
                   date_part('epoch', e.received_at),
                   CASE WHEN (%(wanted)s::text[] IS NULL OR e.event_type = ANY(%(wanted)s::text[])) AND {_SMALL_SQL}
                        THEN e.payload END
              FROM currents_event e
             WHERE e.workspace_id = %(workspace)s AND e.shard = %(shard)s
               AND (e.xid, e.id) > (%(xid)s, %(event)s) AND e.xid < {HORIZON_SQL} AND e.xid < %(end_xid)s
               AND e.received_at >= %(since)s AND e.received_at < %(until)s {within}
             ORDER BY e.xid, e.id
             LIMIT %(limit)s
            """,  # noqa: S608 - constants
            parameters,
        )
        # As LoggedEvent._make does, without counting the columns of each row.
        return list(map(_as_event, cursor.fetchall()))


def _far_ahead() -> datetime:
    """Later than anything in the log, whatever the clocks say: leaves out the partitions that are made ahead."""
    return datetime.now(UTC) + timedelta(days=1)


def needs_rebase() -> bool:
    """Whether the log was moved to another cluster, so that nothing is delivered until ``currents_rebase`` has run."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT NOT {AT_HOME_SQL}")
        return bool(cursor.fetchone()[0])


def held_back_since() -> datetime | None:
    """Since when the oldest open transaction of the cluster keeps events from being read; None: nothing is kept back.

    Any writing transaction counts, whoever's it is: while it runs, what was written after its start waits.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT min(held.since)
              FROM (SELECT xact_start AS since, backend_xid AS xid FROM pg_stat_activity WHERE backend_xid IS NOT NULL
                    UNION ALL
                    SELECT prepared, transaction FROM pg_prepared_xacts WHERE database = current_database()) held
             WHERE held.xid = ({HORIZON_SQL} & 4294967295)::text::xid
            """  # noqa: S608 - a constant
        )
        since: datetime | None = cursor.fetchone()[0]
        return since


@contextmanager
def raw_cursor() -> Iterator[Cursor[tuple[Any, ...]]]:
    """A cursor that takes its results in binary form: nothing is parsed, and ``json`` comes as the bytes it is stored
    as, undecoded. (Django's own binds parameters on the client, and such a cursor takes text only.)
    """
    with connection.cursor() as ours, connection.wrap_database_errors, Cursor(ours.connection) as cursor:
        cursor.adapters.register_loader("json", ByteaBinaryLoader)
        cursor.format = Format.BINARY
        yield cursor
