"""Helpers of the sandbox's tests: a client for a running sandbox, events, and a recording destination."""

import base64
import gzip
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import urllib3

from sandbox.app import create_app
from sandbox.config import Settings
from sandbox.server import bound_port, build_server

DEADLINE = 60.0
STARTED = int(time.time())
"""One moment for all events, so that the same event is the same whenever it is made."""
SECRET = ("sandbox-api-secret", "")
SERVICE = ("sandbox-service-account", "sandbox-service-secret")


def wait_until(condition: Callable[[], Any]) -> Any:
    """Poll until the condition gives something true, and return that."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError("the condition did not come true in time")


def event(number: int = 1, name: str = "Signup", **properties: Any) -> dict[str, Any]:
    """A valid event; a property given as ... is left out."""
    merged = {
        "token": "sandbox-project-token",
        "time": STARTED - 60,
        "distinct_id": f"user-{number}",
        "$insert_id": f"00000000-0000-4000-8000-{number:012d}",
        **properties,
    }
    kept = {key: value for key, value in merged.items() if value is not ...}
    return {"event": name, "properties": kept}


@dataclass
class Answer:
    """Status, headers and decoded body."""

    status: int
    headers: Any
    json: Any


class RunningSandbox:
    """A sandbox in a thread, on a free port of the loopback interface."""

    def __init__(self, settings: Settings, data: Path | None) -> None:
        self.server = build_server(create_app(data, settings), port=0)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        wait_until(lambda: self.server.started)
        self.url = f"http://127.0.0.1:{bound_port(self.server)}"
        self.http = urllib3.PoolManager(retries=False, timeout=DEADLINE)

    def stop(self) -> None:
        """Shut down as a signal would."""
        self.http.clear()
        self.server.should_exit = True
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive()

    def empty(self) -> None:
        """Back to the state of a start, but for the numbering of cohorts."""
        self.call("DELETE", "/sandbox/events")
        self.call("DELETE", "/sandbox/misbehave")
        self.call("DELETE", "/sandbox/connection")
        limits = {"queries_per_hour": 60, "concurrent_queries": 5}
        self.call("PATCH", "/sandbox/settings", {"rate_limit": True, "page_size": 1000, **limits})
        for cohort in self.call("GET", "/sandbox/cohorts").json:
            self.call("DELETE", f"/sandbox/cohorts/{cohort['id']}")

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """A request to the control API, with JSON both ways."""
        content = None if body is None else orjson.dumps(body)
        response = self.http.request(method, self.url + path, body=content, headers=headers)
        kind = response.headers.get("content-type", "")
        return Answer(response.status, response.headers, response.json() if "json" in kind else response.data)

    def send(
        self, events: Any, query: str = "?strict=1", auth: tuple[str, str] | None = SECRET, **headers: str
    ) -> Answer:
        """POST /import; bytes go as they are."""
        body = events if isinstance(events, bytes) else orjson.dumps(events)
        given = {"Content-Type": "application/json", **basic(auth)}
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        response = self.http.request("POST", f"{self.url}/import{query}", body=body, headers=given)
        return Answer(response.status, response.headers, orjson.loads(response.data))

    def query(
        self, path: str, auth: tuple[str, str] | None = SECRET, prefix: str = "/api/query", **fields: Any
    ) -> Answer:
        """A form-encoded query."""
        response = self.http.request(
            "POST", f"{self.url}{prefix}/{path}", fields=fields, encode_multipart=False, headers=basic(auth)
        )
        return Answer(response.status, response.headers, response.json())

    def misbehave(self, kind: str, **options: Any) -> None:
        """Add a rule of misbehaviour."""
        answer = self.call("POST", "/sandbox/misbehave", {"kind": kind, **options})
        assert answer.status == 201, answer.json

    def total(self) -> int:
        """How many different events were ingested."""
        return int(self.call("GET", "/sandbox/events/summary").json["total"])


def basic(auth: tuple[str, str] | None) -> dict[str, str]:
    """The header of HTTP Basic authentication."""
    if auth is None:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(":".join(auth).encode()).decode()}


def zipped(events: Any) -> bytes:
    """Events as gzipped JSON."""
    return gzip.compress(orjson.dumps(events), 1)


@dataclass
class Received:
    """A request that the destination got."""

    path: str
    headers: Any
    body: Any


class Destination:
    """Records requests. ``answer`` gives the status for each; None means success."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.answer: Callable[[Received], tuple[int, Any] | None] = lambda request: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                request = Received(self.path, self.headers, orjson.loads(self.rfile.read(length)))
                outer.requests.append(request)
                status, content = outer.answer(request) or outer.success(request)
                body = content if isinstance(content, bytes) else orjson.dumps(content)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @staticmethod
    def success(request: Received) -> tuple[int, Any]:
        """What Braze, or a webhook, answers when all is well."""
        if "action" in request.body:
            return 200, {"action": request.body["action"], "status": "success"}
        return 201, {"message": "success"}

    def stop(self) -> None:
        """Close the socket."""
        self.server.shutdown()
        self.server.server_close()
