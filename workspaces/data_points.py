"""Counting data points (Braze: data points are logged for each imported membership change and each tracked change)."""

from collections.abc import Callable, Mapping

from django.db import connection
from django.utils.functional import Promise


def log_data_points(workspace_id: int, source: str, count: int) -> None:
    """Add ``count`` data points to today's (UTC) total of ``source``, in the caller's transaction."""
    log_data_points_of(workspace_id, {source: count})


def log_data_points_of(workspace_id: int, counts: Mapping[str, int]) -> None:
    """Add to today's (UTC) totals of several sources, in the caller's transaction and by one statement.

    The totals are locked in the order of the sources' names.
    """
    added = sorted((source, count) for source, count in counts.items() if count > 0)
    if not added:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO workspaces_datapoints (workspace_id, day, source, count)
            SELECT %s, (now() AT TIME ZONE 'UTC')::date, source, count
            FROM unnest(%s::text[], %s::bigint[]) WITH ORDINALITY AS new (source, count, place) ORDER BY place
            ON CONFLICT (workspace_id, day, source)
            DO UPDATE SET count = workspaces_datapoints.count + EXCLUDED.count
            """,
            [workspace_id, [source for source, _ in added], [count for _, count in added]],
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
