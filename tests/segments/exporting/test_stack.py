"""An export by real processes: its worker is killed, another goes on, and the program that asked is told."""

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F

from profiles.live import log_identity
from profiles.models import IdentityChange, Profile
from segments.stores import SegmentExport
from tests.segments.conftest import House, build_house
from tests.segments.exporting.conftest import unzipped
from tests.stack import Stack
from workspaces.models import ApiKey

USERS = 25_000
PATIENCE = 90.0
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server on this machine: its address, and the bodies that it was sent."""
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    server.server_close()


@pytest.fixture
def crowd(transactional_db: None) -> House:
    house = build_house()
    made = Profile.objects.bulk_create(
        (Profile(workspace=house.workspace, external_id=f"crowd-{n}") for n in range(USERS)), batch_size=5_000
    )
    log_identity(house.workspace.pk, IdentityChange.Kind.CREATED, [one.pk for one in made])
    return house


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, SegmentExport.objects.defer("users").values()
        time.sleep(0.02)


def test_a_killed_worker_is_replaced_and_nobody_is_lost(
    crowd: House,
    receiver: tuple[str, list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    host, bodies = receiver
    for name, value in (("EXPORT_DIR", str(tmp_path / "shared")), ("CURRENTS_HTTP_ALLOWED_HOSTS", host)):
        monkeypatch.setenv(name, value)
    stack: Stack = request.getfixturevalue("stack")
    _row, key = ApiKey.make(workspace=crowd.workspace, name="Nightly", permissions=["users.export.segment"])
    asked = {
        "segment_id": str(crowd.segment().api_id),
        "fields_to_export": ["external_id", "custom_attributes"],
        "callback_endpoint": f"http://{host}/done",
    }
    headers = {"Authorization": f"Bearer {key.secret}", "Content-Type": "application/json"}
    post = urllib.request.Request(  # noqa: S310 - our own server
        f"{stack.web_url}/users/export/segment", json.dumps(asked).encode(), headers
    )
    with urllib.request.urlopen(post) as answer:  # noqa: S310
        url = json.load(answer)["url"]
    wait(lambda: SegmentExport.objects.filter(done__gt=0).exists())
    stack.kill_worker()
    assert SegmentExport.objects.filter(done__lte=F("total")).exists()
    stack.start_worker("another")
    stack.start_beat()
    wait(lambda: bool(bodies))
    assert bodies == [{"success": True, "url": url}]
    with urllib.request.urlopen(url) as file:  # noqa: S310
        names = [user["external_id"] for users in unzipped(file.read()) for user in users]
    assert len(names) == len(set(names)) == USERS + 7
