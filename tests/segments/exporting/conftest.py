"""A segment of three users, a key that may export it, and a worker that works when a test says so."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.test import Client

from segments.exporting import running
from segments.models import Segment
from segments.stores import SegmentExport
from tests.segments.conftest import House, in_cohort
from workspaces.models import ApiKey

Ask = Callable[..., Any]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.EXPORT_DIR = tmp_path / "exports"
    return Path(settings.EXPORT_DIR)


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The exports that a worker was told of."""
    calls: list[int] = []
    for module in ("starting", "running"):
        monkeypatch.setattr(f"segments.exporting.{module}.wake_up", lambda task, pk: calls.append(pk))
    return calls


@pytest.fixture
def segment(house: House) -> Segment:
    """The members of the cohort: user-0 to user-2."""
    return house.segment("Example", filters=house.tree(in_cohort("c1")))


@pytest.fixture
def key(house: House) -> str:
    _row, made = ApiKey.make(workspace=house.workspace, name="Nightly", permissions=["users.export.segment"])
    return str(made.secret)


@pytest.fixture
def ask(key: str, segment: Segment) -> Ask:
    """POSTs to ``/users/export/segment``: external ids and emails of the segment, or ``changes``."""

    def post(**changes: Any) -> Any:
        body = {"segment_id": str(segment.api_id), "fields_to_export": ["external_id", "email"], **changes}
        return Client().post(
            "/users/export/segment",
            {name: value for name, value in body.items() if value is not ...},
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}"},
        )

    return post


def work() -> SegmentExport:
    """Work the latest export off."""
    export = SegmentExport.objects.latest("pk")
    while running.step(export.pk):
        pass
    export.refresh_from_db()
    return export


def fetch(url: str) -> Any:
    return Client().get(url.removeprefix("http://testserver"))


def lines_of(content: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in content.splitlines()]


def unzipped(content: bytes) -> list[list[dict[str, Any]]]:
    """The users in each file of a zip, which must be sound."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return [lines_of(archive.read(name)) for name in archive.namelist()]
