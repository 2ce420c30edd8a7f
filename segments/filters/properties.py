"""Conditions on the properties of custom events and purchases. Braze: custom event properties, segmentation.

A condition names a property by its path (parts joined by dots), the type that it is taken for, an operator and a
value. All conditions of a filter are about the same occurrence. A list passes where one of its elements does. A
negation also passes occurrences without the property. The rows: ``profiles.stores``, KeptEvent and KeptPurchase.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from segments.filters import dates
from segments.filters.base import Context, Leaf, Operator
from segments.filters.subjects import checked_name
from segments.filters.values import Choice, MissingError, Number, Several, Text

MAX_CONDITIONS: Final = 10
_BLANK: Final = (
    Operator("is_blank", _("is blank")),
    Operator("is_not_blank", _("is not blank"), negates="is_blank"),
)
_BOOLEANS: Final = Choice((("true", _("true")), ("false", _("false"))))

#: By type; keys and meanings are those of custom attributes of that type.
OPERATORS: Final[dict[str, tuple[Operator, ...]]] = {
    "string": (
        Operator("equals", _("equals"), Text()),
        Operator("does_not_equal", _("does not equal"), Text(), negates="equals"),
        Operator("is_any_of", _("is any of"), Several()),
        Operator("is_none_of", _("is none of"), Several(), negates="is_any_of"),
        Operator("contains", _("contains"), Text()),
        Operator("does_not_contain", _("does not contain"), Text(), negates="contains"),
        *_BLANK,
    ),
    "number": (
        Operator("exactly", _("exactly"), Number()),
        Operator("does_not_equal", _("does not equal"), Number(), negates="exactly"),
        Operator("more_than", _("more than"), Number()),
        Operator("less_than", _("less than"), Number()),
        Operator("at_least", _("at least"), Number()),
        Operator("at_most", _("at most"), Number()),
        *_BLANK,
    ),
    "boolean": (Operator("is", _("is"), _BOOLEANS), *_BLANK),
    "time": (*dates.PAST, *dates.FUTURE, *_BLANK),
}
TYPES: Final = {"string": _("String"), "number": _("Number"), "boolean": _("Boolean"), "time": _("Time")}


# --- How conditions come in ------------------------------------------------------------------------------------------


def check(conditions: Any) -> list[dict[str, Any]]:
    """Conditions in their stored form. Raises ValueError (MissingError: unfinished) naming the condition."""
    if not isinstance(conditions, list):
        raise ValueError(_now("“%(name)s” is not a list.") % {"name": "where"})
    if len(conditions) > MAX_CONDITIONS:
        raise ValueError(_now("Give at most %(most)s conditions on properties.") % {"most": MAX_CONDITIONS})
    return [_check_one(one, number) for number, one in enumerate(conditions, 1)]


def _check_one(condition: Any, number: int) -> dict[str, Any]:
    try:
        return _checked(condition)
    except MissingError as missing:
        raise MissingError(_place(number, missing)) from None
    except ValueError as wrong:
        raise ValueError(_place(number, wrong)) from None


def _place(number: int, message: object) -> str:
    return _now("Property condition %(number)s: %(message)s") % {"number": number, "message": message}


def _checked(condition: Any) -> dict[str, Any]:
    if not isinstance(condition, dict):
        raise ValueError(_now("A condition is an object with “property”, “type”, “operator” and “value”."))
    if unknown := [str(name)[:60] for name in condition if name not in ("property", "type", "operator", "value")]:
        raise ValueError(_now("“%(name)s” is not known here.") % {"name": unknown[0]})
    if not condition.get("property"):
        raise MissingError(_now("Choose a property."))
    type_ = condition.get("type")
    if not isinstance(type_, str) or type_ not in OPERATORS:
        raise ValueError(_now("The property's type is one of these: %(types)s.") % {"types": ", ".join(OPERATORS)})
    operator = _operator(type_, condition.get("operator"))
    if operator is None:
        said = str(condition.get("operator"))[:60]
        raise ValueError(_now("This type has no comparison “%(name)s”.") % {"name": said})
    value = operator.value.check(condition.get("value"))
    name = checked_name(condition["property"])
    return {"property": name, "type": type_, "operator": operator.key, "value": value}


def _operator(type_: str, key: Any) -> Operator | None:
    return next((one for one in OPERATORS[type_] if one.key == key), None)


def schema() -> dict[str, Any]:
    """JSON Schema of the stored form of a list of conditions."""
    return {
        "type": "array",
        "maxItems": MAX_CONDITIONS,
        "items": {"oneOf": [_schema(type_, one) for type_, operators in OPERATORS.items() for one in operators]},
    }


def _schema(type_: str, operator: Operator) -> dict[str, Any]:
    members = {
        "property": {"type": "string", "minLength": 1, "maxLength": 255},
        "type": {"const": type_},
        "operator": {"const": operator.key},
        "value": operator.value.schema(),
    }
    return {"type": "object", "additionalProperties": False, "required": [*members], "properties": members}


def words(conditions: list[Mapping[str, Any]]) -> str:
    """The conditions for people."""
    return _now(" and ").join(_words(one) for one in conditions)


def _words(condition: Mapping[str, Any]) -> str:
    operator = _operator(condition["type"], condition["operator"])
    assert operator is not None  # noqa: S101 - it was checked
    value, said = operator.value.words(condition["value"], {}), str(operator.name)
    predicate = said.replace("…", value) if "…" in said else f"{said} {value}".rstrip()
    return f"“{condition['property']}” {predicate}"


def definition() -> dict[str, Any]:
    """What the builder has to know to draw conditions."""
    return {
        "mostConditions": MAX_CONDITIONS,
        "types": [{"value": type_, "label": str(name)} for type_, name in TYPES.items()],
        "conditions": {type_: [one.definition() for one in operators] for type_, operators in OPERATORS.items()},
    }


# --- How they become SQL ---------------------------------------------------------------------------------------------

_VALUE: Final = "(properties -> %s)"
_ELEMENTS: Final = f"SELECT FROM jsonb_path_query({_VALUE}, '$[*]') AS one (element) WHERE"
_TEXT: Final = "(element #>> '{}')"
# The shape keeps out what PostgreSQL also takes for a time, such as "now".
_TIME: Final = f"""(CASE WHEN jsonb_typeof(element) = 'string' AND {_TEXT} LIKE '____-__-__%%'
    AND pg_input_is_valid({_TEXT}, 'timestamptz') THEN {_TEXT}::timestamptz END)"""
_NUMBERS: Final = {"exactly": "==", "more_than": ">", "less_than": "<", "at_least": ">=", "at_most": "<="}

Sql = tuple[str, list[Any]]


def condition(one: Mapping[str, Any], context: Context) -> Sql:
    """The SQL condition of a checked condition on a row of kept events, with its parameters; it is never null."""
    operator = _operator(one["type"], one["operator"])
    assert operator is not None  # noqa: S101
    key = operator.negates or operator.key
    said, params = _is_blank(one) if key == "is_blank" else _CONDITIONS[one["type"]]({**one, "operator": key}, context)
    said = f"coalesce({said}, false)"
    return (f"NOT {said}" if operator.negates else said), params


def all_conditions(several: Sequence[Mapping[str, Any]], context: Context) -> Sql:
    """The SQL condition that all of these hold for a row of kept occurrences, with its parameters."""
    said = [condition(one, context) for one in several]
    return " AND ".join(sql for sql, _params in said), [one for _sql, params in said for one in params]


def _is_blank(one: Mapping[str, Any]) -> Sql:
    return f"""coalesce({_VALUE}, '""') = '""'""", [one["property"]]


def _string(one: Mapping[str, Any], context: Context) -> Sql:
    name, value = one["property"], one["value"]
    if one["operator"] == "contains":
        # The flag takes the pattern as it is; jsonpath writes texts as JSON does.
        path = f'$[*] ? (@ like_regex {json.dumps(value, ensure_ascii=False)} flag "q")'
        return f"jsonb_path_exists({_VALUE}, %s::jsonpath)", [name, path]
    return f"{_VALUE} ?| %s::text[]", [name, value if one["operator"] == "is_any_of" else [value]]


def _number(one: Mapping[str, Any], context: Context) -> Sql:
    path = f'$[*] ? (@.type() == "number" && @ {_NUMBERS[one["operator"]]} $wanted)'
    return f"jsonb_path_exists({_VALUE}, %s::jsonpath, %s::jsonb)", [
        one["property"],
        path,
        json.dumps({"wanted": one["value"]}),
    ]


def _boolean(one: Mapping[str, Any], context: Context) -> Sql:
    return f"{_VALUE} @> %s::jsonb", [one["property"], one["value"]]


def _time(one: Mapping[str, Any], context: Context) -> Sql:
    leaf = Leaf("", "", one["operator"], one["value"])
    said, params = dates.time_condition(leaf, context, _TIME)
    return f"EXISTS ({_ELEMENTS} {said})", [one["property"], *params]


_CONDITIONS: Final[dict[str, Callable[[Mapping[str, Any], Context], Sql]]] = {
    "string": _string,
    "number": _number,
    "boolean": _boolean,
    "time": _time,
}
