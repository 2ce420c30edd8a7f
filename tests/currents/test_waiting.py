"""How many events wait is counted once, remembered, and always right."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from currents import delivery, leases, lifecycle, retention, waiting
from currents.due import due_currents
from currents.log import shard_of
from currents.models import Current, Cursor, Event, LogCluster
from currents.rebase import rebase, stamp
from currents.waiting import remember, work_waits
from tests.currents.conftest import event, log_events, make_current
from tests.sandbox.running import RunningSandbox
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

FULL = 2_000


@pytest.fixture(autouse=True)
def young(settings: Any, mixpanel: RunningSandbox) -> None:
    """Part batches wait."""
    settings.CURRENTS_FLUSH_INTERVAL = 900.0


def counted(current: Current) -> dict[int, int]:
    """What is remembered, by shard."""
    return dict(current.cursors.filter(counted__gt=0).values_list("shard", "counted"))


def uncounted_rows(cursor: Cursor) -> int:
    """How many events lie between a cursor and what it remembers, counted one by one."""
    if cursor.counted_xid is None:
        return 0
    rows = Event.objects.filter(workspace=cursor.current.workspace_id, shard=cursor.shard).values_list("xid", "id")
    upto = (cursor.counted_xid, cursor.counted_event)
    return sum((cursor.xid, cursor.event) < place <= upto for place in rows)


def rows_scanned(statement: str) -> int:
    """How many rows of the log a statement looks at."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING off) {statement}")
        found = cursor.fetchone()[0]
    return _rows((json.loads(found) if isinstance(found, str) else found)[0]["Plan"])


def _rows(node: dict[str, Any]) -> int:
    own = 0
    if str(node.get("Relation Name", "")).startswith("currents_event"):
        own = round(node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)))
    return own + sum(_rows(child) for child in node.get("Plans", ()))


def test_it_works(current: Current, workspace: Workspace) -> None:
    log_events(workspace, *(event(number) for number in range(FULL - 1)))
    assert due_currents() == []
    assert counted(current) == {shard_of("user-1", None): FULL - 1}
    log_events(workspace, event(FULL))
    assert due_currents() == [current.pk]
    delivery.deliver(current.pk)
    assert counted(current) == {}
    assert not current.cursors.exclude(counted_xid=None).exists()


@pytest.mark.usefixtures("remembered_marks")
def test_many_young_part_batches_are_counted_once(current: Current, workspace: Workspace) -> None:
    users = [f"user-{number}" for number in range(64)]
    log_events(workspace, *(event(number, users[number % 64]) for number in range(12_800)))
    token = uuid4()
    with CaptureQueriesContext(connection) as first:
        assert leases.take(current, token, 16, full=FULL) == []
    with CaptureQueriesContext(connection) as second:
        assert leases.take(current, token, 16, full=FULL) == []
    assert len(first) == len(second) == 3
    assert sum(counted(current).values()) == 12_800
    takes = [query["sql"] for query in second.captured_queries[1:]]
    assert sum(map(rows_scanned, takes)) < 100


def test_what_is_old_enough_to_leave_is_not_counted(current: Current, workspace: Workspace, settings: Any) -> None:
    log_events(workspace, *(event(number) for number in range(500)))
    settings.CURRENTS_FLUSH_INTERVAL = 0.0
    assert due_currents() == [current.pk]
    assert counted(current) == {}


def test_few_new_ones_are_not_worth_a_write(current: Current, workspace: Workspace) -> None:
    log_events(workspace, *(event(number) for number in range(waiting.REMEMBER_FROM - 1)))
    due_currents()
    assert counted(current) == {}


def test_each_current_counts_for_itself(current: Current, workspace: Workspace) -> None:
    elsewhere = Workspace.objects.create(name="Other")
    other = make_current(elsewhere)
    lifecycle.launch(other)
    log_events(workspace, *(event(number) for number in range(500)))
    log_events(elsewhere, *(event(number) for number in range(300)))
    assert due_currents(workspace.pk) == []
    assert (sum(counted(current).values()), counted(other)) == (500, {})
    assert due_currents() == []
    assert (sum(counted(current).values()), sum(counted(other).values())) == (500, 300)


def test_a_shard_that_somebody_holds_is_not_counted(current: Current, workspace: Workspace) -> None:
    log_events(workspace, *(event(number) for number in range(500)))
    [_lease] = leases.take(current, uuid4(), 1, full=FULL, flush=True)
    remember(work_waits(full=FULL))
    assert counted(current) == {}


def test_a_cursor_that_is_moved_counts_anew(current: Current, workspace: Workspace) -> None:
    log_events(workspace, *(event(number) for number in range(500)))
    due_currents()
    moved = Cursor.objects.get(shard=shard_of("user-1", None))
    last = Event.objects.order_by("id")[99]
    assert retention._pass(moved.pk, (moved.xid, moved.event), (last.xid, last.id))
    assert counted(current) == {}
    due_currents()
    assert sum(counted(current).values()) == 400


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("log"), st.integers(1, 12)),
            st.tuples(st.just("ask"), st.just(0)),
            st.tuples(st.just("move"), st.integers(0, 9)),
        ),
        max_size=14,
    )
)
def test_what_is_remembered_is_what_is_there(
    current: Current, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int]]
) -> None:
    """Whatever comes, and wherever the cursor goes: it says that a full batch of 8 waits if, and only if, one does."""
    monkeypatch.setattr(waiting, "REMEMBER_FROM", 3)
    Event.objects.all().delete()
    shard = shard_of("user-1", None)
    Cursor.objects.filter(shard=shard).update(counted=0, counted_xid=None, counted_event=None)
    for step, number in steps:
        if step == "log":
            log_events(workspace, *(event(one) for one in range(number)))
        cursor = Cursor.objects.select_related("current").get(shard=shard)
        places = list(
            Event.objects.filter(xid__gte=cursor.xid)
            .exclude(xid=cursor.xid, id__lte=cursor.event)
            .order_by("xid", "id")
            .values_list("xid", "id")
        )
        if step == "move" and places:
            target = places[min(number, len(places) - 1)]
            assert retention._pass(cursor.pk, (cursor.xid, cursor.event), target)
            places = places[min(number, len(places) - 1) + 1 :]
        if step == "ask":
            taken = leases.take(current, uuid4(), 1, full=8)
            assert bool(taken) == (len(places) >= 8)
            leases.release(taken)
        cursor.refresh_from_db()
        assert cursor.counted == uncounted_rows(cursor)


def test_a_restored_log_is_counted_anew(current: Current, workspace: Workspace) -> None:
    log_events(workspace, *(event(number) for number in range(500)))
    due_currents()
    assert sum(counted(current).values()) == 500
    far = 10**12
    Event.objects.update(xid=F("xid") + far)
    Cursor.objects.update(xid=F("xid") + far, counted_xid=F("counted_xid") + far)
    stamp()
    LogCluster.objects.update(system_identifier=1)
    assert rebase(timezone.now()).needed
    assert counted(current) == {}
    due_currents()
    assert sum(counted(current).values()) == 500
