"""Small random worlds, and the oracle over them: every filter once more in plain Python, over the same rows.

A facet is one side of a user (their attributes, devices, cohorts …): how it is drawn, how it is written, and what its
filters mean. ``tests.segments.oracle.facets`` lists them; a filter without an oracle fails the coverage test.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from segments.filters.base import Leaf, Operator
from segments.filters.days_of_year import DayOfYear, Span
from segments.filters.quantities import Whole
from segments.filters.regex import Regex
from segments.filters.values import Value
from workspaces.models import App, Workspace

NOW = datetime(2024, 3, 10, 12, 0, tzinfo=UTC)
ZONE = "Asia/Tokyo"
DATES = ["2024-03-01", "2024-03-10", "2023-02-01"]
NUMBERS = [0, 1, 5, -3, 0.1, 2.5, 10**12]
DAYS = [0, 1, 7, 8, 400]
MOMENTS = [
    *(NOW + timedelta(days=days, seconds=shift) for days in (-400, -8, -7, -1, 0, 1, 7) for shift in (-1, 0, 1)),
    datetime(2024, 3, 1, 0, 0, tzinfo=ZoneInfo(ZONE)),
    datetime(2024, 3, 1, 23, 59, 59, tzinfo=ZoneInfo(ZONE)),
    datetime(2024, 3, 2, 0, 0, tzinfo=ZoneInfo(ZONE)),
]


DAYS_OF_YEAR = ["01-01", "02-28", "03-01", "03-10", "03-11", "12-31"]
#: Dates that need care: February 29, the ends of the year, and today.
BIRTHDAYS = [
    *(date(2024, 2, 29), date(2000, 2, 29), date(1999, 3, 1), date(1999, 2, 28), date(1990, 12, 31), date(1991, 1, 1)),
    *(date(2004, 3, 10), date(2004, 3, 11), date(2003, 3, 9)),
]
#: Regular expressions that mean the same to PostgreSQL and to Python.
PATTERNS = ["^go", "LD$", r"^\d+$", "old|5", "a'b", "日", "."]


@dataclass
class User:
    """One user: what each facet knows of them, by its key. ``id`` is set when the row has been made."""

    parts: dict[str, Any]
    gone: bool = False
    id: int = 0


@dataclass
class World:
    """A workspace with its users. In the JSON of trees, texts that are keys of ``names`` stand for their values."""

    users: list[User]
    workspace: Workspace
    apps: list[App] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    #: What a facet keeps for its own ``write`` and ``passes``.
    notes: dict[str, Any] = field(default_factory=dict)


#: Whether a user whose part of the facet is given passes a leaf.
Passes = Callable[[Leaf, Any, World], bool]


@dataclass(frozen=True)
class Facet:
    """One side of users. Everything but the key, the parts and the oracle can be left out.

    ``parts`` draws what it knows of so many users. ``prepare`` writes what the workspace has before there are users,
    ``columns`` are the columns of a user's row, ``write`` writes the rows beside it. ``subjects`` draws, by filter and
    by kind of subject, what a leaf is about. ``values`` draws, by filter, the texts that its leaves name (or, given an
    operator, None for whatever suits its widget).
    """

    key: str
    parts: Callable[[int], st.SearchStrategy[Sequence[Any]]]
    passes: Mapping[str, Passes]
    prepare: Callable[[World], None] = lambda world: None
    columns: Callable[[Any], dict[str, Any]] = lambda part: {}
    write: Callable[[World], None] = lambda world: None
    subjects: Mapping[str, Callable[[str], st.SearchStrategy[Any]]] = field(default_factory=dict)
    texts: Mapping[str, st.SearchStrategy[str]] = field(default_factory=dict)
    values: Mapping[str, Callable[[Operator, str], st.SearchStrategy[Any] | None]] = field(default_factory=dict)


def each(part: st.SearchStrategy[Any]) -> Callable[[int], st.SearchStrategy[Sequence[Any]]]:
    """Parts that do not depend on each other."""
    return lambda count: st.lists(part, min_size=count, max_size=count)


#: Kinds of values that take less than their widget lets one enter.
_SPECIAL: list[tuple[type[Value], Callable[[Any], Sequence[Any]]]] = [
    (Regex, lambda value: PATTERNS),
    (Span, lambda value: [0, 1, 7, 60, 365]),
    (DayOfYear, lambda value: DAYS_OF_YEAR),
    (Whole, lambda value: [value.least, value.least + 1, 4, value.most]),
]


def value_of(facet: Facet, filter_key: str, operator: Operator, kind: str) -> st.SearchStrategy[Any]:
    """Values for a leaf of that filter and operator."""
    own = facet.values.get(filter_key)
    if own and (found := own(operator, kind)) is not None:
        return found
    texts = facet.texts.get(filter_key, st.just("x"))
    for kind_of_value, values in _SPECIAL:
        if isinstance(operator.value, kind_of_value):
            return st.sampled_from(values(operator.value))
    options = [one for one, _name in getattr(operator.value, "options", ())]
    return {
        "none": lambda: st.none(),
        "text": lambda: texts,
        "number": lambda: st.sampled_from(NUMBERS),
        "days": lambda: st.sampled_from(DAYS),
        "date": lambda: st.sampled_from(DATES),
        "choice": lambda: st.sampled_from(options),
        "search": lambda: st.lists(texts, min_size=1, max_size=2),
        "texts": lambda: st.lists(texts, min_size=1, max_size=2),
    }[operator.value.widget]()


# --- What many filters have in common ---------------------------------------------------------------------------------


def in_time(operator: str, value: Any, moment: datetime | None) -> bool:
    """The comparisons of ``segments.filters.dates``."""
    if moment is None:
        return False
    if operator in ("before", "after"):
        day = date.fromisoformat(value)
        start = datetime.combine(day, time.min, ZoneInfo(ZONE))
        return moment < start if operator == "before" else moment >= start + timedelta(days=1)
    span = timedelta(days=value)
    return {
        "more_than_days_ago": moment < NOW - span,
        "less_than_days_ago": NOW - span <= moment <= NOW,
        "in_more_than_days": moment > NOW + span,
        "in_less_than_days": NOW <= moment <= NOW + span,
    }[operator]


def in_list(operator: str, wanted: Any, value: str | None) -> bool:
    """Equal to one of some values, or blank."""
    if operator in ("is_blank", "is_not_blank"):
        return (not value) == (operator == "is_blank")
    listed = wanted if isinstance(wanted, list) else [wanted]
    return (value in listed) == (operator in ("is_any_of", "equals", "is"))


def in_text(operator: str, wanted: Any, text: str | None) -> bool:
    """The comparisons of texts; None and "" are blank."""
    text = text or ""
    listed = wanted if isinstance(wanted, list) else [wanted]
    compare: dict[str, Callable[[], bool]] = {
        "is_blank": lambda: not text,
        "is_not_blank": lambda: bool(text),
        "equals": lambda: text in listed,
        "is_any_of": lambda: text in listed,
        "does_not_equal": lambda: text not in listed,
        "is_none_of": lambda: text not in listed,
        "contains": lambda: any(one in text for one in listed),
        "contains_any_of": lambda: any(one in text for one in listed),
        "does_not_contain": lambda: not any(one in text for one in listed),
        "contains_none_of": lambda: not any(one in text for one in listed),
        "matches_regex": lambda: bool(text) and bool(re.search(wanted, text, re.IGNORECASE)),
        "does_not_match_regex": lambda: bool(text) and not re.search(wanted, text, re.IGNORECASE),
    }
    return compare[operator]()


def compared(operator: str, wanted: Any, number: Any) -> bool:
    """The comparisons of numbers, exact; None is no number."""
    if operator == "does_not_equal":
        return not compared("exactly", wanted, number)
    if number is None:
        return False
    return {
        "exactly": number == wanted,
        "more_than": number > wanted,
        "at_least": number >= wanted,
        "less_than": number < wanted,
        "at_most": number <= wanted,
    }[operator]


def on_day(operator: str, wanted: Any, day: date | None) -> bool:
    """The comparisons of ``segments.filters.days_of_year``, day by day."""
    if operator == "is_not_on_day":
        return not on_day("is_on_day", wanted, day)
    if day is None:
        return False
    counted = (3, 1) if (day.month, day.day) == (2, 29) else (day.month, day.day)
    if isinstance(wanted, str):
        month, number = map(int, wanted.split("-"))
        return {
            "is_on_day": counted == (month, number),
            "is_until_day": counted <= (month, number),
            "is_from_day": counted >= (month, number),
        }[operator]
    today = NOW.astimezone(ZoneInfo(ZONE)).date()
    offsets = {"is_in_days": [wanted], "is_in_next_days": range(wanted + 1), "is_in_last_days": range(-wanted, 1)}
    days = [today + timedelta(days=offset) for offset in offsets[operator]]
    return counted in [(one.month, one.day) for one in days]
