"""How long users' sessions lasted, in whole seconds. Braze: Currents, session end event; median session duration."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db import connection

from profiles.versions import BUMP_SQL, Kind

#: Longer than a month is no session.
_LONGEST: Final = 31 * 86_400
_UPSERT: Final = """
    ON CONFLICT (workspace_id, profile_id, seconds) DO UPDATE SET count = old.count + EXCLUDED.count
"""


def seconds_of(duration: Any) -> int | None:
    """The whole seconds of an event's ``duration``; None for what is none."""
    if isinstance(duration, bool) or not isinstance(duration, int | float) or not 0 <= duration <= _LONGEST:
        return None
    return round(duration)


def log_session_lengths(workspace_id: int, lengths: Iterable[tuple[int, int]]) -> None:
    """Count sessions, each (profile id, seconds), in the caller's transaction. The caller has locked the profiles.

    One statement; none for no sessions.
    """
    counts = sorted(Counter(lengths).items())
    if not counts:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH counted AS (
                INSERT INTO profiles_sessionlength AS old (workspace_id, profile_id, seconds, count)
                SELECT %s, profile_id, seconds, count
                FROM unnest(%s::bigint[], %s::int[], %s::bigint[]) AS new (profile_id, seconds, count)
                {_UPSERT}
            )
            {BUMP_SQL}
            """,  # noqa: S608 - constants
            [
                workspace_id,
                [profile_id for (profile_id, _), _ in counts],
                [seconds for (_, seconds), _ in counts],
                [count for _, count in counts],
                workspace_id,
                [Kind.COUNTERS],
            ],
        )


def move(gone: Sequence[int], survivors: Sequence[int]) -> None:
    """Give the sessions of each profile of ``gone`` to the profile at its place in ``survivors``, which adds them up.

    The caller has locked all of them, and deletes those of ``gone``.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO profiles_sessionlength AS old (workspace_id, profile_id, seconds, count)
            SELECT one.workspace_id, pair.stays, one.seconds, sum(one.count)
            FROM unnest(%s::bigint[], %s::bigint[]) AS pair (goes, stays)
            JOIN profiles_sessionlength one ON one.profile_id = pair.goes
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
            {_UPSERT}
            """,  # noqa: S608 - a constant
            [list(gone), list(survivors)],
        )
