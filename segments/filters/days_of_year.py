"""Days that come again every year: birthdays, and dates of which only month and day count.

Braze: segmentation filters, Birthday and Day of Recurring Event. February 29 counts as March 1 (Braze: birthday). "On
or before" and "on or after" stay within the calendar year; "in the next" and "in the last" days go across its end.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar, Final

from django.utils.formats import date_format
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from profiles.models import AttributeType
from segments.filters import comparing
from segments.filters.base import Context, Leaf, Operator
from segments.filters.comparing import Condition, Expression
from segments.filters.custom_attributes import AttributeFilter, name_in, value_of
from segments.filters.subjects import OneOf
from segments.filters.values import Days, MissingError, Value

MAX_SPAN: Final = 365
_LEAP_YEAR: Final = 2000


@dataclass(frozen=True)
class DayOfYear(Value):
    """A month and a day, as MM-DD; not February 29, which counts as the day after."""

    widget: ClassVar[str] = "day_of_year"

    def check(self, value: Any) -> str:
        if value in (None, ""):
            raise MissingError(_now("Choose a day of the year."))
        try:
            found = date.fromisoformat(f"{_LEAP_YEAR}-{value}") if isinstance(value, str) and len(value) == 5 else None
        except ValueError:
            found = None
        if found is None:
            raise ValueError(_now("Enter a day of the year as MM-DD."))
        if (found.month, found.day) == (2, 29):
            raise ValueError(_now("February 29 counts as March 1: enter 03-01."))
        return f"{found:%m-%d}"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"}

    def words(self, value: Any, labels: dict[str, str]) -> str:
        return date_format(date.fromisoformat(f"{_LEAP_YEAR}-{value}"), "MONTH_DAY_FORMAT")


@dataclass(frozen=True)
class Span(Days):
    """A number of days within a year."""

    def check(self, value: Any) -> int:
        found = super().check(value)
        if found > MAX_SPAN:
            raise ValueError(_now("Enter a whole number of days from 0 to %(most)s.") % {"most": MAX_SPAN})
        return found

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "maximum": MAX_SPAN}


_TODAY_HINT: Final = _("Today counts, too; days are those of the workspace's time zone.")
OPERATORS: Final = (
    Operator("is_on_day", _("is on"), DayOfYear()),
    Operator("is_not_on_day", _("is not on"), DayOfYear(), negates="is_on_day"),
    Operator("is_until_day", _("is on or before"), DayOfYear()),
    Operator("is_from_day", _("is on or after"), DayOfYear()),
    Operator("is_in_days", _("is in exactly"), Span()),
    Operator("is_in_next_days", _("is in the next"), Span(), hint=_TODAY_HINT),
    Operator("is_in_last_days", _("was in the last"), Span(), hint=_TODAY_HINT),
)
KEYS: Final = frozenset(one.key for one in OPERATORS)
_FEBRUARY_29: Final = 229
_MARCH_1: Final = 301


def condition(leaf: Leaf, context: Context, day: Expression) -> Condition:
    """A leaf with one of ``OPERATORS`` that negates nothing; ``day``: SQL for 100 times the month plus the day."""
    if leaf.operator == "is_until_day":
        return day.put("[x] <= %s", _number(leaf.value))
    if leaf.operator == "is_from_day":
        first = _number(leaf.value)
        return day.put("[x] >= %s", _FEBRUARY_29 if first == _MARCH_1 else first)
    days = {_number(leaf.value)} if leaf.operator == "is_on_day" else _days(leaf, context)
    return day.put("[x] = ANY(%s)", sorted(days | {_FEBRUARY_29} if _MARCH_1 in days else days))


def _number(day: str) -> int:
    return int(day.replace("-", ""))


def _days(leaf: Leaf, context: Context) -> set[int]:
    """The days that a leaf relative to today names. February 29 itself is nobody's day: theirs is the one after."""
    today = context.now.astimezone(context.zone).date()
    offsets = {
        "is_in_days": range(leaf.value, leaf.value + 1),
        "is_in_next_days": range(leaf.value + 1),
        "is_in_last_days": range(-leaf.value, 1),
    }[leaf.operator]
    days = {100 * day.month + day.day for day in (today + timedelta(days=offset) for offset in offsets)}
    return days - {_FEBRUARY_29}


def day_of_text(text: Expression, context: Context) -> Expression:
    """The day in the workspace's time zone on which an SQL text names a moment; null for a text that names none.

    A date that came without a time is stored as midnight in UTC: it keeps its day, wherever the workspace is.
    """
    moment = comparing.time_of(text)
    is_date = "(length([x]) = 10 OR [x] LIKE '__________T00:00:00.000Z')"
    zone = str(context.zone)
    in_zone = f"([x] AT TIME ZONE (CASE WHEN {is_date.replace('[x]', text.sql)} THEN 'UTC' ELSE %s END))"
    params = (*moment.params, *text.params, *text.params, zone)
    local = Expression(in_zone.replace("[x]", moment.sql), params)
    return local.of("to_char([x], 'MMDD')::int")


class RecurringEvent(AttributeFilter):
    """The month and the day of a date attribute, whatever its year."""

    key = "day_of_recurring_event"
    name = _("Day of Recurring Event")
    subject = OneOf(member="name", label=_("Search for an attribute"), missing=_("Choose an attribute."))
    operators = OPERATORS
    types = (AttributeType.DATE,)

    def condition(self, leaf: Leaf, context: Context) -> Condition:
        return condition(leaf, context, day_of_text(value_of(name_in(leaf)).text, context))
