"""A person who imports users, and a worker that works when a test says so."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from profiles.importing import running
from profiles.stores import UserImport
from tests.logins import client_of
from workspaces.models import Workspace
from workspaces.roles import Role

LIST = "/admin/profiles/userimport/"
Load = Callable[..., UserImport]
Upload = Callable[..., Any]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.IMPORT_DIR = tmp_path / "imports"
    return Path(settings.IMPORT_DIR)


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    woken: list[int] = []
    monkeypatch.setattr("profiles.importing.running.wake", woken.append)
    return woken


@pytest.fixture
def client(workspace: Workspace) -> Client:
    return client_of(workspace, Role.MARKETER)


@pytest.fixture
def upload(client: Client) -> Upload:
    """Uploads a text (or bytes) as a file; returns the answer."""

    def send(content: str | bytes, name: str = "users.csv") -> Any:
        data = content.encode() if isinstance(content, str) else content
        return client.post(f"{LIST}upload/", {"file": SimpleUploadedFile(name, data)})

    return send


@pytest.fixture
def load(client: Client, upload: Upload) -> Load:
    """Uploads, starts with the mapping that the page proposes (or ``changes``) and works the import off."""

    def run(content: str | bytes, do: str = "import", **changes: Any) -> UserImport:
        answer = upload(content)
        assert answer.status_code == 302, answer.content.decode()
        one = UserImport.objects.latest("pk")
        start(client, one, do, **changes)
        while running.work_chunk(one.pk):
            pass
        one.refresh_from_db()
        return one

    return run


@pytest.fixture
def import_dir(folder: Path) -> Iterator[Path]:
    """The directory, for the processes of the stack too. Asked for before ``stack``."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("IMPORT_DIR", str(folder))
        yield folder


def wait_until(condition: Callable[[], bool], seconds: float = 100.0) -> None:
    """Ask again and again, for ``seconds`` at most."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def form_of(page: str) -> dict[str, str]:
    """What the page's form would post as it stands."""
    found: dict[str, str] = dict(re.findall(r'<input class="ui-input" name="([^"]+)" value="([^"]*)"', page))
    for name, options in re.findall(r'<select class="ui-input" name="([^"]+)".*?>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


def start(client: Client, one: UserImport, do: str = "import", **changes: Any) -> Any:
    form = form_of(client.get(f"{LIST}{one.pk}/").content.decode())
    changes = {name.replace("_", "-") if name != "update_only" else name: value for name, value in changes.items()}
    return client.post(f"{LIST}{one.pk}/start/", {**form, **changes, "do": do})


def counts(one: UserImport) -> tuple[int, int, int, int]:
    return one.created, one.updated, one.ignored, one.refused
