"""The JSON form of filter trees: what is taken, what is refused and how the refusal names the place."""

import re
from typing import Any

import pytest
from hypothesis import given, settings

from segments import tree as trees
from segments.filters.registry import filters
from segments.schema import schema
from segments.tree import TreeError, parse, read
from tests.segments.test_engine_property import trees as finished_trees

COUNTRY = {"filter": "country", "operator": "is_any_of", "value": ["JP"]}
AGE = {"filter": "custom_attribute", "attribute": "age", "type": "number", "operator": "more_than", "value": 3}


def one_row(*leaves: Any) -> dict[str, Any]:
    return {"rows": [{"filters": [*leaves]}]}


def test_it_works() -> None:
    given_tree = {"apps": None, "rows": [{"id": "r1", "filters": [{"id": "l1", **COUNTRY}, AGE]}], "exclude": []}
    found = parse(given_tree).to_json()
    assert found["rows"][0]["id"] == "r1"
    assert found["rows"][0]["filters"][0] == {"id": "l1", **COUNTRY}
    assert found["rows"][0]["filters"][1]["id"]
    assert parse(found).to_json() == found


def refusal(data: Any) -> str:
    with pytest.raises(TreeError) as error:
        parse(data)
    return str(error.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "The filters are not a JSON object."),
        (None, "The filters are not a JSON object."),
        ({"rows": {}}, "“rows” is not a list."),
        ({"rows": [], "or": []}, "“or” is not known here."),
        ({"rows": [7]}, "Row 1: A row is an object with “filters”."),
        ({"rows": [{"filters": []}]}, "Row 1: Add a filter to the row, or remove the row."),
        ({"rows": [{}]}, "Row 1: “filters” is not a list."),
        (one_row(COUNTRY, 5), "Row 1, filter 2: A filter is an object"),
        (one_row({**COUNTRY, "filter": "shoe_size"}), "Row 1, filter 1: There is no filter “shoe_size”."),
        (one_row({**COUNTRY, "operator": "likes"}), "Row 1, filter 1: This filter has no comparison “likes”."),
        (one_row({**COUNTRY, "operator": ["x"]}), "Row 1, filter 1: “operator” is not a text."),
        (one_row({**COUNTRY, "value": []}), "Row 1, filter 1: Choose a value."),
        (one_row({**COUNTRY, "value": "JP"}), "Row 1, filter 1: Give a list of values."),
        (one_row({**COUNTRY, "value": [7]}), "Row 1, filter 1: Enter a text."),
        (one_row({**COUNTRY, "value": ["x" * 513]}), "Row 1, filter 1: Enter at most 512 characters."),
        (one_row({**COUNTRY, "value": ["a\x00"]}), "Row 1, filter 1: The character NUL cannot be used."),
        (one_row({**COUNTRY, "value": ["\ud800"]}), "Row 1, filter 1: The text holds a broken character."),
        (one_row({**COUNTRY, "value": [str(n) for n in range(257)]}), "Row 1, filter 1: Give at most 256 values."),
        (one_row({**COUNTRY, "attribute": "age"}), "Row 1, filter 1: This filter takes no attribute."),
        (one_row({**COUNTRY, "operator": "is_blank"}), "Row 1, filter 1: This comparison takes no value."),
        (one_row({**AGE, "attribute": ""}), "Row 1, filter 1: Choose an attribute."),
        (one_row({**AGE, "type": "colour"}), "Row 1, filter 1: This filter has no comparison “more_than”."),
        (one_row({**AGE, "value": "3"}), "Row 1, filter 1: Enter a number."),
        (one_row({**AGE, "value": True}), "Row 1, filter 1: Enter a number."),
        (one_row({**AGE, "value": float("inf")}), "Row 1, filter 1: Enter a number."),
        (one_row({**AGE, "value": 10**30}), "Row 1, filter 1: The number is too large."),
        (
            one_row({"filter": "last_used_app", "operator": "before", "value": "2024-02-30"}),
            "Row 1, filter 1: Enter a date from 1900 to 2200",
        ),
        (
            one_row({"filter": "last_used_app", "operator": "less_than_days_ago", "value": 1.5}),
            "Row 1, filter 1: Enter a whole number of days",
        ),
        (
            one_row({"filter": "email_subscription_status", "operator": "is", "value": ["subscribed"]}),
            "Row 1, filter 1: Choose one of these values: subscribed, opted_in, unsubscribed.",
        ),
        ({"rows": [{"id": "a b", "filters": [COUNTRY]}]}, "Row 1: “id” is not a text"),
        (one_row({"id": "x", **COUNTRY}, {"id": "x", **COUNTRY}), "Row 1, filter 2: The id “x” is used twice."),
        ({"exclude": [{"rows": []}]}, "Exclusion group 1: Add a filter to the exclusion group"),
        (
            {"exclude": [one_row(COUNTRY), one_row(COUNTRY, {**COUNTRY, "value": []})]},
            "Exclusion group 2, row 1, filter 2: Choose a value.",
        ),
        ({"apps": []}, "Apps Used: Choose at least one app"),
        ({"apps": ["x"]}, "Apps Used: An app id is not valid."),
        ({"apps": {"a": 1}}, "Apps Used: Give a list"),
    ],
)
def test_a_malformed_tree_is_refused_and_the_place_named(data: Any, message: str) -> None:
    assert message in refusal(data)


def test_all_faults_are_named_at_once() -> None:
    said = refusal({"rows": [{"filters": [{**COUNTRY, "value": []}]}, {"filters": [COUNTRY, {**AGE, "value": "x"}]}]})
    assert "Row 1, filter 1:" in said
    assert "Row 2, filter 2:" in said


def test_size_is_bounded() -> None:
    assert "more than 100 items" in refusal({"rows": [one_row(COUNTRY)["rows"][0]] * 101})
    assert "at most 200 filters" in refusal({"rows": [{"filters": [COUNTRY] * 150}] * 2})
    assert "more than 20 items" in refusal({"exclude": [one_row(COUNTRY)] * 21})


def test_rows_cannot_be_nested() -> None:
    leaf: dict[str, Any] = COUNTRY
    for _level in range(50):
        leaf = {"filters": [leaf]}
    assert "“filters” is not known here" in refusal(one_row(leaf))


def test_an_unfinished_filter_is_kept_and_named() -> None:
    tree, problems = read(one_row(COUNTRY, {"id": "new", **COUNTRY, "value": None}))
    assert len(tree.rows[0].leaves) == 2
    assert [(one.leaf_id, one.unfinished) for one in problems] == [("new", True)]


@settings(deadline=None, max_examples=40)
@given(data=finished_trees)
def test_what_is_accepted_satisfies_the_published_schema(data: dict[str, Any]) -> None:
    published = schema()
    assert faults(parse(data).to_json(), published, published) == []


def test_the_schema_covers_every_filter_and_refuses_others() -> None:
    published = schema()
    leaves = published["$defs"]["row"]["properties"]["filters"]["items"]["oneOf"]
    described = {
        (leaf["properties"]["filter"]["const"], leaf["properties"]["operator"]["const"])
        for leaf in leaves
        if "const" in leaf["properties"]["filter"]
    }
    assert described == {(one.key, operator.key) for one in filters() for _type, operator in one.all_operators()}
    assert faults(one_row({"id": "a", **COUNTRY, "value": "JP"}), published, published)
    assert faults({"rows": [], "more": 1}, published, published)
    assert published["properties"]["rows"]["maxItems"] == trees.MAX_ROWS


def faults(value: Any, rule: dict[str, Any], whole: dict[str, Any]) -> list[str]:
    """What JSON Schema has against ``value``: the part of the draft that our schema uses."""
    if "$ref" in rule:
        rule = whole["$defs"][rule["$ref"].rpartition("/")[2]]
    found = []
    kinds = {"object": dict, "array": list, "string": str, "number": (int, float), "integer": int, "null": type(None)}
    named = rule.get("type", [])
    if named and not any(isinstance(value, kinds[one]) for one in ([named] if isinstance(named, str) else named)):
        return [f"{value!r} is not {named}"]
    if "const" in rule and value != rule["const"]:
        found.append(f"{value!r} is not {rule['const']!r}")
    if "not" in rule and not faults(value, rule["not"], whole):
        found.append(f"{value!r} is excluded")
    if "enum" in rule and value not in rule["enum"]:
        found.append(f"{value!r} is not one of {rule['enum']}")
    if "oneOf" in rule and sum(not faults(value, one, whole) for one in rule["oneOf"]) != 1:
        found.append(f"{value!r} is not exactly one of the alternatives")
    if isinstance(value, str) and not re.search(rule.get("pattern", ""), value):
        found.append(f"{value!r} does not match")
    if isinstance(value, list):
        if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)):
            found.append(f"{len(value)} items")
        found += [fault for one in value for fault in faults(one, rule.get("items", {}), whole)]
    if isinstance(value, dict) and "properties" in rule:
        found += [f"{name} is missing" for name in rule.get("required", []) if name not in value]
        found += [f"{name} is unknown" for name in value if name not in rule["properties"]]
        found += [
            fault for name, one in value.items() for fault in faults(one, rule["properties"].get(name, {}), whole)
        ]
    return found
