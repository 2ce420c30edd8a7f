"""What the install of a user's app was attributed to, in the last event that told it.

Braze: Currents, install attribution event, which tells the source; a sender may tell campaign, ad group and ad beside
it. Kept in the profile's other fields, so that it goes where they go.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson
from django.db import connection

from profiles.versions import Kind

#: The name in the other fields.
FIELD: Final = "install_attribution"
MEMBERS: Final = ("source", "campaign", "adgroup", "ad")
_LIMIT: Final = 255


class Attribution(NamedTuple):
    """A user's install was attributed at ``time``; ``told`` has those of MEMBERS that are known."""

    profile_id: int
    time: datetime
    told: Mapping[str, str]


def told_in(properties: Mapping[str, Any]) -> dict[str, str]:
    """What an event tells; what is no text, or too long to be a name, is left out."""
    told = {name: properties.get(name) for name in MEMBERS}
    return {name: value for name, value in told.items() if isinstance(value, str) and 0 < len(value) <= _LIMIT}


def log_attributions(workspace_id: int, attributions: Iterable[Attribution]) -> None:
    """Keep the newest attribution of each user, in the caller's transaction. The caller has locked the profiles.

    One statement; none for no attributions.
    """
    newest: dict[int, Attribution] = {}
    for one in attributions:
        if one.told and (one.profile_id not in newest or one.time >= newest[one.profile_id].time):
            newest[one.profile_id] = one
    if not newest:
        return
    rows = [{"id": one.profile_id, "said": {**one.told, "at": _text(one.time)}} for one in newest.values()]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH told AS (
                UPDATE profiles_profile one
                SET other_fields = one.other_fields || jsonb_build_object(%(field)s, new.said)
                FROM json_to_recordset(%(rows)s::json) AS new (id bigint, said jsonb)
                WHERE one.id = new.id
                  AND coalesce(one.other_fields -> %(field)s ->> 'at', '') <= new.said ->> 'at'
                  AND one.other_fields -> %(field)s IS DISTINCT FROM new.said
                RETURNING one.id
            )
            INSERT INTO profiles_datachange (workspace_id, kind)
            SELECT %(workspace)s, %(kind)s WHERE EXISTS (SELECT FROM told)
            """,
            {
                "field": FIELD,
                "rows": orjson.dumps(rows).decode(),
                "workspace": workspace_id,
                "kind": Kind.ATTRIBUTION,
            },
        )


def _text(moment: datetime) -> str:
    """As long for every moment, so that texts compare as the moments do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
