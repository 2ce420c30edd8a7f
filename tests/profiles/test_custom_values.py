"""What setting a custom attribute does. Braze: custom attribute data types and nested attributes."""

from typing import Any

import pytest

from profiles.custom_values import ARRAY_LIMIT, BadValueError, changed, check, type_of


def test_it_works() -> None:
    assert changed("silver", "gold", "string") == "gold"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("gold", "string"),
        ("2020-01-02", "date"),
        (1, "number"),
        (1.5, "number"),
        (True, "boolean"),
        (["a"], "array"),
        ([{"a": 1}], "array"),
        ({"a": 1}, "object"),
        ({"inc": 1}, "number"),
        ({"add": ["a"]}, "array"),
        ({"$add": [{"a": 1}]}, "array"),
        ({}, "object"),
    ],
)
def test_the_type_of_a_first_value(value: Any, kind: str) -> None:
    assert type_of(value) == kind


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        (3, {"inc": 2}, 5),
        (3, {"inc": -5}, -2),
        (None, {"inc": 2}, 2),
        ("gold", {"inc": 2}, "gold"),
        (True, {"inc": 2}, True),
        (2**63 - 1, {"inc": 1}, 2**63 - 1),
        (None, ["hotdog", "hotdog", "pizza"], ["hotdog", "pizza"]),
        (["a", "b"], {"add": ["a", "c"]}, ["b", "a", "c"]),
        (["a", "b"], {"remove": ["a", "z"]}, ["b"]),
        (["a", "b"], {"add": ["c"], "remove": ["a"]}, ["b", "c"]),
        (None, {"add": ["a"]}, ["a"]),
        ("text", {"add": ["a"]}, ["a"]),
        (None, [1, True, 1.5], [1, True, 1.5]),
        ({"a": 1}, {"b": 2}, {"b": 2}),
        ([{"id": 1}], {"$add": [{"id": 2}]}, [{"id": 1}, {"id": 2}]),
        (
            [{"id": 1}, {"id": 2}],
            {"$remove": [{"$identifier_key": "id", "$identifier_value": 1}]},
            [{"id": 2}],
        ),
        (
            [{"id": 1, "x": 1}, {"id": 2}],
            {"$update": [{"$identifier_key": "id", "$identifier_value": 1, "$new_object": {"y": 2}}]},
            [{"id": 1, "x": 1, "y": 2}, {"id": 2}],
        ),
    ],
)
def test_changes(before: Any, value: Any, after: Any) -> None:
    check(value)
    assert changed(before, value, "") == after


def test_an_object_can_be_merged_into_the_one_before() -> None:
    before = {"a": {"x": 1, "y": 2}, "b": 1}
    value = {"a": {"y": None, "z": 3}}
    check(value, merging=True)
    assert changed(before, value, "object", merging=True) == {"a": {"x": 1, "z": 3}, "b": 1}
    assert before == {"a": {"x": 1, "y": 2}, "b": 1}


def test_a_date_is_stored_in_one_form_unless_the_attribute_is_a_text() -> None:
    assert changed(None, "2020-01-02", "date") == "2020-01-02T00:00:00.000Z"
    assert changed(None, "2020-01-02", "string") == "2020-01-02"
    assert changed(None, "soon", "date") == "soon"


def test_long_arrays_keep_the_newest() -> None:
    assert changed([0], {"add": list(range(1, ARRAY_LIMIT + 1))}, "array") == list(range(1, ARRAY_LIMIT + 1))


@pytest.mark.parametrize(
    "value",
    [[None], [["a"]], {"a": None}, {"": 1}, {"inc": "1"}, {"inc": True}, {"add": "a"}, {"$remove": {}}, float("nan")],
)
def test_what_cannot_be_stored_is_refused(value: Any) -> None:
    with pytest.raises(BadValueError):
        check(value)
