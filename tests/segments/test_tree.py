"""The JSON form of filter trees: what is taken, what is refused and how the refusal names the place."""

import re
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from segments import tree as trees
from segments.filters.registry import filters
from segments.schema import schema
from segments.tree import TreeError, parse, read
from tests.segments.oracle.columns import LISTS
from tests.segments.oracle.worlds import filled
from tests.segments.oracle.worlds import trees as finished_trees

# Regular expressions are checked by PostgreSQL.
pytestmark = pytest.mark.django_db
COUNTRY = {"filter": "country", "operator": "is_any_of", "value": ["JP"]}
AGE = {
    "filter": "custom_attribute",
    "subject": {"name": "age", "type": "number"},
    "operator": "more_than",
    "value": 3,
}


def about(name: Any, type_: Any, **more: Any) -> dict[str, Any]:
    return {**AGE, "subject": {"name": name, "type": type_, **more}}


def leaf(key: str, operator: str, value: Any, **subject: Any) -> dict[str, Any]:
    return {"filter": key, **({"subject": subject} if subject else {}), "operator": operator, "value": value}


def circle(**more: Any) -> dict[str, Any]:
    return leaf("most_recent_location", "is_within", {"latitude": 1, "longitude": 1, "kilometers": 1, **more})


def nested(path: Any) -> dict[str, Any]:
    return leaf("nested_custom_attribute", "equals", "x", name="home", path=path, type="string")


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
        (one_row({**COUNTRY, "attribute": "age"}), "Row 1, filter 1: “attribute” is not known here."),
        (one_row({**COUNTRY, "subject": {"name": "age"}}), "Row 1, filter 1: This filter takes no “subject”."),
        (one_row({**COUNTRY, "subject": ["age"]}), "Row 1, filter 1: “subject” is not an object."),
        (one_row({**COUNTRY, "operator": "is_blank"}), "Row 1, filter 1: This comparison takes no value."),
        (one_row(about("", "number")), "Row 1, filter 1: Choose an attribute."),
        (one_row({**AGE, "subject": {}}), "Row 1, filter 1: Choose what the filter is about."),
        (one_row(about(7, "number")), "Row 1, filter 1: Enter a text."),
        (one_row(about("x" * 256, "number")), "Row 1, filter 1: Enter at most 255 characters."),
        (one_row(about("age", "colour")), "Row 1, filter 1: The attribute's type is one of these: string, number"),
        (one_row(about("age", ["number"])), "Row 1, filter 1: The attribute's type is one of these"),
        (one_row(about("age", "number", kind="x")), "Row 1, filter 1: “kind” is not known here."),
        (one_row(about("age", "string")), "Row 1, filter 1: This filter has no comparison “more_than”."),
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
        (one_row(leaf("birthday", "is_on_day", "13-01")), "Row 1, filter 1: Enter a day of the year as MM-DD."),
        (one_row(leaf("birthday", "is_on_day", "1-1")), "Row 1, filter 1: Enter a day of the year as MM-DD."),
        (one_row(leaf("birthday", "is_on_day", "02-29")), "Row 1, filter 1: February 29 counts as March 1"),
        (one_row(leaf("birthday", "is_in_days", 366)), "Row 1, filter 1: Enter a whole number of days from 0 to 365."),
        (one_row(leaf("age", "exactly", 151)), "Row 1, filter 1: Enter a whole number from 0 to 150."),
        (one_row(leaf("age", "exactly", 1.5)), "Row 1, filter 1: Enter a whole number from 0 to 150."),
        (one_row(leaf("random_bucket", "exactly", 10_000)), "Enter a whole number from 0 to 9999."),
        (one_row(leaf("user_is_in_list", "is_in", "vip")), "Row 1, filter 1: Give the id of a list of users."),
        (one_row(leaf("user_is_in_list", "is_in", None)), "Row 1, filter 1: Paste or upload a list of ids."),
        (one_row(leaf("test_user", "is", True)), "Row 1, filter 1: Choose one of these values: true, false."),
        (one_row(leaf("subscription_group", "is", "subscribed")), "Choose what the filter is about."),
        (one_row(leaf("subscription_group", "is", "subscribed", id="")), "Choose a subscription group."),
        (one_row(leaf("device_os_version", "exactly", "v17", os="ios")), "Enter a version as numbers joined by dots"),
        (one_row(leaf("device_os_version", "exactly", "1.2.3.4.5", os="ios")), "Enter a version as numbers"),
        (one_row(leaf("most_recent_location", "is_within", {"latitude": 91})), "Row 1, filter 1: Enter a number."),
        (one_row(circle(latitude=91)), "Row 1, filter 1: Latitude: Enter a number from -90 to 90."),
        (one_row(circle(kilometers=0)), "Row 1, filter 1: Kilometers: Enter a number from 0.001"),
        (one_row(circle(radius=1)), "Row 1, filter 1: “radius” is not known here."),
        (one_row(nested("")), "Row 1, filter 1: Enter the path to a value in the attribute."),
        (one_row(nested("a..b")), "Row 1, filter 1: The path is wrong at “.b”."),
        (one_row(nested("a[x]")), "Row 1, filter 1: The path is wrong at “[x]”."),
        (one_row(nested("a[0]b")), "Row 1, filter 1: The path is wrong at “b”."),
        (one_row(nested(".a")), "Row 1, filter 1: The path is wrong at “.a”."),
        (one_row(nested("a.")), "Row 1, filter 1: The path is wrong at “”."),
        (one_row(nested('a."b')), 'Row 1, filter 1: The path is wrong at “"b”.'),
        (one_row(nested('"\\x"')), 'Row 1, filter 1: The key "\\x" is not written as in JSON.'),
        (one_row(nested("[500]")), "Row 1, filter 1: An array has at most 500 elements."),
        (one_row(nested(".".join("a" * 50))), "Row 1, filter 1: The path is longer than 30 steps."),
        (one_row(nested("a" * 501)), "Row 1, filter 1: Enter a path of at most 500 characters."),
        (one_row(nested(["a"])), "Row 1, filter 1: Enter a path of at most 500 characters."),
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
    deep: Any = COUNTRY
    for _level in range(50):
        deep = {"filters": [deep]}
    assert "Row 1, filter 1: “filters” is not known here" in refusal(one_row(deep))
    for where in ("value", "subject"):
        said = refusal(one_row({**AGE, where: deep}))
        assert "Row 1, filter 1: " in said


def test_an_unfinished_filter_is_kept_and_named() -> None:
    tree, problems = read(one_row(COUNTRY, {"id": "new", **COUNTRY, "value": None}))
    assert len(tree.rows[0].leaves) == 2
    assert [(one.leaf_id, one.unfinished) for one in problems] == [("new", True)]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=finished_trees)
def test_what_is_accepted_satisfies_the_published_schema(data: dict[str, Any]) -> None:
    published = schema()
    lists = {name: str(uuid.uuid4()) for name in LISTS}
    assert faults(parse(filled(data, lists)).to_json(), published, published) == []


def test_the_schema_covers_every_filter_and_refuses_others() -> None:
    published = schema()
    leaves = published["$defs"]["row"]["properties"]["filters"]["items"]["oneOf"]
    described = {
        (leaf["properties"]["filter"]["const"], leaf["properties"]["operator"]["const"])
        for leaf in leaves
        if "const" in leaf["properties"]["filter"]
    }
    assert described == {(one.key, operator.key) for one in filters() for _kind, operator in one.all_operators()}
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
