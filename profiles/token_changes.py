"""Push tokens that came, changed or went, as events of other systems tell.

Braze: Currents, push token state change and Live Activity push-to-start token change events.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from profiles.models import EXTERNAL_ID_LIMIT
from profiles.versions import BUMP_SQL, Kind

TOKEN_CHANGE: Final = "users.behaviors.pushnotification.TokenStateChange"  # noqa: S105 - a type of events
START_CHANGE: Final = "users.behaviors.liveactivity.PushToStartTokenChange"
_REMOVED: Final = "remove"


@dataclass(frozen=True, slots=True)
class TokenChange:
    """A user got this push token (or one that starts Live Activities, ``starts``), or it was removed from them."""

    profile_id: int
    app_id: str
    token: str
    time: datetime
    device_id: str = ""
    is_removed: bool = False
    is_foreground: bool = True
    is_provisional: bool = False
    starts: bool = False


def change_of(event_type: str, properties: Mapping[str, Any], profile_id: int, time: datetime) -> TokenChange | None:
    """What an event tells; None for another event, and for one without an app or a token."""
    starts = event_type == START_CHANGE
    if not starts and event_type != TOKEN_CHANGE:
        return None
    app_id, token = properties.get("app_id"), properties.get("push_to_start_token" if starts else "push_token")
    if not isinstance(app_id, str) or not isinstance(token, str) or not 0 < len(token) <= EXTERNAL_ID_LIMIT:
        return None
    device_id = properties.get("push_token_device_id")
    return TokenChange(
        profile_id,
        app_id.lower(),
        token,
        time,
        device_id if isinstance(device_id, str) and len(device_id) <= EXTERNAL_ID_LIMIT else "",
        is_removed=properties.get("push_token_state_change_type") == _REMOVED,
        is_foreground=properties.get("push_token_foreground_push_disabled") is not True,
        is_provisional=properties.get("push_token_provisionally_opted_in") is True,
        starts=starts,
    )


def log_token_changes(workspace_id: int, changes: Iterable[TokenChange]) -> None:
    """Apply the newest change of each token, in the caller's transaction. The caller has locked the profiles.

    A token that somebody else had moves. What is older than what was told of a token before changes nothing, and an
    app that is none of the workspace's is ignored. Two statements for either kind of token, none for no changes.
    """
    newest: dict[tuple[bool, str, str], TokenChange] = {}
    for one in changes:
        key = (one.starts, one.app_id, one.token)
        if key not in newest or one.time >= newest[key].time:
            newest[key] = one
    rows = [newest[key] for key in sorted(newest)]
    _store(workspace_id, [one for one in rows if not one.starts], _STORE_TOKENS, "profiles_pushtoken")
    _store(workspace_id, [one for one in rows if one.starts], _STORE_STARTS, "profiles_pushtostart")


def _store(workspace_id: int, rows: list[TokenChange], statement: str, table: str) -> None:
    if not rows:
        return
    kept, removed = [one for one in rows if not one.is_removed], [one for one in rows if one.is_removed]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH given AS (
                SELECT new.*, app.id AS app FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::timestamptz[])
                    AS new (app_id, token, profile_id, time)
                JOIN workspaces_app app ON app.workspace_id = %s AND app.api_id::text = new.app_id
            )
            DELETE FROM {table} old USING given
            WHERE old.app_id = given.app AND old.token = given.token AND old.profile_id = given.profile_id
              AND (old.told_at IS NULL OR old.told_at <= given.time)
            """,  # noqa: S608 - a name of ours
            [
                [one.app_id for one in removed],
                [one.token for one in removed],
                [one.profile_id for one in removed],
                [one.time for one in removed],
                workspace_id,
            ],
        )
        cursor.execute(
            f"WITH given AS ({_GIVEN}), stored AS ({statement}) {BUMP_SQL}",
            [
                [one.app_id for one in kept],
                [one.token for one in kept],
                [one.profile_id for one in kept],
                [one.time for one in kept],
                [one.device_id for one in kept],
                [one.is_foreground for one in kept],
                [one.is_provisional for one in kept],
                workspace_id,
                workspace_id,
                [Kind.DEVICES],
            ],
        )


_GIVEN: Final = """
    SELECT new.*, app.id AS app, app.workspace_id
    FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::timestamptz[], %s::text[], %s::boolean[], %s::boolean[])
        AS new (app_id, token, profile_id, time, device_id, is_foreground, is_provisional)
    JOIN workspaces_app app ON app.workspace_id = %s AND app.api_id::text = new.app_id
    ORDER BY 1, 2
"""
_STORE_TOKENS: Final = """
    INSERT INTO profiles_pushtoken AS old
        (workspace_id, profile_id, app_id, token, device_id, is_foreground, is_provisional, told_at)
    SELECT workspace_id, profile_id, app, token, device_id, is_foreground, is_provisional, time FROM given
    ON CONFLICT (workspace_id, token, app_id) DO UPDATE SET
        profile_id = EXCLUDED.profile_id,
        device_id = CASE WHEN EXCLUDED.device_id = '' THEN old.device_id ELSE EXCLUDED.device_id END,
        is_foreground = EXCLUDED.is_foreground, is_provisional = EXCLUDED.is_provisional, told_at = EXCLUDED.told_at
    WHERE old.told_at IS NULL OR old.told_at <= EXCLUDED.told_at
"""
_STORE_STARTS: Final = """
    INSERT INTO profiles_pushtostart AS old (profile_id, app_id, token, told_at)
    SELECT profile_id, app, token, time FROM given
    ON CONFLICT (app_id, token) DO UPDATE SET profile_id = EXCLUDED.profile_id, told_at = EXCLUDED.told_at
    WHERE old.told_at <= EXCLUDED.told_at
"""
