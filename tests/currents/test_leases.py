"""Leases: never held by two, replaced when they end, shared by workers."""

from typing import Any
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from currents import delivery, leases, outcomes
from currents.batches import Batch
from currents.destinations import destination
from currents.log import Position, shard_of
from currents.models import SHARDS, Current
from currents.outcomes import LeaseLostError
from tests.currents.conftest import cursor_of, event, log_events
from tests.sandbox.running import RunningSandbox
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def busy(current: Current, workspace: Workspace) -> Current:
    """A Current with events on every shard."""
    log_events(workspace, *(event(number, f"user-{number}") for number in range(300)))
    return current


def _take(current: Current, limit: int = 100) -> list[leases.Lease]:
    return leases.take(current, uuid4(), limit, full=2_000)


def _let_time_pass(current: Current) -> None:
    """All leases are over now."""
    current.cursors.update(leased_until=Now())


def test_it_works(busy: Current) -> None:
    mine = _take(busy, 10)
    theirs = _take(busy, 10)

    assert (len(mine), len(theirs)) == (10, SHARDS - 10)
    assert not {one.shard for one in mine} & {one.shard for one in theirs}
    assert leases.workers_on(busy.pk) == 2


def test_a_released_shard_can_be_taken_and_the_longest_free_comes_first(busy: Current) -> None:
    first, second = _take(busy, 2)
    leases.release([second])
    leases.release([first])

    assert {one.shard for one in _take(busy, SHARDS - 2)} == set(range(SHARDS)) - {first.shard, second.shard}
    assert [one.shard for one in _take(busy, 1)] == [second.shard]


def test_a_lease_that_ended_is_taken_over_and_the_old_holder_cannot_move_the_cursor(
    busy: Current,
) -> None:
    [old] = [one for one in _take(busy) if one.shard == shard_of("user-1", None)]
    _let_time_pass(busy)
    [new] = [one for one in _take(busy) if one.shard == old.shard]
    target = destination("mixpanel")
    assert target is not None

    with pytest.raises(LeaseLostError):
        outcomes.settle(old, Batch(upto=Position(9, 9)), target, sent=None, answer=None, keep=False)

    assert cursor_of(busy, old.shard).lease == new.token
    assert not busy.counts.exists()


def test_a_renewed_lease_is_not_taken_over(busy: Current) -> None:
    held = _take(busy)
    before = max(one.deadline for one in held)
    _let_time_pass(busy)
    leases.renew(held)

    assert _take(busy) == []
    assert all(one.deadline > before for one in held)


def test_the_setting_bounds_all_workers_together(busy: Current, settings: Any) -> None:
    settings.CURRENTS_REQUESTS_IN_FLIGHT = 5
    assert len(_take(busy, 3)) == 3
    assert len(_take(busy, 3)) == 2
    assert _take(busy, 3) == []


def test_nothing_is_taken_where_nothing_waits(current: Current) -> None:
    assert _take(current) == []


def test_a_shard_in_back_off_is_left_alone(busy: Current) -> None:
    busy.cursors.filter(shard__lt=10).update(next_try_at="2100-01-01T00:00Z")
    assert {one.shard for one in _take(busy)} == set(range(10, SHARDS))


def test_more_workers_than_allowed_do_not_join(
    busy: Current, mixpanel: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "WORKERS_PER_CURRENT", 1)
    _take(busy, 1)

    delivery.deliver(busy.pk)

    assert mixpanel.total() == 0


def test_no_request_is_started_whose_time_out_outlives_the_lease(settings: Any) -> None:
    from currents.sending import timeout_seconds

    settings.CURRENTS_REQUEST_TIMEOUT, settings.CURRENTS_LEASE_SECONDS = 30.0, 10.0
    assert timeout_seconds() < settings.CURRENTS_LEASE_SECONDS
