"""The custom HTTP destination over a real socket: what it sends, every type, each answer that a receiver may give."""

import hashlib
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.core import mail
from django.test import Client

from currents import delivery, ingest, lifecycle, replays, trial
from currents.catalogue import CUSTOM_EVENT, OTHERS, catalogue
from currents.destinations import destination
from currents.due import due_currents
from currents.log import shard_of
from currents.models import Current, DeadLetter
from currents.monitoring import lags_of
from tests.currents.conftest import TIME, counts, cursor_of, event, log_events, make_current
from tests.sandbox.running import Destination, RunningSandbox
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

SHARD = shard_of("user-1", None)


@pytest.fixture
def receiver(settings: Any, mixpanel: RunningSandbox) -> Iterator[Destination]:
    """A receiver on loopback, which is allowed here; nothing waits long."""
    running = Destination()
    settings.CURRENTS_HTTP_ALLOWED_HOSTS = [running.url.removeprefix("http://")]
    yield running
    running.stop()


@pytest.fixture
def current(workspace: Workspace, receiver: Destination) -> Current:
    """A launched Current that sends every type to it."""
    target = destination("custom-http")
    assert target is not None
    made = make_current(
        workspace,
        name="To ourselves",
        destination="custom-http",
        options={"url": f"{receiver.url}/events?source=test"},
        secrets={"bearer_token": "receiver-token"},
        event_types=sorted(target.types()),
    )
    lifecycle.launch(made)
    return made


def _events(receiver: Destination) -> list[Any]:
    return [one for request in receiver.requests for one in request.body["events"]]


def _ids(receiver: Destination) -> list[str]:
    return [one["id"] for one in _events(receiver)]


def _answer(receiver: Destination, *answers: int | tuple[int, Any]) -> None:
    """The next answers, one after the other; then all is well."""
    waiting = list(answers)

    def answer(request: Any) -> tuple[int, Any] | None:
        told = waiting.pop(0) if waiting else 200
        return told if isinstance(told, tuple) else (told, {"message": "told so"})

    receiver.answer = answer


def test_it_works(current: Current, workspace: Workspace, receiver: Destination) -> None:
    log_events(
        workspace,
        event(1, timezone="Asia/Tokyo", extra={"wings": 2, "user": {"loft": "north"}}),
        event(2, user=None),
        event(3, event_type="users.messages.line.Send"),
        event(4, event_type="users.messages.carrierpigeon.Send"),
        event(5, time=1),
    )

    delivery.deliver(current.pk)

    by_id = {one["id"]: one for one in _events(receiver)}
    assert by_id[event(1).event_id] == {
        "event_type": "users.messages.email.Open",
        "id": event(1).event_id,
        "time": TIME + 1,
        "user": {
            "user_id": "braze-1",
            "external_user_id": "user-1",
            "timezone": "Asia/Tokyo",
            "loft": "north",
        },
        "properties": {"campaign_id": "campaign-1"},
        "wings": 2,
    }
    assert "external_user_id" not in by_id[event(2).event_id]["user"]
    assert len(by_id) == 5
    assert counts(current) == {"delivered": 5}
    request = receiver.requests[0]
    assert request.path == "/events?source=test"
    assert request.headers["Authorization"] == "Bearer receiver-token"
    assert request.headers["Braze-Currents-Version"] == "1"
    assert request.headers["Host"] == receiver.url.removeprefix("http://")


def test_what_we_send_is_what_we_take(current: Current, workspace: Workspace, receiver: Destination) -> None:
    """A chain of two of us hands events on unchanged."""
    log_events(workspace, event(1, extra={"wings": 2}, device_id="device-1"), event(2, user=None))
    delivery.deliver(current.pk)
    sent = _events(receiver)

    other = Workspace.objects.create(name="Other")
    ingest.store_events(other.pk, ingest.parse_events(orjson.loads(orjson.dumps({"events": sent}))))

    second = make_current(
        other,
        name="On",
        destination="custom-http",
        options=current.options,
        secrets=current.secrets,
        event_types=current.event_types,
    )
    lifecycle.launch(second)
    second.cursors.update(xid=0, event=0)
    second.selections.update(from_xid=0)
    receiver.requests.clear()
    delivery.deliver(second.pk)
    assert sorted(_events(receiver), key=str) == sorted(sent, key=str)


def test_every_type_is_offered_and_those_nobody_knows() -> None:
    target = destination("custom-http")
    assert target is not None
    assert set(target.types()) == {*catalogue(), OTHERS}
    assert target.types()[OTHERS].label == "Every type that is not listed here"


def test_unknown_types_leave_only_if_they_are_chosen(
    current: Current, workspace: Workspace, receiver: Destination
) -> None:
    lifecycle.select(current, [OTHERS])
    log_events(workspace, event(1), event(2, event_type="users.messages.carrierpigeon.Send"))
    assert lags_of([current.pk])[current.pk].events == 1
    delivery.deliver(current.pk)
    lifecycle.select(current, ["users.messages.email.Open"])
    log_events(workspace, event(3), event(4, event_type="users.messages.carrierpigeon.Send"))
    delivery.deliver(current.pk)

    assert _ids(receiver) == [event(2).event_id, event(3).event_id]
    assert counts(current) == {"delivered": 2, "not_selected": 2}


def test_an_event_over_900_kb_is_not_sent(current: Current, workspace: Workspace, receiver: Destination) -> None:
    log_events(workspace, event(1, properties={"text": "x" * 950_000}), event(2))
    delivery.deliver(current.pk)
    assert _ids(receiver) == [event(2).event_id]
    assert counts(current) == {"delivered": 1, "too_large": 1}


def test_a_request_stays_below_what_we_take_ourselves(
    current: Current, workspace: Workspace, receiver: Destination
) -> None:
    log_events(workspace, *(event(number, properties={"text": "x" * 800_000}) for number in range(12)))
    delivery.deliver(current.pk)
    assert _ids(receiver) == [event(number).event_id for number in range(12)]
    assert len(receiver.requests) == 3


# --- answers


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_2xx_is_done(current: Current, workspace: Workspace, receiver: Destination, status: int) -> None:
    _answer(receiver, (status, b"" if status == 204 else b"<html>"))
    log_events(workspace, event(1))
    delivery.deliver(current.pk)
    assert counts(current) == {"delivered": 1}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 404, 302])
def test_trouble_is_retried(
    current: Current, workspace: Workspace, receiver: Destination, settings: Any, status: int
) -> None:
    settings.CURRENTS_BACKOFF_BASE = settings.CURRENTS_BACKOFF_MAX = 3600.0
    _answer(receiver, status)
    log_events(workspace, event(1), event(2))

    delivery.deliver(current.pk)

    assert (cursor_of(current, SHARD).attempt, counts(current)) == (1, {})
    assert cursor_of(current, SHARD).last_error == "told so"
    assert due_currents() == []
    current.cursors.update(next_try_at="2020-01-01T00:00Z")
    delivery.deliver(current.pk)
    assert counts(current) == {"delivered": 2}


def test_a_redirect_is_named(current: Current, workspace: Workspace, receiver: Destination) -> None:
    _answer(receiver, (301, b""))
    log_events(workspace, event(1))
    delivery.deliver(current.pk)
    assert "redirects are not followed" in current.requests.earliest("id").error


def test_a_400_is_split_until_the_bad_event_is_alone(
    current: Current, workspace: Workspace, receiver: Destination
) -> None:
    bad = event(13).event_id
    receiver.answer = lambda request: (
        (400, {"message": "no pigeons"}) if bad in orjson.dumps(request.body).decode() else (200, {})
    )
    log_events(workspace, *(event(number) for number in range(40)))

    for _time in range(3):
        delivery.deliver(current.pk)

    letter = DeadLetter.objects.get()
    assert (letter.event_id, letter.reason) == (bad, "no pigeons")
    assert letter.payload["id"] == bad
    assert counts(current) == {"delivered": 39, "dead_letter": 1}


def test_a_413_is_halved(current: Current, workspace: Workspace, receiver: Destination) -> None:
    receiver.answer = lambda request: (413, {}) if len(request.body["events"]) > 10 else (200, {})
    log_events(workspace, *(event(number) for number in range(40)))
    for _time in range(3):
        delivery.deliver(current.pk)
    assert counts(current) == {"delivered": 40}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_fails_the_current_until_it_is_accepted(
    current: Current, workspace: Workspace, receiver: Destination, status: int
) -> None:
    _answer(receiver, status)
    log_events(workspace, event(1))
    delivery.deliver(current.pk)
    current.refresh_from_db()
    assert (current.status, current.failure) == (Current.Status.FAILED, "told so")

    delivery.deliver(current.pk)
    current.refresh_from_db()
    assert current.status == Current.Status.ACTIVE
    assert len(mail.outbox) == 2
    assert counts(current) == {"delivered": 1}


def test_a_private_address_is_never_called(
    current: Current, workspace: Workspace, receiver: Destination, settings: Any
) -> None:
    settings.CURRENTS_HTTP_ALLOWED_HOSTS = []
    settings.CURRENTS_BACKOFF_BASE = settings.CURRENTS_BACKOFF_MAX = 3600.0
    Current.objects.filter(pk=current.pk).update(options={"url": receiver.url.replace("http", "https")})
    log_events(workspace, event(1))

    delivery.deliver(current.pk)

    assert "not public" in cursor_of(current, SHARD).last_error
    assert receiver.requests == []


def test_test_events(current: Current, receiver: Destination) -> None:
    target = destination("custom-http")
    assert target is not None
    results = trial.send_test_events(current, target)
    assert len(results) == len(catalogue()) + 1
    assert all(one.accepted for one in results)
    assert all(one["user"]["external_user_id"] == trial.TEST_USER for one in _events(receiver))


def test_transformations(current: Current, workspace: Workspace, receiver: Destination) -> None:
    """In the user, the properties, the sender's own properties (also as JSON in a string) and beside them."""
    hashed = hashlib.sha256(b"x@example.com").hexdigest()
    Current.objects.filter(pk=current.pk).update(
        transformations={"email": "hash", "timezone": "remove", "properties": "remove", "wings": "remove"}
    )
    log_events(
        workspace,
        event(1, timezone="Asia/Tokyo", properties={"email": "x@example.com", "id": "kept"}, extra={"wings": 2}),
        event(2, event_type=CUSTOM_EVENT, properties={"name": "a", "custom_properties": {"email": "x@example.com"}}),
        event(3, event_type=CUSTOM_EVENT, properties={"custom_properties": '{"email":"x@example.com"}'}),
        event(4, event_type=CUSTOM_EVENT, properties={"properties": '{"email":"x@example.com"}'}),
    )

    delivery.deliver(current.pk)

    one, two, three, four = _events(receiver)
    assert (one["properties"], one["wings"]) == ({"email": hashed, "id": "kept"}, "[REDACTED]")
    assert (one["user"]["timezone"], one["user"]["external_user_id"]) == ("[REDACTED]", "user-1")
    assert two["properties"]["custom_properties"] == {"email": hashed}
    assert orjson.loads(three["properties"]["custom_properties"]) == {"email": hashed}
    assert four["properties"] == {"properties": "[REDACTED]"}


def test_a_replay(current: Current, workspace: Workspace, receiver: Destination) -> None:
    from datetime import timedelta

    from django.utils import timezone

    log_events(workspace, event(1), event(2, event_type="users.messages.carrierpigeon.Send"))
    delivery.deliver(current.pk)
    made = replays.start(current, timezone.now() - timedelta(minutes=1))
    assert made.expected == 2
    replays.run(made.pk)
    assert sorted(_ids(receiver)) == sorted([event(1).event_id, event(2).event_id] * 2)


# --- the form


FORM = {
    "name": "To ourselves",
    "contact_email": "contact@example.com",
    "url": "https://receiver.example.com/events",
    "bearer_token": "receiver-token",
    "events": ["users.messages.email.Open", OTHERS],
    "wish": "launch",
}


def test_the_form(admin: Client) -> None:
    page = admin.get("/admin/currents/current/create/custom-http/").content.decode()
    assert "The receiver must count each once, by its id." in page
    assert "Every type that is not listed here" in page

    admin.post("/admin/currents/current/create/custom-http/", FORM)

    made = Current.objects.get()
    assert (made.status, made.options) == (Current.Status.ACTIVE, {"url": "https://receiver.example.com/events"})
    assert made.secrets["bearer_token"] == "receiver-token"
    assert b"receiver-token" not in admin.get(f"/admin/currents/current/{made.pk}/change/").content
    assert b"or they count twice" in admin.get(f"/admin/currents/current/{made.pk}/replay/").content


@pytest.mark.parametrize("url", ["http://receiver.example.com/", "https://10.0.0.1/", "receiver", "https://localhost/"])
def test_a_wrong_address_is_refused_beside_its_field(admin: Client, url: str) -> None:
    answer = admin.post("/admin/currents/current/create/custom-http/", {**FORM, "url": url})
    assert (answer.status_code, list(answer.context["form"].errors)) == (400, ["url"])
    assert not Current.objects.exists()
