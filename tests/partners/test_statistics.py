"""What is read to find the users that a push names follows the push, whatever PostgreSQL's statistics know.

A workspace that came, or grew, since the last ANALYZE was read whole for each identifier.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from partners.folding import fold_cohort
from partners.identities import follow
from tests.partners.conftest import Partner
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

USERS = 4_000
NAMED = 200
#: Rows that the indexes may give for each identifier.
A_FEW = 4

_TABLES = ("profiles_profile", "profiles_alias", "profiles_device", "profiles_deprecatedid", "partners_unmatchedid")


def fill(workspace: Workspace, first: int, count: int) -> None:
    """Every second user has an external id, and had another one before; the others have a device. All have an alias."""
    with connection.cursor() as cursor:
        for statement in _FILL:
            cursor.execute(statement, {"workspace": workspace.pk, "first": first, "last": first + count - 1})


_MINE = "FROM profiles_profile WHERE workspace_id = %(workspace)s AND random_bucket BETWEEN %(first)s AND %(last)s"
_FILL = (
    "INSERT INTO profiles_profile (workspace_id, braze_id, external_id, email, random_bucket)"
    " SELECT %(workspace)s, %(workspace)s || '-' || n, CASE WHEN n %% 2 = 1 THEN 'u' || n END, n || '@example.com', n"
    " FROM generate_series(%(first)s::int, %(last)s::int) AS n",
    f"INSERT INTO profiles_alias (workspace_id, profile_id, label, name)"
    f" SELECT workspace_id, id, 'l', 'a' || random_bucket {_MINE}",
    "INSERT INTO profiles_device (workspace_id, profile_id, device_id, platform, model, os_version)"
    f" SELECT workspace_id, id, 'd' || random_bucket, '', '', '' {_MINE} AND external_id IS NULL",
    "INSERT INTO profiles_deprecatedid (workspace_id, profile_id, external_id)"
    f" SELECT workspace_id, id, 'old' || random_bucket {_MINE} AND external_id IS NOT NULL",
    "INSERT INTO profiles_identitychange (workspace_id, kind, profile_ids)"
    f" SELECT %(workspace)s, 'created', array_agg(id) {_MINE}",
)


def nothing(_workspace: Workspace) -> None:
    """The table was empty."""


def one_user(workspace: Workspace) -> None:
    """And no other workspace had any."""
    fill(workspace, 9_001, 1)


def few_users(workspace: Workspace) -> None:
    fill(workspace, 9_001, 20)


def others(_workspace: Workspace) -> None:
    """All users were another workspace's."""
    fill(Workspace.objects.create(name="Other"), 0, 6_000)


def no_addresses(_workspace: Workspace) -> None:
    """All users were another workspace's, and nobody had an email address."""
    fill(Workspace.objects.create(name="Other"), 0, 6_000)
    execute("UPDATE profiles_profile SET email = ''")


def one_user_each(_workspace: Workspace) -> None:
    """There were many workspaces."""
    for number in range(40):
        fill(Workspace.objects.create(name=f"Other {number}"), number, 1)


@pytest.fixture(params=[nothing, one_user, few_users, others, no_addresses, one_user_each])
def unknown(request: pytest.FixtureRequest, no_autovacuum: None, workspace: Workspace) -> None:
    """The workspace has many users; the statistics are of a time when it had none, or few."""
    before: Callable[[Workspace], None] = request.param
    before(workspace)
    execute("ANALYZE")
    fill(workspace, 0, USERS)


@pytest.fixture(autouse=True)
def no_autovacuum(transactional_db: None) -> Any:
    """ANALYZE comes when a test says so."""
    # So that no table has room left from other tests: the planner reckons with its size.
    execute(f"TRUNCATE {', '.join(_TABLES)} CASCADE")
    for table in _TABLES:
        execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    yield
    for table in _TABLES:
        execute(f"ALTER TABLE {table} RESET (autovacuum_enabled)")
        execute(f"VACUUM ANALYZE {table}")


def execute(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


def entries_read() -> int:
    """Index entries and rows of whole tables read so far, of all tables that hold names."""
    execute("SELECT pg_stat_force_next_flush()")
    tables = ", ".join(f"'{table}'" for table in _TABLES)
    [[by_index]] = execute(f"SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname IN ({tables})")  # noqa: S608
    [[whole]] = execute(f"SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN ({tables})")  # noqa: S608
    return int(by_index + whole)


CHANGES = {
    "external id": {"user_ids": [f"u{2 * one + 1}" for one in range(NAMED)]},
    "deprecated id": {"user_ids": [f"old{2 * one + 1}" for one in range(NAMED)]},
    "alias": {"aliases": [{"alias_label": "l", "alias_name": f"a{one}"} for one in range(NAMED)]},
    "device": {"device_ids": [f"d{2 * one}" for one in range(NAMED)]},
}


@pytest.mark.usefixtures("unknown")
def test_a_push_and_a_webhook_read_what_they_name(mixpanel: Partner) -> None:
    mixpanel.integration.identifiers = ["email"]
    mixpanel.integration.save()
    read = {}
    for kind, change in CHANGES.items():
        mixpanel.change(change, cohort_id=kind)
        read[kind] = read_by_folding(mixpanel, kind)
    mixpanel.webhook("add_members", [{"email": f"{one}@example.com"} for one in range(NAMED)], cohort_id="email")
    read["email"] = read_by_folding(mixpanel, "email")
    assert max(read.values()) <= A_FEW * NAMED, read


def read_by_folding(partner: Partner, cohort_id: str) -> int:
    """The entries that are read to fold the cohort, which gets NAMED members."""
    before = entries_read()
    fold_cohort(partner.cohort(cohort_id).pk)
    assert partner.cohort(cohort_id).size == NAMED
    return entries_read() - before


def test_a_long_waiting_list_is_not_read(mixpanel: Partner, workspace: Workspace) -> None:
    """Neither by the fold of somebody else, nor when somebody on it appears."""
    for cohort_id in ("known", "c1"):
        for start in range(0, 4_000, 1_000):
            ids = [f"u{2 * one + 1}" for one in range(start, start + 1_000)]
            mixpanel.change({"user_ids": ids}, cohort_id=cohort_id)
        fold_cohort(mixpanel.cohort(cohort_id).pk)
        if cohort_id == "known":
            execute("ANALYZE")
    fill(workspace, 1, 1)
    before = entries_read()
    follow(workspace.pk)
    mixpanel.add("u1")
    fold_cohort(mixpanel.cohort().pk)
    assert mixpanel.cohort().size == 1
    assert entries_read() - before <= 50
