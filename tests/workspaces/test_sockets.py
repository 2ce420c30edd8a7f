"""The REST API behind the real web server: broken brokers, chunked bodies, bodies that are too large."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.db import connection

from brazeclone.launcher import identity, ports
from currents.examples import example_event
from workspaces.models import ApiKey, Workspace

START_TIMEOUT = 60.0
EVENTS = orjson.dumps({"events": [example_event("users.behaviors.Purchase")]})
TRACK = orjson.dumps({"attributes": [{"external_id": "user-1", "first_name": "Example"}]})


class Web:
    """gunicorn on the test's database, with the broker at ``redis_url``."""

    def __init__(self, log: Path, redis_url: str) -> None:
        self.port = ports.free_port()
        server, _slash, _name = os.environ["DATABASE_URL"].rpartition("/")
        parent = os.getpid()
        bind = ("--bind", f"{ports.LOOPBACK}:{self.port}")
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "brazeclone.wsgi", "--threads", "4", "--no-control-socket", *bind],
                env={
                    **os.environ,
                    "DATABASE_URL": f"{server}/{connection.settings_dict['NAME']}",
                    "REDIS_URL": redis_url,
                    "PUBLIC_URL": f"http://{ports.LOOPBACK}:{self.port}",
                    "VALKEY_TIMEOUT": "0.25",
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=lambda: identity.die_with_parent(signal.SIGKILL, parent),
            )
        self._wait(log)

    def post(self, path: str, body: Any, key: str, *, chunked: bool = False, **headers: str) -> tuple[int, Any]:
        """Status and JSON; ``body`` is bytes, or an iterable of bytes that goes in chunks."""
        with closing(http.client.HTTPConnection(ports.LOOPBACK, self.port, timeout=60)) as link:
            sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers}
            link.request("POST", path, body, sent, encode_chunked=chunked)
            answer = link.getresponse()
            return answer.status, orjson.loads(answer.read())

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _wait(self, log: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            with suppress(OSError), closing(http.client.HTTPConnection(ports.LOOPBACK, self.port, timeout=30)) as link:
                link.request("GET", "/admin/login/")
                assert link.getresponse().status == 200
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text("utf-8", "replace")[-4000:])
            time.sleep(0.1)


@pytest.fixture
def start_web(transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., Web]]:
    running: list[Web] = []

    def start(redis_url: str = "") -> Web:
        running.append(Web(tmp_path / "web.log", redis_url or os.environ["REDIS_URL"]))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def key(transactional_db: None) -> str:
    workspace = Workspace.objects.create(name="Example")
    permissions = ["currents.events", "users.track"]
    return str(ApiKey.make(workspace=workspace, name="All", permissions=permissions)[1].secret)


@pytest.mark.parametrize("kind", ["refuses", "is silent"])
def test_no_request_waits_for_a_broker_that_is_down(start_web: Callable[..., Web], key: str, kind: str) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as silent:
        port = silent.getsockname()[1] if kind == "is silent" else ports.free_port()
        web = start_web(f"redis://{ports.LOOPBACK}:{port}/0")
        for path, body in (("/currents/events", EVENTS), ("/users/track", TRACK), ("/currents/events", EVENTS)):
            status, answer = web.post(path, body, key)
            assert status in (200, 201), answer
        if kind == "is silent":
            assert _callers(silent) <= 2, "one waits, for VALKEY_TIMEOUT, and those after it do not ask for a while"


def _callers(server: socket.socket) -> int:
    """How many connections wait to be accepted."""
    server.setblocking(False)
    count = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


def _in_pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 16_384):
        yield body[start : start + 16_384]


def test_bodies_come_whole_and_the_refusal_of_a_large_one_is_seen(start_web: Callable[..., Web], key: str) -> None:
    web = start_web()
    # A body in chunks is a body.
    status, answer = web.post("/currents/events", _in_pieces(EVENTS), key, chunked=True)
    assert (status, answer["stored"]) == (200, 1)
    status, answer = web.post("/users/track", _in_pieces(TRACK), key, chunked=True)
    assert (status, answer["attributes_processed"]) == (201, 1)
    assert web.post("/users/track", _in_pieces(b"{"), key, chunked=True)[0] == 400
    assert web.post("/users/track", _in_pieces(TRACK), "wrong", chunked=True)[0] == 401
    # More than the limit, which the client sends to its end before it looks for the answer.
    too_large = (413, {"message": "The request body is too large."})
    large = b" " * (20 * 1024 * 1024)
    assert web.post("/users/track", large, key) == too_large
    assert web.post("/users/track", _in_pieces(large), key, chunked=True) == too_large
    assert web.post("/users/track", large, "wrong")[0] == 401
