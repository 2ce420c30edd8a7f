"""Send Test Events: one well-formed example of each selected type, marked as test data, straight to the destination."""

import time
import uuid
from dataclasses import dataclass

import orjson
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from currents.batches import BatchBuilder
from currents.catalogue import OTHERS, event_type
from currents.destinations import Account, Destination, Unsendable, Verdict
from currents.examples import example_properties
from currents.log import LoggedEvent, NewEvent
from currents.models import Current
from currents.sending import send

#: The user that all test events are about: nobody can take them for real ones.
TEST_USER = "test-data-from-send-test-events"
#: What stands for the types that nobody knows.
TEST_TYPE = "users.test.SendTestEvents"


@dataclass(frozen=True)
class TestResult:
    """What became of the test event of one type."""

    label: str
    accepted: bool
    message: str | Promise


def send_test_events(current: Current, target: Destination) -> list[TestResult]:
    """Send one test event of each selected type in one request. Nothing is logged or counted; no answer raises."""
    builder = BatchBuilder(current, target, Account.of(current))
    events = [_example(name) for name in current.event_types]
    encoded = [builder.encode(event) for event in events]
    sendable = [index for index, one in enumerate(encoded) if isinstance(one, bytes)]
    outcome = _post(target, builder.account, [one for one in encoded if isinstance(one, bytes)])
    by_event = dict(zip(sendable, outcome, strict=True))
    return [
        TestResult(_label(event.event_type), *by_event.get(index, (False, _reason(encoded[index]))))
        for index, event in enumerate(events)
    ]


def _post(target: Destination, account: Account, bodies: list[bytes]) -> list[tuple[bool, str | Promise]]:
    if not bodies:
        return []
    answer = target.interpret(send(target.request(bodies, account)), len(bodies))
    if answer.verdict is not Verdict.DELIVERED:
        return [(False, answer.message)] * len(bodies)
    refused = {one.index: one.reason for one in answer.refused}
    return [(False, refused[index]) if index in refused else (True, _("Accepted")) for index in range(len(bodies))]


def _example(name: str) -> LoggedEvent:
    name = TEST_TYPE if name == OTHERS else name
    new = NewEvent(
        event_type=name,
        time=int(time.time()),
        external_user_id=TEST_USER,
        user_id="0123456789abcdef01234567",
        device_id="test-device",
        properties={} if name == TEST_TYPE else example_properties(name),
        event_id=f"test-{uuid.uuid4().hex[:24]}",
    )
    payload = orjson.dumps(new.payload())
    return LoggedEvent(0, 0, new.event_id, name, new.time, TEST_USER, time.time(), payload)


def _label(name: str) -> str:
    known = event_type(name)
    return known.label if known else name


def _reason(encoded: object) -> str | Promise:
    return encoded.reason if isinstance(encoded, Unsendable) else _("It could not be made.")
