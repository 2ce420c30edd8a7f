"""The published JSON Schema (draft 2020-12) of a filter tree, made from the registry so that the two cannot differ."""

from typing import Any

from segments import tree
from segments.filters.base import Filter, Operator
from segments.filters.cohorts import CUSTOM_KEY, CohortFilter
from segments.filters.registry import filters

_ID = {"type": "string", "pattern": f"^{tree.ID_PATTERN.pattern}$"}


def schema() -> dict[str, Any]:
    """A JSON Schema that every tree which ``segments.tree.parse`` accepts satisfies."""
    rows = {"type": "array", "items": {"$ref": "#/$defs/row"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Segment filters",
        "description": "Who used one of the apps, passes every row and no exclusion group is in the segment.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "apps": {
                "description": "null: users of all apps. Else users of any of these apps (app ids).",
                "type": ["array", "null"],
                "items": {"type": "string", "format": "uuid"},
                "minItems": 1,
                "maxItems": tree.MAX_APPS,
            },
            "rows": {**rows, "description": "Joined by AND. No row: everybody.", "maxItems": tree.MAX_ROWS},
            "exclude": {
                "description": "Exclusion groups, joined by AND NOT.",
                "type": "array",
                "items": {"$ref": "#/$defs/group"},
                "maxItems": tree.MAX_GROUPS,
            },
        },
        "$defs": {
            "group": {
                "description": "Whoever passes all of its rows is left out.",
                **_object(rows={**rows, "minItems": 1, "maxItems": tree.MAX_ROWS}),
            },
            "row": {
                "description": "A user passes a row by passing any of its filters.",
                **_object(
                    filters={
                        "type": "array",
                        "items": {"oneOf": [*(_leaf(*one) for one in _comparisons()), *_custom_leaves()]},
                        "minItems": 1,
                        "maxItems": tree.MAX_LEAVES,
                    }
                ),
            },
        },
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [*properties],
        "properties": {"id": _ID, **properties},
    }


def _comparisons() -> list[tuple[Filter, str, Operator]]:
    return [(one, kind, operator) for one in filters() for kind, operator in one.all_operators()]


def _custom_leaves() -> list[dict[str, Any]]:
    """Leaves over the cohorts of partners that a workspace has named itself: any slug that is none of ours."""
    ours = {"enum": [one.key for one in filters()]}
    key = {"type": "string", "pattern": f"^{CUSTOM_KEY}$", "not": ours}
    return [
        _object(filter=key, operator={"const": operator.key}, value=operator.value.schema())
        for operator in CohortFilter.operators
    ]


def _leaf(one: Filter, kind: str, operator: Operator) -> dict[str, Any]:
    subject = {"subject": one.subject.schema(kind)} if one.subject else {}
    value = operator.value.schema()
    described = _object(filter={"const": one.key}, **subject, operator={"const": operator.key}, value=value)
    if value == {"type": "null"}:
        described["required"].remove("value")
    return described
