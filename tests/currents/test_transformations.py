"""Field transformations: on the wire, in dead letters, and what may not be transformed."""

import hashlib
from typing import Any

import pytest
from django.test import Client

from currents import dead_letters, delivery
from currents.catalogue import CUSTOM_EVENT
from currents.models import Current, DeadLetter
from currents.transformations import REDACTED, transform
from tests.currents.conftest import arrived, event, log_events
from tests.sandbox.running import RunningSandbox
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _set(current: Current, **transformations: str) -> None:
    Current.objects.filter(pk=current.pk).update(transformations=transformations)


def test_it_works(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    """Each event type that has the field; the others are as they were."""
    _set(current, email_address="hash", campaign_name="remove", **{"[Custom event property] phone": "hash"})
    properties = {"email_address": "user@example.com", "campaign_name": "Spring", "campaign_id": "c-1"}
    custom = {"name": "Called", "custom_properties": {"phone": 123, "mood": "good"}}
    log_events(
        workspace,
        event(1, properties=properties),
        event(2, event_type="users.messages.email.Send", properties=properties),
        event(3, event_type=CUSTOM_EVENT, properties=custom),
        event(4, event_type="users.messages.pushnotification.Open", properties={"campaign_id": "c-1"}),
    )

    delivery.deliver(current.pk)

    first, second, third, fourth = (one["properties"] for one in arrived(mixpanel))
    for one in (first, second):
        assert (one["email_address"], one["campaign_name"]) == (_hash("user@example.com"), REDACTED)
        assert one["campaign_id"] == "c-1"
    assert third["[Custom event property] phone"] == _hash("123")
    assert third["[Custom event property] mood"] == "good"
    assert "email_address" not in fourth


def test_many_events_of_one_form(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    """Also where events of a form that was met often leave by the short way."""
    many = [event(number, properties={"email_address": f"user-{number}@example.com"}) for number in range(300)]
    log_events(workspace, *many)
    delivery.deliver(current.pk)
    _set(current, email_address="hash")
    log_events(workspace, *(event(number, properties={"email_address": "a"}) for number in range(300, 600)))
    delivery.deliver(current.pk)

    assert [one["properties"]["email_address"] for one in arrived(mixpanel)] == [
        *(f"user-{number}@example.com" for number in range(300)),
        *[_hash("a")] * 300,
    ]


def test_an_edit_holds_from_the_next_batch_on(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the run that is going on, too: the first batch has left, the second was not built yet."""
    log_events(workspace, *(event(number, properties={"email_address": "a"}) for number in range(4_000)))
    sent = delivery.send

    def edited(request: Any) -> Any:
        _set(current, email_address="remove")
        return sent(request)

    monkeypatch.setattr(delivery, "send", edited)
    delivery.deliver(current.pk)

    assert [one["properties"]["email_address"] for one in arrived(mixpanel)] == ["a"] * 2_000 + [REDACTED] * 2_000


def test_dead_letters_are_retried_with_the_transformations_of_then(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    """What the destination refused is kept as it was sent; an edit heals it. Retry All sends each as it is now."""
    deep = {"a": {"b": {"c": {"d": 1}}}}
    log_events(
        workspace,
        *(
            event(number, event_type=CUSTOM_EVENT, properties={"name": "x", "custom_properties": {"deep": deep}})
            for number in (1, 2)
        ),
    )
    delivery.deliver(current.pk)
    assert DeadLetter.objects.count() == 2
    assert DeadLetter.objects.all()[0].payload["properties"]["[Custom event property] deep"] == deep

    _set(current, **{"[Custom event property] deep": "remove"})
    dead_letters.ask_retry(current.dead_letters.all())
    delivery.deliver(current.pk)

    assert not DeadLetter.objects.exists()
    assert [one["properties"]["[Custom event property] deep"] for one in arrived(mixpanel)] == [REDACTED] * 2


@pytest.mark.parametrize(
    ("value", "hashed"),
    [
        ("text", _hash("text")),
        ("", _hash("")),
        ("日本", _hash("日本")),
        (5, _hash("5")),
        (True, _hash("true")),
        (1.5, _hash("1.5")),
        (["a", None, 1], [_hash("a"), None, _hash("1")]),
        ({"a": 1}, _hash('{"a":1}')),
        (None, None),
    ],
)
def test_each_kind_of_value(value: Any, hashed: Any) -> None:
    fields = {"one": value, "two": value, "other": value}
    transform(fields, {"one": "hash", "two": "remove", "three": "hash"})
    assert fields == {"one": hashed, "two": None if value is None else REDACTED, "other": value}


def test_a_way_that_is_not_known_removes() -> None:
    fields = {"one": "secret"}
    transform(fields, {"one": "encrypt"})
    assert fields == {"one": REDACTED}


# --- the form


def form_of(current: Current) -> dict[str, Any]:
    return {
        "name": "To Mixpanel",
        "contact_email": "contact@example.com",
        "region": "sandbox",
        "events": current.event_types,
        "wish": "save",
    }


def _save(admin: Client, current: Current, *rows: tuple[str, str]) -> Any:
    transformations = {
        "transform_field": [name for name, _how in rows],
        "transform_how": [how for _name, how in rows],
    }
    form = {**form_of(current), **transformations}
    return admin.post(f"/admin/currents/current/{current.pk}/change/", form)


def test_they_are_saved_and_shown(admin: Client, current: Current) -> None:
    _save(admin, current, (" email_address ", "hash"), ("", "remove"), ("$device", "remove"))

    current.refresh_from_db()
    assert current.transformations == {"email_address": "hash", "$device": "remove"}
    page = admin.get(f"/admin/currents/current/{current.pk}/").content.decode()
    assert "email_address: Hash" in page
    form = admin.get(f"/admin/currents/current/{current.pk}/change/").content.decode()
    assert 'value="email_address"' in form
    assert '<option value="token">' not in form


@pytest.mark.parametrize("name", ["event", "distinct_id", "time", "$insert_id", "token"])
def test_what_an_event_is_known_by_cannot_be_transformed(admin: Client, current: Current, name: str) -> None:
    answer = _save(admin, current, ("email_address", "hash"), (name, "remove"))

    assert answer.status_code == 400
    assert f"“{name}” is what an event is known by".encode() in answer.content
    current.refresh_from_db()
    assert current.transformations == {}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("a", "hash"), ("a", "remove")], "twice"),
        ([("a", "encrypt")], "Choose Remove or Hash"),
        ([("x" * 256, "hash")], "at most 255"),
    ],
)
def test_a_wrong_line_is_refused_beside_it(admin: Client, current: Current, rows: Any, words: str) -> None:
    answer = _save(admin, current, *rows)
    assert answer.status_code == 400
    assert words.encode() in answer.content


@pytest.mark.parametrize(
    ("field", "value"), [("flush_interval", 901), ("flush_interval", 0), ("requests_in_flight", 17)]
)
def test_a_wrong_interval_is_refused(admin: Client, current: Current, field: str, value: int) -> None:
    address = f"/admin/currents/current/{current.pk}/change/"
    answer = admin.post(address, {**form_of(current), field: value})
    assert (answer.status_code, list(answer.context["form"].errors)) == (400, [field])

    admin.post(address, {**form_of(current), "flush_interval": 900, "requests_in_flight": 1})
    current.refresh_from_db()
    assert (current.flush_interval, current.requests_in_flight) == (900, 1)
    assert (current.flush_seconds, current.max_in_flight) == (900.0, 1)


def test_a_currents_own_interval_counts(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, settings: Any
) -> None:
    from currents.due import due_currents

    Current.objects.filter(pk=current.pk).update(flush_interval=900)
    log_events(workspace, event(1))
    assert due_currents() == []
    delivery.deliver(current.pk)
    assert mixpanel.total() == 0
    settings.CURRENTS_FLUSH_INTERVAL = 900.0
    Current.objects.filter(pk=current.pk).update(flush_interval=0)
    assert due_currents() == [current.pk]
    delivery.deliver(current.pk)
    assert mixpanel.total() == 1
