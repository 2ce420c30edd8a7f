"""``POST /currents/events``: what it stores, and each thing that it refuses."""

import gzip
from typing import Any

import orjson
import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from currents.examples import example_event
from currents.ingest import InvalidEventsError, parse_events
from currents.log import NewEvent
from currents.models import Event, ReceivedEventId
from workspaces.models import ApiKey, Workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Example")


@pytest.fixture
def key(workspace: Workspace) -> str:
    return ApiKey.make(workspace=workspace, name="Test", permissions=["currents.events"])[1].secret


def _post(key: str, body: Any, path: str = "/currents/events", **headers: str) -> Any:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return Client(headers={"Authorization": f"Bearer {key}", **headers}).post(
        path, content, content_type="application/json"
    )


def _event(**changes: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "event_type": "users.messages.email.Open",
        "id": "event-1",
        "time": 1_700_000_000,
        "user": {"user_id": "braze-1", "external_user_id": "user-1"},
        "properties": {"campaign_id": "c-1"},
    }
    return {name: value for name, value in {**event, **changes}.items() if value != "left out"}


def test_it_works(key: str, workspace: Workspace) -> None:
    answer = _post(key, {"events": [_event(), _event(id="event-2", time=1_700_000_001.9)]})

    assert answer.status_code == 200
    assert answer.json() == {"message": "success", "stored": 2, "repeated": 0}
    first, second = Event.objects.order_by("id")
    assert (first.workspace_id, first.event_id, first.time) == (workspace.pk, "event-1", 1_700_000_000)
    assert first.external_user_id == "user-1"
    assert first.payload == {"user": {"user_id": "braze-1"}, "properties": {"campaign_id": "c-1"}}
    assert second.time == 1_700_000_001


@pytest.mark.parametrize("path", ["/currents/events", "/currents/events/"])
def test_with_and_without_a_slash(key: str, path: str) -> None:
    assert _post(key, {"events": [_event()]}, path).status_code == 200


def test_gzip(key: str) -> None:
    body = gzip.compress(orjson.dumps({"events": [_event()]}))
    assert _post(key, body, **{"Content-Encoding": "gzip"}).json()["stored"] == 1


@pytest.mark.parametrize("body", [b"", {}, {"events": []}, {"events": None}])
def test_an_empty_body_checks_the_token(key: str, body: Any) -> None:
    answer = _post(key, body)
    assert (answer.status_code, answer.json()["stored"]) == (200, 0)


def test_a_wrong_token_is_refused(key: str) -> None:
    assert _post("wrong", b"").status_code == 401


def test_a_key_without_the_permission_is_refused(workspace: Workspace) -> None:
    other = ApiKey.make(workspace=workspace, name="Other", permissions=["users.track"])[1].secret
    assert _post(other, {"events": [_event()]}).status_code == 401
    assert not Event.objects.exists()


def test_a_repeated_id_is_stored_once(key: str) -> None:
    _post(key, {"events": [_event()]})

    answer = _post(key, {"events": [_event(), _event(id="event-2"), _event(id="event-2")]})

    assert answer.json() == {"message": "success", "stored": 1, "repeated": 2}
    assert Event.objects.count() == ReceivedEventId.objects.count() == 2


def test_ids_of_two_workspaces_do_not_meet(key: str) -> None:
    other = Workspace.objects.create(name="Other")
    other_key = ApiKey.make(workspace=other, name="Test", permissions=["currents.events"])[1].secret
    _post(key, {"events": [_event()]})

    assert _post(other_key, {"events": [_event()]}).json()["stored"] == 1


def test_unknown_types_and_fields_are_stored(key: str) -> None:
    event = _event(event_type="users.messages.carrierpigeon.Send", wings=2)
    event["user"]["loft"] = "north"
    event["properties"]["message"] = {"deep": [1, None]}
    _post(key, {"events": [event], "more": True})

    stored = Event.objects.get()
    assert stored.event_type == "users.messages.carrierpigeon.Send"
    assert stored.payload == {
        "wings": 2,
        "user": {"loft": "north", "user_id": "braze-1"},
        "properties": {"campaign_id": "c-1", "message": {"deep": [1, None]}},
    }


def test_a_user_with_one_of_the_two_ids_is_enough(key: str) -> None:
    answer = _post(
        key,
        {
            "events": [
                _event(user={"user_id": "braze-1"}),
                _event(id="event-2", user={"external_user_id": "user-1", "user_id": None}),
            ]
        },
    )
    assert answer.json()["stored"] == 2
    assert list(Event.objects.order_by("id").values_list("external_user_id", flat=True)) == [None, "user-1"]


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ("text", "events[1] must be an object"),
        (_event(event_type="left out"), "events[1].event_type"),
        (_event(event_type=""), "events[1].event_type"),
        (_event(event_type="x" * 101), "events[1].event_type"),
        (_event(id="left out"), "events[1].id"),
        (_event(id=7), "events[1].id"),
        (_event(id="x" * 201), "events[1].id"),
        (_event(time="left out"), "events[1].time"),
        (_event(time="1700000000"), "events[1].time"),
        (_event(time=True), "events[1].time"),
        (_event(time=-1), "events[1].time"),
        (_event(time=1_700_000_000_000), "events[1].time"),
        (_event(user="left out"), "events[1].user"),
        (_event(user=[]), "events[1].user"),
        (_event(user={}), "events[1].user"),
        (_event(user={"device_id": "d"}), "events[1].user"),
        (_event(user={"external_user_id": 5}), "events[1].user.external_user_id"),
        (_event(properties=[]), "events[1].properties"),
    ],
)
def test_a_malformed_event_is_named_and_nothing_is_stored(key: str, event: Any, named: str) -> None:
    answer = _post(key, {"events": [_event(id="good"), event]})

    assert answer.status_code == 400
    assert named in answer.json()["message"]
    assert not Event.objects.exists()
    assert not ReceivedEventId.objects.exists()


@pytest.mark.parametrize("body", [b"[]", b'"text"', b'{"events": {}}', b"{", b'{"events": [{"id": "\\u0000"}]}'])
def test_a_body_of_another_form_is_refused(key: str, body: bytes) -> None:
    assert _post(key, body).status_code == 400


def test_a_body_over_5_mb_is_refused(key: str) -> None:
    answer = _post(key, {"events": [_event(properties={"text": "x" * (5 * 1024 * 1024)})]})
    assert answer.status_code == 413


def test_the_number_of_statements_is_fixed(key: str, django_assert_num_queries: Any) -> None:
    for size in (1, 300):
        _post(key, b"")
        with django_assert_num_queries(5):
            # The key, BEGIN, the ids, COPY, COMMIT.
            _post(key, {"events": [_event(id=f"{size}-{number}") for number in range(size)]})


def test_an_example_is_well_formed(key: str) -> None:
    assert _post(key, {"events": [example_event("users.behaviors.Purchase")]}).json()["stored"] == 1


def test_a_dead_broker_costs_nothing(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from currents import tasks, wakeup
    from workspaces import valkey

    def refuse(*_arguments: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(wakeup, "SPACING", 0.0)
    monkeypatch.setattr(valkey, "_quiet_until", 0.0)
    monkeypatch.setattr(tasks.wake, "delay", refuse)
    assert _post(key, {"events": [_event()]}).status_code == 200
    assert Event.objects.count() == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("event_type", "id", "time", "user", "properties", "more")


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON | st.just({"user_id": "braze-1"})), max_size=3) | JSON)
def test_anything_else_is_refused_in_words(events: Any) -> None:
    """Whatever a sender puts into the list: it is understood, or refused by name; never an error of ours."""
    said = ""
    parsed: list[NewEvent] = []
    try:
        parsed = parse_events({"events": events})
    except InvalidEventsError as error:
        said = str(error)
    assert said.startswith(("events[", "'events'")) or all(one.user_id or one.external_user_id for one in parsed)
