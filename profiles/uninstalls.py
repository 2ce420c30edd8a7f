"""When users uninstalled apps. Braze: Currents, uninstall event; segmentation filters, uninstalled."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from django.db import connection

from profiles.versions import BUMP_SQL, Kind

_UPSERT: Final = """
    ON CONFLICT (app_id, profile_id) DO UPDATE SET uninstalled_at = EXCLUDED.uninstalled_at
        WHERE old.uninstalled_at < EXCLUDED.uninstalled_at
"""


class Uninstalled(NamedTuple):
    """A user uninstalled an app at ``time``: ``app_id`` as events give it."""

    profile_id: int
    app_id: str
    time: datetime


def log_uninstalls(workspace_id: int, uninstalls: Iterable[Uninstalled]) -> None:
    """Note who uninstalled which app, in the caller's transaction. The caller has locked the profiles. One statement.

    An app id that is none of the workspace's is ignored.
    """
    last: dict[tuple[str, int], datetime] = {}
    for profile_id, app_id, time in uninstalls:
        key = (app_id.lower(), profile_id)
        last[key] = max(last.get(key, time), time)
    if not last:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH gone AS (
                INSERT INTO profiles_uninstall AS old (app_id, profile_id, uninstalled_at)
                SELECT app.id, new.profile_id, new.time
                FROM unnest(%s::text[], %s::bigint[], %s::timestamptz[]) AS new (app, profile_id, time)
                JOIN workspaces_app app ON app.workspace_id = %s AND app.api_id::text = new.app
                ORDER BY 1, 2
                {_UPSERT}
            )
            {BUMP_SQL}
            """,  # noqa: S608 - constants
            [
                [app_id for app_id, _ in last],
                [profile_id for _, profile_id in last],
                [*last.values()],
                workspace_id,
                workspace_id,
                [Kind.DEVICES],
            ],
        )


def move(gone: Sequence[int], survivors: Sequence[int]) -> None:
    """Note for each profile of ``survivors`` what the profile at its place in ``gone`` uninstalled.

    The caller has locked all of them, and deletes those of ``gone``.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO profiles_uninstall AS old (app_id, profile_id, uninstalled_at)
            SELECT one.app_id, pair.stays, max(one.uninstalled_at)
            FROM unnest(%s::bigint[], %s::bigint[]) AS pair (goes, stays)
            JOIN profiles_uninstall one ON one.profile_id = pair.goes
            GROUP BY 1, 2 ORDER BY 1, 2
            {_UPSERT}
            """,  # noqa: S608 - a constant
            [list(gone), list(survivors)],
        )
