"""The live-user set: every read of a set of users is ANDed with it, so that a deleted user is in nothing.

It is folded from the identity log. Floors above follow that log too, each with cursors of its own.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from profiles.models import IdentityChange
from profiles.sets import ProfileSet, set_cursor
from profiles.versions import BUMP_SQL, NOTED, Kind

_KINDS: Final = {IdentityChange.Kind.MERGED: NOTED, IdentityChange.Kind.DELETED: frozenset[Kind]()}

#: The identity log is kept for so long, and beyond that what a follower has still before it.
LOG_KEPT: Final = timedelta(days=30)
_PURGE_CHUNK: Final = 10_000

_followers: list[str] = []


def log_identity(
    workspace_id: int, kind: IdentityChange.Kind, profile_ids: Sequence[int], survivor_ids: Sequence[int] | None = None
) -> None:
    """Append one row to the identity log, in the transaction that made the change. No ids: nothing is written.

    It notes that data of users changed: of a merge, any data. Not that users were deleted: the live users tell.
    """
    if not profile_ids:
        return
    kinds = _KINDS.get(kind, {Kind.IDENTITY})
    # Not by the model: it looks at each of many thousand ids.
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH logged AS (
                INSERT INTO profiles_identitychange (workspace_id, kind, profile_ids, survivor_ids)
                VALUES (%s, %s, %s, %s)
            )
            {BUMP_SQL}
            """,  # noqa: S608 - a constant
            [
                workspace_id,
                kind.value,
                list(profile_ids),
                None if survivor_ids is None else list(survivor_ids),
                workspace_id,
                sorted(kinds),
            ],
        )


def register_follower(table: str) -> None:
    """Name a table with a follower's cursors: ``workspace_id``, and (``xid``, ``change``), up to which it is done.

    What lies behind a cursor is not deleted, whatever its age.
    """
    if table not in _followers:
        _followers.append(table)


def forget_old_changes(chunk: int = _PURGE_CHUNK) -> int:
    """Delete rows of the identity log that are past LOG_KEPT and that everybody has read; returns how many went."""
    unread = "".join(
        f" AND NOT EXISTS (SELECT 1 FROM {table} c WHERE c.workspace_id = i.workspace_id"  # noqa: S608 - names of ours
        " AND (i.xid, i.id) > (c.xid, c.change))"
        for table in _followers
    )
    before, total = timezone.now() - LOG_KEPT, 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM profiles_identitychange WHERE id = ANY(ARRAY("  # noqa: S608 - names of ours
                f"SELECT i.id FROM profiles_identitychange i WHERE i.folded AND i.made_at < %s{unread}"
                " ORDER BY i.id LIMIT %s))",
                [before, chunk],
            )
            total += cursor.rowcount
            if cursor.rowcount < chunk:
                return total


def live_users(workspace_id: int) -> ProfileSet:
    """All profiles of the workspace, up to date with every committed change of the identity log."""
    if not _has_news(workspace_id):
        with set_cursor() as cursor:
            cursor.execute("SELECT members FROM profiles_liveusers WHERE workspace_id = %s", [workspace_id])
            stored = cursor.fetchone()
        return stored[0] if stored else ProfileSet()
    return fold_live_users(workspace_id)


def _has_news(workspace_id: int) -> bool:
    return IdentityChange.objects.filter(workspace_id=workspace_id, folded=False).exists()


@transaction.atomic
def fold_live_users(workspace_id: int) -> ProfileSet:
    """Apply the waiting rows of the identity log to the live-user set, under its row lock, and return the set.

    Rows are found by their state, not by a high-water id, so one that commits late is not stepped over.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO profiles_liveusers (workspace_id, members) VALUES (%s, '') ON CONFLICT DO NOTHING",
            [workspace_id],
        )
        cursor.execute("SELECT members FROM profiles_liveusers WHERE workspace_id = %s FOR UPDATE", [workspace_id])
        members = ProfileSet.from_bytes(cursor.fetchone()[0])
        cursor.execute(
            """
            UPDATE profiles_identitychange SET folded = true
            WHERE workspace_id = %s AND NOT folded RETURNING kind, profile_ids
            """,
            [workspace_id],
        )
        rows: list[tuple[str, list[int]]] = cursor.fetchall()
        if not rows:
            return members
        # An id that ended never comes back, so the order of the rows does not matter.
        born = ProfileSet(_ids(row for row in rows if row[0] == IdentityChange.Kind.CREATED))
        ended = ProfileSet(_ids(row for row in rows if row[0] in IdentityChange.ENDS))
        members = (members | born) - ended
        cursor.execute(
            "UPDATE profiles_liveusers SET members = %s WHERE workspace_id = %s", [members.to_bytes(), workspace_id]
        )
    return members


def _ids(rows: Iterable[tuple[str, list[int]]]) -> Iterable[int]:
    return (profile_id for _, ids in rows for profile_id in ids)
