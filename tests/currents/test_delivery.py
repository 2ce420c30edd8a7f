"""Delivery over a real socket: what arrives, what is counted, what each answer does."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from currents import delivery, lifecycle, outcomes
from currents.due import due_currents
from currents.log import append_events, shard_of
from currents.models import SHARDS, Current, DeadLetter, DeliveryRequest
from currents.sending import send
from sandbox.config import MAX_EVENTS_PER_REQUEST
from tests.currents.conftest import arrived, arrived_ids, counts, cursor_of, event, log_events, make_current
from tests.sandbox.running import RunningSandbox
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

SHARD = shard_of("user-1", None)


def _deliver(current: Current, times: int = 1) -> None:
    for _time in range(times):
        delivery.deliver(current.pk)


def _users(number: int) -> str:
    return f"user-{number % 50}"


def test_it_works(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    log_events(workspace, *(event(number, _users(number)) for number in range(200)))

    assert due_currents() == [current.pk]
    _deliver(current)

    assert len(arrived(mixpanel)) == 200
    assert counts(current) == {"delivered": 200}
    assert due_currents() == []
    requests = DeliveryRequest.objects.filter(current=current)
    assert sum(one.events for one in requests) == 200
    assert {one.status for one in requests} == {200}
    assert not current.cursors.exclude(lease=None).exists()


def test_each_users_events_come_in_order(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    for batch in range(10):
        log_events(workspace, *(event(batch * 100 + number, _users(number)) for number in range(100)))
    mixpanel.misbehave("500", times=5, path="/import")

    _deliver(current, 8)

    by_user: dict[str, list[int]] = {}
    for one in arrived(mixpanel):
        by_user.setdefault(one["properties"]["distinct_id"], []).append(one["properties"]["time"])
    assert sum(map(len, by_user.values())) == 1000
    assert all(times == sorted(times) for times in by_user.values())


def test_a_batch_costs_a_fixed_number_of_statements(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    used = []
    for size in (10, MAX_EVENTS_PER_REQUEST - 1):
        log_events(workspace, *(event(size * 10_000 + number) for number in range(size)))
        with CaptureQueriesContext(connection) as queries:
            _deliver(current)
        used.append(len(queries))
    assert used[0] == used[1] < 30
    assert mixpanel.total() == MAX_EVENTS_PER_REQUEST + 9


def test_full_batches_follow_each_other(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    log_events(workspace, *(event(number) for number in range(4_500)))

    _deliver(current)

    sizes = DeliveryRequest.objects.order_by("id").values_list("events", flat=True)
    assert list(sizes) == [2_000, 2_000, 500]
    assert arrived_ids(mixpanel) == [event(number).event_id for number in range(4_500)]


def test_a_batch_stays_within_the_size_limit(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    big = {"name": "big", "custom_properties": {"text": "x" * 800_000}}
    log_events(
        workspace,
        *(event(number, event_type="users.behaviors.CustomEvent", properties=big) for number in range(20)),
    )

    _deliver(current)

    assert mixpanel.total() == 20
    assert DeliveryRequest.objects.count() == 2


def test_a_part_batch_waits_for_the_flush_interval(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, settings: Any
) -> None:
    settings.CURRENTS_FLUSH_INTERVAL = 60.0
    log_events(workspace, event(1))

    assert due_currents() == []
    _deliver(current)
    assert mixpanel.total() == 0

    delivery.deliver(current.pk, flush=True)
    assert mixpanel.total() == 1


def test_a_full_batch_does_not_wait(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, settings: Any
) -> None:
    settings.CURRENTS_FLUSH_INTERVAL = 60.0
    log_events(workspace, *(event(number) for number in range(2_100)))

    assert due_currents() == [current.pk]
    _deliver(current)

    assert mixpanel.total() == 2_000


def test_what_is_not_sent_is_counted_by_reason(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    lifecycle.select(current, ["users.messages.email.Open", "users.behaviors.CustomEvent"])
    log_events(
        workspace,
        event(1),
        event(2, user=None),
        event(3, time=1_262_303_999),
        event(4, time=1_262_304_000),
        event(5, event_type="users.messages.email.Send"),
        event(6, event_type="users.messages.unknown.Send"),
        event(
            7,
            event_type="users.behaviors.CustomEvent",
            properties={"name": "big", "custom_properties": {"text": "x" * 950_000}},
        ),
    )

    _deliver(current)

    assert sorted(arrived_ids(mixpanel)) == [event(1).event_id, event(4).event_id]
    assert counts(current) == {
        "delivered": 2,
        "no_external_id": 1,
        "too_old": 1,
        "not_selected": 2,
        "too_large": 1,
    }
    assert current.counts.get(outcome="too_old").example == event(3).event_id
    assert due_currents() == []


def test_much_that_is_not_selected_is_passed_without_a_request(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    lifecycle.select(current, ["users.messages.email.Send"])
    log_events(workspace, *(event(number) for number in range(5_000)))
    log_events(workspace, event(9_999, event_type="users.messages.email.Send"))

    _deliver(current)

    assert DeliveryRequest.objects.count() == 1
    assert arrived_ids(mixpanel) == [event(9_999).event_id]
    assert counts(current) == {"delivered": 1, "not_selected": 5_000}


# --- answers: what each does


def test_failed_records_become_dead_letters_and_the_rest_is_in(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
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
    settings.CURRENTS_REQUEST_TIMEOUT = 0.3
    mixpanel.misbehave(kind, times=1, path="/import", ingest_first=ingest_first)
    log_events(workspace, event(1), event(2))
    settings.CURRENTS_BACKOFF_BASE = settings.CURRENTS_BACKOFF_MAX = 3600.0

    _deliver(current)

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

    _deliver(current)

    wait = (cursor_of(current, SHARD).next_try_at - timezone.now()).total_seconds()
    assert 90 < wait <= 100


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
    log_events(workspace, *(event(number, _users(number)) for number in range(100)))

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
    log_events(workspace, event(1), event(2))

    _deliver(current)

    assert arrived_ids(mixpanel) == [event(2).event_id]
    assert DeadLetter.objects.get().event_id == event(1).event_id


# --- several workers


def test_at_most_the_set_number_of_requests_is_in_flight(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, settings: Any
) -> None:
    settings.CURRENTS_REQUESTS_IN_FLIGHT = 3
    mixpanel.misbehave("slow", delay=0.05, path="/import")
    mixpanel.call("DELETE", "/sandbox/events")
    log_events(workspace, *(event(number, f"user-{number}") for number in range(200)))

    _deliver(current)

    assert mixpanel.total() == 200
    assert 1 < mixpanel.call("GET", "/sandbox/events/summary").json["max_in_flight"] <= 3


def test_all_shards_can_be_in_flight(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    mixpanel.misbehave("slow", delay=0.3, path="/import")
    log_events(workspace, *(event(number, f"user-{number}") for number in range(200)))

    _deliver(current)

    assert mixpanel.call("GET", "/sandbox/events/summary").json["max_in_flight"] > SHARDS // 2


def test_one_workspace_does_not_see_anothers_events(current: Current, mixpanel: RunningSandbox) -> None:
    append_events(Workspace.objects.create(name="Other").pk, [event(1)])

    _deliver(current)

    assert mixpanel.total() == 0
