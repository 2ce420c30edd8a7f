"""Single custom events and purchases with their properties, kept for a while for conditions on these.

Of custom events those that an admin chose; of purchases all. Written with the counts (``profiles.counters``).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson
from django.db import connection
from django.utils import timezone

#: For so many calendar days occurrences are kept with their properties ...
PROPERTY_DAYS: Final = 30
#: ... of which the first began up to a day earlier.
_KEPT: Final = timedelta(days=PROPERTY_DAYS + 1)
#: Longer texts are no values that people filter by.
VALUE_LIMIT: Final = 255
#: How deep objects inside properties are looked into, and how many values of one occurrence are kept.
_DEPTH: Final = 5
_VALUES_LIMIT: Final = 250
_PURGE_CHUNK: Final = 10_000
_TABLES: Final = ("profiles_keptevent", "profiles_keptpurchase")


class Occurrence(NamedTuple):
    """A custom event of that name, or the purchase of ``quantity`` pieces of a product."""

    name: str
    profile_id: int
    time: datetime
    quantity: int
    properties: Mapping[str, Any]


def keep_events(workspace_id: int, events: Iterable[Occurrence]) -> None:
    """Keep those custom events that are chosen, in the caller's transaction. Two statements at most.

    Also those without properties: of such an occurrence every property is blank, and none equals anything.
    """
    young = _young(events)
    if not young:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT name, id FROM profiles_customevent WHERE workspace_id = %s AND keeps_properties AND name = ANY(%s)
            """,
            [workspace_id, sorted({one.name for one in young})],
        )
        chosen: dict[str, int] = dict(cursor.fetchall())
    rows = [
        (workspace_id, chosen[one.name], one.profile_id, one.time, _json(one)) for one in young if one.name in chosen
    ]
    _copy("profiles_keptevent (workspace_id, event_id, profile_id, time, properties)", rows)


def keep_purchases(workspace_id: int, purchases: Iterable[Occurrence]) -> None:
    """Keep purchases, in the caller's transaction. One statement; none for none."""
    rows = [(workspace_id, one.name, one.profile_id, one.time, one.quantity, _json(one)) for one in _young(purchases)]
    _copy("profiles_keptpurchase (workspace_id, product, profile_id, time, count, properties)", rows)


def _young(occurrences: Iterable[Occurrence]) -> list[Occurrence]:
    oldest = timezone.now() - _KEPT
    return [one for one in occurrences if one.time > oldest]


def _json(one: Occurrence) -> str:
    return orjson.dumps(flattened(one.properties)).decode()


def _copy(into: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    with connection.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def flattened(properties: Mapping[str, Any]) -> dict[str, Any]:
    """By path: the string, number or boolean there, or the list of those; what is none of these is left out."""
    found: dict[str, Any] = {}
    for path, value in _values(properties):
        if path not in found:
            found[path] = value
        elif isinstance(found[path], list):
            found[path].append(value)
        else:
            found[path] = [found[path], value]
    return found


def _values(properties: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(path, value) of the strings, numbers and booleans in ``properties``; each element of an array is a value."""
    found = [
        (path, value)
        for path, value in _leaves(properties, "", _DEPTH)
        if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= VALUE_LIMIT)
    ]
    return found[:_VALUES_LIMIT]


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, child in value.items() if depth else ():
            yield from _leaves(child, f"{path}.{name}" if path else name, depth - 1)
    elif isinstance(value, list):
        for child in value if depth else ():
            yield from _leaves(child, path, depth - 1)
    else:
        yield path, value


def move(gone: Sequence[int], survivors: Sequence[int]) -> None:
    """Give what is kept of each profile of ``gone`` to the profile at its place in ``survivors``."""
    with connection.cursor() as cursor:
        for table in _TABLES:
            cursor.execute(
                f"""
                UPDATE {table} one SET profile_id = pair.survivor
                FROM unnest(%s::bigint[], %s::bigint[]) AS pair (gone, survivor) WHERE one.profile_id = pair.gone
                """,  # noqa: S608 - names of ours
                [list(gone), list(survivors)],
            )


def purge(chunk: int = _PURGE_CHUNK) -> int:
    """Delete occurrences that are past their time, a chunk a transaction; returns how many went."""
    return sum(_purge(table, timezone.now() - _KEPT, chunk) for table in _TABLES)


def _purge(table: str, before: datetime, chunk: int) -> int:
    total = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE time < %s LIMIT %s))",  # noqa: S608
                [before, chunk],
            )
            total += cursor.rowcount
            if cursor.rowcount < chunk:
                return total


@dataclass(frozen=True, slots=True)
class KeptProperty:
    """A property: its path, how often it came and with how many users, in what is still kept.

    ``type`` is that of a value of it, as PostgreSQL names JSON's types: string, number, boolean.
    """

    property: str
    n: int
    users: int
    type: str


def kept_properties(event_id: int, newest: int | None = None) -> list[KeptProperty]:
    """The properties of the kept events of that name (of the ``newest`` only), by path."""
    return _properties("profiles_keptevent WHERE event_id = %s", [event_id], newest)


def purchase_properties(workspace_id: int, product: str, newest: int | None = None) -> list[KeptProperty]:
    """The properties of the kept purchases of a product (of the ``newest`` only), by path."""
    return _properties(
        "profiles_keptpurchase WHERE workspace_id = %s AND product = %s", [workspace_id, product], newest
    )


def _properties(source: str, params: Sequence[Any], newest: int | None) -> list[KeptProperty]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT path, count(*), count(DISTINCT profile_id), max(jsonb_typeof(CASE WHEN value @> '[]' THEN value -> 0
                                                                                 ELSE value END))
            FROM (SELECT profile_id, properties FROM {source} ORDER BY time DESC LIMIT %s) kept,
                jsonb_each(properties) AS one (path, value)
            GROUP BY path ORDER BY path
            """,  # noqa: S608 - constants
            [*params, newest],
        )
        return [KeptProperty(*row) for row in cursor.fetchall()]
