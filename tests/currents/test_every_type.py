"""All 58 offered types: in by ``POST /currents/events``, out by a Current, accepted under strict validation."""

import orjson
import pytest
from django.test import Client

from currents import delivery, lifecycle
from currents.catalogue import catalogue, offered
from currents.destinations import destination
from currents.examples import example_event
from currents.models import Current, DeadLetter
from currents.trial import TEST_USER, send_test_events
from tests.currents.conftest import arrived, counts, make_current
from tests.sandbox.running import RunningSandbox
from workspaces.models import ApiKey, Workspace

pytestmark = pytest.mark.django_db(transaction=True)


def _post(workspace: Workspace, *events: object) -> None:
    key = ApiKey.make(workspace=workspace, name="Test", permissions=["currents.events"])[1].secret
    answer = Client(headers={"Authorization": f"Bearer {key}"}).post(
        "/currents/events", orjson.dumps({"events": events}), content_type="application/json"
    )
    assert answer.json() == {"message": "success", "stored": len(events), "repeated": 0}


def test_it_works(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    """All of them in one request, and one that is known but not offered."""
    _post(
        workspace,
        *(example_event(name) for name in offered()),
        example_event("users.messages.line.Send"),
    )

    delivery.deliver(current.pk)

    assert len(arrived(mixpanel)) == 58
    assert counts(current) == {"delivered": 58, "not_selected": 1}


@pytest.mark.parametrize("name", offered())
def test_each_type_arrives_as_documented(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, name: str
) -> None:
    event = example_event(name, external_user_id="user-1")
    _post(workspace, event)

    delivery.deliver(current.pk)

    assert not DeadLetter.objects.exists()
    [got] = arrived(mixpanel)
    expected = catalogue()[name].mixpanel_name
    assert got["event"] == (f"{expected} Example event" if name == "users.behaviors.CustomEvent" else expected)
    assert got["properties"]["distinct_id"] == "user-1"
    assert got["properties"]["$insert_id"] == event["id"]
    assert got["properties"]["time"] == event["time"]
    assert got["properties"]["$partner_id"] == "braze"


def test_send_test_events_tells_the_result_of_each_type(workspace: Workspace, mixpanel: RunningSandbox) -> None:
    draft = make_current(workspace)
    target = destination("mixpanel")
    assert target is not None

    results = send_test_events(draft, target)

    assert len(results) == 58
    assert all(one.accepted for one in results)
    assert {one["properties"]["distinct_id"] for one in arrived(mixpanel)} == {TEST_USER}
    assert counts(draft) == {}


def test_send_test_events_shows_what_the_destination_says(workspace: Workspace, mixpanel: RunningSandbox) -> None:
    draft = make_current(workspace, secrets={"api_secret": "wrong", "token": "sandbox-project-token"})
    target = destination("mixpanel")
    assert target is not None

    results = send_test_events(draft, target)

    assert not any(one.accepted for one in results)
    assert all(str(one.message) for one in results)


def test_a_draft_sends_nothing(workspace: Workspace, mixpanel: RunningSandbox) -> None:
    draft = make_current(workspace)
    _post(workspace, example_event("users.messages.email.Open"))

    delivery.deliver(draft.pk)
    lifecycle.launch(draft)
    delivery.deliver(draft.pk)

    assert mixpanel.total() == 0
