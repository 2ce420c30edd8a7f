"""What a filter is: a question about a user that becomes a set of users.

A filter is one small class. It says its name and group as people see them, its operators with the kind of value that
each takes, how its leaves become sets, and what data it depends on. It knows nothing of rows, AND or OR: see
``segments.engine``.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from profiles.models import Profile
from profiles.sets import ProfileSet, profile_ids
from segments.filters.facts import Fact, column_fact
from segments.filters.limits import TooComplexError, TooLongError, room_limit, time_limit
from segments.filters.subjects import About, Subject
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

    def definition(self) -> dict[str, Any]:
        """What the builder has to know to draw it."""
        return {
            "key": self.key,
            "name": str(self.name),
            "widget": self.value.widget,
            "hint": str(self.hint),
            "options": [{"value": key, "label": str(name)} for key, name in getattr(self.value, "options", ())],
            "parts": [part.definition() for part in getattr(self.value, "parts", ())],
        }


@dataclass(frozen=True)
class Leaf:
    """One filter of a tree, as its JSON form has it. ``subject`` is what it is about, if the filter has subjects."""

    id: str
    filter: str
    operator: str
    value: Any = None
    subject: About | None = None

    def question(self) -> tuple[str, str, str, str]:
        """What the leaf asks, without its id: equal leaves have equal sets."""
        return self.filter, _canonical(self.subject), self.operator, _canonical(self.value)

    def to_json(self) -> dict[str, Any]:
        subject = {} if self.subject is None else {"subject": self.subject}
        return {"id": self.id, "filter": self.filter, **subject, "operator": self.operator, "value": self.value}


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True, ensure_ascii=True)


@dataclass(frozen=True)
class Context:
    """What all leaves of one evaluation share. ``now`` is one moment, so that relative days agree with each other.

    A set for which ``now`` was looked at is kept for a minute only. ``within`` are the segments (their api ids) that
    are being evaluated, the outermost first: see ``membership``. ``fresh``: no kept set is good enough; a filter that
    evaluates trees itself hands it on.
    """

    workspace_id: int
    zone: ZoneInfo
    now: datetime
    within: tuple[str, ...] = ()
    fresh: bool = False
    #: Where a filter puts the moments of kept sets that it used itself.
    moments: list[datetime] = field(default_factory=list, compare=False)
    #: Where a filter puts how many changes to its data have arrived and are not in its sets yet.
    waiting: list[int] = field(default_factory=list, compare=False)
    #: Where a filter that evaluates trees itself puts how many events these left uncounted; they may be the same ones.
    uncounted: list[int] = field(default_factory=list, compare=False)


@dataclass(frozen=True)
class Option:
    """A value that can be chosen, as the builder shows it; ``detail`` stands beside the label, in grey."""

    value: str
    label: str
    detail: str = ""
    #: Of a subject: the member that decides the operators, such as a custom attribute's type.
    type: str = ""


class UnusableError(Exception):
    """A leaf points to something that is gone or archived. It matches neither everybody nor nobody: it has no set.

    ``message`` is a sentence for people, which says what to do.
    """

    def __init__(self, message: Text) -> None:
        super().__init__(str(message))
        self.message = message


class Filter(ABC):
    """Base of all filters. Subclasses are registered in ``segments.filters.registry``."""

    key: str
    name: Text
    group: Text
    operators: tuple[Operator, ...] = ()
    #: Kinds of data (``profiles.versions.Kind``) that its sets are made from: a kept set is good while none of them has
    #: changed. None, or a kind that nobody notes: its sets are never kept.
    depends_on: frozenset[str] = frozenset()
    #: What a leaf also says: what it is about.
    subject: Subject | None = None
    #: Whether ``search`` offers values where any text can be typed.
    offers_values: bool = False
    #: The column of the profile whose value explains why a user matches or not; "" when no single one does.
    shows: str = ""

    def operators_by_kind(self) -> dict[str, tuple[Operator, ...]]:
        """The operators by kind of subject (see ``Subject.kind``); "" is the only kind where no subject decides."""
        return {"": self.operators}

    def all_operators(self) -> Iterable[tuple[str, Operator]]:
        """Every (kind, operator) of the filter."""
        return [(kind, one) for kind, operators in self.operators_by_kind().items() for one in operators]

    def operator(self, key: str, subject: About | None = None) -> Operator | None:
        """The operator with that key for a leaf about ``subject``, or None."""
        kind = self.subject.kind(subject) if self.subject else ""
        return next((one for one in self.operators_by_kind().get(kind, ()) if one.key == key), None)

    def positive(self, leaf: Leaf) -> tuple[Leaf, bool]:
        """What to find for a checked leaf, and whether it matches those live users whom that does not match.

        So that ``find`` never has to look for what users have not done or do not have.
        """
        operator = self.operator(leaf.operator, leaf.subject)
        negates = operator.negates if operator else ""
        return (replace(leaf, operator=negates), True) if negates else (leaf, False)

    @abstractmethod
    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        """The set of each leaf, in order; ``UnusableError`` in the place of a leaf that has none.

        Only what ``positive`` returned comes here. Sets may hold users who are gone: the engine leaves them out.
        """

    def search(self, workspace_id: int, query: str, limit: int, subject: About | None = None) -> list[Option]:
        """Values to offer for what was typed, best first; ``subject`` is what the leaf is about, as far as chosen."""
        return []

    def search_subjects(
        self, workspace_id: int, query: str, limit: int, member: str = "", subject: About | None = None
    ) -> list[Option]:
        """What to offer for ``member`` of a subject of which ``subject`` is chosen already."""
        return []

    def subject_labels(self, workspace_id: int, names: Collection[str]) -> dict[str, str]:
        """How the names and ids in subjects are called; one without an entry is shown as it is."""
        return {}

    def labels(self, workspace_id: int, values: Collection[str]) -> dict[str, str]:
        """How ``values`` are called, in as few queries as possible; a value without an entry is shown as it is."""
        return {}

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        """By leaf id: what the user has of what each leaf asks about, to explain by why they match it or not."""
        return {leaf.id: [column_fact(profile, self.shows)] for leaf in leaves} if self.shows else {}

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        """By leaf id: why a leaf has no set. Asked before saving, and before a kept set is used.

        Filters whose sets are never kept answer the same in ``find``.
        """
        return {}


class ProfileFilter(Filter):
    """A filter whose leaves are one condition each over the profiles' rows."""

    @abstractmethod
    def condition(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        """The SQL condition and its parameters. Whatever comes from outside is a parameter."""

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        broken = self.unusable(context.workspace_id, leaves)
        return [broken.get(leaf.id) or self._find_one(leaf, context) for leaf in leaves]

    def _find_one(self, leaf: Leaf, context: Context) -> ProfileSet | UnusableError:
        operator = self.operator(leaf.operator, leaf.subject)
        return within_limit(operator.value if operator else NO_VALUE, lambda: self.users(leaf, context))

    def users(self, leaf: Leaf, context: Context) -> ProfileSet:
        """Those for whom the condition of ``leaf`` holds."""
        condition, params = self.condition(leaf, context)
        return profile_ids(f"workspace_id = %s AND ({condition})", [context.workspace_id, *params])


def within_limit(value: Value, find: Callable[[], ProfileSet]) -> ProfileSet | UnusableError:
    """What ``find`` finds, or why there is no set: with a value of that kind it took more time or room than it may."""
    if value.seconds is None:
        return find()
    try:
        with time_limit(value.seconds), room_limit():
            return find()
    except TooComplexError:
        return UnusableError(_("The regular expression is too complex. Make it simpler."))
    except TooLongError:
        message = _("The regular expression takes too long: it was stopped after %(seconds)s seconds. Make it simpler.")
        return UnusableError(message % {"seconds": round(value.seconds)})
