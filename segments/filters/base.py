"""What a filter is: a question about a user that becomes a set of users.

A filter is one small class. It says its name and group as people see them, its operators with the kind of value that
each takes, how its leaves become sets, and what data it depends on. It knows nothing of rows, AND or OR: see
``segments.engine``.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.utils.functional import Promise

from profiles.sets import ProfileSet, profile_ids
from segments.filters.values import NoValue, Value

Text = str | Promise
NO_VALUE = NoValue()


@dataclass(frozen=True)
class Operator:
    """How a filter compares. An operator that ``negates`` another matches all live users whom that one does not."""

    key: str
    name: Text
    value: Value = NO_VALUE
    negates: str = ""
    #: Said beside the row in the builder, where what matches may surprise.
    hint: Text = ""


@dataclass(frozen=True)
class Leaf:
    """One filter of a tree, as its JSON form has it. ``attribute`` and ``type`` are of custom attributes only."""

    id: str
    filter: str
    operator: str
    value: Any = None
    attribute: str = ""
    type: str = ""

    def question(self) -> tuple[str, str, str, str, str]:
        """What the leaf asks, without its id: equal leaves have equal sets."""
        return self.filter, self.attribute, self.type, self.operator, repr(self.value)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"id": self.id, "filter": self.filter}
        if self.attribute:
            found |= {"attribute": self.attribute, "type": self.type}
        return {**found, "operator": self.operator, "value": self.value}


@dataclass(frozen=True)
class Context:
    """What all leaves of one evaluation share. ``now`` is one moment, so that relative days agree with each other."""

    workspace_id: int
    zone: ZoneInfo
    now: datetime


@dataclass(frozen=True)
class Option:
    """A value that can be chosen, as the builder shows it; ``detail`` stands beside the label, in grey."""

    value: str
    label: str
    detail: str = ""
    #: Of a custom attribute: its type, which decides the operators.
    type: str = ""


class UnusableError(Exception):
    """A leaf points to something that is gone or archived. It matches neither everybody nor nobody: it has no set.

    ``message`` is a sentence for people, which says what to do.
    """

    def __init__(self, message: Text) -> None:
        super().__init__(str(message))
        self.message = message


class Filter:
    """Base of all filters. Subclasses are registered in ``segments.filters.registry``."""

    key: ClassVar[str]
    name: Text
    group: Text
    operators: tuple[Operator, ...] = ()
    #: Kinds of data that a set of this filter is made from: a stored set is good while none of them has changed.
    depends_on: ClassVar[frozenset[str]] = frozenset()
    #: Whether a leaf also names an attribute (and its type).
    has_attribute: ClassVar[bool] = False

    def operators_of(self, type_: str = "") -> tuple[Operator, ...]:
        """The operators of the filter; of an attribute filter: those of an attribute of that type."""
        return self.operators

    def all_operators(self) -> Iterable[tuple[str, Operator]]:
        """Every (type, operator) of the filter; the type is "" but for attribute filters."""
        return [("", one) for one in self.operators]

    def operator(self, key: str, type_: str = "") -> Operator | None:
        return next((one for one in self.operators_of(type_) if one.key == key), None)

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        """The set of each leaf, in order; ``UnusableError`` in the place of a leaf that has none.

        Only operators that negate nothing come here. Sets may hold users who are gone: the engine leaves them out.
        """
        raise NotImplementedError

    def search(self, workspace_id: int, query: str, limit: int) -> list[Option]:
        """Values to offer for what was typed, best first."""
        return []

    def labels(self, workspace_id: int, values: Collection[str]) -> dict[str, str]:
        """How ``values`` are called, in as few queries as possible; a value without an entry is shown as it is."""
        return {}

    def waiting(self, workspace_id: int, leaves: Sequence[Leaf]) -> int:
        """How many changes to the data of ``leaves`` have arrived and are not in their sets yet."""
        return 0

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        """By leaf id: why a leaf has no set. Asked before saving; ``find`` answers the same."""
        return {}


class ProfileFilter(Filter):
    """A filter whose leaves are one condition each over the profiles' rows."""

    def condition(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        """The SQL condition and its parameters. Whatever comes from outside is a parameter."""
        raise NotImplementedError

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        return [self._find_one(leaf, context) for leaf in leaves]

    def _find_one(self, leaf: Leaf, context: Context) -> ProfileSet:
        condition, params = self.condition(leaf, context)
        return profile_ids(f"workspace_id = %s AND ({condition})", [context.workspace_id, *params])
