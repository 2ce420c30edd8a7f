"""The fault matrix: each thing that the destination can do to a request, over a real socket, and all that follows.

Four events of one user wait; the sandbox misbehaves; then it behaves. For each fault: what had arrived after the first
run, whether it is tried again and how, what became a dead letter, what was mailed. In the end each event is in the
sandbox once, in order, or a dead letter.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from currents import delivery
from currents.due import due_currents
from currents.log import shard_of
from currents.models import Current, DeadLetter
from tests.currents.conftest import arrived_ids, counts, cursor_of, event, log_events
from tests.sandbox.running import RunningSandbox, wait_until
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

SHARD = shard_of("user-1", None)
ALL = (1, 2, 3, 4)


@dataclass(frozen=True)
class Fault:
    """What the sandbox is told, and what follows from it in the first run.

    ``events`` replaces the four events. ``waits``: the batch waits for a later run, at least so many seconds.
    ``statuses`` are the answers to the requests of the first run, in order.
    """

    name: str
    rule: dict[str, Any] | None = None
    events: dict[int, dict[str, Any]] = field(default_factory=dict)
    arrived: tuple[int, ...] = ()
    waits: float | None = None
    letters: tuple[int, ...] = ()
    failed: bool = False
    statuses: tuple[int | None, ...] = ()

    @property
    def stalls(self) -> bool:
        """Whether nothing ends the request but our own time limit."""
        return self.rule is not None and self.rule["kind"] == "timeout"


def _once(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "times": 1, **more}


FAULTS = [
    Fault("200", arrived=ALL, statuses=(200,)),
    Fault("400 with failed_records", None, {2: {"time": 4_000_000_000}}, (1, 3, 4), letters=(2,), statuses=(400,)),
    Fault("400 without failed_records, once", _once("400"), arrived=ALL, statuses=(400, 200, 200)),
    Fault(
        "400 without failed_records, until one event is left",
        {"kind": "400", "times": 3},
        arrived=(2, 3, 4),
        letters=(1,),
        statuses=(400, 400, 400, 200, 200),
    ),
    Fault("401", _once("401"), failed=True, statuses=(401,)),
    Fault("403", _once("403"), failed=True, statuses=(403,)),
    Fault("413", _once("413"), arrived=ALL, statuses=(413, 200, 200)),
    Fault(
        "413, for a single event",
        {"kind": "413", "times": 3},
        arrived=(2, 3, 4),
        letters=(1,),
        statuses=(413, 413, 413, 200, 200),
    ),
    Fault("429 with Retry-After", _once("429", retry_after=100), waits=100, statuses=(429,)),
    Fault("429 without Retry-After", _once("429"), waits=60, statuses=(429,)),
    Fault("500", _once("500"), waits=60, statuses=(500,)),
    Fault("502", _once("502"), waits=60, statuses=(502,)),
    Fault("503", _once("503"), waits=60, statuses=(503,)),
    Fault("503 after it has ingested", _once("503", ingest_first=True), arrived=ALL, waits=60, statuses=(503,)),
    Fault("a reset connection", _once("reset"), waits=60, statuses=(None,)),
    Fault("a reset after it has ingested", _once("reset", ingest_first=True), arrived=ALL, waits=60, statuses=(None,)),
    Fault("a stalled response", _once("timeout"), waits=60, statuses=(None,)),
    Fault(
        "a stall after it has ingested", _once("timeout", ingest_first=True), arrived=ALL, waits=60, statuses=(None,)
    ),
    Fault("a response cut in half", _once("truncated"), waits=60, statuses=(None,)),
    Fault(
        "a cut after it has ingested", _once("truncated", ingest_first=True), arrived=ALL, waits=60, statuses=(None,)
    ),
    Fault("a 200 with garbage", _once("garbage"), waits=60, statuses=(200,)),
    Fault("garbage after it has ingested", _once("garbage", ingest_first=True), arrived=ALL, waits=60, statuses=(200,)),
]


@pytest.fixture
def begun() -> datetime:
    """Before the first run."""
    return timezone.now()


@pytest.fixture(params=FAULTS, ids=lambda fault: fault.name)
def fault(
    request: pytest.FixtureRequest,
    current: Current,
    workspace: Workspace,
    mixpanel: RunningSandbox,
    settings: Any,
    begun: datetime,
) -> Fault:
    """The fault, after the first run."""
    one: Fault = request.param
    if one.stalls:
        settings.CURRENTS_REQUEST_TIMEOUT = 1.0
    settings.CURRENTS_BACKOFF_BASE = settings.CURRENTS_BACKOFF_MAX = 60.0
    settings.CURRENTS_PROBE_SECONDS = [120.0, 300.0]
    if one.rule:
        mixpanel.misbehave(path="/import", **one.rule)
    log_events(workspace, *(event(number, **one.events.get(number, {})) for number in ALL))
    delivery.deliver(current.pk)
    settings.CURRENTS_REQUEST_TIMEOUT = 30.0
    return one


def _ids(*numbers: int) -> list[str]:
    return [event(number).event_id for number in numbers]


def _letters() -> list[str]:
    return sorted(DeadLetter.objects.values_list("event_id", flat=True))


def test_it_works(fault: Fault, begun: datetime, current: Current, mixpanel: RunningSandbox) -> None:
    _check_what_follows_at_once(fault, begun, current, mixpanel)
    _check_that_each_event_is_there_once_in_the_end(fault, current, mixpanel)


def _check_what_follows_at_once(fault: Fault, begun: datetime, current: Current, mixpanel: RunningSandbox) -> None:
    # A request that was given up may still be on its way in.
    assert wait_until(lambda: arrived_ids(mixpanel) == _ids(*fault.arrived))
    assert tuple(current.requests.order_by("id").values_list("status", flat=True)) == fault.statuses
    assert _letters() == _ids(*fault.letters)
    shard = cursor_of(current, SHARD)
    assert shard.lease is None
    current.refresh_from_db()
    if fault.failed:
        assert current.status == Current.Status.FAILED
        assert [one.to for one in mail.outbox] == [[current.contact_email]]
        assert counts(current) == {}
        assert due_currents() == []
    else:
        assert current.status == Current.Status.ACTIVE
        assert mail.outbox == []
    if fault.waits is not None:
        assert shard.attempt == 1
        assert shard.last_error
        assert shard.next_try_at >= begun + timedelta(seconds=fault.waits)
        assert counts(current) == {}
        assert due_currents() == []
    elif not fault.failed:
        assert (shard.attempt, shard.last_error) == (0, "")
        settled = {"delivered": 4 - len(fault.letters), "dead_letter": len(fault.letters)}
        assert counts(current) == {outcome: number for outcome, number in settled.items() if number}


def _check_that_each_event_is_there_once_in_the_end(fault: Fault, current: Current, mixpanel: RunningSandbox) -> None:
    Current.objects.filter(probe_at__isnull=False).update(probe_at=timezone.now())
    current.cursors.update(next_try_at=timezone.now())
    delivery.deliver(current.pk)

    current.refresh_from_db()
    assert current.status == Current.Status.ACTIVE
    assert arrived_ids(mixpanel) == _ids(*(number for number in ALL if number not in fault.letters))
    assert _letters() == _ids(*fault.letters)
    assert sum(counts(current).values()) == 4
    assert len(mail.outbox) == (2 if fault.failed else 0)
    assert due_currents() == []
    assert all(one.lease is None and not one.last_error for one in current.cursors.all())
