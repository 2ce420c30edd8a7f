"""A stored event in Mixpanel's words: names, renames, prefixes, types, limits."""

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from currents.catalogue import CUSTOM_EVENT, PURCHASE, catalogue, offered
from currents.destinations.mixpanel_events import build_event, insert_id
from currents.examples import example_event
from currents.ingest import parse_events
from currents.log import LoggedEvent

EVENT_ID = "00000000-0000-4000-8000-000000000001"
COMMON = {"token", "time", "distinct_id", "$insert_id", "$partner_id"}


def _logged(event_type: str, properties: Any, user: dict[str, Any] | None = None, **payload: Any) -> LoggedEvent:
    content = {"user": user or {}, "properties": properties, **payload}
    return LoggedEvent(1, 1, EVENT_ID, event_type, 1_700_000_000, "user-1", 1_700_000_000.0, orjson.dumps(content))


def _sent(event_type: str, properties: Any, user: dict[str, Any] | None = None) -> dict[str, Any]:
    built, problem = build_event(_logged(event_type, properties, user), "token-1")
    assert problem is None
    return built


def test_it_works() -> None:
    built = _sent("users.messages.email.Open", {"campaign_id": "c-1", "dispatch_id": "d-1"})

    assert built == {
        "event": "Email Open",
        "properties": {
            "token": "token-1",
            "time": 1_700_000_000,
            "distinct_id": "user-1",
            "$insert_id": EVENT_ID,
            "$partner_id": "braze",
            "campaign_id": "c-1",
            "dispatch_id": "d-1",
        },
    }


@pytest.mark.parametrize("name", offered())
def test_an_example_has_every_documented_property_and_no_other(name: str) -> None:
    """All that the storage side has goes in; what the Mixpanel side has comes out, under its names and types."""
    [new] = parse_events({"events": [example_event(name)]})
    event = _logged(name, new.properties, new.payload()["user"])
    schema = catalogue()[name].mixpanel
    assert schema is not None

    built, problem = build_event(event, "token-1")

    assert problem is None
    names = set(built["properties"])
    extra = {one for one in names if one.startswith(("[Custom event property] ", "[Purchase property] "))}
    assert names - extra <= set(schema)
    # What only the Mixpanel side documents cannot be in an example in the storage side's form.
    storage = catalogue()[name].storage or schema
    renamed = {"device_model": "$device", "os_version": "$os", "content_card_id": "card_id"}
    given = {renamed.get(one, one) for one in storage} | {"device_id"}
    assert names - extra == COMMON | (set(schema) & given)
    for one in names - extra:
        assert _is_of(built["properties"][one], schema[one].type or "string"), one


def _is_of(value: Any, kind: str) -> bool:
    if kind == "array of string":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    expected: dict[str, Any] = {"string": str, "int": int, "long": int, "float": float, "boolean": bool}
    return type(value) is expected[kind]


@pytest.mark.parametrize("name", offered())
def test_the_user_id_and_the_timezone_never_leave(name: str) -> None:
    user = {"user_id": "braze-1", "timezone": "Asia/Tokyo"}
    built = _sent(name, {"user_id": "braze-1", "timezone": "Asia/Tokyo"}, user)
    assert not {"user_id", "timezone", "external_user_id", "id"} & set(built["properties"])


def test_custom_events_are_named_and_prefixed() -> None:
    built = _sent(CUSTOM_EVENT, {"name": "Tea brewed", "custom_properties": {"cups": 2, "kind": {"leaf": "green"}}})

    assert built["event"] == "[Braze Custom Event] Tea brewed"
    assert built["properties"]["[Custom event property] cups"] == 2
    assert built["properties"]["[Custom event property] kind"] == {"leaf": "green"}
    assert "name" not in built["properties"]


def test_custom_properties_in_the_storage_form() -> None:
    built = _sent(CUSTOM_EVENT, {"name": "Tea brewed", "properties": '{"cups": 2}'})
    assert built["properties"]["[Custom event property] cups"] == 2


@pytest.mark.parametrize("odd", ["no json", "[1]", 5, None, [1]])
def test_custom_properties_of_another_form_are_left_out(odd: Any) -> None:
    built = _sent(CUSTOM_EVENT, {"name": "Tea brewed", "properties": odd})
    assert set(built["properties"]) == COMMON


def test_purchase_properties_are_prefixed() -> None:
    built = _sent(PURCHASE, {"product_id": "p-1", "price": "3.5", "currency": "EUR", "purchase_properties": {"a": 1}})

    assert built["event"] == "Purchase"
    assert built["properties"]["price"] == 3.5
    assert built["properties"]["[Purchase property] a"] == 1


@pytest.mark.parametrize(
    ("event_type", "stored", "sent"),
    [
        ("users.messages.contentcard.Click", "content_card_id", "card_id"),
        ("users.messages.contentcard.Click", "card_id", "card_id"),
        ("users.messages.contentcard.Click", "device_model", "$device"),
        ("users.messages.contentcard.Click", "$device", "$device"),
        ("users.messages.contentcard.Click", "os_version", "$os"),
        ("users.messages.contentcard.Click", "$os", "$os"),
    ],
)
def test_both_sides_names_are_known(event_type: str, stored: str, sent: str) -> None:
    properties = _sent(event_type, {stored: "x"})["properties"]
    assert properties[sent] == "x"
    assert set(properties) == COMMON | {sent}


def test_the_storage_sides_name_wins() -> None:
    for both in ({"card_id": "old", "content_card_id": "new"}, {"content_card_id": "new", "card_id": "old"}):
        assert _sent("users.messages.contentcard.Click", both)["properties"]["card_id"] == "new"


def test_the_events_own_field_wins_over_the_users() -> None:
    properties = _sent("users.messages.email.Click", {"device_id": "own"}, {"device_id": "user's"})["properties"]
    assert properties["device_id"] == "own"


def test_undocumented_properties_stay() -> None:
    built = _sent("users.messages.email.Open", {"secret_thought": 1, "campaign_id": None})
    assert set(built["properties"]) == COMMON


@pytest.mark.parametrize(
    ("event_type", "name", "stored", "sent"),
    [
        ("users.messages.email.Open", "campaign_id", 5, "5"),
        ("users.messages.email.Open", "campaign_id", 5.0, "5"),
        ("users.messages.email.Open", "campaign_id", True, "true"),
        ("users.messages.email.Open", "campaign_id", {"a": 1}, '{"a":1}'),
        (PURCHASE, "price", "9.99", 9.99),
        (PURCHASE, "price", 10, 10.0),
        (PURCHASE, "price", "NaN", "NaN"),
        (PURCHASE, "price", "free", "free"),
        (PURCHASE, "price", [1], "[1]"),
        (PURCHASE, "ad_tracking_enabled", "false", False),
        (PURCHASE, "ad_tracking_enabled", 1, True),
        (PURCHASE, "ad_tracking_enabled", "maybe", "maybe"),
        ("users.campaigns.Conversion", "conversion_behavior_index", "2", 2),
        ("users.campaigns.Conversion", "conversion_behavior_index", "second", "second"),
    ],
)
def test_types_are_as_documented_where_the_value_allows(event_type: str, name: str, stored: Any, sent: Any) -> None:
    value = _sent(event_type, {name: stored})["properties"][name]
    assert (type(value), value) == (type(sent), sent)


def test_a_valid_id_stays() -> None:
    assert insert_id(EVENT_ID) == EVENT_ID


@given(st.text(min_size=1, max_size=200))
def test_any_id_becomes_a_valid_one_and_always_the_same(event_id: str) -> None:
    made = insert_id(event_id)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,36}", made)
    assert made == insert_id(event_id)


@pytest.mark.parametrize(
    "event_id", ["0", "none", "undefined", "anonymous", "", "00000000-0000-0000-0000-000000000000"]
)
def test_placeholder_ids_are_replaced(event_id: str) -> None:
    assert insert_id(event_id) != event_id


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({f"p{number}": 1 for number in range(255)}, "properties"),
        ({"many": list(range(255))}, "properties.many"),
        ({"keys": {str(number): 1 for number in range(255)}}, "properties.keys"),
        ({"deep": {"a": {"b": {"c": 1}}}}, ""),
        ({"deep": {"a": {"b": {"c": {}}}}}, "properties.deep"),
        ({"deep": [[[[]]]]}, "properties.deep"),
    ],
)
def test_mixpanels_limits(extra: dict[str, Any], field: str) -> None:
    _built, problem = build_event(_logged(CUSTOM_EVENT, {"name": "x", "custom_properties": extra}), "token-1")
    assert (problem.field if problem else "") == field


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.sampled_from(sorted(offered())), JSON, JSON)
def test_nothing_that_an_event_holds_makes_it_fail(event_type: str, properties: Any, user: Any) -> None:
    names = list(catalogue()[event_type].mixpanel or {})
    filled = dict.fromkeys(names, properties) if properties is not None else {}
    built, _problem = build_event(_logged(event_type, filled | {"properties": properties}, user), "token-1")
    sent = orjson.loads(orjson.dumps(built))
    assert sent["properties"]["distinct_id"] == "user-1"
