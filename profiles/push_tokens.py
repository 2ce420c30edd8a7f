"""Push tokens: addresses of devices. Braze: user attributes object, ``push_tokens``."""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from profiles.identities import Identity
from profiles.models import EXTERNAL_ID_LIMIT
from profiles.versions import BUMP_SQL, Kind
from workspaces.models import App


@dataclass(frozen=True, slots=True)
class Token:
    """One element of ``push_tokens``. Without a ``device_id`` one is made up (Braze)."""

    app_id: str
    token: str
    device_id: str | None = None

    @property
    def identity(self) -> Identity:
        """Whoever has it."""
        return Identity("push_token", self.token, self.app_id)


def tokens_of(value: Any) -> list[Token]:
    """The tokens of a ``push_tokens`` value. Raises ValueError when it is not of that form."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError
    return [_token(one) for one in value]


def _token(source: Any) -> Token:
    if not isinstance(source, Mapping):
        raise ValueError
    app_id, token, device_id = (source.get(name) for name in ("app_id", "token", "device_id"))
    if not all(isinstance(one, str) and 0 < len(one) <= EXTERNAL_ID_LIMIT for one in (app_id, token)):
        raise ValueError
    if device_id is not None and (not isinstance(device_id, str) or not 0 < len(device_id) <= EXTERNAL_ID_LIMIT):
        raise ValueError
    return Token(str(app_id).lower(), str(token), device_id)


def unknown_apps(workspace_id: int, app_ids: Collection[str]) -> set[str]:
    """Which of these ``app_id``s of tokens are those of no app of the workspace. None asked: no query."""
    if not app_ids:
        return set()
    mine = App.objects.filter(workspace_id=workspace_id).values_list("api_id", flat=True)
    return set(app_ids) - {str(one) for one in mine}


def store_tokens(workspace_id: int, tokens: Iterable[tuple[int, Token]]) -> None:
    """Give tokens to profiles (by id, locked by the caller); a token that somebody else had moves. Two statements.

    A token for an app that is none of the workspace's is ignored.
    """
    last = {(token.token, token.app_id): (profile_id, token) for profile_id, token in tokens}
    if not last:
        return
    rows = [last[key] for key in sorted(last)]
    owners = [profile_id for profile_id, _ in rows]
    app_ids = [token.app_id for _, token in rows]
    device_ids = [token.device_id for _, token in rows]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_pushtoken (workspace_id, profile_id, app_id, token, device_id)
            SELECT app.workspace_id, new.profile_id, app.id, new.token, coalesce(new.device_id, new.made_up)
            FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY
                AS new (profile_id, app_id, token, device_id, made_up, place)
            JOIN workspaces_app app ON app.workspace_id = %s AND app.api_id::text = new.app_id
            ORDER BY place
            ON CONFLICT (workspace_id, token, app_id) DO UPDATE SET
                profile_id = EXCLUDED.profile_id,
                device_id = CASE WHEN EXCLUDED.device_id = ANY(%s) THEN EXCLUDED.device_id
                                 ELSE profiles_pushtoken.device_id END
            """,
            [
                owners,
                app_ids,
                [token.token for _, token in rows],
                device_ids,
                [str(uuid.uuid4()) for _ in rows],
                workspace_id,
                [one for one in device_ids if one],
            ],
        )
        cursor.execute(
            f"""
            WITH seen AS (
                INSERT INTO profiles_device (workspace_id, profile_id, app_id, device_id, platform, model, os_version)
                SELECT app.workspace_id, new.profile_id, app.id, new.device_id, app.platform, '', ''
                FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS new (profile_id, app_id, device_id)
                JOIN workspaces_app app ON app.workspace_id = %s AND app.api_id::text = new.app_id
                WHERE new.device_id IS NOT NULL
                ORDER BY new.profile_id, new.device_id
                ON CONFLICT (workspace_id, device_id, profile_id) DO NOTHING
            )
            {BUMP_SQL}
            """,  # noqa: S608 - a constant
            [owners, app_ids, device_ids, workspace_id, workspace_id, [Kind.DEVICES]],
        )
