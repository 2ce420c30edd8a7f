"""Which event types a Current sends, and since when: an edit never rewrites what was logged before it."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import orjson
from django.db import connection

from currents.catalogue import OTHERS, catalogue
from currents.log import HORIZON_SQL

#: The event e is of a type that the Current k sends now. Wants the parameter ``known``: ``list(catalogue())``.
SELECTED_SQL = f"""(e.event_type = ANY(k.event_types)
    OR '{OTHERS}' = ANY(k.event_types) AND e.event_type <> ALL(%(known)s::text[]))"""


@dataclass(frozen=True)
class Selections:
    """The history of one Current's selection: ``types[i]`` holds from transaction ``since[i]`` on."""

    since: tuple[int, ...]
    types: tuple[frozenset[str], ...]
    #: The Current's transformations as they are now.
    transformations: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_types(self) -> frozenset[str] | None:
        """Every type that was ever selected; None: types that nobody can list are among them."""
        found = frozenset[str]().union(*self.types)
        return None if OTHERS in found else found

    def is_one_between(self, first_xid: int, last_xid: int) -> bool:
        """Whether one selection holds for all that transactions from ``first_xid`` to ``last_xid`` wrote."""
        return bisect_right(self.since, first_xid) == bisect_right(self.since, last_xid)

    def includes(self, xid: int, event_type: str) -> bool:
        """Whether an event of that type, written by transaction ``xid``, was selected at the time."""
        place = bisect_right(self.since, xid) - 1
        return place >= 0 and is_selected(event_type, self.types[place])


def is_selected(event_type: str, types: frozenset[str]) -> bool:
    """Whether a selection holds a type, by its name or as one that the catalogue does not know."""
    return event_type in types or (OTHERS in types and event_type not in catalogue())


def load_selections(current_id: int) -> Selections:
    """The history as it stands. Read it after the events that it is asked about: no later edit concerns them.

    One statement, by hand: it is asked with each batch, and a query set takes longer to make than this to answer.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.from_xid, s.event_types, k.transformations::text
              FROM currents_eventselection s JOIN currents_current k ON k.id = s.current_id
             WHERE k.id = %s ORDER BY s.from_xid, s.id
            """,
            [current_id],
        )
        rows = cursor.fetchall()
    return Selections(
        tuple(from_xid for from_xid, _types, _transformations in rows),
        tuple(frozenset(types) for _from_xid, types, _transformations in rows),
        orjson.loads(rows[-1][2]) if rows else {},
    )


def select_from_now(current_id: int, event_types: Iterable[str]) -> int:
    """Record that these types are sent from now on: from the oldest transaction that still runs. Returns its id."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO currents_eventselection (current_id, from_xid, event_types)
            VALUES (%s, {HORIZON_SQL}, %s) RETURNING from_xid
            """,  # noqa: S608 - a constant
            [current_id, sorted(event_types)],
        )
        return int(cursor.fetchone()[0])
