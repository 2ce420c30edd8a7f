"""Which apps users used: when first and last, in how many sessions, in which versions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from profiles.versions import BUMP_SQL, Kind

#: Longer texts are no versions.
VERSION_LIMIT: Final = 100

_UPSERT: Final = """
    ON CONFLICT (profile_id, app_id) DO UPDATE SET
        first_used_at = least(old.first_used_at, EXCLUDED.first_used_at),
        last_used_at = greatest(old.last_used_at, EXCLUDED.last_used_at),
        sessions = old.sessions + EXCLUDED.sessions,
        first_purchased_at = least(old.first_purchased_at, EXCLUDED.first_purchased_at),
        first_version = CASE WHEN EXCLUDED.first_version_at < coalesce(old.first_version_at, 'infinity')
                             THEN EXCLUDED.first_version ELSE old.first_version END,
        first_version_at = least(old.first_version_at, EXCLUDED.first_version_at),
        last_version = CASE WHEN EXCLUDED.last_version_at >= coalesce(old.last_version_at, '-infinity')
                            THEN EXCLUDED.last_version ELSE old.last_version END,
        last_version_at = greatest(old.last_version_at, EXCLUDED.last_version_at)
"""


@dataclass(frozen=True, slots=True)
class Use:
    """A user used an app at ``time``: ``app_id`` as events give it; ``version`` "" where it was not told.

    ``is_purchase``: they bought something in it.
    """

    profile_id: int
    app_id: str
    time: datetime
    starts_session: bool = False
    version: str = ""
    is_purchase: bool = False


@dataclass(slots=True)
class _Span:
    """All uses of one app by one user in a batch."""

    first: datetime
    last: datetime
    sessions: int = 0
    first_purchase: datetime | None = None
    first_version: tuple[datetime, str] | None = None
    last_version: tuple[datetime, str] | None = None

    def add(self, use: Use) -> None:
        self.first = min(self.first, use.time)
        self.last = max(self.last, use.time)
        self.sessions += use.starts_session
        if use.is_purchase:
            self.first_purchase = min(self.first_purchase or use.time, use.time)
        if use.version and len(use.version) <= VERSION_LIMIT:
            told = (use.time, use.version)
            if self.first_version is None or told[0] < self.first_version[0]:
                self.first_version = told
            if self.last_version is None or told[0] >= self.last_version[0]:
                self.last_version = told


def log_app_uses(workspace_id: int, uses: Iterable[Use]) -> None:
    """Note who used which app, in the caller's transaction. The caller has locked the profiles.

    An app id that is none of the workspace's is ignored. A statement; one more where versions are told.
    """
    spans: dict[tuple[int, str], _Span] = {}
    for use in uses:
        spans.setdefault((use.profile_id, use.app_id.lower()), _Span(use.time, use.time)).add(use)
    if not spans:
        return
    _note_versions(workspace_id, spans)
    found = sorted(spans.items())
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH used AS (
                INSERT INTO profiles_appuse AS old
                    (profile_id, app_id, first_used_at, last_used_at, sessions, first_purchased_at,
                     first_version, first_version_at, last_version, last_version_at)
                SELECT new.profile_id, app.id, new.first, new.last, new.sessions, new.first_purchased_at,
                       coalesce(new.first_version, ''), new.first_version_at,
                       coalesce(new.last_version, ''), new.last_version_at
                FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[],
                            %s::timestamptz[], %s::text[], %s::timestamptz[], %s::text[], %s::timestamptz[])
                    AS new (profile_id, app, first, last, sessions, first_purchased_at,
                            first_version, first_version_at, last_version, last_version_at)
                JOIN workspaces_app app ON app.workspace_id = %s AND app.api_id::text = new.app
                {_UPSERT}
            )
            {BUMP_SQL}
            """,  # noqa: S608 - a constant
            [
                [profile_id for (profile_id, _), _ in found],
                [app_id for (_, app_id), _ in found],
                [span.first for _, span in found],
                [span.last for _, span in found],
                [span.sessions for _, span in found],
                [span.first_purchase for _, span in found],
                [span.first_version and span.first_version[1] for _, span in found],
                [span.first_version and span.first_version[0] for _, span in found],
                [span.last_version and span.last_version[1] for _, span in found],
                [span.last_version and span.last_version[0] for _, span in found],
                workspace_id,
                workspace_id,
                [Kind.DEVICES],
            ],
        )


def _note_versions(workspace_id: int, spans: dict[tuple[int, str], _Span]) -> None:
    told = {
        (app_id, version[1])
        for (_, app_id), span in spans.items()
        for version in (span.first_version, span.last_version)
        if version
    }
    if not told:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_appversion (app_id, version)
            SELECT app.id, new.version
            FROM unnest(%s::text[], %s::text[]) AS new (app, version)
            JOIN workspaces_app app ON app.workspace_id = %s AND app.api_id::text = new.app
            WHERE NOT EXISTS (SELECT FROM profiles_appversion WHERE app_id = app.id AND version = new.version)
            ORDER BY 1, 2 ON CONFLICT DO NOTHING
            """,
            [[app_id for app_id, _ in told], [version for _, version in told], workspace_id],
        )


def move(gone: Sequence[int], survivors: Sequence[int]) -> None:
    """Give the uses of each profile of ``gone`` to the profile at its place in ``survivors``, which adds them up.

    The caller has locked all of them, and deletes those of ``gone``.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO profiles_appuse AS old
                (profile_id, app_id, first_used_at, last_used_at, sessions, first_purchased_at,
                 first_version, first_version_at, last_version, last_version_at)
            SELECT pair.stays, app_id, min(first_used_at), max(last_used_at), sum(sessions), min(first_purchased_at),
                   coalesce((array_agg(first_version ORDER BY first_version_at)
                             FILTER (WHERE first_version_at IS NOT NULL))[1], ''), min(first_version_at),
                   coalesce((array_agg(last_version ORDER BY last_version_at DESC)
                             FILTER (WHERE last_version_at IS NOT NULL))[1], ''), max(last_version_at)
            FROM unnest(%s::bigint[], %s::bigint[]) AS pair (goes, stays)
            JOIN profiles_appuse one ON one.profile_id = pair.goes
            GROUP BY 1, 2 ORDER BY 1, 2
            {_UPSERT}
            """,  # noqa: S608 - a constant
            [list(gone), list(survivors)],
        )
