"""The event log: order, the horizon, and what a reader may not step over."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection, transaction

from currents.log import NewEvent, Position, append_events, held_back_since, here, horizon, read, shard_of
from currents.models import SHARDS, Event
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Example")


@contextmanager
def other_connection() -> Iterator[psycopg.Connection]:
    """A second session on the test's database."""
    given = connection.get_connection_params()
    wanted = {name: given[name] for name in ("dbname", "user", "password", "host", "port") if given.get(name)}
    with psycopg.connect(**wanted) as opened:
        yield opened


def _insert_elsewhere(session: psycopg.Connection, workspace: Workspace, event_id: str, user: str) -> None:
    session.execute(
        "INSERT INTO currents_event (workspace_id, shard, event_id, event_type, time, external_user_id, payload)"
        " VALUES (%s, %s, %s, 'users.behaviors.Uninstall', 1700000000, %s, '{}')",
        [workspace.pk, shard_of(user, None), event_id, user],
    )


def _event(event_id: str, user: str = "user-1") -> NewEvent:
    return NewEvent("users.behaviors.Uninstall", 1_700_000_000, external_user_id=user, event_id=event_id)


def _ids(workspace: Workspace, after: Position, user: str = "user-1") -> list[str]:
    return [one.event_id for one in read(workspace.pk, shard_of(user, None), after, 100)]


def test_it_works(workspace: Workspace) -> None:
    start = here()

    append_events(workspace.pk, [_event(f"e-{number}") for number in range(5)])

    assert _ids(workspace, start) == [f"e-{number}" for number in range(5)]
    first = read(workspace.pk, shard_of("user-1", None), start, 1)[0]
    assert (first.event_type, first.time, first.external_user_id) == (
        "users.behaviors.Uninstall",
        1_700_000_000,
        "user-1",
    )
    assert first.payload == b'{"user":{},"properties":{}}'
    assert _ids(workspace, first.position) == [f"e-{number}" for number in range(1, 5)]


def test_events_go_with_the_transaction_that_caused_them(workspace: Workspace) -> None:
    with transaction.atomic():
        append_events(workspace.pk, [_event("e-1")])
        transaction.set_rollback(True)

    assert not Event.objects.exists()


def test_appending_is_one_statement_whatever_the_number(
    workspace: Workspace, django_assert_num_queries: object
) -> None:
    for number in (1, 500):
        with transaction.atomic(), django_assert_num_queries(1):  # type: ignore[operator]
            append_events(workspace.pk, [_event(f"e-{number}-{one}") for one in range(number)])


def test_the_gap_trap(workspace: Workspace) -> None:
    """A transaction that began first and commits last: a reader by id alone would step over its event for ever."""
    start = here()
    with other_connection() as slow:
        _insert_elsewhere(slow, workspace, "slow", "user-1")
        append_events(workspace.pk, [_event("quick")])

        seen = read(workspace.pk, shard_of("user-1", None), start, 100)
        assert [one.event_id for one in seen] == []
        slow.commit()

    after = seen[-1].position if seen else start
    assert _ids(workspace, after) == ["slow", "quick"]


def test_the_gap_trap_with_the_id_drawn_late(workspace: Workspace) -> None:
    """The transaction's id is older, the row's id is younger: order by id would put it behind the cursor."""
    start = here()
    with other_connection() as slow:
        slow.execute("SELECT pg_current_xact_id()")
        append_events(workspace.pk, [_event("quick")])
        _insert_elsewhere(slow, workspace, "slow", "user-1")

        assert _ids(workspace, start) == []
        slow.commit()

    assert _ids(workspace, start) == ["slow", "quick"]


def test_transaction_ids_are_ordered_as_numbers(workspace: Workspace) -> None:
    """999 comes before 1000; as texts it would not."""
    start = here()
    for number in range(12):
        append_events(workspace.pk, [_event(f"e-{number}")])
    Event.objects.filter(event_id="e-0").update(xid=9)
    Event.objects.filter(event_id="e-1").update(xid=10)

    assert _ids(workspace, Position(0, 0))[:2] == ["e-0", "e-1"]
    assert len(_ids(workspace, start)) == 10


def test_nothing_is_skipped_while_many_write_at_once(workspace: Workspace) -> None:
    """Writers commit in any order; a reader that follows its cursor sees each event once."""
    stop = threading.Event()

    def write(writer: int) -> None:
        with other_connection() as session:
            for number in range(40):
                _insert_elsewhere(session, workspace, f"{writer}-{number}", "user-1")
                session.execute("SELECT pg_sleep(%s)", [0.001 * (writer % 3)])
                session.commit()

    cursor, seen = here(), []
    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    while not stop.is_set():
        if not any(writer.is_alive() for writer in writers):
            stop.set()
        for one in read(workspace.pk, shard_of("user-1", None), cursor, 7):
            seen.append(one.event_id)
            cursor = one.position
    while rest := read(workspace.pk, shard_of("user-1", None), cursor, 100):
        seen += [one.event_id for one in rest]
        cursor = rest[-1].position

    assert sorted(seen) == sorted(f"{writer}-{number}" for writer in range(4) for number in range(40))


def test_an_open_transaction_is_named_as_the_reason_of_a_lag(workspace: Workspace) -> None:
    assert held_back_since() is None
    with other_connection() as slow:
        slow.execute("SELECT pg_current_xact_id()")
        append_events(workspace.pk, [_event("e-1")])

        since = held_back_since()

    assert since is not None


def test_payloads_come_for_the_types_asked_for_only(workspace: Workspace) -> None:
    start = here()
    append_events(workspace.pk, [_event("e-1")])

    [one] = read(workspace.pk, shard_of("user-1", None), start, 10, types=["users.behaviors.Location"])

    assert one.payload is None


def test_a_user_has_one_shard() -> None:
    assert {shard_of(f"user-{number}", None) for number in range(500)} == set(range(SHARDS))
    assert shard_of("user-1", "a") == shard_of("user-1", "b")
    assert shard_of(None, "a") == shard_of("", "a") == shard_of("a", None)


def test_the_horizon_never_falls(workspace: Workspace) -> None:
    before = horizon()
    append_events(workspace.pk, [_event("e-1")])
    assert horizon() > before
