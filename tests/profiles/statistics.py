"""A workspace that PostgreSQL's statistics do not know, and how much of it is read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

from workspaces.models import App, Workspace

USERS = 2_500
#: Rows that a request about 50 users may read: some for each of them, not the workspace.
ENOUGH = 2_000


def unknown_workspace() -> Workspace:
    """2,500 users with every kind of name, in a workspace that was empty when the statistics were taken."""
    _fill(Workspace.objects.create(name="Old"), 2 * USERS)
    new = Workspace.objects.create(name="Example")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        # Tables of a test's size are quickly read whole; those of a real workspace are not.
        cursor.execute("SET LOCAL random_page_cost = 1.1")
    _fill(new, USERS)
    return new


def _fill(workspace: Workspace, users: int) -> None:
    app = App.objects.create(workspace=workspace, name="iOS", platform=App.Platform.IOS)
    parts = {"workspace": workspace.pk, "app": app.pk, "users": users}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_profile (workspace_id, braze_id, external_id, random_bucket, email, phone, country)
            SELECT %(workspace)s, substr(md5(%(workspace)s || '-' || n), 1, 24), 'user-' || n, 1,
                   'user-' || n || '@example.com', '+1555' || lpad(n::text, 7, '0'), 'JP'
            FROM generate_series(1, %(users)s) AS n
            """,
            parts,
        )
        cursor.execute(
            """
            WITH mine AS (
                SELECT id, substr(external_id, 6) AS n FROM profiles_profile WHERE workspace_id = %(workspace)s
            ), aliased AS (
                INSERT INTO profiles_alias (workspace_id, profile_id, label, name)
                SELECT %(workspace)s, id, 'shop', 'alias-' || n FROM mine
            ), seen AS (
                INSERT INTO profiles_device (workspace_id, profile_id, app_id, device_id, platform, model, os_version)
                SELECT %(workspace)s, id, %(app)s, 'device-' || n, 'ios', '', '' FROM mine
            ), renamed AS (
                INSERT INTO profiles_deprecatedid (workspace_id, profile_id, external_id)
                SELECT %(workspace)s, id, 'old-' || n FROM mine
            ), gone AS (
                INSERT INTO profiles_formername (workspace_id, kind, name, profile_id)
                SELECT %(workspace)s, 'external_id', 'gone-' || n, id FROM mine
            )
            INSERT INTO profiles_pushtoken (workspace_id, profile_id, app_id, token, device_id)
            SELECT %(workspace)s, id, %(app)s, 'token-' || n, 'device-' || n FROM mine
            """,
            parts,
        )


@contextmanager
def reading() -> Iterator[Callable[[], int]]:
    """How many rows of our tables are read inside, by whole scans or by way of an index (whether they fit or not)."""
    before = _read()
    total = 0

    yield lambda: total
    total = _read() - before


def _read() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))::bigint
            FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
            """
        )
        return int(cursor.fetchone()[0])
