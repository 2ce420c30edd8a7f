"""Exports that are killed, cancelled, lost and gone on with: nobody is in the file twice, or missing."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.translation import override

from profiles.deleting import delete_profiles
from segments import tasks
from segments.exporting import callbacks, running, starting
from segments.models import Segment
from segments.stores import SegmentExport
from tests.segments.conftest import House, in_cohort
from tests.segments.exporting.conftest import Ask, unzipped, work

pytestmark = pytest.mark.django_db(transaction=True)
State = SegmentExport.State


def exported(folder: Path) -> list[str]:
    (path,) = folder.iterdir()
    return [user["external_id"] for users in unzipped(path.read_bytes()) for user in users]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHUNK_USERS", 1)


def test_it_goes_on_where_it_was_killed(ask: Ask, folder: Path, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ask()
    export = SegmentExport.objects.get()
    note, turns = running._move, 0

    def die(*args: Any, **fields: Any) -> bool:
        raise SystemExit

    while True:
        turns += 1
        # Killed after the file was written and before the database knew of it, each second time.
        monkeypatch.setattr(running, "_move", die if turns % 2 else note)
        try:
            if not running.step(export.pk):
                break
        except SystemExit:
            continue
    export.refresh_from_db()
    assert (export.state, export.done, export.total) == (State.DONE, 3, 3)
    assert turns == 10
    assert exported(folder) == ["user-0", "user-1", "user-2"]


def test_beat_finds_what_lost_its_message(ask: Ask, woken: list[int]) -> None:
    ask()
    export = SegmentExport.objects.get()
    woken.clear()
    tasks.continue_exports()
    assert woken == [export.pk]
    tasks.export_users(export.pk)
    export.refresh_from_db()
    assert export.state == State.DONE
    woken.clear()
    tasks.continue_exports()
    assert woken == []


def test_after_a_while_other_work_gets_its_turn(ask: Ask, small: None) -> None:
    ask()
    export = SegmentExport.objects.get()
    assert running.work(export.pk, seconds=-1)
    export.refresh_from_db()
    assert (export.state, export.position) == (State.RUNNING, 0)
    assert not running.work(export.pk)


def test_who_is_deleted_meanwhile_is_left_out(ask: Ask, folder: Path, small: None, house: House) -> None:
    ask()
    export = SegmentExport.objects.get()
    running.step(export.pk)
    delete_profiles(house.workspace.pk, [house.profiles[1].pk])
    assert work().done == 2
    assert exported(folder) == ["user-0", "user-2"]


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_cancelled_at_any_moment_it_leaves_nothing(ask: Ask, folder: Path, small: None, steps: int) -> None:
    ask()
    export = SegmentExport.objects.get()
    for _step in range(steps):
        running.step(export.pk)
    starting.cancel(export)
    assert not running.step(export.pk)
    export.refresh_from_db()
    assert export.state == State.CANCELLED
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_file_that_is_gone_fails_it(ask: Ask, folder: Path, small: None) -> None:
    ask()
    export = SegmentExport.objects.get()
    running.step(export.pk)
    for path in folder.iterdir():
        path.unlink()
    assert (work().state, work().failure) == (State.FAILED, SegmentExport.Failure.FILE_MISSING)


def test_a_filter_that_breaks_before_the_worker_comes(ask: Ask, house: House) -> None:
    ask()
    Segment.objects.update(filters=house.tree(in_cohort("c9")))
    export = work()
    assert (export.state, export.failure) == (State.FAILED, SegmentExport.Failure.BROKEN)
    assert "“c9” does not exist" in export.problem
    ask(segment_id=str(house.segment("Other").api_id))
    Segment.objects.update(archived_at=timezone.now())
    assert work().failure == SegmentExport.Failure.ARCHIVED


def test_what_is_wrong_is_said_in_the_readers_language(
    ask: Ask, house: House, client: Client, segment: Segment
) -> None:
    ask()
    Segment.objects.update(filters=house.tree(in_cohort("c9")))
    with override("ja"):
        export = work()
    shown = f"/admin/segments/segmentexport/of/{segment.pk}/"
    english, japanese = (client.get(shown, headers={"Accept-Language": one}).content.decode() for one in ("en", "ja"))
    assert "Row 1, filter 1: The cohort with the id “c9” does not exist." in english
    assert "Row 1" not in japanese
    assert "c9" in japanese
    assert callbacks._message(export)["message"].startswith("Row 1, filter 1: The cohort")


def test_an_error_of_ours_fails_it(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(running, "export_users", fail)
    ask()
    export = SegmentExport.objects.get()
    assert not running.work(export.pk)
    export.refresh_from_db()
    assert (export.state, export.failure) == (State.FAILED, SegmentExport.Failure.INTERNAL)


def test_statements_do_not_grow_with_the_users(
    ask: Ask, house: House, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size, statements in ((1, 4), (3, 4)):
        monkeypatch.setattr(running, "CHUNK_USERS", size)
        ask(fields_to_export=["external_id", "devices"])
        export = SegmentExport.objects.latest("pk")
        running.step(export.pk)
        with django_assert_num_queries(statements):
            running.step(export.pk)
        starting.cancel(export)


# --- Callbacks ---


class Receiver:
    """In the place of the network."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *statuses: int) -> None:
        from currents.destinations import Reply

        self.requests: list[Any] = []
        replies = [Reply(status, error="" if status else "no answer") for status in statuses]

        def send(request: Any) -> Any:
            self.requests.append(request)
            return replies.pop(0)

        monkeypatch.setattr(callbacks, "send", send)

    def body(self) -> Any:
        import orjson

        return orjson.loads(self.requests[-1].body)


def test_a_program_is_told(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = Receiver(monkeypatch, 200)
    url = ask(callback_endpoint="https://example.com/done").json()["url"]
    export = work()
    assert callbacks.due() == [export.pk]
    callbacks.call(export.pk)
    assert receiver.body() == {"success": True, "url": url}
    assert receiver.requests[0].public_only
    assert callbacks.due() == []
    callbacks.call(export.pk)
    assert len(receiver.requests) == 1


def test_a_program_is_told_again_and_of_failures(ask: Ask, monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    receiver = Receiver(monkeypatch, 500, 0, 500, 500, 0)
    ask(callback_endpoint="https://example.com/done")
    Segment.objects.update(filters=house.tree(in_cohort("c9")))
    export = work()
    for attempt in range(1, 7):
        callbacks.call(export.pk)
        assert callbacks.due() == []
        export.refresh_from_db()
        assert export.callback_attempts == min(attempt, 5)
        SegmentExport.objects.exclude(callback_at=None).update(callback_at=timezone.now() - timedelta(seconds=1))
    assert export.callback_error == "no answer"
    assert receiver.body()["success"] is False
    assert "“c9” does not exist" in receiver.body()["message"]


def test_an_export_without_a_callback_calls_nobody(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = Receiver(monkeypatch)
    ask()
    callbacks.call(work().pk)
    assert receiver.requests == []
