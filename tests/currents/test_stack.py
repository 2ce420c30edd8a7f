"""Real processes: web server, worker, beat, broker, sandbox. What is killed or lost costs no event and doubles none."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
import urllib3
from django.utils import timezone

from currents import lifecycle, replays
from currents.models import Current, DeliveryRequest, Replay
from tests.currents.conftest import counts, event, log_events, make_current
from tests.stack import Stack
from workspaces.models import ApiKey, Workspace

pytestmark = pytest.mark.timeout(900)

DEADLINE = 180.0
HTTP = urllib3.PoolManager(retries=False, timeout=60.0)


def _sandbox(stack: Stack, method: str, path: str, body: Any = None) -> Any:
    content = None if body is None else orjson.dumps(body)
    answer = HTTP.request(method, stack.sandbox_url + path, body=content)
    assert answer.status < 300, answer.data
    return answer.json()


def _summary(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = _sandbox(stack, "GET", "/sandbox/events/summary")
    return found


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "It did not happen in time."
        time.sleep(0.05)


def _everything_is_settled(current: Current, number: int) -> None:
    """Each event was acknowledged, counted once, and no shard is held or waits."""
    _wait(lambda: counts(current) == {"delivered": number})
    _wait(lambda: not current.cursors.exclude(lease=None).exists())


@pytest.fixture
def launched(stack: Stack, workspace: Workspace) -> Current:
    current = make_current(workspace)
    lifecycle.launch(current)
    return current


def _in_order(stack: Stack) -> bool:
    events = _sandbox(stack, "GET", "/sandbox/events?limit=10000&offset=0")["events"]
    by_user: dict[str, list[int]] = {}
    for one in events:
        by_user.setdefault(one["properties"]["distinct_id"], []).append(one["properties"]["time"])
    return all(times == sorted(times) for times in by_user.values())


def test_it_works(stack: Stack, launched: Current, workspace: Workspace) -> None:
    """Posted to the web server; beat and worker bring it to the sandbox."""
    stack.start_beat()
    key = ApiKey.make(workspace=workspace, name="Test", permissions=["currents.events"])[1].secret
    events = [
        {
            "event_type": "users.messages.email.Open",
            "id": event(number).event_id,
            "time": event(number).time,
            "user": {"external_user_id": f"user-{number % 20}"},
        }
        for number in range(200)
    ]
    for start in range(0, 200, 50):
        answer = HTTP.request(
            "POST",
            f"{stack.web_url}/currents/events",
            body=orjson.dumps({"events": events[start : start + 50]}),
            headers={"Authorization": f"Bearer {key}"},
        )
        assert answer.json() == {"message": "success", "stored": 50, "repeated": 0}

    _wait(lambda: _summary(stack)["total"] == 200)
    _everything_is_settled(launched, 200)
    assert _in_order(stack)


def test_a_broker_that_loses_every_message_loses_no_event(
    stack: Stack, launched: Current, workspace: Workspace
) -> None:
    stack.start_beat()
    for part in range(10):
        log_events(workspace, *(event(part * 100 + number, f"user-{number}") for number in range(100)))
        stack.flush_broker()
        time.sleep(0.05)

    _wait(lambda: _summary(stack)["total"] == 1_000)
    _everything_is_settled(launched, 1_000)
    assert _in_order(stack)


def test_a_worker_killed_in_mid_delivery_loses_nothing_and_doubles_nothing(
    stack: Stack, launched: Current, workspace: Workspace
) -> None:
    """SIGKILL while requests are under way, also after the sandbox has ingested a batch but not yet answered."""
    stack.start_beat()
    _sandbox(
        stack,
        "POST",
        "/sandbox/misbehave",
        {"kind": "slow", "delay": 0.4, "ingest_first": True, "path": "/import", "times": 40},
    )
    for kill in range(3):
        log_events(workspace, *(event(kill * 1_000 + number, f"user-{number % 100}") for number in range(1_000)))
        before = _summary(stack)["requests"]
        _wait(lambda before=before: _summary(stack)["requests"] > before)  # type: ignore[misc]
        stack.kill_worker()
        stack.start_worker()

    _wait(lambda: _summary(stack)["total"] == 3_000)
    _everything_is_settled(launched, 3_000)
    assert sum(_summary(stack)["by_event"].values()) == 3_000
    assert _in_order(stack)


def test_a_worker_killed_in_mid_replay_replays_everything_and_counts_it_once(
    stack: Stack, launched: Current, workspace: Workspace
) -> None:
    """SIGKILL while a request of the replay is under way, and while live events keep coming beside it."""
    stack.start_beat()
    log_events(workspace, *(event(number, f"user-{number % 100}") for number in range(3_000)))
    _everything_is_settled(launched, 3_000)
    _sandbox(stack, "DELETE", "/sandbox/events")
    slow = {"kind": "slow", "delay": 0.3, "ingest_first": True, "path": "/import", "times": 30}
    _sandbox(stack, "POST", "/sandbox/misbehave", slow)

    replay = replays.start(launched, timezone.now() - timedelta(hours=1))
    for kill in range(3):
        _wait(lambda: DeliveryRequest.objects.filter(is_replay=True).count() > 2 * kill)  # noqa: B023 - called at once
        log_events(workspace, *(event(3_000 + kill * 100 + number, f"user-{number}") for number in range(100)))
        before = _summary(stack)["requests"]
        _wait(lambda before=before: _summary(stack)["requests"] > before)  # type: ignore[misc]
        stack.kill_worker()
        stack.start_worker()

    _wait(lambda: Replay.objects.get(pk=replay.pk).state == Replay.State.DONE)
    _everything_is_settled(launched, 3_300)
    replay.refresh_from_db()
    assert (replay.delivered, replay.refused, replay.skipped, replay.percent) == (3_000, 0, 0, 100)
    assert not replay.cursors.exists()
    assert _summary(stack)["total"] == 3_300
