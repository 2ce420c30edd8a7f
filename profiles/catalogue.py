"""What a workspace's users have and do, by name: custom attributes with their types, custom events, apps used."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from profiles.custom_values import type_of
from profiles.models import CustomAttribute


def declare_attributes(workspace_id: int, first_values: Mapping[str, Any]) -> dict[str, str]:
    """The types of these custom attributes; one that is new gets the type of its value here (Braze: data types)."""
    if not first_values:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, type FROM profiles_customattribute WHERE workspace_id = %s AND name = ANY(%s)",
            [workspace_id, list(first_values)],
        )
        types: dict[str, str] = dict(cursor.fetchall())
        new = {name: type_of(first_values[name]).value for name in sorted(first_values) if name not in types}
        if new:
            cursor.execute(
                """
                INSERT INTO profiles_customattribute (workspace_id, name, type)
                SELECT %s, new.name, new.type
                FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS new (name, type, place)
                ORDER BY place
                ON CONFLICT DO NOTHING
                """,
                [workspace_id, list(new), list(new.values())],
            )
    return {**new, **types}


def log_custom_events(workspace_id: int, counts: Mapping[str, int]) -> None:
    """Count custom events by name. Rows are locked in the order of the names, so callers cannot deadlock."""
    if not counts:
        return
    names = sorted(counts)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_customevent (workspace_id, name, count)
            SELECT %s, new.name, new.count
            FROM unnest(%s::text[], %s::bigint[]) WITH ORDINALITY AS new (name, count, place)
            ORDER BY place
            ON CONFLICT (workspace_id, name)
            DO UPDATE SET count = profiles_customevent.count + EXCLUDED.count, last_at = now()
            """,
            [workspace_id, names, [counts[name] for name in names]],
        )


def log_app_uses(workspace_id: int, uses: Iterable[tuple[int, str, datetime]]) -> None:
    """Note (profile id, app id, moment): first and last use by app. The caller has locked the profiles.

    An app id that is none of the workspace's is ignored.
    """
    spans: dict[tuple[int, str], tuple[datetime, datetime]] = {}
    for profile_id, app_id, moment in uses:
        use = (profile_id, app_id.lower())
        first, last = spans.get(use, (moment, moment))
        spans[use] = min(first, moment), max(last, moment)
    if not spans:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_appuse (profile_id, app_id, first_used_at, last_used_at)
            SELECT new.profile_id, app.id, new.first, new.last
            FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[])
                AS new (profile_id, app, first, last)
            JOIN workspaces_app app ON app.workspace_id = %s AND app.api_id::text = new.app
            ON CONFLICT (profile_id, app_id) DO UPDATE SET
                first_used_at = least(profiles_appuse.first_used_at, EXCLUDED.first_used_at),
                last_used_at = greatest(profiles_appuse.last_used_at, EXCLUDED.last_used_at)
            """,
            [
                [profile_id for profile_id, _ in spans],
                [app_id for _, app_id in spans],
                [first for first, _ in spans.values()],
                [last for _, last in spans.values()],
                workspace_id,
            ],
        )


def count_users(workspace_id: int) -> None:
    """Count how many users have each custom attribute of the workspace: one pass over its users, only reading."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT name, count(*) FROM profiles_profile, jsonb_object_keys(custom_attributes) AS name
            WHERE workspace_id = %s AND custom_attributes <> '{}' GROUP BY name
            """,
            [workspace_id],
        )
        counts: dict[str, int] = dict(cursor.fetchall())
        cursor.execute(
            """
            UPDATE profiles_customattribute one SET users = COALESCE(new.count, 0), counted_at = now()
            FROM profiles_customattribute old
            LEFT JOIN unnest(%s::text[], %s::bigint[]) AS new (name, count) ON new.name = old.name
            WHERE old.workspace_id = %s AND one.id = old.id
            """,
            [list(counts), list(counts.values()), workspace_id],
        )


def count_users_everywhere() -> None:
    """``count_users`` for every workspace that has custom attributes."""
    for workspace_id in CustomAttribute.objects.order_by().values_list("workspace_id", flat=True).distinct():
        count_users(workspace_id)
