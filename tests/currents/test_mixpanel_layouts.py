"""Events spliced from their stored bytes are those that would be built."""

import random
from typing import Any

import orjson
import pytest

from currents.catalogue import CUSTOM_EVENT, PURCHASE, catalogue, offered
from currents.destinations.mixpanel_events import build_event
from currents.destinations.mixpanel_layouts import LAYOUTS_PER_TYPE, SIGHTINGS, Layouts, make_layout
from currents.examples import example_properties
from currents.log import LoggedEvent

OPEN = "users.messages.email.Open"
EVENT_ID = "00000000-0000-4000-8000-000000000001"
USER = {"user_id": "braze-1", "device_id": "device-1", "timezone": "Asia/Tokyo"}


def _event(event_type: str, payload: Any, event_id: str = EVENT_ID) -> LoggedEvent:
    content = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    return LoggedEvent(1, 1, event_id, event_type, 1_700_000_000, 'user-é"1', 1_700_000_000.0, content)


def _stored(properties: Any, user: Any = USER) -> dict[str, Any]:
    return {"user": user, "properties": properties}


def _learned(*samples: LoggedEvent) -> Layouts:
    layouts = Layouts()
    for sample in samples:
        for _sighting in range(SIGHTINGS):
            layouts.learn(sample, build_event(sample, "t")[0])
    return layouts


def _check(layouts: Layouts, event: LoggedEvent) -> bool:
    """Whether it is spliced; what is, is right."""
    spliced = layouts.splice(event, 'to"ken %s')
    if spliced is None:
        return False
    assert orjson.loads(spliced) == build_event(event, 'to"ken %s')[0]
    return True


def test_it_works() -> None:
    layouts = _learned(_event(OPEN, _stored({"campaign_id": "c-1", "device_model": "x", "more": 1})))

    assert _check(layouts, _event(OPEN, _stored({"campaign_id": "другая % {}", "device_model": "", "more": None})))


@pytest.mark.parametrize("name", sorted(offered()))
def test_an_example_of_every_type(name: str) -> None:
    event = _event(name, _stored(example_properties(name)))
    assert _check(_learned(event), event)


def test_what_differs_in_anything_is_built() -> None:
    layouts = _learned(_event(OPEN, _stored({"campaign_id": "c-1", "is_amp": True})))
    assert _check(layouts, _event(OPEN, _stored({"campaign_id": "c-2", "is_amp": False})))

    others: list[Any] = [
        _stored({"is_amp": True, "campaign_id": "c-1"}),
        _stored({"campaign_id": "c-1"}),
        _stored({"campaign_id": "c-1", "is_amp": True, "more": 1}),
        _stored({"campaign_id": 'c"1', "is_amp": True}),
        _stored({"campaign_id": "c-\n1", "is_amp": True}),
        _stored({"campaign_id": None, "is_amp": True}),
        _stored({"campaign_id": 5, "is_amp": True}),
        _stored({"campaign_id": ["c-1"], "is_amp": True}),
        _stored({"campaign_id": "c-1", "is_amp": "true"}),
        _stored({"campaign_id": "c-1", "is_amp": True}, {}),
        {**_stored({"campaign_id": "c-1", "is_amp": True}), "more": 1},
        orjson.dumps(_stored({"campaign_id": "c-1", "is_amp": True}), option=orjson.OPT_INDENT_2),
    ]
    for other in others:
        assert layouts.splice(_event(OPEN, other), "t") is None, other


@pytest.mark.parametrize("name", ["", None, 5, ["x"], ...])
def test_a_custom_event_without_a_name_of_its_own(name: Any) -> None:
    own = {"custom_properties": {"cups": 2}}
    named = _learned(_event(CUSTOM_EVENT, _stored({"name": "Tea brewed", **own})))
    odd = _event(CUSTOM_EVENT, _stored(own if name is ... else {"name": name, **own}))

    assert named.splice(odd, "t") is None
    layouts = _learned(odd)
    _check(layouts, odd)
    _check(layouts, _event(CUSTOM_EVENT, _stored({"name": "Tea brewed", **own})))


def test_custom_properties_of_any_scalar_type() -> None:
    layouts = _learned(
        _event(CUSTOM_EVENT, _stored({"name": "a", "custom_properties": {"cups %": 2, "leaf": "green"}}))
    )

    for value in ("x", 1, -2.5, True, None):
        assert _check(
            layouts,
            _event(CUSTOM_EVENT, _stored({"name": "Tea %b", "custom_properties": {"cups %": value, "leaf": value}})),
        )
    for odd in ([], {}, {"a": 1}, 1e300):
        properties = {"name": "Tea", "custom_properties": {"cups %": odd, "leaf": ""}}
        assert layouts.splice(_event(CUSTOM_EVENT, _stored(properties)), "t") is None


def test_the_other_source_of_custom_properties_is_not_mistaken() -> None:
    layouts = _learned(
        _event(CUSTOM_EVENT, _stored({"name": "a", "custom_properties": None, "properties": {"cups": 2}})),
        _event(PURCHASE, _stored({"purchase_properties": {"cups": 2}, "properties": None})),
        _event(PURCHASE, _stored({"purchase_properties": None})),
    )
    for event_type, one, other in (
        (CUSTOM_EVENT, "custom_properties", "properties"),
        (PURCHASE, "purchase_properties", "properties"),
    ):
        for value in (None, "{}", "x", 1, {}, {"cups": 1}):
            for second in (None, "{}", "x", 1, {}, {"cups": 1}):
                _check(layouts, _event(event_type, _stored({"name": "a", one: value, other: second})))
                _check(layouts, _event(event_type, _stored({one: value, other: second})))
            _check(layouts, _event(event_type, _stored({one: value})))


@pytest.mark.parametrize(
    ("given", "is_spliced"),
    [
        ([], True),
        ([""], True),
        (["a", "b"], True),
        (["x"] * 254, True),
        (["x"] * 255, False),
        ([1], False),
        ("a", False),
    ],
)
def test_lists_of_strings(given: Any, is_spliced: bool) -> None:
    layouts = _learned(_event("users.messages.sms.InboundReceive", _stored({"media_urls": ["a"]})))
    assert _check(layouts, _event("users.messages.sms.InboundReceive", _stored({"media_urls": given}))) is is_spliced


def test_a_property_that_may_not_leave_as_it_is() -> None:
    layouts = _learned(_event(OPEN, _stored({"campaign_id": "c-1", "device_model": "x", "more": 1})))
    event = _event(OPEN, _stored({"campaign_id": "c-1", "device_model": "x", "more": 1}))

    assert layouts.splice(event, "t", {"$device"}) is None
    assert layouts.splice(event, "t", {"campaign_id", "other"}) is None
    assert layouts.splice(event, "t", {"device_model", "more"}) is not None


def test_no_more_layouts_than_are_worth_trying() -> None:
    names = [one for one in catalogue()[OPEN].mixpanel or {} if one.endswith(("_id", "_name"))]
    layouts = _learned(*(_event(OPEN, _stored({name: "x"})) for name in names))

    spliced = sum(_check(layouts, _event(OPEN, _stored({name: "x"}))) for name in names)
    assert spliced == LAYOUTS_PER_TYPE < len(names)


def test_forms_that_keep_changing_are_forgotten() -> None:
    layouts = Layouts()
    for number in range(5_000):
        event = _event(CUSTOM_EVENT, _stored({"name": "a", "custom_properties": {f"p{number}": 1}}))
        layouts.learn(event, build_event(event, "t")[0])
    assert len(layouts._sightings) <= 2_000


VALUES: list[Any] = [
    *("", "x", "été", 'a"b', "a\\b", "a\nb", "true", "5", "{}", "%s", "null"),
    *(0, -1, 5, 10**14, 10**15, 2**63, 0.5, -0.25, 1.0, 1e-7, 1e300, True, False, None),
    *([], ["x"], {}, {"a": 1}, {"a": "b", "c": None}, {"a": []}, {"a": {"b": 1}}),
]


@pytest.mark.parametrize("name", sorted(offered()))
def test_whatever_was_learned_what_is_spliced_is_what_is_built(name: str) -> None:
    """A form of arbitrary fields and values is learned; then come events that differ in a value or two."""
    chance = random.Random(name)
    fields = [*example_properties(name), "card_id", "$device", "device_id", "name", "properties", "other"]
    for _form in range(30):
        own = {field: chance.choice(VALUES[:4] + VALUES) for field in chance.sample(fields, chance.randint(0, 6))}
        user = {field: chance.choice(VALUES[:4]) for field in chance.sample(sorted(USER), chance.randint(0, 3))}
        sample = _event(name, _stored(own, user))
        layout = make_layout(name, sample.payload or b"")
        layouts = Layouts()
        layouts._known[name] = [layout] if layout else []
        _check(layouts, sample)
        for _other in range(10):
            changes = {field: chance.choice(VALUES) for field in chance.sample(sorted(own), min(len(own), 2))}
            _check(layouts, _event(name, _stored({**own, **changes}, user)))
