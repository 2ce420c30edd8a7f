"""What setting a custom attribute does. Braze: custom attribute data types and nested attributes."""

from typing import Any

import pytest

from profiles.coercion import Declared, ImpossibleError
from profiles.custom_values import ARRAY_LIMIT, SIZE_LIMIT, BadValueError, changed, check, type_of
from profiles.models import AttributeType

ANY = Declared(AttributeType.OBJECT)
STRING = Declared(AttributeType.STRING)
DATE = Declared(AttributeType.DATE)


def test_it_works() -> None:
    assert changed("silver", "gold", STRING) == "gold"


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
        (2**63 - 1, {"inc": 1}, 2**63),
        (2**64 - 1, {"inc": -1}, 2**64 - 2),
        (1e300, {"inc": 1}, 1e300),
        (None, ["hotdog", "hotdog", "pizza"], ["hotdog", "pizza"]),
        (["a", "b"], {"add": ["a", "c"]}, ["b", "a", "c"]),
        (["a", "b"], {"remove": ["a", "z"]}, ["b"]),
        (["a", "b"], {"add": ["c"], "remove": ["a"]}, ["b", "c"]),
        (None, {"add": ["a"]}, ["a"]),
        ([1, True, 0, False], {"remove": [True]}, [1, 0, False]),
        ([True, "1", 1], {"remove": [1]}, [True, "1"]),
        (None, [1, True, 1.5], [1, True, 1.5]),
        ({"a": 1}, {"b": 2}, {"b": 2}),
        ([{"id": 1}], {"$add": [{"id": 2}]}, [{"id": 1}, {"id": 2}]),
        (
            [{"id": 1}, {"id": 2}],
            {"$remove": [{"$identifier_key": "id", "$identifier_value": 1}]},
            [{"id": 2}],
        ),
        ([{"id": 1}, {"id": True}], {"$remove": [{"$identifier_key": "id", "$identifier_value": True}]}, [{"id": 1}]),
        ([{"id": None}], {"$remove": [{"$identifier_key": "other", "$identifier_value": 1}]}, [{"id": None}]),
        (None, [{"id": n} for n in range(600)], [{"id": n} for n in range(600)]),
        ([{"id": n} for n in range(600)], {"$add": [{"id": 600}]}, [{"id": n} for n in range(601)]),
        (None, {"at": {"$time": "1980-01-01"}}, {"at": {"$time": "1980-01-01"}}),
    ],
)
def test_changes(before: Any, value: Any, after: Any) -> None:
    check(value)
    found = changed(before, value, ANY)
    assert (found, list(map(type, found if isinstance(found, list) else [found]))) == (
        after,
        list(map(type, after if isinstance(after, list) else [after])),
    )


@pytest.mark.parametrize(("merging", "updated"), [(True, {"id": 1, "x": 1, "y": 2}), (False, {"y": 2})])
def test_an_updated_object_is_replaced_unless_it_is_merged(merging: bool, updated: dict[str, int]) -> None:
    value = {"$update": [{"$identifier_key": "id", "$identifier_value": 1, "$new_object": {"y": 2}}]}
    check(value)
    assert changed([{"id": 1, "x": 1}, {"id": 2}], value, ANY, merging=merging) == [updated, {"id": 2}]


@pytest.mark.parametrize(
    ("before", "value", "reason"),
    [
        ("gold", {"inc": 2}, "has a value that is no number"),
        (True, {"inc": 2}, "has a value that is no number"),
        (2**64 - 1, {"inc": 1}, "would be beyond 64 bits"),
        (-(2**63), {"inc": -1}, "would be beyond 64 bits"),
        (1.7e308, {"inc": 1.7e308}, "would be beyond 64 bits"),
        ("text", {"add": ["a"]}, "has a value that is no array"),
        (7, {"remove": ["a"]}, "has a value that is no array"),
        ({"a": 1}, {"$add": [{"a": 1}]}, "has a value that is no array"),
        (False, {"$remove": [{"$identifier_key": "a", "$identifier_value": 1}]}, "has a value that is no array"),
        (None, ["x" * SIZE_LIMIT], "would be larger than 100 KB"),
        ([{"x": "x" * 60_000}], {"$add": [{"x": "x" * 60_000}]}, "would be larger than 100 KB"),
        (None, {"x": "x" * SIZE_LIMIT}, "would be larger than 100 KB"),
    ],
)
def test_what_leaves_the_attribute_as_it_is(before: Any, value: Any, reason: str) -> None:
    check(value)
    with pytest.raises(ImpossibleError, match=reason):
        changed(before, value, ANY)


@pytest.mark.parametrize(
    ("type_", "value", "after"),
    [
        ("boolean", "T", True),
        ("boolean", "true", True),
        ("boolean", 1, True),
        ("boolean", "0", False),
        ("boolean", "F", False),
        ("boolean", False, False),
        ("number", "100", 100),
        ("number", " 1.5 ", 1.5),
        ("number", -3, -3),
        ("string", 1.5, "1.5"),
        ("string", True, "true"),
        ("string", "2020-01-02", "2020-01-02"),
        ("date", "2020-01-02", "2020-01-02T00:00:00.000Z"),
        ("array", ["a"], ["a"]),
        ("array", {"add": ["a"]}, ["a"]),
        ("number", {"inc": 2}, 2),
        ("object", {"a": 1}, {"a": 1}),
        ("number", None, None),
    ],
)
def test_a_value_becomes_one_of_the_type_that_is_forced(type_: str, value: Any, after: Any) -> None:
    found = changed(None, value, Declared(AttributeType(type_), is_forced=True))
    assert (found, type(found)) == (after, type(after))


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("boolean", "yes"),
        ("boolean", 2),
        ("boolean", 1.0),
        ("number", "abc"),
        ("number", "NaN"),
        ("number", "true"),
        ("number", True),
        ("number", ""),
        ("number", ["1"]),
        ("string", ["a"]),
        ("string", {"a": 1}),
        ("date", "soon"),
        ("date", 20200102),
        ("array", "a"),
        ("object", ["a"]),
        ("string", {"inc": 1}),
        ("number", {"add": ["a"]}),
    ],
)
def test_what_cannot_be_of_the_type_that_is_forced_is_ignored(type_: str, value: Any) -> None:
    with pytest.raises(ImpossibleError, match=f"is of the type {type_}"):
        changed(None, value, Declared(AttributeType(type_), is_forced=True))


def test_an_object_can_be_merged_into_the_one_before() -> None:
    before = {"a": {"x": 1, "y": 2}, "b": 1}
    value = {"a": {"y": None, "z": 3}}
    check(value, merging=True)
    assert changed(before, value, ANY, merging=True) == {"a": {"x": 1, "z": 3}, "b": 1}
    assert before == {"a": {"x": 1, "y": 2}, "b": 1}


def test_a_date_is_stored_in_one_form_unless_the_attribute_is_a_text() -> None:
    assert changed(None, "2020-01-02", DATE) == "2020-01-02T00:00:00.000Z"
    assert changed(None, "2020-01-02", STRING) == "2020-01-02"
    assert changed(None, "soon", DATE) == "soon"


def test_long_arrays_keep_the_newest() -> None:
    assert changed([0], {"add": list(range(1, ARRAY_LIMIT + 1))}, ANY) == list(range(1, ARRAY_LIMIT + 1))


@pytest.mark.parametrize(
    "value",
    [
        [None],
        [["a"]],
        {"a": None},
        {"": 1},
        {"inc": "1"},
        {"inc": True},
        {"add": "a"},
        {"$remove": {}},
        float("nan"),
        {"$add": [{"id": 9}], "other": 1},
        {"a": {"$add": [1]}},
        {"$remove": ["a"]},
        {"$remove": [{"$identifier_value": 1}]},
        {"$update": [{"$identifier_key": "id", "$identifier_value": 1}]},
        {"$update": [{"$identifier_key": "id", "$identifier_value": 1, "$new_object": {"a": None}}]},
        {"a": {"$time": "garbage"}},
        {"a": {"$time": 5}},
        {"a": {"$time": None}},
        {"a": {"$time": "3500-01-01"}},
        {"a": {"$time": "2020-01-01", "b": 1}},
        [{"at": {"$time": "garbage"}}],
    ],
)
def test_what_cannot_be_stored_is_refused(value: Any) -> None:
    with pytest.raises(BadValueError):
        check(value)
