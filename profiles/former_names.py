"""Names that users had and no longer have: whom events mean that were accepted under them and are not counted yet.

Written in the transaction that takes a name away: a merge, or the removal of a deprecated external id. A name that
somebody has by now is theirs, so only names that nobody has are looked up here (see ``profiles.received``).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.conf import settings
from django.db import connection
from django.utils import timezone

from profiles.identities import Identity
from profiles.planning import WORKSPACE

_PURGE_CHUNK: Final = 10_000


class Sought(NamedTuple):
    """A name that nobody has, in an event that came in at ``received_at``."""

    name: Identity
    received_at: datetime


def note_merged(gone: Sequence[int], survivors: Sequence[int]) -> None:
    """The names of locked profiles that are about to go lead to those at the same places of ``survivors``.

    So do the names that led to them: of a chain of merges, all names lead to the last survivor. Two statements.
    """
    pairs = [list(gone), list(survivors)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE profiles_formername SET profile_id = pair.stays
            FROM unnest(%s::bigint[], %s::bigint[]) AS pair (goes, stays) WHERE profile_id = pair.goes
            """,
            pairs,
        )
        cursor.execute(
            """
            WITH pair AS (SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS pair (goes, stays))
            INSERT INTO profiles_formername (workspace_id, kind, name, profile_id)
            SELECT one.workspace_id, name.kind, name.name, pair.stays
            FROM pair JOIN profiles_profile one ON one.id = pair.goes
            CROSS JOIN LATERAL (VALUES ('external_id', one.external_id), ('braze_id', one.braze_id)) AS
                name (kind, name)
            WHERE name.name IS NOT NULL
            UNION ALL
            SELECT old.workspace_id, 'external_id', old.external_id, pair.stays
            FROM pair JOIN profiles_deprecatedid old ON old.profile_id = pair.goes
            """,
            pairs,
        )


def find_former(workspace_id: int, sought: Sequence[Sought]) -> Mapping[Sought, int]:
    """The ids of the profiles that the names lead to, in one statement; a name that leads nowhere is left out.

    Of several who had the name, one after the other, whoever had it when the event came in. A name that somebody had
    removed means nobody in events that came in later.
    """
    wanted = list(dict.fromkeys(sought))
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT wanted.place, former.profile_id
            FROM unnest(%(kinds)s::text[], %(names)s::text[], %(times)s::timestamptz[])
                WITH ORDINALITY AS wanted (kind, name, received_at, place)
            CROSS JOIN LATERAL (
                SELECT one.profile_id, one.made_at < wanted.received_at AS was_gone, one.is_removed
                FROM profiles_formername one
                WHERE one.workspace_id = {WORKSPACE} AND one.kind = wanted.kind AND one.name = wanted.name
                ORDER BY was_gone, CASE WHEN one.made_at < wanted.received_at THEN -extract(epoch FROM one.made_at)
                                        ELSE extract(epoch FROM one.made_at) END
                LIMIT 1
            ) former
            WHERE NOT (former.was_gone AND former.is_removed)
            """,  # noqa: S608 - a constant
            {
                "kinds": [one.name.kind for one in wanted],
                "names": [one.name.name for one in wanted],
                "times": [one.received_at for one in wanted],
                "workspace": workspace_id,
            },
        )
        return {wanted[place - 1]: profile_id for place, profile_id in cursor.fetchall()}


def forget_former_names(chunk: int = _PURGE_CHUNK) -> int:
    """Delete names that went so long ago that no event of then is kept any more; returns how many."""
    before, total = timezone.now() - timedelta(days=settings.EVENT_RETENTION_DAYS), 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM profiles_formername WHERE id = ANY(ARRAY("
                "SELECT id FROM profiles_formername WHERE made_at < %s ORDER BY made_at LIMIT %s))",
                [before, chunk],
            )
            total += cursor.rowcount
            if cursor.rowcount < chunk:
                return total
