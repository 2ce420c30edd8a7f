"""What users did, counted by day: written in the transaction that learned of it, read by segments and exports.

Days are UTC. Whoever writes counts of a user holds that user's row lock (``profiles.tracking``, ``profiles.received``):
then two writers of the same count wait for each other before either has written any.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import orjson
from django.db import connection

from profiles import occurrences, versions
from profiles.occurrences import Occurrence, keep_events, keep_purchases
from profiles.stores import DailyCount
from profiles.versions import BUMP_SQL

Kind = DailyCount.Kind

_UPSERT: Final = """
    ON CONFLICT (workspace_id, kind, name, profile_id, currency, day) DO UPDATE SET
        count = profiles_dailycount.count + EXCLUDED.count,
        money = profiles_dailycount.money + EXCLUDED.money,
        first_at = least(profiles_dailycount.first_at, EXCLUDED.first_at),
        last_at = greatest(profiles_dailycount.last_at, EXCLUDED.last_at)
"""


@dataclass(frozen=True, slots=True)
class Deed:
    """A user did something at ``time``: an event by its name, ``count`` pieces of a product at ``price`` each.

    An event that is an order has its currency and value, too (``profiles.orders``).
    """

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
    """``count`` and ``keep``, in the caller's transaction."""
    count(workspace_id, deeds)
    keep(workspace_id, deeds)


def keep(workspace_id: int, deeds: Sequence[Deed]) -> None:
    """Keep the properties of purchases and of chosen events, in the caller's transaction. Three statements at most."""
    keep_events(workspace_id, _occurrences(deeds, Kind.EVENT))
    keep_purchases(workspace_id, _occurrences(deeds, Kind.PURCHASE))


def count(workspace_id: int, deeds: Sequence[Deed]) -> None:
    """Count ``deeds`` in the caller's transaction, in one statement.

    The caller has locked the profiles, in the order of their ids.
    """
    if not deeds:
        return
    # As JSON, which is encoded several times faster than arrays of PostgreSQL's.
    rows = [
        {
            "kind": kind,
            "name": name,
            "profile_id": profile_id,
            "currency": currency,
            "day": day,
            "count": total.count,
            "money": str(total.money),
            "first_at": total.first,
            "last_at": total.last,
        }
        for (kind, name, profile_id, currency, day), total in sorted(_totals(deeds).items())
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH counted AS (
                INSERT INTO profiles_dailycount
                    (workspace_id, kind, name, profile_id, currency, day, count, money, first_at, last_at)
                SELECT %s, kind, name, profile_id, currency, day, count, money, first_at, last_at
                FROM ROWS FROM (json_to_recordset(%s::json) AS (kind text, name text, profile_id bigint, currency text,
                    day date, count bigint, money numeric, first_at timestamptz, last_at timestamptz)) WITH ORDINALITY
                    AS new (kind, name, profile_id, currency, day, count, money, first_at, last_at, place)
                ORDER BY place
                {_UPSERT}
            )
            {BUMP_SQL}
            """,  # noqa: S608 - a constant
            [workspace_id, orjson.dumps(rows).decode(), workspace_id, [versions.Kind.COUNTERS]],
        )


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


def _occurrences(deeds: Iterable[Deed], kind: Kind) -> list[Occurrence]:
    return [
        Occurrence(deed.name, deed.profile_id, deed.time, deed.count, deed.properties)
        for deed in deeds
        if deed.kind == kind
    ]


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
    occurrences.move(gone, survivors)


def forget(profile_ids: Sequence[int]) -> None:
    """Delete everything counted of these profiles, in the caller's transaction."""
    with connection.cursor() as cursor:
        for table in ("profiles_dailycount", "profiles_keptevent", "profiles_keptpurchase", "profiles_sessionlength"):
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
