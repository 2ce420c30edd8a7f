"""Custom attributes: values of all types, also in attributes of another, and inside objects and arrays of objects."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from profiles.models import CustomAttribute
from segments.filters.base import Leaf, Operator
from tests.segments.oracle.base import (
    BIRTHDAYS,
    DATES,
    MOMENTS,
    NUMBERS,
    ZONE,
    Facet,
    World,
    compared,
    each,
    in_text,
    in_time,
    on_day,
)

ATTRIBUTES = {
    "plan": "string",
    "age": "number",
    "vip": "boolean",
    "renews": "date",
    "likes": "array",
    "home": "object",
    "orders": "array",
    'odd."key"': "object",
}
TEXTS = ["gold", "Gold", "old", "5", "", "a'b%_\\", "日本"]
JUNK = ["2024-13-45", "now", "tomorrow", "infinity", "12 March", "", "7"]
STAMPS = [
    *(one.isoformat() for one in MOMENTS),
    *DATES,
    *(one.isoformat() for one in BIRTHDAYS),
    "2020-02-29T00:00:00.000Z",
    "2024-03-09T20:00:00.000Z",
    *JUNK,
]
_text = st.sampled_from([*TEXTS, None, 5, True])
_number = st.sampled_from([*NUMBERS, None, "5", "many", False])
_boolean = st.sampled_from([True, False, None, "true", 1])
_date = st.sampled_from([*STAMPS, None, 7])
_array = st.sampled_from([[], ["a"], None, ["gold", 5], [2.5, "old", True], ["a'b%_\\", "日本"], "gold", [{"a": 1}]])
_nested_date = _date | st.sampled_from([{"$time": one} for one in STAMPS])
_object = st.fixed_dictionaries(
    {},
    optional={
        "plan": _text,
        "age": _number,
        "vip": _boolean,
        "renews": _nested_date,
        "likes": _array,
        "deep": st.fixed_dictionaries({}, optional={"a.b": st.fixed_dictionaries({}, optional={"plan": _text})}),
    },
)
VALUES = {
    "plan": _text,
    "age": _number,
    "vip": _boolean,
    "renews": _date,
    "likes": _array,
    "home": _object | st.sampled_from([None, "x", []]),
    "orders": st.lists(_object, max_size=2) | st.sampled_from([None, "x"]) | _object,
    'odd."key"': _object,
}
#: Paths, and what they lead to; where "" the value is of the type that is asked for.
PATHS = ["{}", "[].{}", "[0].{}", "[1].{}"]
NAME_OF = {"string": "plan", "number": "age", "boolean": "vip", "date": "renews", "array": "likes"}


def _prepare(world: World) -> None:
    CustomAttribute.objects.bulk_create(
        CustomAttribute(workspace=world.workspace, name=name, type=type_) for name, type_ in ATTRIBUTES.items()
    )


def _about(kind: str) -> st.SearchStrategy[Any]:
    name = next(name for name, type_ in ATTRIBUTES.items() if type_ == kind)
    return st.just({"name": name, "type": kind})


def _about_nested(kind: str) -> st.SearchStrategy[Any]:
    paths = [one.format(NAME_OF[kind]) for one in PATHS]
    return st.fixed_dictionaries(
        {
            "name": st.sampled_from(["home", "orders", 'odd."key"']),
            "path": st.sampled_from([*paths, *(['deep."a.b".plan'] if kind == "string" else [])]),
            "type": st.just(kind),
        }
    )


# --- What comparisons mean -------------------------------------------------------------------------------------------

#: By type: operators that are the opposite of another.
OPPOSITES = {
    "is_not_blank": "is_blank",
    "does_not_include_value": "includes_value",
    "includes_none_of": "includes_any_of",
    "does_not_include_all_of": "includes_all_of",
    "values_contain_none_of": "values_contain_any_of",
    "is_none_of": "is_any_of",
    "does_not_contain": "contains",
    "contains_none_of": "contains_any_of",
    "is_not_on_day": "is_on_day",
}


def _opposite(type_: str, operator: str) -> str:
    if operator == "does_not_equal":
        return "exactly" if type_ == "number" else "equals"
    return OPPOSITES.get(operator, "")


def _parsed(value: Any) -> datetime | None:
    if not isinstance(value, str) or value in JUNK:
        return None
    found = datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _day(value: Any) -> date | None:
    moment = _parsed(value)
    if moment is None:
        return None
    is_date = len(value) == 10 or value.endswith("T00:00:00.000Z")
    return moment.astimezone(UTC if is_date else ZoneInfo(ZONE)).date()


def _blank(value: Any) -> bool:
    return value is None or value in ("", [])


def _same(text: str, element: Any) -> bool:
    """Whether a text that somebody typed names an element."""
    if isinstance(element, bool):
        return text == json.dumps(element)
    if isinstance(element, str):
        return text == element
    is_number = isinstance(element, int | float) and re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", text)
    return bool(is_number) and Decimal(text) == Decimal(str(element))


def _written(element: Any) -> str | None:
    if isinstance(element, str):
        return element
    return str(Decimal(str(element))) if isinstance(element, int | float) and not isinstance(element, bool) else None


def _array_passes(operator: str, wanted: Any, value: Any) -> bool:
    if not isinstance(value, list):
        return False
    listed = wanted if isinstance(wanted, list) else [wanted]
    if operator == "includes_all_of":
        return all(any(_same(one, element) for element in value) for one in listed)
    if operator in ("includes_value", "includes_any_of"):
        return any(_same(one, element) for one in listed for element in value)
    pattern = "matches_regex" if operator == "matches_regex" else "contains_any_of"
    return any(in_text(pattern, wanted, _written(element)) for element in value)


def _value_passes(type_: str, operator: str, wanted: Any, value: Any) -> bool:
    """For an operator that is no opposite: whether a value that is there passes."""
    if type_ == "date":
        written = value.get("$time") if isinstance(value, dict) else value
        if operator in ("is_on_day", "is_until_day", "is_from_day", "is_in_days", "is_in_next_days", "is_in_last_days"):
            return on_day(operator, wanted, _day(written))
        return in_time(operator, wanted, _parsed(written))
    if type_ == "boolean":
        return value is (wanted.partition("_")[0] == "true")
    if type_ == "number":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return compared(operator, wanted, value if is_number else None)
    if type_ == "array":
        return _array_passes(operator, wanted, value)
    return isinstance(value, str) and in_text(operator, wanted, value)


def _passes_with(type_: str, operator: str, wanted: Any, values: Sequence[Any]) -> bool:
    """Whether a user passes for whom an attribute, or a path, leads to these values."""
    if opposite := _opposite(type_, operator):
        return not _passes_with(type_, opposite, wanted, values)
    nothing = all(_blank(one) for one in values)
    if operator == "is_blank":
        return nothing
    if type_ == "number" and (operator in ("less_than", "at_most") or (operator == "exactly" and wanted == 0)):
        return nothing or any(_value_passes(type_, operator, wanted, one) for one in values)
    if type_ == "boolean" and wanted.endswith("_or_not_set"):
        return nothing or any(_value_passes(type_, operator, wanted, one) for one in values)
    return any(_value_passes(type_, operator, wanted, one) for one in values)


def _attribute(leaf: Leaf, part: dict[str, Any], world: World) -> bool:
    assert leaf.subject
    values = [part[leaf.subject["name"]]] if leaf.subject["name"] in part else []
    return _passes_with(leaf.subject["type"], leaf.operator, leaf.value, values)


def _recurring(leaf: Leaf, part: dict[str, Any], world: World) -> bool:
    assert leaf.subject
    return on_day(leaf.operator, leaf.value, _day(part.get(leaf.subject["name"])))


def _nested(leaf: Leaf, part: dict[str, Any], world: World) -> bool:
    assert leaf.subject
    values = [part]
    for step in [leaf.subject["name"], *re.findall(r'\[\d*\]|"[^"]+"|[^.\[\]"]+', leaf.subject["path"])]:
        values = [found for value in values for found in _step(value, step)]
    return _passes_with(leaf.subject["type"], leaf.operator, leaf.value, values)


def _step(value: Any, step: str) -> list[Any]:
    if step.startswith("["):
        elements = value if isinstance(value, list) else [value]
        return elements if step == "[]" else elements[int(step[1:-1]) :][:1]
    key = step.strip('"') if step != ATTRIBUTE_WITH_QUOTES else step
    inside = value if isinstance(value, list) else [value]
    return [one[key] for one in inside if isinstance(one, dict) and key in one]


ATTRIBUTE_WITH_QUOTES = 'odd."key"'


def _values(operator: Operator, kind: str) -> st.SearchStrategy[Any] | None:
    several = st.lists(st.sampled_from([*filter(None, TEXTS), "a", "2.5", "true"]), min_size=1, max_size=2)
    return several if kind == "array" and operator.value.widget == "texts" else None


FILTERS = ("custom_attribute", "nested_custom_attribute", "day_of_recurring_event")
FACET = Facet(
    key="attributes",
    parts=each(st.fixed_dictionaries({}, optional=VALUES)),
    passes=dict(zip(FILTERS, (_attribute, _nested, _recurring), strict=True)),
    prepare=_prepare,
    columns=lambda part: {"custom_attributes": part},
    subjects={
        "custom_attribute": _about,
        "nested_custom_attribute": _about_nested,
        "day_of_recurring_event": lambda kind: st.just({"name": "renews"}),
    },
    texts=dict.fromkeys(FILTERS, st.sampled_from([text for text in [*TEXTS, "a", "2.5"] if text])),
    values=dict.fromkeys(FILTERS, _values),
)
