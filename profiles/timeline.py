"""The last events of one user, read from the event log."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from django.db import connection

from currents.catalogue import event_type
from currents.log import shard_of
from profiles.behaviours import CUSTOM_EVENT, PURCHASE
from profiles.models import Profile

SHOWN: Final = 100
#: The log has no index by user, which each of many thousand events a second would pay for: so many of the newest events
#: of the user's shard (a sixteenth of the workspace's) are looked through.
SEARCHED: Final = 50_000


@dataclass(frozen=True)
class Line:
    """One event of a user, for people."""

    time: datetime
    title: str
    event_type: str
    details: str


@dataclass(frozen=True)
class Timeline:
    """The newest events first. ``is_whole``: there are no older ones in the log."""

    lines: list[Line]
    is_whole: bool


def timeline(profile: Profile, shown: int = SHOWN, searched: int = SEARCHED) -> Timeline:
    """The last events of ``profile``, under their external id and, from before they had one, their braze id."""
    shards = sorted({shard_of(profile.external_id, profile.braze_id), shard_of(None, profile.braze_id)})
    lines: list[Line] = []
    is_whole = True
    for shard in shards:
        found, looked_at = _read(profile, shard, shown, searched)
        lines += found
        is_whole = is_whole and looked_at < searched and len(found) < shown
    lines.sort(key=lambda line: line.time, reverse=True)
    return Timeline(lines[:shown], is_whole and len(lines) <= shown)


def _read(profile: Profile, shard: int, shown: int, searched: int) -> tuple[list[Line], int]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH newest AS MATERIALIZED (
                SELECT event_type, time, external_user_id, payload, xid, id FROM currents_event
                WHERE workspace_id = %(workspace)s AND shard = %(shard)s ORDER BY xid DESC, id DESC LIMIT %(searched)s
            )
            SELECT event_type, time, payload::text, (SELECT count(*) FROM newest) FROM newest
            WHERE external_user_id = %(external_id)s
               OR (external_user_id IS NULL AND payload -> 'user' ->> 'user_id' = %(braze_id)s)
            ORDER BY time DESC, xid DESC, id DESC LIMIT %(shown)s
            """,
            {
                "workspace": profile.workspace_id,
                "shard": shard,
                "searched": searched,
                "shown": shown,
                "external_id": profile.external_id,
                "braze_id": profile.braze_id,
            },
        )
        rows = cursor.fetchall()
        looked_at = rows[0][3] if rows else _size(cursor, profile.workspace_id, shard, searched)
    return [_line(kind, time, orjson.loads(payload)) for kind, time, payload, _ in rows], looked_at


def _size(cursor: Any, workspace_id: int, shard: int, most: int) -> int:
    """How many events a shard holds, counted up to ``most``."""
    cursor.execute(
        """
        SELECT count(*) FROM (
            SELECT 1 FROM currents_event WHERE workspace_id = %s AND shard = %s LIMIT %s) counted
        """,
        [workspace_id, shard, most],
    )
    return int(cursor.fetchone()[0])


def _line(kind: str, time: int, payload: dict[str, Any]) -> Line:
    properties = payload.get("properties")
    properties = dict(properties) if isinstance(properties, dict) else {}
    known = event_type(kind)
    title = known.label if known else kind
    name = {CUSTOM_EVENT: "name", PURCHASE: "product_id"}.get(kind, "")
    if isinstance(properties.get(name), str):
        title = f"{title}: {properties.pop(name)}"
    for inner in ("custom_properties", "purchase_properties"):
        if isinstance(properties.get(inner), dict):
            properties |= properties.pop(inner)
    shown = {key: value for key, value in properties.items() if value not in (None, {}, [], "")}
    return Line(datetime.fromtimestamp(time, UTC), title, kind, orjson.dumps(shown).decode() if shown else "")
