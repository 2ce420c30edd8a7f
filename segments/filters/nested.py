"""Nested custom attributes: a value inside an object or an array of objects, named by its path.

Braze: nested custom attributes, segmentation. A path is keys joined by dots; ``[]`` stands for any element of an array
and ``[0]`` for the first: ``address.city``, ``[].balance``, ``orders[].items[0].sku``. A key with a dot, a bracket or a
quotation mark in it is written as a JSON string. An array on the way is looked into without ``[]``, too. A user passes
when any of the values that the path leads to does; a time may be ``{"$time": …}``, as Braze has it in objects.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.db import connection
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from profiles.custom_values import type_of
from profiles.models import AttributeType
from segments.filters import comparing, days_of_year
from segments.filters.base import Context, Leaf, Operator, Option
from segments.filters.comparing import Condition, Expression, Json
from segments.filters.custom_attributes import AttributeFilter
from segments.filters.limits import TooLongError, time_limit
from segments.filters.subjects import MAX_NAME, About, Attribute, checked_name
from segments.filters.values import MissingError

MAX_PATH: Final = 500
#: Deeper objects than this are somebody's mistake.
MAX_STEPS: Final = 30
MAX_INDEX: Final = 499
OPERATORS: Final[dict[str, tuple[Operator, ...]]] = {
    AttributeType.STRING: comparing.STRINGS,
    AttributeType.NUMBER: comparing.numbers(null_counts=True),
    AttributeType.BOOLEAN: comparing.BOOLEANS,
    AttributeType.DATE: (*comparing.TIMES, *days_of_year.OPERATORS),
    AttributeType.ARRAY: comparing.ARRAYS,
}
#: Objects are looked at to tell which paths there are: so many, for so long.
_LOOKED_AT: Final = 200
_LOOK_SECONDS: Final = 0.4

_QUOTED: Final = r'"(?:[^"\\]|\\.)+"'
_KEY: Final = re.compile(rf"{_QUOTED}|[^.\[\]\"]+")
_ELEMENT: Final = re.compile(r"\[(\d{0,3})\]")
#: A step of a path: a key, the index of an element, or None for any element.
Step = str | int | None


def steps_of(path: str) -> list[Step]:
    """The steps of ``path``. Raises ValueError with a sentence for people."""
    found: list[Step] = []
    place = 0
    while place < len(path):
        element = _ELEMENT.match(path, place)
        if element:
            found.append(int(element[1]) if element[1] else None)
            place = element.end()
            continue
        place += path[place] == "." and place > 0
        key = _KEY.match(path, place)
        if key is None or (place > 0 and path[place - 1] != "."):
            raise ValueError(
                _now("The path is wrong at “%(rest)s”. Write it like “address.city” or “[].balance”.")
                % {"rest": path[place:][:40]}
            )
        found.append(_key(key[0]))
        place = key.end()
    if len(found) > MAX_STEPS:
        raise ValueError(_now("The path is longer than %(most)s steps.") % {"most": MAX_STEPS})
    if any(isinstance(one, int) and one > MAX_INDEX for one in found):
        raise ValueError(_now("An array has at most %(most)s elements.") % {"most": MAX_INDEX + 1})
    return found


def _key(text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        key = json.loads(text)
    except json.JSONDecodeError:
        raise ValueError(_now("The key %(key)s is not written as in JSON.") % {"key": text[:40]}) from None
    return checked_name(key)


def path_of(steps: list[Step]) -> str:
    """The path that these are the steps of."""
    said = ""
    for step in steps:
        if not isinstance(step, str):
            said += "[]" if step is None else f"[{step}]"
        else:
            key = step if _KEY.fullmatch(step) and not step.startswith('"') else json.dumps(step, ensure_ascii=False)
            said += f".{key}" if said else key
    return said


def _jsonpath(name: str, steps: list[Step]) -> str:
    said = [f"[{'*' if one is None else one}]" if not isinstance(one, str) else f".{json.dumps(one)}" for one in steps]
    return f"$.{json.dumps(name)}" + "".join(said)


@dataclass(frozen=True)
class NestedAttribute(Attribute):
    """A custom attribute, the path to a value in it, and the type that the comparison takes the value for."""

    widget: ClassVar[str] = "path"

    def check(self, subject: Any) -> dict[str, Any]:
        if not isinstance(subject, Mapping) or "path" not in subject:
            return {**super().check(subject), "path": self._path(None)}
        found = super().check({name: value for name, value in subject.items() if name != "path"})
        return {"name": found["name"], "path": self._path(subject["path"]), "type": found["type"]}

    @staticmethod
    def _path(path: Any) -> str:
        if path in (None, ""):
            raise MissingError(_now("Enter the path to a value in the attribute."))
        if not isinstance(path, str) or len(path) > MAX_PATH or "\x00" in path:
            raise ValueError(_now("Enter a path of at most %(most)s characters.") % {"most": MAX_PATH})
        return path_of(steps_of(path))

    def properties(self, kind: str) -> dict[str, Any]:
        return {
            "name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME},
            "path": {"type": "string", "minLength": 1, "maxLength": MAX_PATH},
            "type": {"const": kind},
        }

    def words(self, subject: About, labels: Mapping[str, str]) -> str:
        path = str(subject["path"])
        return f"“{subject['name']}{'' if path.startswith('[') else '.'}{path}”"

    def definition(self) -> dict[str, Any]:
        types = [{"value": one, "label": str(AttributeType(one).label)} for one in self.types]
        return {**super().definition(), "types": types, "empty": {"name": "", "path": "", "type": AttributeType.STRING}}


class NestedCustomAttributes(AttributeFilter):
    """A value inside an object or an array of objects."""

    key = "nested_custom_attribute"
    name = _("Nested Custom Attributes")
    subject = NestedAttribute(tuple(OPERATORS))
    types = (AttributeType.OBJECT, AttributeType.ARRAY)

    def operators_by_kind(self) -> dict[str, tuple[Operator, ...]]:
        return OPERATORS

    def condition(self, leaf: Leaf, context: Context) -> Condition:
        about = leaf.subject or {}
        jsonpath = _jsonpath(about["name"], steps_of(about["path"]))
        some = (
            "EXISTS (SELECT FROM jsonb_path_query(custom_attributes, %s::jsonpath, silent => true) AS value WHERE {})"
        )
        blank, blank_params = comparing.blank(_VALUE)
        nothing = f"NOT {some.format(f'NOT {blank}')}"
        if leaf.operator == "is_blank":
            return nothing, [jsonpath, *blank_params]
        said, params = _value_condition(about["type"], leaf, context)
        condition, params = some.format(said), [jsonpath, *params]
        if comparing.counts_blank(about["type"], leaf):
            return f"{condition} OR {nothing}", [*params, jsonpath, *blank_params]
        return condition, params

    def search_subjects(
        self, workspace_id: int, query: str, limit: int, member: str = "", subject: About | None = None
    ) -> list[Option]:
        """Objects and arrays by name; for the ``path``, those that some users' values have, with the type there."""
        if member != "path":
            return super().search_subjects(workspace_id, query, limit, member, subject)
        name = (subject or {}).get("name")
        if not isinstance(name, str) or not name or "\x00" in name:
            return []
        found = _paths(workspace_id, name)
        wanted = query.strip().casefold()
        return [
            Option(path, path, str(AttributeType(type_).label), type_)
            for path, type_ in sorted(found.items())
            if wanted in path.casefold()
        ][:limit]


_VALUE: Final = Json(
    "value",
    text=Expression("(CASE jsonb_typeof(value) WHEN 'object' THEN value ->> '$time' ELSE value #>> '{}' END)"),
)


def _value_condition(type_: str, leaf: Leaf, context: Context) -> Condition:
    if leaf.operator in days_of_year.KEYS:
        return days_of_year.condition(leaf, context, days_of_year.day_of_text(_VALUE.text, context))
    return comparing.json_condition(type_, leaf, context, _VALUE)


def _paths(workspace_id: int, name: str) -> dict[str, str]:
    """The paths in some users' values of an attribute, with the type that is found there first."""
    found: dict[str, str] = {}
    try:
        with time_limit(_LOOK_SECONDS), connection.cursor() as cursor:
            cursor.execute(
                "SELECT custom_attributes -> %s FROM profiles_profile"
                " WHERE workspace_id = %s AND custom_attributes ? %s LIMIT %s",
                [name, workspace_id, name, _LOOKED_AT],
            )
            rows = cursor.fetchall()
    except TooLongError:
        return {}
    for (value,) in rows:
        _walk(json.loads(value) if isinstance(value, str) else value, [], found)
    return found


def _walk(value: Any, steps: list[Step], found: dict[str, str]) -> None:
    if len(steps) >= MAX_STEPS:
        return
    if isinstance(value, dict) and not (len(value) == 1 and "$time" in value):
        for key, child in value.items():
            _walk(child, [*steps, key], found)
        return
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for one in value:
            _walk(one, [*steps, None], found)
        return
    if steps and value is not None and len(path := path_of(steps)) <= MAX_PATH:
        found.setdefault(path, AttributeType.DATE if isinstance(value, dict) else type_of(value))
