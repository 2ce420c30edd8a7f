"""What a workspace's users have and do, by name: custom attributes with their types, custom events, products."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection

from profiles.coercion import Declared
from profiles.custom_values import type_of
from profiles.models import AttributeType, CustomAttribute


def declare_attributes(workspace_id: int, first_values: Mapping[str, Any]) -> dict[str, Declared]:
    """The types of these custom attributes; one that is new gets the type of its value here (Braze: data types)."""
    if not first_values:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, type, is_forced FROM profiles_customattribute WHERE workspace_id = %s AND name = ANY(%s)",
            [workspace_id, list(first_values)],
        )
        known = {name: Declared(AttributeType(type_), is_forced) for name, type_, is_forced in cursor.fetchall()}
        new = {name: Declared(type_of(first_values[name])) for name in sorted(first_values) if name not in known}
        if new:
            cursor.execute(
                """
                INSERT INTO profiles_customattribute (workspace_id, name, type)
                SELECT %s, new.name, new.type
                FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS new (name, type, place)
                ORDER BY place
                ON CONFLICT DO NOTHING
                """,
                [workspace_id, list(new), [one.type.value for one in new.values()]],
            )
    return {**new, **known}


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


def log_products(workspace_id: int, names: Iterable[str]) -> None:
    """Note the products that were bought, by id. One statement."""
    wanted = sorted(set(names))
    if not wanted:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_product (workspace_id, name)
            SELECT %(workspace)s, new.name FROM unnest(%(names)s::text[]) WITH ORDINALITY AS new (name, place)
            WHERE NOT EXISTS (
                SELECT FROM profiles_product old WHERE old.workspace_id = %(workspace)s AND old.name = new.name)
            ORDER BY place ON CONFLICT DO NOTHING
            """,
            {"workspace": workspace_id, "names": wanted},
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
