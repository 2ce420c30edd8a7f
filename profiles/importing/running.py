"""An import from chunk to chunk. Each chunk is a transaction that writes its users and records how far the file is
worked off: whatever is killed, the next worker goes on at the right row, and nothing is applied twice.
"""

import logging
import time
from collections.abc import Sequence
from typing import Final

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from currents.wakeup import send
from profiles.importing.converting import Refusal
from profiles.importing.mapping import Column
from profiles.importing.parts import Ahead
from profiles.importing.reading import UnreadableError, path_of
from profiles.importing.trying import forget_tried, would_write
from profiles.importing.writing import Written, write
from profiles.rows import at_once
from profiles.stores import RefusedRow, UserImport
from profiles.versions import BUMP_SQL, Kind

log = logging.getLogger(__name__)

State = UserImport.State
#: A task goes on in a new message after so many seconds, so that other work gets its turn.
TURN_SECONDS: Final = 60.0
#: Of a refused cell so much is kept.
_VALUE_KEPT: Final = 1_000


def start(user_import: UserImport, columns: Sequence[Column], *, update_only: bool, dry: bool) -> bool:
    """Set the import to work from its first row, and wake a worker; False when it was started or cancelled already."""
    with transaction.atomic():
        done = UserImport.objects.filter(pk=user_import.pk, state__in=UserImport.OPEN).update(
            state=State.CHECKING if dry else State.RUNNING,
            mapping=[column.to_json() for column in columns],
            update_only=update_only,
            position=0,
            line=1,
            created=0,
            updated=0,
            ignored=0,
            refused=0,
            error="",
            started_at=timezone.now(),
            ended_at=None,
        )
        if done:
            user_import.refused_rows.all().delete()
            forget_tried(user_import.pk)
            transaction.on_commit(lambda: wake(user_import.pk))
    return bool(done)


def cancel(user_import: UserImport) -> bool:
    """Stop the import after the chunk that is being written; what is written stays. False: it had ended already."""
    states = UserImport.WORKING | UserImport.OPEN
    found = UserImport.objects.filter(pk=user_import.pk, state__in=states)
    if not found.update(state=State.CANCELLED, ended_at=timezone.now()):
        return False
    forget_tried(user_import.pk)
    _remove_file(user_import)
    return True


def wake(import_id: int) -> None:
    """Tell a worker; if the message is lost, beat finds the import."""
    from profiles.tasks import import_users

    send(import_users, import_id)


def waiting() -> list[int]:
    """Imports that are to go on, whoever works on them now."""
    return list(UserImport.objects.filter(state__in=UserImport.WORKING).order_by("pk").values_list("pk", flat=True))


def work(import_id: int, seconds: float = TURN_SECONDS) -> bool:
    """Work the import off, for about ``seconds``; returns whether it is to go on."""
    deadline = time.monotonic() + seconds
    ahead = Ahead()
    while work_chunk(import_id, ahead):
        if time.monotonic() > deadline:
            return True
    return False


def work_chunk(import_id: int, ahead: Ahead | None = None) -> bool:
    """Work off the next chunk in one transaction; returns whether there is more to do.

    While another worker has the import, this one leaves it alone. ``ahead`` goes from one chunk to the next.
    """
    try:
        one = _turn(import_id, ahead or Ahead())
        if one is None:
            return False
    except (OperationalError, InterfaceError):
        # The database is away or took another's side in a deadlock: beat tries again.
        raise
    except Exception as error:
        log.exception("The import %s stops", import_id)
        _fail(import_id, _failure(error))
        return False
    if one.state == State.DONE:
        _remove_file(one)
    return one.is_working


@at_once
def _turn(import_id: int, ahead: Ahead) -> UserImport | None:
    found = UserImport.objects.select_for_update(skip_locked=True)
    one = found.filter(pk=import_id, state__in=UserImport.WORKING).first()
    if one is not None:
        _work(one, ahead)
        one.save()
    return one


def _failure(error: Exception) -> UserImport.Failure:
    if isinstance(error, UnreadableError):
        return UserImport.Failure.UNREADABLE
    if isinstance(error, FileNotFoundError):
        return UserImport.Failure.FILE_MISSING
    return UserImport.Failure.INTERNAL


def _fail(import_id: int, failure: UserImport.Failure) -> None:
    """End the import. A dry run that finds a line it cannot read has done its work: nothing was written."""
    one = UserImport.objects.filter(pk=import_id)
    ended = {"error": failure, "ended_at": timezone.now()}
    if not one.filter(state=State.CHECKING).update(state=State.CHECKED, **ended):
        one.filter(state=State.RUNNING).update(state=State.FAILED, **ended)
    forget_tried(import_id)


def _work(one: UserImport, ahead: Ahead) -> None:
    part = ahead.part(one)
    if one.state == State.CHECKING:
        written = would_write(one.pk, part.chunk)
    else:
        written = write(part.chunk, lambda: ahead.prepare(one, part))
    _note_users(one, written.profile_ids)
    _refuse(one, part.refused)
    _count(one, written)
    one.refused += len(part.refused)
    one.position, one.line = part.position, part.line
    if part.is_last:
        one.position, one.ended_at = one.size, timezone.now()
        forget_tried(one.pk)
        one.state = State.CHECKED if one.state == State.CHECKING else State.DONE


def _count(one: UserImport, written: Written) -> None:
    one.created += written.created
    one.updated += written.updated
    one.ignored += written.ignored


def _refuse(one: UserImport, refused: Sequence[tuple[int, Refusal]]) -> None:
    if not refused:
        return
    statement = f'COPY {RefusedRow._meta.db_table} (user_import_id, line, "column", value, reason) FROM STDIN'
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for line, why in refused:
            copy.write_row((one.pk, line, why.column, why.value[:_VALUE_KEPT], why.reason.value))


def _note_users(one: UserImport, profile_ids: Sequence[int]) -> None:
    """Whom the import made or changed, for segments to filter by. A user can be in several chunks."""
    if not profile_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH noted AS (
                INSERT INTO profiles_importeduser (user_import_id, profile_id)
                SELECT %s, unnest(%s::bigint[]) ON CONFLICT DO NOTHING
            )
            {BUMP_SQL}
            """,
            [one.pk, sorted(profile_ids), one.workspace_id, [Kind.IMPORTS]],
        )


def _remove_file(one: UserImport) -> None:
    path_of(one.stored_as).unlink(missing_ok=True)
