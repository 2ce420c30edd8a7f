"""The filter tree of a segment: its JSON form, and the check of everything that comes in.

``{"apps": null, "rows": [row, ...], "exclude": [group, ...]}``

A **row** is ``{"id", "filters": [leaf, ...]}``: a user passes it by passing any of its filters (OR); rows are joined
by AND, and no row at all is everybody. An **exclusion group** is ``{"id", "rows": [row, ...]}``: whoever passes all of
its rows is left out, and groups are joined by AND NOT (Braze: exclusion groups). ``apps`` is null for users of all
apps, else a list of app ids of which a user has used one. A **leaf** is ``segments.filters.base.Leaf``. Ids are stable:
they stay as they came in, and what has none gets one. ``segments.schema`` publishes the same as a JSON Schema.
"""

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _

from segments.filters.base import Leaf
from segments.filters.registry import filter_of
from segments.filters.values import MissingError

MAX_ROWS: Final = 100
MAX_GROUPS: Final = 20
MAX_LEAVES: Final = 200
MAX_APPS: Final = 200
ID_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True)
class Row:
    """Filters joined by OR."""

    id: str
    leaves: tuple[Leaf, ...]

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "filters": [leaf.to_json() for leaf in self.leaves]}


@dataclass(frozen=True)
class Group:
    """An exclusion group: rows joined by AND."""

    id: str
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "rows": [row.to_json() for row in self.rows]}


@dataclass(frozen=True)
class Tree:
    """A filter tree whose form is right. Whether all that it points to is still there is another question."""

    apps: tuple[str, ...] | None = None
    rows: tuple[Row, ...] = ()
    exclude: tuple[Group, ...] = ()

    def leaves(self) -> Iterator[Leaf]:
        """All leaves, in reading order."""
        for row in [*self.rows, *(row for group in self.exclude for row in group.rows)]:
            yield from row.leaves

    def to_json(self) -> dict[str, Any]:
        """The form that is stored and sent."""
        return {
            "apps": None if self.apps is None else list(self.apps),
            "rows": [row.to_json() for row in self.rows],
            "exclude": [group.to_json() for group in self.exclude],
        }

    def place_of(self, leaf_id: str) -> str:
        """Where a leaf stands, for people: "Row 2, filter 1"."""
        for where, row in _rows_with_place(self):
            for number, leaf in enumerate(row.leaves, 1):
                if leaf.id == leaf_id:
                    return _place(where, number)
        return ""


@dataclass(frozen=True)
class Problem:
    """What is wrong, where. ``leaf_id`` is "" for what is wrong with the apps or with the tree itself.

    ``unfinished``: nothing is wrong yet, a value has not been given.
    """

    place: str
    message: str
    leaf_id: str = ""
    unfinished: bool = False

    def __str__(self) -> str:
        if not self.place:
            return self.message
        return _("%(place)s: %(message)s") % {"place": self.place, "message": self.message}

    def to_json(self) -> dict[str, Any]:
        return {"text": str(self), "message": self.message, "leaf": self.leaf_id, "unfinished": self.unfinished}


class TreeError(ValueError):
    """A tree that cannot be used; ``problems`` names every row and filter at fault."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(str(one) for one in self.problems))


def parse(data: Any) -> Tree:
    """The tree that ``data`` (decoded JSON) describes, with ids on everything. Raises TreeError, naming all faults."""
    tree, problems = read(data)
    if problems:
        raise TreeError(problems)
    return tree


def read(data: Any) -> tuple[Tree, list[Problem]]:
    """Like ``parse``, for a tree that is being edited: filters with a wrong or missing value are kept and named.

    Raises TreeError when ``data`` has not the form of a tree.
    """
    return _Reader().read(data)


class _Reader:
    """Reads one tree, collecting the problems of its leaves."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.ids: set[str] = set()
        self.leaf_count = 0

    def read(self, data: Any) -> tuple[Tree, list[Problem]]:
        if not isinstance(data, dict):
            raise _bad("", _("The filters are not a JSON object."))
        _only(data, {"apps", "rows", "exclude"}, "")
        rows = self._rows(data.get("rows", []), "")
        groups = _items(data.get("exclude", []), "exclude", MAX_GROUPS, "")
        exclude = tuple(self._group(group, _group_place(number)) for number, group in enumerate(groups, 1))
        return Tree(_apps(data.get("apps")), rows, exclude), self.problems

    def _group(self, data: Any, place: str) -> Group:
        if not isinstance(data, dict):
            raise _bad(place, _("An exclusion group is an object with “rows”."))
        _only(data, {"id", "rows"}, place)
        rows = self._rows(data.get("rows"), place)
        if not rows:
            raise _bad(place, _("Add a filter to the exclusion group, or remove the group."))
        return Group(self._id(data, place), rows)

    def _rows(self, data: Any, group: str) -> tuple[Row, ...]:
        rows = _items(data, "rows", MAX_ROWS, group)
        return tuple(self._row(row, _row_place(number, group)) for number, row in enumerate(rows, 1))

    def _row(self, data: Any, place: str) -> Row:
        if not isinstance(data, dict):
            raise _bad(place, _("A row is an object with “filters”."))
        _only(data, {"id", "filters"}, place)
        leaves = _items(data.get("filters"), "filters", MAX_LEAVES, place)
        if not leaves:
            raise _bad(place, _("Add a filter to the row, or remove the row."))
        self.leaf_count += len(leaves)
        if self.leaf_count > MAX_LEAVES:
            raise _bad("", _("A segment can have at most %(most)s filters.") % {"most": MAX_LEAVES})
        return Row(
            self._id(data, place),
            tuple(self._leaf(leaf, _place(place, number)) for number, leaf in enumerate(leaves, 1)),
        )

    def _leaf(self, data: Any, place: str) -> Leaf:
        if not isinstance(data, dict):
            raise _bad(place, _("A filter is an object with “filter”, “operator” and “value”."))
        _only(data, {"id", "filter", "subject", "operator", "value"}, place)
        for name in ("filter", "operator"):
            if not isinstance(data.get(name, ""), str):
                raise _bad(place, _("“%(name)s” is not a text.") % {"name": name})
        subject = data.get("subject")
        if subject is not None and not isinstance(subject, dict):
            raise _bad(place, _("“%(name)s” is not an object.") % {"name": "subject"})
        leaf = Leaf(self._id(data, place), data.get("filter", ""), data.get("operator", ""), data.get("value"), subject)
        try:
            return _checked(leaf)
        except MissingError as unfinished:
            self.problems.append(Problem(place, str(unfinished), leaf.id, unfinished=True))
        except ValueError as wrong:
            self.problems.append(Problem(place, str(wrong), leaf.id))
        return leaf

    def _id(self, data: dict[str, Any], place: str) -> str:
        found = data.get("id") or uuid.uuid4().hex[:12]
        if not isinstance(found, str) or not ID_PATTERN.fullmatch(found):
            raise _bad(place, _("“id” is not a text of 1 to 40 letters, digits, “-” and “_”."))
        if found in self.ids:
            raise _bad(place, _("The id “%(id)s” is used twice.") % {"id": found})
        self.ids.add(found)
        return found


def _checked(leaf: Leaf) -> Leaf:
    """The leaf with its value in stored form. Raises ValueError with a sentence for people (MissingError: no value)."""
    found = filter_of(leaf.filter)
    if found is None:
        raise ValueError(_("There is no filter “%(name)s”.") % {"name": leaf.filter[:60]})
    if found.subject is None and leaf.subject is not None:
        raise ValueError(_("This filter takes no “%(name)s”.") % {"name": "subject"})
    subject = found.subject.check(leaf.subject) if found.subject else None
    operator = found.operator(leaf.operator, subject)
    if operator is None:
        raise ValueError(_("This filter has no comparison “%(name)s”.") % {"name": leaf.operator[:60]})
    return Leaf(leaf.id, leaf.filter, leaf.operator, operator.value.check(leaf.value), subject)


def _apps(data: Any) -> tuple[str, ...] | None:
    if data is None:
        return None
    place = _("Apps Used")
    if not isinstance(data, list) or len(data) > MAX_APPS:
        raise _bad(place, _("Give a list of at most %(most)s app ids, or null for all apps.") % {"most": MAX_APPS})
    if not data:
        raise _bad(place, _("Choose at least one app, or include users from all apps."))
    try:
        return tuple(dict.fromkeys(str(uuid.UUID(one)) for one in data))
    except (ValueError, AttributeError, TypeError):
        raise _bad(place, _("An app id is not valid.")) from None


def _items(data: Any, name: str, most: int, place: str) -> list[Any]:
    if not isinstance(data, list):
        raise _bad(place, _("“%(name)s” is not a list.") % {"name": name})
    if len(data) > most:
        raise _bad(place, _("“%(name)s” holds more than %(most)s items.") % {"name": name, "most": most})
    return data


def _only(data: dict[str, Any], known: set[str], place: str) -> None:
    if unknown := [str(name)[:60] for name in data if name not in known]:
        raise _bad(place, _("“%(name)s” is not known here.") % {"name": unknown[0]})


def _bad(place: str, message: str) -> TreeError:
    return TreeError([Problem(place, message)])


def _group_place(number: int) -> str:
    return _("Exclusion group %(number)s") % {"number": number}


def _row_place(number: int, group: str) -> str:
    if group:
        return _("%(group)s, row %(number)s") % {"group": group, "number": number}
    return _("Row %(number)s") % {"number": number}


def _place(row: str, number: int) -> str:
    return _("%(row)s, filter %(number)s") % {"row": row, "number": number}


def _rows_with_place(tree: Tree) -> Iterator[tuple[str, Row]]:
    for number, row in enumerate(tree.rows, 1):
        yield _row_place(number, ""), row
    for group_number, group in enumerate(tree.exclude, 1):
        for number, row in enumerate(group.rows, 1):
            yield _row_place(number, _group_place(group_number)), row
