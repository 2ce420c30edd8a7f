"""An export from chunk to chunk: the segment becomes a set of users once, then their data is appended to the file.

After each chunk the database knows the last user in the file and its length. Whoever goes on after a kill cuts off what
came after that, so nobody is in the file twice or missing; and no more than a chunk of users is ever in memory.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone, translation

from partners.locks import only_one
from profiles.exporting import export_users
from profiles.sets import ProfileSet
from segments.engine import evaluate
from segments.exporting.fields import read_fields
from segments.exporting.formats import FORMATS
from segments.exporting.links import path_of
from segments.exporting.starting import TASK
from segments.models import Segment
from segments.stores import SegmentExport
from segments.tree import TreeError, parse
from workspaces.models import Workspace
from workspaces.wakeup import wake_up

log = logging.getLogger(__name__)

State = SegmentExport.State
Failure = SegmentExport.Failure
#: Braze: about so many users in a file.
CHUNK_USERS: Final = 5_000
#: A task goes on in a new message after so many seconds, so that other work gets its turn.
TURN_SECONDS: Final = 60.0
#: Braze: custom events and purchases of so many days.
HABIT_DAYS: Final = 90
_LOCK: Final = 0x78706F72


def wake(export_id: int) -> None:
    """Tell a worker; if the message is lost, beat finds the export."""
    wake_up(TASK, export_id)


def waiting() -> list[int]:
    """Exports that are to go on, whoever works on them now."""
    return list(
        SegmentExport.objects.filter(state__in=SegmentExport.WORKING).order_by("pk").values_list("pk", flat=True)
    )


def work(export_id: int, seconds: float = TURN_SECONDS) -> bool:
    """Work on the export for about ``seconds``; returns whether it is to go on.

    One worker at a time writes a file: while another one has the export, this one leaves it alone.
    """
    deadline = time.monotonic() + seconds
    with only_one(_LOCK, export_id) as mine:
        while mine and _guarded_step(export_id):
            if time.monotonic() > deadline:
                return True
    return False


def _guarded_step(export_id: int) -> bool:
    try:
        return step(export_id)
    except (OperationalError, InterfaceError):
        # The database is away or took another's side in a deadlock: beat tries again.
        raise
    except Exception:
        log.exception("The export %s of a segment stops", export_id)
        _fail(export_id, Failure.INTERNAL)
        return False


def step(export_id: int) -> bool:
    """Find the users of an export that begins, or write the next chunk; returns whether there is more to do."""
    working = SegmentExport.objects.filter(pk=export_id, state__in=SegmentExport.WORKING)
    export = working.select_related("segment", "workspace").first()
    if export is None:
        return False
    return _begin(export) if export.state == State.WAITING else _write_chunk(export)


def _begin(export: SegmentExport) -> bool:
    """The segment as it is now, never as a cache has it: what leaves the house is right."""
    segment = export.segment
    if segment.archived_at:
        return _fail(export.pk, Failure.ARCHIVED)
    try:
        users = evaluate(parse(segment.filters), export.workspace, fresh=True).users
    except TreeError:
        return _fail(export.pk, Failure.BROKEN, _problems_of(segment, export.workspace))
    path = path_of(export)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(path, "wb", opener=_private) as file:
        size = _append(file, FORMATS[export.format].begin(export.fields))
    begun = _move(export, state=State.RUNNING, users=users, total=len(users), size=size, started_at=timezone.now())
    if not begun:
        path.unlink(missing_ok=True)
    return begun


def _problems_of(segment: Segment, workspace: Workspace) -> dict[str, str]:
    """Why the segment has no users, by language: a worker does not know who will read it."""
    found = {}
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            try:
                evaluate(parse(segment.filters), workspace).users  # noqa: B018 - it raises
            except TreeError as error:
                found[language] = str(error)
    return found


def _private(path: str, flags: int) -> int:
    """Users' data is for the user that we run as."""
    return os.open(path, flags, mode=0o600)


def _write_chunk(export: SegmentExport) -> bool:
    ids = _next_ids(export.users, export.position)
    if not ids:
        return _finish(export)
    since = timezone.now() - timedelta(days=HABIT_DAYS)
    users = export_users(ids, read_fields(export.fields), habits_since=since)
    part = FORMATS[export.format].part(export.chunks + 1, users, export.fields) if users else b""
    try:
        with _opened(export) as file:
            size = _append(file, part)
    except FileNotFoundError:
        return _missing(export)
    return _move(export, position=ids[-1], done=export.done + len(users), chunks=export.chunks + bool(users), size=size)


def _finish(export: SegmentExport) -> bool:
    try:
        with _opened(export) as file:
            size = _append(file, FORMATS[export.format].end(file, export.size))
    except FileNotFoundError:
        return _missing(export)
    now = timezone.now()
    _move(
        export,
        state=State.DONE,
        users=ProfileSet(),
        size=size,
        ended_at=now,
        expires_at=now + timedelta(hours=settings.EXPORT_KEPT_HOURS),
        callback_at=now if export.callback_url else None,
    )
    return False


def _next_ids(users: ProfileSet, position: int) -> list[int]:
    ids: Any = users.to_array()
    start = int(np.searchsorted(ids, position, side="right"))
    return [int(one) for one in ids[start : start + CHUNK_USERS]]


@contextmanager
def _opened(export: SegmentExport) -> Iterator[BinaryIO]:
    """The file to append to, cut to what the database knows of. Raises FileNotFoundError when that is not there."""
    path = path_of(export)
    if path.stat().st_size < export.size:
        raise FileNotFoundError(path)
    with path.open("r+b") as file:
        file.truncate(export.size)
        yield file


def _append(file: BinaryIO, data: bytes) -> int:
    """Append and make sure of it, before the database says that it is there; returns the file's length."""
    file.seek(0, os.SEEK_END)
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


def _move(export: SegmentExport, **fields: Any) -> bool:
    """Note progress, unless the export was cancelled meanwhile."""
    found = SegmentExport.objects.filter(pk=export.pk, state=export.state, position=export.position)
    return bool(found.update(**fields))


def _missing(export: SegmentExport) -> bool:
    """The file is not there: the export was cancelled, or the directory is not shared."""
    return _fail(export.pk, Failure.FILE_MISSING)


def _fail(export_id: int, failure: SegmentExport.Failure, detail: dict[str, str] | None = None) -> bool:
    """Note why the export ends (a program that waits for it is told), and delete what is written."""
    now = timezone.now()
    for export in SegmentExport.objects.filter(pk=export_id, state__in=SegmentExport.WORKING).defer("users"):
        failed = _move(
            export,
            state=State.FAILED,
            failure=failure,
            detail=detail or {},
            users=ProfileSet(),
            ended_at=now,
            callback_at=now if export.callback_url else None,
        )
        if failed:
            path_of(export).unlink(missing_ok=True)
    return False


# --- Tidying up ---

#: Lines of the history go after so many days.
KEPT_DAYS: Final = 90


def purge() -> None:
    """Delete the files whose time is over, files that nobody knows of, and old lines of the history."""
    now = timezone.now()
    SegmentExport.objects.filter(made_at__lt=now - timedelta(days=KEPT_DAYS)).exclude(
        state__in=SegmentExport.WORKING
    ).delete()
    needed = SegmentExport.objects.filter(state__in=SegmentExport.WORKING) | SegmentExport.objects.filter(
        state=State.DONE, expires_at__gt=now
    )
    names = {path_of(export).name for export in needed.only("prefix", "format")}
    folder = Path(settings.EXPORT_DIR)
    for path in folder.iterdir() if folder.exists() else ():
        # A file may be a moment older than what the database says of it.
        if path.name not in names and path.stat().st_mtime < time.time() - 60:
            path.unlink(missing_ok=True)
