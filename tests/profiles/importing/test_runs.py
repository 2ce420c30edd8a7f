"""Imports in chunks: tried without writing, cancelled, killed, and gone on with."""

import gc
import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from profiles.importing import parts, running, uploads
from profiles.live import live_users
from profiles.models import CustomAttribute, Profile
from profiles.stores import RefusedRow, TriedName, UserImport
from tests.profiles.conftest import Post
from tests.profiles.importing.conftest import LIST, Load, Upload, counts, start, wait_until
from tests.stack import Stack
from workspaces.models import DataPoints, Workspace

State = UserImport.State


def test_a_dry_run_writes_nothing(client: Client, load: Load, track: Post) -> None:
    track(attributes=[{"external_id": "user-1"}])
    one = load("external_id,visits\nuser-1,1\nuser-2,2\nuser-3,x\n", do="check", type_1="number", target_1="custom")
    assert (one.state, counts(one)) == (State.CHECKED, (1, 1, 0, 1))
    assert Profile.objects.count() == 1
    assert not CustomAttribute.objects.exists()
    assert "nothing was written" in client.get(f"{LIST}{one.pk}/").content.decode()
    start(client, one)
    assert not running.work_chunk(one.pk)
    one.refresh_from_db()
    assert (one.state, counts(one), RefusedRow.objects.count()) == (State.DONE, (1, 1, 0, 1), 1)
    assert Profile.objects.count() == 2


@pytest.mark.parametrize(("update_only", "expected"), [("", (3, 4, 0, 1)), ("1", (0, 2, 5, 1))])
@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 100])
def test_a_dry_run_counts_as_the_import_does(
    client: Client,
    upload: Upload,
    track: Post,
    monkeypatch: pytest.MonkeyPatch,
    update_only: str,
    expected: tuple[int, int, int, int],
    chunk_rows: int,
) -> None:
    """Each row counts once, however the file falls into chunks; who was named before is updated."""
    monkeypatch.setattr(parts, "CHUNK_ROWS", chunk_rows)
    track(attributes=[{"external_id": "known"}])
    names = ["new-1", "known", "new-2", "new-1", "", "new-3", "known", "new-1"]
    upload("external_id,plan\n" + "".join(f"{name},gold\n" for name in names))
    one = UserImport.objects.get()
    for do in ("check", "import"):
        start(client, one, do, update_only=update_only)
        while running.work_chunk(one.pk):
            pass
        one.refresh_from_db()
        assert counts(one) == expected, do
        assert not TriedName.objects.exists()


@pytest.mark.parametrize("end", ["cancelled", "checked"])
def test_a_dry_run_that_does_not_end_leaves_no_notes(
    client: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch, folder: Path, end: str
) -> None:
    monkeypatch.setattr(parts, "CHUNK_ROWS", 1)
    upload("external_id\nuser-1\nuser-2\n")
    one = UserImport.objects.get()
    start(client, one, "check")
    assert running.work_chunk(one.pk)
    assert TriedName.objects.count() == 1
    if end == "cancelled":
        client.post(f"{LIST}{one.pk}/cancel/")
    for path in folder.iterdir():
        path.unlink()
    assert not running.work_chunk(one.pk)
    one.refresh_from_db()
    assert one.state == end
    assert not TriedName.objects.exists()


def test_a_dry_run_tells_where_the_file_cannot_be_read(client: Client, load: Load) -> None:
    content = 'external_id,note\nuser-1,fine\nuser-2,"open\n' + "x\n" * 100_000
    one = load(content, do="check")
    assert (one.state, one.error, one.line, counts(one)) == (
        State.CHECKED,
        UserImport.Failure.UNREADABLE,
        3,
        (1, 0, 0, 0),
    )
    page = client.get(f"{LIST}{one.pk}/").content.decode()
    assert "nothing was written" in page
    assert "Line 3: From this line on the file cannot be read as CSV" in page
    assert "Start Import" in page
    assert not Profile.objects.exists()


def test_it_goes_on_at_the_right_row_and_applies_nothing_twice(
    client: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    monkeypatch.setattr(parts, "CHUNK_ROWS", 3)
    rows = "".join(f'user-{n},"line\n{n}"\n' if n % 2 else f"user-{n},x\n,bad\n" for n in range(10))
    upload("external_id,note\n" + rows)
    one = UserImport.objects.get()
    start(client, one)
    turns = 0
    write = running.write
    while True:
        if turns % 2:
            # Killed after the users were written and before the commit.
            def die(chunk: Any, meanwhile: Any) -> Any:
                write(chunk, meanwhile)
                raise SystemExit

            monkeypatch.setattr(running, "write", die)
            with pytest.raises(SystemExit):
                running.work_chunk(one.pk)
            monkeypatch.setattr(running, "write", write)
        turns += 1
        if not running.work_chunk(one.pk):
            break
    one.refresh_from_db()
    assert turns > 3
    assert (one.state, counts(one)) == (State.DONE, (10, 0, 0, 5))
    assert Profile.objects.count() == 10
    assert RefusedRow.objects.values("line").distinct().count() == 5
    assert DataPoints.objects.get(source="imports").count == 10


def test_a_lost_message_is_found_by_beat(client: Client, upload: Upload, no_broker: list[int]) -> None:
    from profiles.tasks import continue_imports, import_users

    upload("external_id\nuser-1\n")
    one = UserImport.objects.get()
    start(client, one)
    no_broker.clear()
    continue_imports()
    assert no_broker == [one.pk]
    import_users(one.pk)
    assert Profile.objects.exists()
    no_broker.clear()
    continue_imports()
    assert no_broker == []


def test_a_cancelled_import_stops_and_its_file_goes(
    client: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(parts, "CHUNK_ROWS", 1)
    upload("external_id\nuser-1\nuser-2\n")
    one = UserImport.objects.get()
    start(client, one)
    assert running.work_chunk(one.pk)
    client.post(f"{LIST}{one.pk}/cancel/")
    assert not running.work_chunk(one.pk)
    one.refresh_from_db()
    assert (one.state, Profile.objects.count()) == (State.CANCELLED, 1)
    assert list(folder.iterdir()) == []
    page = client.get(f"{LIST}{one.pk}/").content.decode()
    assert "Cancelled" in page
    assert "Start Import" not in page


def test_a_file_that_is_gone_says_so(client: Client, upload: Upload, folder: Path) -> None:
    upload("external_id\nuser-1\n")
    one = UserImport.objects.get()
    for path in folder.iterdir():
        path.unlink()
    assert client.get(f"{LIST}{one.pk}/").status_code == 200
    start(client, one)
    assert not running.work_chunk(one.pk)
    page = client.get(f"{LIST}{one.pk}/").content.decode()
    assert "The file is gone" in page


def test_an_open_quotation_mark_stops_at_its_line(client: Client, load: Load) -> None:
    one = load('external_id,note\nuser-1,fine\nuser-2,fine\nuser-3,"open\n' + "x\n" * 100_000)
    assert (one.state, one.error, one.line) == (State.FAILED, UserImport.Failure.UNREADABLE, 4)
    assert Profile.objects.count() == 2
    assert "Line 4" in client.get(f"{LIST}{one.pk}/").content.decode()


def test_an_error_of_ours_fails_the_import(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(running, "write", fail)
    one = load("external_id\nuser-1\n")
    assert (one.state, one.error) == (State.FAILED, UserImport.Failure.INTERNAL)


def test_uploads_that_nobody_started_go(client: Client, upload: Upload, folder: Path) -> None:
    upload("external_id\nuser-1\n")
    (folder / "left.part").write_text("x")
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    uploads.forget_unused()
    assert len(list(folder.iterdir())) == 1
    UserImport.objects.update(made_at=timezone.now() - timedelta(days=8))
    uploads.forget_unused()
    assert list(folder.iterdir()) == []
    assert UserImport.objects.get().state == State.CANCELLED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("heading", "name"), [("external_id", "user-{}"), ("email", "user-{}@example.com")])
def test_two_imports_of_the_same_users_make_each_user_once(
    client: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch, workspace: Workspace, heading: str, name: str
) -> None:
    """One goes up and one goes down through the same users, in small chunks, at the same time."""
    monkeypatch.setattr(parts, "CHUNK_ROWS", 7)
    numbers = list(range(100))
    for way, order in (("up", numbers), ("down", numbers[::-1])):
        upload(f"{heading},{way}\n" + "".join(f"{name.format(n)},{way}\n" for n in order))
    imports = list(UserImport.objects.all())
    for one in imports:
        start(client, one)

    def work(pk: int) -> None:
        try:
            running.work(pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(one.pk,)) for one in imports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {one.state for one in UserImport.objects.all()} == {State.DONE}
    assert sum(one.created for one in UserImport.objects.all()) == Profile.objects.count() == 100
    assert Profile.objects.filter(custom_attributes={"up": "up", "down": "down"}).count() == 100
    assert len(live_users(workspace.pk)) == 100


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    import_dir: Path,
    workspace: Workspace,
    stack: Stack,
    client: Client,
    upload: Upload,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker is killed twice in the middle of 60,000 rows; beat finds the import each time."""
    users = 60_000
    upload("external_id,plan\n" + "".join(f"user-{n},gold\n" for n in range(users)))
    one = UserImport.objects.get()
    monkeypatch.undo()
    start(client, one)
    stack.start_beat()
    for share in (10, 50):
        wait_until(lambda share=share: UserImport.objects.get().share >= share)
        stack.kill_worker()
        stack.start_worker()
    wait_until(lambda: not UserImport.objects.get().is_working)
    one.refresh_from_db()
    assert (one.state, counts(one)) == (State.DONE, (users, 0, 0, 0))
    assert Profile.objects.count() == users == len(live_users(workspace.pk))
    assert DataPoints.objects.get(source="imports").count == users


def test_a_part_with_refused_rows_is_freed_at_once(client: Client, upload: Upload) -> None:
    """Nothing is left for the garbage collector, which comes by too seldom for rows by the thousand."""
    upload("external_id,visits\n" + "".join(f"user-{n},{'x' if n % 10 else n}\n" for n in range(500)))
    one = UserImport.objects.get()
    start(client, one, type_1="number", target_1="custom")
    one.refresh_from_db()
    parts.read_part(one, one.position, one.line, ())
    gc.collect()
    gc.disable()
    try:
        part = parts.read_part(one, one.position, one.line, ())
        assert (len(part.chunk.records), len(part.refused)) == (50, 450)
        del part
        assert gc.collect() < 50
    finally:
        gc.enable()
