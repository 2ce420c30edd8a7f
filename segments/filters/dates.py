"""Comparing times: the operators that every date filter has, and the SQL conditions that they are.

Braze: custom attributes, time. A relative day is 24 hours; a calendar day is one of the workspace's time zone, and
"before" and "after" a day both leave the day itself out.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from segments.filters.base import Context, Leaf, Operator
from segments.filters.values import Date, Days

#: Operators over the past, which every date filter has.
PAST = (
    Operator("before", _("before"), Date()),
    Operator("after", _("after"), Date()),
    Operator("more_than_days_ago", _("more than … ago"), Days()),
    Operator("less_than_days_ago", _("less than … ago"), Days()),
)
#: Operators over the future, for dates that can lie there.
FUTURE = (
    Operator("in_more_than_days", _("in more than"), Days()),
    Operator("in_less_than_days", _("in less than"), Days()),
)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The moment when ``day`` begins in ``zone``."""
    return datetime.combine(day, time.min, tzinfo=zone)


def _bounds(leaf: Leaf, context: Context) -> tuple[str, list[datetime]]:
    """The condition on ``{}``, an SQL expression of type timestamptz, and its parameters."""
    if leaf.operator in ("before", "after"):
        day = date.fromisoformat(leaf.value)
        if leaf.operator == "before":
            return "{} < %s", [start_of_day(day, context.zone)]
        return "{} >= %s", [start_of_day(day + timedelta(days=1), context.zone)]
    span, now = timedelta(days=leaf.value), context.now
    conditions: dict[str, Callable[[], tuple[str, list[datetime]]]] = {
        "more_than_days_ago": lambda: ("{} < %s", [now - span]),
        "less_than_days_ago": lambda: ("{} BETWEEN %s AND %s", [now - span, now]),
        "in_more_than_days": lambda: ("{} > %s", [now + span]),
        "in_less_than_days": lambda: ("{} BETWEEN %s AND %s", [now, now + span]),
    }
    return conditions[leaf.operator]()


def time_condition(leaf: Leaf, context: Context, expression: str) -> tuple[str, list[Any]]:
    """The condition of a leaf with one of the operators above on the timestamptz ``expression`` (SQL of ours)."""
    condition, params = _bounds(leaf, context)
    return condition.format(expression), [*params]
