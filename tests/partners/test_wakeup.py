"""Wake-up calls: many requests of a cohort call one worker, and one worker at a time folds it."""

from typing import Any

import pytest
from celery import current_app
from redis import ConnectionError as NoConnection

from partners import folding, wakeup
from partners.changes import FOLD_TASK
from partners.locks import only_one
from partners.tasks import fold_cohort
from tests.partners.conftest import MakeUsers, Partner, at_once
from workspaces import valkey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(current_app, "send_task", lambda task, arguments, **_: calls.append((task, *arguments)))
    monkeypatch.setattr(valkey, "_quiet_until", 0.0)
    return calls


def test_it_works(mixpanel: Partner, users: MakeUsers, sent: list[tuple[Any, ...]]) -> None:
    users("u1", "u2", "u3")
    mixpanel.add("u1")
    mixpanel.add("u2")
    cohort_id = mixpanel.cohort().pk
    assert sent == [(FOLD_TASK, cohort_id)], "the first call does for both"
    fold_cohort(cohort_id)
    assert mixpanel.cohort().size == 2
    mixpanel.add("u3")
    assert len(sent) == 2, "the call before is answered"


def test_requests_during_a_fold_call_no_more_workers(
    mixpanel: Partner, users: MakeUsers, sent: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker begins at once when it is called, and finds that another one has the cohort."""
    monkeypatch.setattr(wakeup, "PENDING_SECONDS", 60)
    users(*(f"u{number}" for number in range(50)))
    mixpanel.add("u0")
    cohort_id = mixpanel.cohort().pk
    fold, late = folding.fold_cohort, list(range(1, 50))

    def fold_while_pushing(one: int) -> None:
        fold(one)
        while late:
            before = len(sent)
            mixpanel.add(f"u{late.pop()}")
            for _call in sent[before:]:
                at_once(lambda: fold_cohort(one))

    monkeypatch.setattr(folding, "fold_cohort", fold_while_pushing)
    fold_cohort(cohort_id)
    assert mixpanel.cohort().size == 50
    assert sent == [(FOLD_TASK, cohort_id)]
    mixpanel.remove("u0")
    assert sent == 2 * [(FOLD_TASK, cohort_id)], "what comes afterwards is called for"


def test_each_cohort_has_calls_of_its_own(mixpanel: Partner, sent: list[tuple[Any, ...]]) -> None:
    mixpanel.add("u1", cohort_id="c1")
    mixpanel.add("u1", cohort_id="c2")
    assert len({*sent}) == 2


def test_without_valkey_nothing_is_sent_and_nothing_is_lost(
    mixpanel: Partner, users: MakeUsers, sent: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Down:
        def __getattr__(self, command: str) -> Any:
            raise NoConnection

    users("u1")
    monkeypatch.setattr(valkey, "valkey", Down)
    mixpanel.add("u1")
    mixpanel.add("u2")
    assert sent == []
    fold_cohort(mixpanel.cohort().pk)
    assert mixpanel.cohort().size == 1


def test_a_mark_goes_by_itself(mixpanel: Partner, sent: list[tuple[Any, ...]]) -> None:
    """The message may be lost with whoever took it."""
    mixpanel.add("u1")
    mark = wakeup._mark(FOLD_TASK, (mixpanel.cohort().pk,))
    assert 0 < valkey.valkey().pttl(mark) <= wakeup.PENDING_SECONDS * 1_000


def test_a_second_worker_leaves_the_cohort_to_the_first(mixpanel: Partner, users: MakeUsers) -> None:
    users("u1")
    mixpanel.add("u1")
    cohort_id = mixpanel.cohort().pk
    with only_one(folding._LOCK, cohort_id):
        at_once(lambda: folding.fold_unless_folding(cohort_id))
        assert mixpanel.cohort().size == 0
    at_once(lambda: folding.fold_unless_folding(cohort_id))
    assert mixpanel.cohort().size == 1


def test_what_comes_while_a_worker_lets_go_is_folded_by_it(
    mixpanel: Partner, users: MakeUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is committed after the worker has looked, and its own worker finds the lock still taken."""
    users("u1", "u2")
    mixpanel.add("u1")
    cohort_id = mixpanel.cohort().pk
    fold, late = folding.fold_cohort, [lambda: mixpanel.add("u2")]

    def fold_then_late(one: int) -> None:
        fold(one)
        if late:
            late.pop()()
            at_once(lambda: folding.fold_unless_folding(one))

    monkeypatch.setattr(folding, "fold_cohort", fold_then_late)
    folding.fold_unless_folding(cohort_id)
    assert mixpanel.cohort().size == 2
