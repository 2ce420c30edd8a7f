"""What users did, counted by day: written in the transaction that learned of it, read by segments and exports.

Days are UTC. Whoever writes counts of a user holds that user's row lock (``profiles.tracking``, ``profiles.received``):
then two writers of the same count wait for each other before either has written any.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import orjson
from django.db import connection
from django.utils import timezone

from profiles.stores import DailyCount

Kind = DailyCount.Kind

#: How long property values are kept.
PROPERTY_DAYS: Final = 30
#: Longer texts are no values that people filter by.
VALUE_LIMIT: Final = 255
#: How deep objects inside properties are looked into, and how many values of one event are kept.
_DEPTH: Final = 5
_VALUES_LIMIT: Final = 250
_PURGE_CHUNK: Final = 10_000

_UPSERT: Final = """
    ON CONFLICT (workspace_id, kind, name, profile_id, currency, day) DO UPDATE SET
        count = profiles_dailycount.count + EXCLUDED.count,
        money = profiles_dailycount.money + EXCLUDED.money,
        first_at = least(profiles_dailycount.first_at, EXCLUDED.first_at),
        last_at = greatest(profiles_dailycount.last_at, EXCLUDED.last_at)
"""


@dataclass(frozen=True, slots=True)
class Deed:
    """A user did something at ``time``: an event by its name, ``count`` pieces of a product at ``price`` each."""

    profile_id: int
    kind: str
    name: str
    time: datetime
    count: int = 1
    currency: str = ""
    price: float = 0.0
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Total:
    first: datetime
    last: datetime
    count: int = 0
    money: Decimal = Decimal()


def record(workspace_id: int, deeds: Sequence[Deed]) -> None:
    """Count ``deeds`` in the caller's transaction, in one statement; keep the properties of chosen events (two more).

    The caller has locked the profiles, in the order of their ids.
    """
    if not deeds:
        return
    totals = sorted(_totals(deeds).items())
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO profiles_dailycount
                (workspace_id, kind, name, profile_id, currency, day, count, money, first_at, last_at)
            SELECT %s, kind, name, profile_id, currency, day, count, money, first_at, last_at
            FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::date[],
                        %s::bigint[], %s::numeric[], %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY
                AS new (kind, name, profile_id, currency, day, count, money, first_at, last_at, place)
            ORDER BY place
            {_UPSERT}
            """,  # noqa: S608 - a constant
            [
                workspace_id,
                *([key[part] for key, _ in totals] for part in range(5)),
                [total.count for _, total in totals],
                [total.money for _, total in totals],
                [total.first for _, total in totals],
                [total.last for _, total in totals],
            ],
        )
    _keep_properties(workspace_id, deeds)


def _totals(deeds: Iterable[Deed]) -> dict[tuple[str, str, int, str, date], _Total]:
    totals: dict[tuple[str, str, int, str, date], _Total] = {}
    for deed in deeds:
        day = deed.time.astimezone(UTC).date()
        key = (str(deed.kind), deed.name, deed.profile_id, deed.currency, day)
        total = totals.setdefault(key, _Total(deed.time, deed.time))
        total.first = min(total.first, deed.time)
        total.last = max(total.last, deed.time)
        total.count += deed.count
        if deed.price:
            # By way of the text, so that 0.1 is a tenth.
            total.money += Decimal(repr(deed.price)) * deed.count
    return totals


def _keep_properties(workspace_id: int, deeds: Iterable[Deed]) -> None:
    named = {deed.name for deed in deeds if deed.kind == Kind.EVENT and deed.properties}
    if not named:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT name, id FROM profiles_customevent WHERE workspace_id = %s AND keeps_properties AND name = ANY(%s)
            """,
            [workspace_id, sorted(named)],
        )
        chosen: dict[str, int] = dict(cursor.fetchall())
        oldest = timezone.now() - timedelta(days=PROPERTY_DAYS)
        rows = [
            (workspace_id, chosen[deed.name], deed.profile_id, path, orjson.dumps(value).decode(), deed.time)
            for deed in deeds
            if deed.kind == Kind.EVENT and deed.name in chosen and deed.time > oldest
            for path, value in _values(deed.properties)
        ]
        if not rows:
            return
        with cursor.copy(
            "COPY profiles_propertyvalue (workspace_id, event_id, profile_id, property, value, time) FROM STDIN"
        ) as copy:
            for row in rows:
                copy.write_row(row)


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
    """Give the counts of each profile of ``gone`` to the profile at its place in ``survivors``, which adds them up.

    The caller has locked all of them. Braze: a merge keeps the events of both users.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH moved AS (
                DELETE FROM profiles_dailycount one
                USING unnest(%s::bigint[], %s::bigint[]) AS pair (gone, survivor)
                WHERE one.profile_id = pair.gone
                RETURNING one.*, pair.survivor
            )
            INSERT INTO profiles_dailycount
                (workspace_id, kind, name, profile_id, currency, day, count, money, first_at, last_at)
            SELECT workspace_id, kind, name, survivor, currency, day,
                   sum(count), sum(money), min(first_at), max(last_at)
            FROM moved GROUP BY workspace_id, kind, name, survivor, currency, day
            ORDER BY workspace_id, kind, name, survivor, currency, day
            {_UPSERT}
            """,  # noqa: S608 - a constant
            [list(gone), list(survivors)],
        )
        cursor.execute(
            """
            UPDATE profiles_propertyvalue one SET profile_id = pair.survivor
            FROM unnest(%s::bigint[], %s::bigint[]) AS pair (gone, survivor) WHERE one.profile_id = pair.gone
            """,
            [list(gone), list(survivors)],
        )


def forget(profile_ids: Sequence[int]) -> None:
    """Delete everything counted of these profiles, in the caller's transaction."""
    with connection.cursor() as cursor:
        for table in ("profiles_dailycount", "profiles_propertyvalue"):
            cursor.execute(f"DELETE FROM {table} WHERE profile_id = ANY(%s)", [list(profile_ids)])  # noqa: S608


@dataclass(frozen=True, slots=True)
class Habit:
    """What a user did in all: an event, a product in one currency, or sessions."""

    kind: str
    name: str
    currency: str
    count: int
    money: Decimal
    first_at: datetime
    last_at: datetime

    @property
    def title(self) -> str:
        """The kind as people read it."""
        return str(Kind(self.kind).label)


def habits(profile_ids: Sequence[int]) -> dict[int, list[Habit]]:
    """By profile: everything that they did, added up over all days, by kind and name. One statement."""
    found: dict[int, list[Habit]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT profile_id, kind, name, currency, sum(count)::bigint, sum(money), min(first_at), max(last_at)
            FROM profiles_dailycount WHERE profile_id = ANY(%s)
            GROUP BY profile_id, kind, name, currency ORDER BY profile_id, kind, name, currency
            """,
            [list(profile_ids)],
        )
        for profile_id, *rest in cursor.fetchall():
            found.setdefault(profile_id, []).append(Habit(*rest))
    return found


def purge(chunk: int = _PURGE_CHUNK) -> int:
    """Delete property values that are past their time, a chunk a transaction; returns how many went."""
    before, total = timezone.now() - timedelta(days=PROPERTY_DAYS), 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                DELETE FROM profiles_propertyvalue WHERE ctid = ANY(ARRAY(
                    SELECT ctid FROM profiles_propertyvalue WHERE time < %s LIMIT %s))
                """,
                [before, chunk],
            )
            total += cursor.rowcount
            if cursor.rowcount < chunk:
                return total
