"""What other systems sent a moment ago is in the numbers: nothing ran between the request and the question."""

import threading
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from profiles import reading
from profiles.received import count_received
from profiles.stores import LogCursor
from segments.exporting import running
from segments.stores import SegmentExport
from segments.tree import parse
from tests.segments.conftest import House
from tests.segments.kept.conftest import JAPAN, USED, Leaf, Post, leaf, run
from tests.transactions import held_open
from workspaces.models import App, Workspace

pytestmark = pytest.mark.django_db(transaction=True)
Send = Callable[..., None]
SESSIONS = leaf("session_count", "more_than", 0)
OPENED = leaf("last_engaged_with_message", "is_not_blank")
SONG = leaf("custom_event", "performed", subject={"name": "song", "where": []})
HAT = leaf("purchased_product", "purchased", subject={"product": "hat"})
BUY = {"product_id": "hat", "currency": "USD", "price": 1}


@pytest.fixture
def send(post: Post) -> Send:
    def send(event_type: str, user: str = "user-1", **properties: Any) -> None:
        event = {
            "event_type": f"users.{event_type}",
            "id": uuid.uuid4().hex,
            "time": int(timezone.now().timestamp()) - 60,
            "user": {"external_user_id": user},
            "properties": properties,
        }
        post("/currents/events", {"events": [event]})

    return send


@pytest.fixture
def preview(house: House, post: Post) -> Callable[..., dict[str, Any]]:
    def ask(*leaves: Leaf, **more: Any) -> dict[str, Any]:
        tree = {**house.tree(*leaves), "apps": more.pop("apps", None)}
        found: dict[str, Any] = post("/segments/preview", {"filters": tree, **more}).json()
        return found

    return ask


def held_back() -> AbstractContextManager[None]:
    """A transaction that has written something is open."""
    return held_open(lambda: Workspace.objects.create(name="Slow"))


@pytest.mark.parametrize("fresh", [False, True])
def test_the_next_preview_has_it(house: House, send: Send, preview: Any, fresh: bool) -> None:
    app = App.objects.create(workspace=house.workspace, name="Shop", platform="ios")
    before = [preview(one)["total"] for one in (SESSIONS, OPENED, USED)]
    assert before == [0, 0, 1]
    send("behaviors.app.SessionStart", app_id=str(app.api_id))
    assert preview(SESSIONS, fresh=fresh)["total"] == 1
    send("messages.email.Open", campaign_id="c-1")
    assert preview(OPENED, fresh=fresh)["total"] == 1
    send("behaviors.app.SessionStart", "user-2")
    assert preview(USED, fresh=fresh)["total"] == 3
    send("behaviors.app.SessionStart", "user-3", app_id=str(app.api_id))
    found = preview(apps=[str(app.api_id)], fresh=fresh)
    assert (found["total"], found["waiting"]) == (2, 0)


def test_an_event_or_product_that_nobody_knew_a_moment_ago(send: Send, preview: Any) -> None:
    assert "No user has ever performed" in preview(SONG)["problems"][0]["message"]
    send("behaviors.CustomEvent", name="song")
    send("behaviors.Purchase", **BUY)
    assert [(preview(one)["total"], preview(one)["problems"]) for one in (SONG, HAT)] == [(1, []), (1, [])]


def test_an_export_has_it(house: House, post: Post, send: Send, settings: Any, tmp_path: Any, monkeypatch: Any) -> None:
    settings.EXPORT_DIR = tmp_path
    monkeypatch.setattr("segments.exporting.starting.wake_up", lambda *_: None)
    monkeypatch.setattr("segments.exporting.running.wake_up", lambda *_: None)
    segment = house.segment("Active", filters=parse(house.tree(SESSIONS)).to_json())
    send("behaviors.app.SessionStart")
    post(
        "/users/export/segment",
        {"segment_id": str(segment.api_id), "fields_to_export": ["external_id"], "output_format": "gzip"},
    )
    export = SegmentExport.objects.get()
    while running.step(export.pk):
        pass
    export.refresh_from_db()
    assert (export.state, export.total) == ("done", 1)


def test_inside_another_segment_it_is_told_once(house: House, send: Send, preview: Any) -> None:
    inner = house.segment("Inner", filters=parse(house.tree(SESSIONS)).to_json())
    nested = leaf("segment_membership", "includes", [str(inner.api_id)])
    send("behaviors.app.SessionStart")
    assert preview(nested)["total"] == 1
    with held_back():
        send("behaviors.app.SessionStart", "user-2")
        found = preview(nested, SESSIONS)
        assert (found["total"], found["waiting"]) == (1, 1)
    assert preview(nested, SESSIONS)["total"] == 2


def test_what_an_open_transaction_holds_back_is_told(send: Send, preview: Any) -> None:
    with held_back():
        send("behaviors.CustomEvent", name="song")
        send("behaviors.Purchase", **BUY)
        for fresh in (False, True):
            for one in (SONG, HAT):
                found = preview(one, fresh=fresh)
                assert (found["total"], found["waiting"], found["problems"]) == (0, 2, [])
    assert (preview(SONG)["total"], preview(SONG)["waiting"]) == (1, 0)


def test_what_is_too_much_is_told_and_counted_for_a_fresh_one(send: Send, preview: Any, settings: Any) -> None:
    settings.COUNT_ON_READ_LIMIT = 2
    for _ in range(3):
        send("behaviors.app.SessionStart")
    found = preview(SESSIONS)
    assert (found["total"], found["waiting"]) == (0, 3)
    found = preview(SESSIONS, fresh=True)
    assert (found["total"], found["waiting"]) == (1, 0)


def test_nobody_counts_what_another_is_counting(send: Send, preview: Any) -> None:
    count_received()
    send("behaviors.app.SessionStart")
    told: list[dict[str, Any]] = []

    def ask() -> None:
        told.append(preview(SESSIONS))
        connection.close()

    with transaction.atomic():
        LogCursor.objects.select_for_update().get()
        reader = threading.Thread(target=ask)
        reader.start()
        reader.join(20)
    assert [(one["total"], one["waiting"]) for one in told] == [(0, 1)]
    assert preview(SESSIONS)["total"] == 1


def test_counting_that_fails_does_not_fail_the_reader(
    send: Send, preview: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> int:
        from django.db import OperationalError

        raise OperationalError("deadlock detected")

    monkeypatch.setattr(reading, "count_received", fail)
    send("behaviors.app.SessionStart")
    assert preview(SESSIONS)["waiting"] == 1


def test_other_workspaces_wait_for_the_worker(house: House, send: Send) -> None:
    send("behaviors.app.SessionStart")
    other = Workspace.objects.create(name="Other")
    assert reading.count_for_read(other.pk) == 0
    assert count_received() == 1, "nobody else counted it"


def test_what_it_costs(house: House) -> None:
    count_received()
    asked = []
    for leaves in ([JAPAN], [SESSIONS], [SESSIONS, OPENED, USED]):
        with CaptureQueriesContext(connection) as queries:
            run(house, *leaves)
        asked.append(sum("profiles_logcursor" in one["sql"] for one in queries))
    assert asked == [0, 1, 1]
