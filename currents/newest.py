"""The last events of one user, for people to look at; who follows the log reads on from a position in it."""

from collections.abc import Iterable
from typing import Final

from currents.log import LoggedEvent, raw_cursor

#: Larger payloads (as they are stored) are left out: people read lines.
PAYLOAD_LIMIT: Final = 16 * 1024
#: What the events of one user share in the index ``event_of_user`` (migration 0004).
_USER: Final = "hashtext(coalesce(e.external_user_id, e.payload #>> '{user,user_id}'))"


def newest_of_user(workspace_id: int, external_ids: Iterable[str], user_id: str, limit: int) -> list[LoggedEvent]:
    """The last ``limit`` events of a user, the newest first: those under the external ids that the user has or had and,
    from before there was one, under our own id. ``payload`` is None where it is larger than PAYLOAD_LIMIT.

    A statement for each name, by an index.
    """
    names = [("e.external_user_id = %s", external_id) for external_id in external_ids]
    names.append(("e.external_user_id IS NULL AND e.payload #>> '{user,user_id}' = %s", user_id))
    found: list[LoggedEvent] = []
    for condition, name in names:
        with raw_cursor() as cursor:
            cursor.execute(
                f"""
                SELECT e.id, e.xid, e.event_id, e.event_type, e.time, e.external_user_id,
                       date_part('epoch', e.received_at),
                       CASE WHEN pg_column_size(e.payload) < {PAYLOAD_LIMIT} THEN e.payload END
                  FROM currents_event e
                 WHERE {_USER} = hashtext(%s) AND e.workspace_id = %s AND {condition}
                 ORDER BY e.id DESC LIMIT %s
                """,  # noqa: S608 - constants
                [name, workspace_id, name, limit],
            )
            found += map(LoggedEvent._make, cursor.fetchall())
    return sorted(found, key=lambda event: event.id, reverse=True)[:limit]
