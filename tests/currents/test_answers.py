"""Each answer of the destination over a real socket: what is delivered, retried, dead-lettered, mailed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from currents import delivery, lifecycle, outcomes
from currents.destinations import Reply, Verdict, destination
from currents.destinations.mixpanel_layouts import Layouts
from currents.due import due_currents
from currents.log import shard_of
from currents.models import Current, DeadLetter
from currents.sending import send
from tests.currents.conftest import arrived, arrived_ids, counts, cursor_of, event, log_events, make_current
from tests.sandbox.running import RunningSandbox
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

SHARD = shard_of("user-1", None)


def _deliver(current: Current, times: int = 1) -> None:
    for _time in range(times):
        delivery.deliver(current.pk)


def test_it_works(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    log_events(workspace, event(1), event(2, time=4_000_000_000), event(3))

    _deliver(current)

    assert arrived_ids(mixpanel) == [event(1).event_id, event(3).event_id]
    letter = DeadLetter.objects.get()
    assert (letter.event_id, letter.field) == (event(2).event_id, "properties.time")
    assert "future" in letter.reason
    assert letter.payload["properties"]["time"] == 4_000_000_000
    assert "sandbox-project-token" not in str(letter.payload)
    assert counts(current) == {"delivered": 2, "dead_letter": 1}
    assert mixpanel.call("GET", "/sandbox/events/summary").json["requests"] == 1


def test_a_400_without_records_is_split_until_the_bad_event_is_alone(
    current: Current, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, mixpanel: RunningSandbox
) -> None:
    """As the sandbox never refuses a whole batch for one event, the wire is bent here."""
    refused = event(137).event_id.encode()
    _bend(monkeypatch, lambda body: refused in body, 400)
    log_events(workspace, *(event(number) for number in range(300)))

    _deliver(current, 3)

    assert arrived_ids(mixpanel) == [event(number).event_id for number in range(300) if number != 137]
    assert DeadLetter.objects.get().event_id == event(137).event_id
    assert counts(current) == {"delivered": 299, "dead_letter": 1}


def test_a_413_halves_until_it_fits(
    current: Current, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, mixpanel: RunningSandbox
) -> None:
    _bend(monkeypatch, lambda body: body.count(b"$insert_id") > 40, 413)
    log_events(workspace, *(event(number) for number in range(300)))

    _deliver(current, 3)

    assert arrived_ids(mixpanel) == [event(number).event_id for number in range(300)]
    assert counts(current) == {"delivered": 300}


def _bend(monkeypatch: pytest.MonkeyPatch, condition: Callable[[bytes], bool], status: int) -> None:
    from isal import igzip

    from currents.destinations import Reply, Request

    def bent(request: Request) -> Reply:
        return Reply(status, {}, b"{}") if condition(igzip.decompress(request.body)) else send(request)

    monkeypatch.setattr(delivery, "send", bent)


@pytest.mark.parametrize("kind", ["429", "500", "502", "503", "reset", "truncated", "garbage", "timeout"])
@pytest.mark.parametrize("ingest_first", [False, True])
def test_trouble_is_retried_and_nothing_counts_twice(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, settings: Any, kind: str, ingest_first: bool
) -> None:
    mixpanel.misbehave(kind, times=1, path="/import", ingest_first=ingest_first)
    log_events(workspace, event(1), event(2))
    settings.CURRENTS_BACKOFF_BASE = settings.CURRENTS_BACKOFF_MAX = 3600.0

    if kind == "timeout":
        settings.CURRENTS_REQUEST_TIMEOUT = 1.0
    _deliver(current)
    settings.CURRENTS_REQUEST_TIMEOUT = 30.0

    waiting = cursor_of(current, SHARD)
    assert (waiting.attempt, waiting.lease) == (1, None)
    assert waiting.last_error
    assert waiting.first_failure_at is not None
    assert counts(current) == {}
    assert due_currents() == []

    current.cursors.update(next_try_at="2020-01-01T00:00Z")
    _deliver(current)

    assert arrived_ids(mixpanel) == [event(1).event_id, event(2).event_id]
    assert counts(current) == {"delivered": 2}
    healed = cursor_of(current, SHARD)
    assert (healed.attempt, healed.last_error, healed.first_failure_at) == (0, "", None)
    assert not DeadLetter.objects.exists()


def test_retry_after_is_respected(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, settings: Any
) -> None:
    from django.utils import timezone

    mixpanel.misbehave("429", times=1, path="/import", retry_after=100)
    log_events(workspace, event(1))
    wait = timedelta(seconds=100)
    begun = timezone.now()

    _deliver(current)

    assert begun + wait <= cursor_of(current, SHARD).next_try_at <= timezone.now() + wait


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("soon", None), ("", None), ("Thu, 01 Jan 2015 00:00:00 GMT", 0), ("-5", None)],
)
def test_retry_after_in_every_form(header: str, seconds: float | None) -> None:
    target = destination("mixpanel")
    assert target is not None
    answer = target.interpret(Reply(429, {"retry-after": header}, b"{}"), 1)
    assert (answer.verdict, answer.retry_after) == (Verdict.RETRY, seconds)


def test_back_off_doubles_to_a_maximum(settings: Any) -> None:
    settings.CURRENTS_BACKOFF_BASE, settings.CURRENTS_BACKOFF_MAX = 2.0, 60.0
    settings.CURRENTS_BACKOFF_JITTER = [0.0, 0.0]
    assert [outcomes.delay(attempt) for attempt in range(7)] == [2, 4, 8, 16, 32, 60, 60]
    settings.CURRENTS_BACKOFF_JITTER = [1.0, 5.0]
    assert all(3 <= outcomes.delay(0) <= 7 for _time in range(50))
    assert outcomes.delay(10_000) <= 65
    assert 31 <= outcomes.delay(0, 30.0) <= 35


@pytest.mark.parametrize("status", ["401", "403"])
def test_refused_credentials_fail_the_current_and_a_probe_cures_it(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, status: str
) -> None:
    mixpanel.misbehave(status, path="/import")
    log_events(workspace, *(event(number, f"user-{number % 50}") for number in range(100)))

    _deliver(current, 3)

    current.refresh_from_db()
    assert current.status == Current.Status.FAILED
    assert current.failure
    assert [message.to for message in mail.outbox] == [["contact@example.com"]]
    assert "/admin/currents/current/" in mail.outbox[0].body
    assert "sandbox-api-secret" not in mail.outbox[0].body

    mixpanel.call("DELETE", "/sandbox/misbehave")
    log_events(workspace, event(500))
    assert due_currents() == [current.pk]
    _deliver(current, 2)

    current.refresh_from_db()
    assert (current.status, current.failure) == (Current.Status.ACTIVE, "")
    assert len(arrived(mixpanel)) == 101
    assert len(mail.outbox) == 2
    assert counts(current) == {"delivered": 101}


def test_a_probe_waits_for_its_time(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, settings: Any
) -> None:
    settings.CURRENTS_PROBE_SECONDS = [120.0, 300.0]
    mixpanel.misbehave("401", times=1, path="/import")
    log_events(workspace, event(1))
    _deliver(current, 2)
    assert due_currents() == []
    assert mixpanel.total() == 0

    current.refresh_from_db()
    lifecycle.credentials_changed(current)

    assert due_currents() == [current.pk]
    _deliver(current)
    assert mixpanel.total() == 1


def test_a_wrong_secret_is_a_401(workspace: Workspace, mixpanel: RunningSandbox) -> None:
    wrong = make_current(workspace, secrets={"api_secret": "wrong", "token": "sandbox-project-token"})
    lifecycle.launch(wrong)
    log_events(workspace, event(1))

    _deliver(wrong)

    wrong.refresh_from_db()
    assert wrong.status == Current.Status.FAILED


def test_a_destination_that_does_not_listen(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, settings: Any
) -> None:
    settings.MIXPANEL_SANDBOX_URL = "http://127.0.0.1:1"
    settings.CURRENTS_BACKOFF_MAX = settings.CURRENTS_BACKOFF_BASE = 3600.0
    log_events(workspace, event(1))

    _deliver(current)

    assert cursor_of(current, SHARD).last_error == "127.0.0.1: the connection was refused"


def test_an_event_that_breaks_mixpanels_limits_is_not_sent(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    deep = {"a": {"b": {"c": {"d": 1}}}}
    log_events(
        workspace,
        event(
            1, event_type="users.behaviors.CustomEvent", properties={"name": "x", "custom_properties": {"deep": deep}}
        ),
        event(2),
    )

    _deliver(current)

    assert arrived_ids(mixpanel) == [event(2).event_id]
    letter = DeadLetter.objects.get()
    assert letter.field == "properties.deep"
    assert letter.payload["event"] == "[Braze Custom Event] x"


def test_a_defect_of_ours_costs_one_event_only(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from currents.destinations import mixpanel as module

    build = module.build_event

    def broken(one: Any, token: str) -> Any:
        if one.event_id == event(1).event_id:
            raise ZeroDivisionError
        return build(one, token)

    monkeypatch.setattr(module, "build_event", broken)
    monkeypatch.setattr(module, "_layouts", Layouts())  # nothing is learned: all are built
    log_events(workspace, event(1), event(2))

    _deliver(current)

    assert arrived_ids(mixpanel) == [event(2).event_id]
    assert DeadLetter.objects.get().event_id == event(1).event_id
