"""How often, how much, and in how many days: the values of filters over what users did, and how they compare.

Braze: segmentation filters, "X … in Y days". Whoever has done nothing has done it 0 times: "less than 3" and "exactly
0" include them.
"""

import operator as operators
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from typing import Any, ClassVar, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy

from segments.filters.base import Context, Filter, Leaf, Operator
from segments.filters.values import MissingError, Number, Value

MAX_TIMES: Final = 1_000_000
#: How far back filters over counts can look, in days; Braze: 30, over the data of fewer events.
MAX_DAYS: Final = 730


@dataclass(frozen=True)
class Whole(Value):
    """A whole number of something from ``least`` to ``most``."""

    widget: ClassVar[str] = "times"
    least: int = 0
    most: int = MAX_TIMES

    def check(self, value: Any) -> int:
        if value in (None, ""):
            raise MissingError(_now("Enter a number."))
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            bounds = {"least": self.least, "most": self.most}
            raise ValueError(_now("Enter a whole number from %(least)s to %(most)s.") % bounds)
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Times(Whole):
    """How often."""

    def words(self, value: Any, labels: dict[str, str]) -> str:
        return ngettext("%(count)s time", "%(count)s times", value) % {"count": value}


@dataclass(frozen=True)
class CalendarDays(Whole):
    """A number of days, each from midnight to midnight in UTC; today is one more (Braze: X-in-Y behavior)."""

    least: int = 1
    most: int = MAX_DAYS

    def words(self, value: Any, labels: dict[str, str]) -> str:
        return ngettext("%(count)s day", "%(count)s days", value) % {"count": value}


@dataclass(frozen=True)
class Part:
    """One value of several. ``before`` and ``after`` stand around it in the builder; ``label`` names it there."""

    name: str
    value: Value
    label: str | Promise
    before: str | Promise = ""
    after: str | Promise = ""

    def definition(self) -> dict[str, Any]:
        """What the builder has to know to draw it."""
        schema = self.value.schema()
        return {
            "name": self.name,
            "label": str(self.label),
            "before": str(self.before),
            "after": str(self.after),
            "least": schema["minimum"],
            "most": schema["maximum"],
            "step": "1" if schema["type"] == "integer" else "any",
        }


@dataclass(frozen=True)
class Parts(Value):
    """Several numbers that make one value, kept as an object; ``said`` puts them in words, by their names."""

    widget: ClassVar[str] = "parts"
    parts: tuple[Part, ...] = ()
    said: str | Promise = ""

    def check(self, value: Any) -> dict[str, Any]:
        if value in (None, ""):
            value = {}
        if not isinstance(value, dict):
            raise ValueError(_now("Give an object with %(names)s.") % {"names": ", ".join(self._names())})
        if unknown := [str(name)[:60] for name in value if name not in self._names()]:
            raise ValueError(_now("“%(name)s” is not known here.") % {"name": unknown[0]})
        return {part.name: self._checked(part, value.get(part.name)) for part in self.parts}

    def _checked(self, part: Part, value: Any) -> Any:
        try:
            return part.value.check(value)
        except MissingError:
            raise
        except ValueError as wrong:
            raise ValueError(f"{part.label}: {wrong}") from None

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "additionalProperties": False,
            "required": self._names(),
            "properties": {part.name: part.value.schema() for part in self.parts},
        }

    def words(self, value: Any, labels: dict[str, str]) -> str:
        return str(self.said) % {part.name: part.value.words(value[part.name], labels) for part in self.parts}

    def _names(self) -> list[str]:
        return [part.name for part in self.parts]


@dataclass(frozen=True)
class Amount(Number):
    """An amount of money; in which currency is said elsewhere."""

    def check(self, value: Any) -> int | float:
        found = super().check(value)
        if found < 0:
            raise ValueError(_now("Enter a number from 0 on."))
        return found

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "minimum": 0}


def _days(most: int) -> Part:
    return Part("days", CalendarDays(most=most), _("Days"), before=_("in the last"), after=_("days"))


def times_in_days(most: int = MAX_DAYS) -> Parts:
    """``{"count": …, "days": …}``; ``most`` days."""
    count = Part("count", Times(), _("Times"), after=_("times"))
    return Parts((count, _days(most)), _("%(count)s in the last %(days)s"))


def amount_in_days() -> Parts:
    """``{"amount": …, "days": …}``."""
    return Parts((Part("amount", Amount(), _("Amount")), _days(MAX_DAYS)), _("%(amount)s in the last %(days)s"))


DAYS_HINT = _("Days are calendar days in UTC; today counts as one more, as in Braze.")

_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "more_than": operators.gt,
    "less_than": operators.lt,
    "exactly": operators.eq,
    "at_most": operators.le,
    "at_least": operators.ge,
    "not_exactly": operators.ne,
}
_SQL: Final = {
    "more_than": ">",
    "less_than": "<",
    "exactly": "=",
    "at_most": "<=",
    "at_least": ">=",
    "not_exactly": "<>",
}
_OPPOSITES: Final = {
    "more_than": "at_most",
    "less_than": "at_least",
    "exactly": "not_exactly",
}


def comparisons(value: Value, hint: str | Promise = "") -> tuple[Operator, ...]:
    """More than, less than and exactly so much or so often."""
    return (
        Operator("more_than", pgettext_lazy("how often or how much", "more than"), value, hint=hint),
        Operator("less_than", pgettext_lazy("how often or how much", "less than"), value, hint=hint),
        Operator("exactly", pgettext_lazy("how often or how much", "exactly"), value, hint=hint),
    )


def number_in(value: Any) -> Any:
    """The number that is compared with: of a value with days, the other part."""
    return next(found for name, found in value.items() if name != "days") if isinstance(value, Mapping) else value


def having(leaf: Leaf, expression: str) -> tuple[str, list[Any]]:
    """The condition of a leaf with one of these comparisons (or an opposite) on a numeric SQL expression of ours."""
    # Text, because a float parameter would be compared as a float: 0.1 is then not 0.1.
    return f"{expression} {_SQL[leaf.operator]} %s::numeric", [repr(number_in(leaf.value))]


class Quantity(Filter):
    """A filter that compares how often or how much. Where 0 matches, it finds those who do not, see ``positive``."""

    def positive(self, leaf: Leaf) -> tuple[Leaf, bool]:
        compare = _COMPARE.get(leaf.operator)
        if compare is not None and leaf.operator in _OPPOSITES and compare(0, number_in(leaf.value)):
            return replace(leaf, operator=_OPPOSITES[leaf.operator]), True
        return super().positive(leaf)


def first_day(days: int, context: Context) -> date:
    """The first of the last so many calendar days (UTC), today not counted."""
    return today(context) - timedelta(days=days)


def today(context: Context) -> date:
    """The calendar day (UTC) of the evaluation."""
    return context.now.astimezone(UTC).date()
