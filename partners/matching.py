"""Finding the users that identifiers name: a fixed number of queries, whatever the number of identifiers.

Braze: partner cohort import. External ids, aliases and emails are compared exactly, case and white space included;
a device names anonymous profiles only. An external id that was renamed still names its user until it is removed
(Braze: external ID migration).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from django.db import connection

from partners.changes import ALIAS, DEVICE, EMAIL, EXTERNAL_ID, Group, Identifier, identifier_of
from profiles.planning import WORKSPACE
from profiles.sets import ProfileSet
from workspaces.binary import binary_cursor

#: The query for one value, by kind, of a workspace that the planner does not see (``profiles.planning``). OFFSET 0
#: keeps it as it is: an index probe for each value, which is two to four times as fast as joining the table to as many
#: values as one fold has.
_NAMED = {
    # Hardly any workspace has deprecated ids: whether this one has is asked once, not for each value.
    EXTERNAL_ID: "SELECT id FROM profiles_profile WHERE workspace_id = {here} AND external_id = w.value"
    " UNION ALL SELECT profile_id FROM profiles_deprecatedid"
    " WHERE (SELECT true FROM profiles_deprecatedid WHERE workspace_id = {here} ORDER BY external_id LIMIT 1)"
    " AND workspace_id = {here} AND external_id = w.value",
    ALIAS: "SELECT profile_id AS id FROM profiles_alias"
    " WHERE workspace_id = {here} AND label = w.label AND name = w.value",
    DEVICE: "SELECT profile_id AS id FROM profiles_device WHERE workspace_id = {here} AND device_id = w.value"
    " AND (SELECT external_id IS NULL FROM profiles_profile p WHERE p.id = profile_id)",
    EMAIL: "SELECT id FROM profiles_profile WHERE workspace_id = {here} AND email <> '' AND email = w.value",
}
# The place of each value and the profile that it names (32 bits each), end to end in one value: a row for each would
# cost ten times as much. Sorted, so that neighbours in the index are probed one after the other; in memory.
_SORT_IN_MEMORY = "SET LOCAL work_mem = '64MB'"
_FIND = """
    SELECT string_agg(int8send(w.place << 32 | p.id), '')
    FROM (SELECT * FROM unnest({arrays}) WITH ORDINALITY AS w ({names}, place) ORDER BY {names}) AS w
    CROSS JOIN LATERAL ({named} OFFSET 0) AS p"""

#: None of these is likely in an identifier; the first that is in none of a list separates them.
_SEPARATORS = ("\n", "\x1f", "\x1e", "\ufdd0")


class Found(NamedTuple):
    """Whom the values of one group name."""

    #: Profile ids, one per match: an email or a device can name several, and one user can be named repeatedly.
    ids: Any
    #: The places in the group of the values that name nobody.
    nobody: list[int]

    def profiles(self) -> ProfileSet:
        """The users as a set."""
        return ProfileSet(self.ids)

    def somebody(self, group: Group) -> Iterator[Identifier]:
        """The identifiers of ``group``, whose answer this is, that name somebody."""
        lost = set(self.nobody)
        return (identifier_of(group, place) for place in range(len(group.values)) if place not in lost)


def match(workspace_id: int, groups: Sequence[Group]) -> list[Found]:
    """Whom each of ``groups`` names, in their order. One statement for each kind that occurs.

    Kinds that cannot name anybody match nobody.
    """
    answers = [Found(_NONE, []) for _ in groups]
    for kind in {group.kind for group in groups}:
        mine = [number for number, group in enumerate(groups) if group.kind == kind]
        values = [value for number in mine for value in groups[number].values]
        places, ids = _pairs(workspace_id, kind, values)
        start = 0
        for number in mine:
            end = start + len(groups[number].values)
            first, last = np.searchsorted(places, (start, end))
            is_found = np.zeros(end - start, dtype=bool)
            is_found[places[first:last] - start] = True
            answers[number] = Found(ids[first:last], np.flatnonzero(~is_found).tolist())
            start = end
    return answers


def find_profiles(workspace_id: int, identifiers: Iterable[Identifier]) -> dict[Identifier, list[int]]:
    """The ids of the profiles that each identifier names; an identifier that names nobody is not in the answer.

    For few identifiers: ``match`` is quicker by far, and tells the same of groups.
    """
    by_kind: dict[str, list[Identifier]] = defaultdict(list)
    for identifier in dict.fromkeys(identifiers):
        by_kind[identifier.kind].append(identifier)
    found: dict[Identifier, list[int]] = defaultdict(list)
    for kind, wanted in by_kind.items():
        values = [[one.label, one.value] if kind == ALIAS else one.value for one in wanted]
        for place, profile_id in zip(*_pairs(workspace_id, kind, values), strict=True):
            found[wanted[place]].append(int(profile_id))
    return dict(found)


def _pairs(workspace_id: int, kind: str, values: Sequence[Any]) -> tuple[Any, Any]:
    """(places, profile ids) of all matches, in the order of the places (the numbers of the values, from 0 on)."""
    if kind not in _NAMED or not values:
        return _NONE, _NONE
    names = ("label", "value") if kind == ALIAS else ("value",)
    lists = zip(*values, strict=True) if kind == ALIAS else (values,)
    parameters: dict[str, Any] = {"workspace": workspace_id}
    arrays = []
    for name, column in zip(names, lists, strict=True):
        array, parameters[name], parameters["separator_" + name] = _array(name, column)
        arrays.append(array)
    query = _FIND.format(arrays=", ".join(arrays), names=", ".join(names), named=_NAMED[kind].format(here=WORKSPACE))
    with binary_cursor() as cursor:
        if len(values) >= _MANY and connection.in_atomic_block:
            cursor.execute(_SORT_IN_MEMORY)
        cursor.execute(query, parameters)
        pairs = np.sort(np.frombuffer(cursor.fetchone()[0] or b"", dtype=">i8").astype(np.int64))
    return (pairs >> 32) - 1, pairs & _LOW_BITS


def _array(name: str, values: Sequence[str]) -> tuple[str, Any, str]:
    """(SQL, the parameter ``name``, its separator) of an array of texts: one long text, which is ten times quicker."""
    joined = ""
    for separator in _SEPARATORS:
        joined = separator.join(values)
        if joined and joined.count(separator) == len(values) - 1:
            return f"string_to_array(%({name})s::text, %(separator_{name})s::text)", joined, separator
    return f"%({name})s::text[]", list(values), ""


#: From so many values on, their sort would not fit PostgreSQL's default memory.
_MANY: Final = 10_000
_LOW_BITS: Final = 0xFFFFFFFF
_NONE: Any = np.empty(0, dtype=np.int64)
