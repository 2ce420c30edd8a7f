"""The live-user set: who exists, read with every set of users."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from profiles.live import live_users, log_identity
from profiles.models import IdentityChange, LiveUsers
from profiles.sets import ProfileSet
from workspaces.models import Workspace

Kind = IdentityChange.Kind
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Example")


def test_it_works(workspace: Workspace) -> None:
    log_identity(workspace.pk, Kind.CREATED, [1, 2, 3])
    log_identity(workspace.pk, Kind.IDENTIFIED, [9])
    log_identity(workspace.pk, Kind.DELETED, [2])
    assert live_users(workspace.pk) == ProfileSet([1, 3])


def test_nobody_yet(workspace: Workspace) -> None:
    assert live_users(workspace.pk) == ProfileSet()
    assert not LiveUsers.objects.exists(), "reading nothing writes nothing"


def test_no_ids_write_nothing(workspace: Workspace) -> None:
    log_identity(workspace.pk, Kind.CREATED, [])
    assert not IdentityChange.objects.exists()


def test_a_merge_ends_those_who_went(workspace: Workspace) -> None:
    log_identity(workspace.pk, Kind.CREATED, [1, 2])
    assert live_users(workspace.pk) == ProfileSet([1, 2])
    log_identity(workspace.pk, Kind.MERGED, [2], [1])
    assert live_users(workspace.pk) == ProfileSet([1])


def test_workspaces_do_not_mix(workspace: Workspace) -> None:
    other = Workspace.objects.create(name="Other")
    log_identity(workspace.pk, Kind.CREATED, [1])
    log_identity(other.pk, Kind.CREATED, [2])
    assert live_users(workspace.pk) == ProfileSet([1])
    assert live_users(other.pk) == ProfileSet([2])


def test_a_second_read_needs_no_fold(workspace: Workspace) -> None:
    log_identity(workspace.pk, Kind.CREATED, [1])
    live_users(workspace.pk)
    with connection.execute_wrapper(_no_writing):
        assert live_users(workspace.pk) == ProfileSet([1])


def _no_writing(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
    assert sql.lstrip().upper().startswith("SELECT"), sql
    return execute(sql, params, many, context)


def test_a_change_that_commits_late_is_not_stepped_over(workspace: Workspace) -> None:
    """The lower row is written first, and committed after a higher one was folded."""

    def later() -> None:
        try:
            log_identity(workspace.pk, Kind.CREATED, [2])
            assert live_users(workspace.pk) == ProfileSet([2])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        log_identity(workspace.pk, Kind.CREATED, [1])
        pool.submit(later).result(timeout=30)
    assert live_users(workspace.pk) == ProfileSet([1, 2])


def test_many_readers_fold_each_change_once(workspace: Workspace) -> None:
    def work(number: int) -> None:
        try:
            log_identity(workspace.pk, Kind.CREATED, [number + 1])
            assert number + 1 in live_users(workspace.pk), "who writes and then reads sees it"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, number) for number in range(64)]:
            done.result(timeout=60)
    assert live_users(workspace.pk) == ProfileSet(range(1, 65))
