"""Events of nearly 900 KB: read, sent and kept within bounds, whatever waits."""

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import connection

from currents import delivery, log
from currents.log import NOT_LOADED, Position, read, shard_of
from currents.models import Current, DeliveryRequest
from tests.currents.conftest import arrived_ids, counts, event, log_events
from tests.sandbox.running import RunningSandbox
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

CUSTOM = "users.behaviors.CustomEvent"


def large(number: int, size: int, user: str = "user-1", *, random: bool = False) -> Any:
    """An event with so many bytes of text, which compresses well or not at all."""
    text = secrets.token_hex(size // 2) if random else "x" * size
    return event(number, user, event_type=CUSTOM, properties={"name": "large", "custom_properties": {"text": text}})


def loaded(workspace: Workspace, types: list[str] | None = None) -> list[bool | None]:
    """Of each event on the first page: whether its payload is there; None where it was not asked for."""
    page = read(workspace.pk, shard_of("user-1", None), Position(0, 0), 2_000, types)
    return [None if one.payload is None else one.payload != NOT_LOADED for one in page]


@pytest.mark.parametrize("random", [False, True], ids=["compressed", "as they are"])
def test_it_works(workspace: Workspace, random: bool) -> None:
    """A page has room for so many bytes; the first always has room, and small ones always do."""
    log_events(workspace, *(large(number, 800_000, random=random) for number in range(20)), event(20))
    there = loaded(workspace)
    assert there[-1] is True
    assert log.LARGE_BYTES // 800_000 <= sum(map(bool, there[:-1])) <= 18
    assert there[:-1] == sorted(there[:-1], reverse=True)


def test_large_payloads_of_other_types_are_left_alone(workspace: Workspace) -> None:
    log_events(workspace, *(large(number, 800_000) for number in range(20)), event(20))
    assert loaded(workspace, ["users.messages.email.Open"]) == [None] * 20 + [True]


@pytest.mark.usefixtures("remembered_marks")
def test_payloads_of_some_kilobytes_come_in_a_few_statements(
    workspace: Workspace, django_assert_max_num_queries: Any
) -> None:
    """They are compressed, so their length is not known before they are read."""
    log_events(workspace, *(large(number, 5_000) for number in range(1_500)))
    with django_assert_max_num_queries(8):
        assert loaded(workspace) == [True] * 1_500


def test_all_arrive_in_order(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "LARGE_BYTES", 30_000)
    sizes = [100, 9_000, 40_000, 2_500, 9_000, 9_000, 9_000, 100, 100_000, 3_000]
    log_events(workspace, *(large(number, sizes[number % 10], random=number % 3 == 0) for number in range(60)))
    delivery.deliver(current.pk)
    assert not list(current.dead_letters.values_list("event_id", "reason"))
    assert arrived_ids(mixpanel) == [event(number).event_id for number in range(60)]
    assert counts(current) == {"delivered": 60}
    assert 1 < DeliveryRequest.objects.count() < 60


class _Sink(BaseHTTPRequestHandler):
    """Takes everything and keeps nothing."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left > 0:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        answer = b'{"code":200,"status":"OK"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments: Any) -> None:
        """Says nothing."""


@pytest.fixture
def sink() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


# Not what getrusage says: that begins with what the process held that started this one.
_WORKER = """
import re, sys, django
django.setup()
from currents import delivery
while delivery.deliver(int(sys.argv[1]), flush=True):
    pass
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.timeout(600)
def test_a_worker_stays_small(current: Current, workspace: Workspace, sink: str) -> None:
    """The backlog is 300 MB on all shards, as large as events can be and no more than a page holds of ordinary ones."""
    for first in range(0, 384, 64):
        users = (f"user-{number}" for number in range(first, first + 64))
        log_events(workspace, *(large(first + place, 800_000, user) for place, user in enumerate(users)))
    server, _slash, _name = os.environ["DATABASE_URL"].rpartition("/")
    worker = subprocess.run(
        [sys.executable, "-c", _WORKER, str(current.pk)],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "brazeclone.settings",
            "DATABASE_URL": f"{server}/{connection.settings_dict['NAME']}",
            "MIXPANEL_SANDBOX_URL": sink,
        },
        capture_output=True,
        check=True,
    )
    assert counts(current) == {"delivered": 384}
    assert int(worker.stdout.split()[-1]) < 250 * 1024, worker.stdout
