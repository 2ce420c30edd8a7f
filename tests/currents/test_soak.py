"""Everything goes wrong at once, and afterwards every event is where it belongs: once, and in its user's order."""

import os
import random
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
import urllib3
from django.db import connection, transaction

from currents import lifecycle
from currents.log import append_events
from currents.models import Current, DeadLetter
from tests.currents.conftest import TIME, counts, event, make_current
from tests.stack import Stack
from workspaces.models import ApiKey, Workspace

SENDERS = 8
USERS_PER_SENDER = 50
BATCH = 100
#: One in so many is about a user that Mixpanel takes for nobody, and refuses.
REFUSED_EVERY = 500
NOBODY = "anonymous"
HELD = 200
WORKERS = ("worker", "worker-2")
HTTP = urllib3.PoolManager(maxsize=SENDERS, block=True, retries=False, timeout=60.0)
#: A server may close a connection that was idle at the very moment at which it is used again.
AGAIN = urllib3.Retry(5, allowed_methods=None, redirect=0, status=0, backoff_factor=0.2)

#: Together a tenth of all requests, some of them after the events were taken in; and many answers are slow, so that
#: a worker that is killed leaves requests under way.
MISBEHAVIOUR: list[dict[str, Any]] = [
    {"kind": "500", "probability": 0.03},
    {"kind": "reset", "probability": 0.03, "ingest_first": True},
    {"kind": "truncated", "probability": 0.02, "ingest_first": True},
    {"kind": "429", "probability": 0.02, "retry_after": 1},
    {"kind": "slow", "probability": 0.5, "delay": 0.15},
]


class Soak:
    """Senders, a killer, and a transaction that is held open, over one running stack."""

    def __init__(self, stack: Stack, workspace: Workspace, *, events: int, kills: int, held_seconds: float) -> None:
        self.stack = stack
        self.workspace = workspace
        self.batches = events // (SENDERS * BATCH)
        self.kills = kills
        self.held_seconds = held_seconds
        self.killed = 0
        self.key = ApiKey.make(workspace=workspace, name="Soak", permissions=["currents.events"])[1].secret
        self.chance = random.Random(kills)

    def run(self) -> None:
        """Send everything while everything breaks; returns when the last event was accepted."""
        with ThreadPoolExecutor(SENDERS + 1) as pool:
            jobs = [pool.submit(self._send, sender) for sender in range(SENDERS)]
            jobs.append(pool.submit(self._hold_a_transaction))
            try:
                self._break()
            finally:
                self.killed = self.kills  # nobody waits for a kill that does not come
            for job in jobs:
                job.result()

    def expected(self) -> set[str]:
        """The ids of all events."""
        numbers = range(SENDERS * self.batches * BATCH + HELD)
        return {event(number).event_id for number in numbers}

    def _send(self, sender: int) -> None:
        """One sender's batches, one after another, spread over the time in which workers are killed."""
        for batch in range(self.batches):
            while batch * self.kills > (self.killed + 1) * self.batches:
                time.sleep(0.02)
            first = (sender * self.batches + batch) * BATCH
            self._post([_event(sender, number) for number in range(first, first + BATCH)])

    def _post(self, events: list[dict[str, Any]]) -> None:
        """As senders do: a request that breaks is sent again, and what it held is stored once."""
        answer = HTTP.request(
            "POST",
            f"{self.stack.web_url}/currents/events",
            body=orjson.dumps({"events": events}),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            retries=AGAIN,
        )
        assert answer.status == 200, answer.data

    def _hold_a_transaction(self) -> None:
        """Events that are written early and committed late: everything that is written meanwhile waits for them."""
        first = SENDERS * self.batches * BATCH
        try:
            with transaction.atomic():
                append_events(self.workspace.pk, [event(first + number, "user-held") for number in range(HELD // 2)])
                time.sleep(self.held_seconds)
                append_events(
                    self.workspace.pk, [event(first + number, "user-held") for number in range(HELD // 2, HELD)]
                )
        finally:
            connection.close()

    def _break(self) -> None:
        for kill in range(self.kills):
            time.sleep(self.chance.uniform(0.0, 1.0))
            worker = WORKERS[kill % len(WORKERS)]
            self.stack.kill_worker(worker)
            if kill % 4 == 1:
                self.stack.restart_broker()
            if kill % 4 == 2:
                self.stack.kill_beat()
                self.stack.start_beat()
            self.stack.start_worker(worker)
            self.killed += 1


def _event(sender: int, number: int) -> dict[str, Any]:
    made = event(number)
    user = NOBODY if number % REFUSED_EVERY == 0 else f"user-{sender}-{number % USERS_PER_SENDER}"
    return {
        "event_type": made.event_type,
        "id": made.event_id,
        "time": made.time,
        "user": {"external_user_id": user},
        "properties": made.properties,
    }


def _control(stack: Stack, method: str, path: str, body: Any = None) -> Any:
    answer = HTTP.request(method, stack.sandbox_url + path, body=None if body is None else orjson.dumps(body))
    assert answer.status < 300, answer.data
    return answer.json()


def _arrived(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = _control(stack, "GET", f"/sandbox/events?limit=10000&offset={len(found)}")
        found += [one["properties"] for one in page["events"]]
        if len(found) >= page["total"]:
            return found


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "It did not happen in time."
        time.sleep(0.2)


def _check(stack: Stack, current: Current, expected: set[str]) -> None:
    """Each event is in the sandbox once, or a dead letter that the sandbox wanted; each user's came in order."""
    arrived = _arrived(stack)
    ids = [one["$insert_id"] for one in arrived]
    letters = {letter.event_id: letter for letter in DeadLetter.objects.filter(current=current)}
    assert len(ids) == len(set(ids))
    assert not set(ids) & set(letters)
    assert set(ids) | set(letters) == expected
    assert all("placeholder" in letter.reason for letter in letters.values())
    assert all(letter.source["external_user_id"] == NOBODY for letter in letters.values())
    by_user: dict[str, list[int]] = defaultdict(list)
    for one in arrived:
        by_user[one["distinct_id"]].append(one["time"])
    assert NOBODY not in by_user
    assert all(times == sorted(times) for times in by_user.values())
    assert counts(current) == {"delivered": len(ids), "dead_letter": len(letters)}


def _soak(stack: Stack, workspace: Workspace, *, events: int, kills: int, held: float, patience: float) -> None:
    current = make_current(workspace)
    lifecycle.launch(current)
    for rule in MISBEHAVIOUR:
        _control(stack, "POST", "/sandbox/misbehave", {**rule, "path": "/import"})
    stack.start_worker(WORKERS[1])
    stack.start_beat()
    soak = Soak(stack, workspace, events=events, kills=kills, held_seconds=held)

    soak.run()

    expected = soak.expected()
    _wait(lambda: sum(counts(current).values()) >= len(expected), patience)
    _wait(lambda: not current.cursors.exclude(lease=None).exists(), patience)
    assert TIME + len(expected) < time.time()
    _check(stack, current, expected)


@pytest.mark.timeout(900)
def test_it_works(stack: Stack, workspace: Workspace) -> None:
    """The short version: 20,000 events and 5 kills."""
    _soak(stack, workspace, events=20_000, kills=5, held=3.0, patience=300.0)


@pytest.mark.soak
def test_the_long_version(stack: Stack, workspace: Workspace) -> None:
    """SOAK_EVENTS events from 8 senders, while workers are killed SOAK_KILLS times."""
    events, kills = int(os.environ.get("SOAK_EVENTS", "500000")), int(os.environ.get("SOAK_KILLS", "50"))
    _soak(stack, workspace, events=events, kills=kills, held=30.0, patience=1800.0)
