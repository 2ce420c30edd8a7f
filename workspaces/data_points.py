"""Counting data points (Braze: data points are logged for each imported membership change and each tracked change)."""

from collections.abc import Callable

from django.db import connection
from django.utils.functional import Promise


def log_data_points(workspace_id: int, source: str, count: int) -> None:
    """Add ``count`` data points to today's (UTC) total of ``source``, in the caller's transaction."""
    if count <= 0:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO workspaces_datapoints (workspace_id, day, source, count)
            VALUES (%s, (now() AT TIME ZONE 'UTC')::date, %s, %s)
            ON CONFLICT (workspace_id, day, source)
            DO UPDATE SET count = workspaces_datapoints.count + EXCLUDED.count
            """,
            [workspace_id, source, count],
        )


_names: dict[str, str | Promise] = {}
_rules: list[Callable[[str], str | None]] = []


def name_source(source: str, name: str | Promise) -> None:
    """Register how ``source`` is called on the screens; apps do it when they are ready."""
    _names[source] = name


def name_sources(rule: Callable[[str], str | None]) -> None:
    """Register a rule for names that are not known beforehand; it answers None for a source that is not its own."""
    if rule not in _rules:
        _rules.append(rule)


def source_name(source: str) -> str:
    """What people read for ``source``: its registered name, else what a rule says, else itself."""
    if source in _names:
        return str(_names[source])
    return next((name for rule in _rules if (name := rule(source))), source)
