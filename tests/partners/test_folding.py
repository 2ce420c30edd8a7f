"""Folding: costs, concurrency, lost wake-up calls, large backlogs."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from partners import changes, folding, unmatched
from partners.folding import fold_cohort, fold_for_read
from partners.models import Cohort, CohortChange, RunSets, SyncRun
from partners.reading import cohort_members, pending
from partners.tasks import fold_stragglers
from profiles.live import live_users, log_identity
from profiles.models import IdentityChange, Profile
from profiles.sets import ProfileSet
from tests.partners.conftest import MakeUsers, Partner, add_alias, add_device, at_once, connect, make_users
from workspaces import valkey, wakeup
from workspaces.models import DataPoints, Workspace

pytestmark = pytest.mark.django_db


def fill(partner: Partner, cohort_id: str, size: int) -> Cohort:
    """A cohort of ``size`` members, whose bitmap is written directly."""
    return Cohort.objects.create(
        integration=partner.integration,
        cohort_id=cohort_id,
        name=cohort_id,
        members=ProfileSet(range(10_000_000, 10_000_000 + 2 * size, 2)),
        size=size,
    )


def statements(work: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        work()
    return [query["sql"] for query in captured.captured_queries]


def test_it_works(mixpanel: Partner, users: MakeUsers) -> None:
    users("a")
    mixpanel.add("a")
    assert CohortChange.objects.count() == 1
    fold_cohort(mixpanel.cohort().pk)
    assert not CohortChange.objects.exists()
    assert mixpanel.cohort().size == 1


def test_a_push_costs_the_same_whatever_the_size_of_the_cohort(mixpanel: Partner, users: MakeUsers) -> None:
    users(*(f"u{number}" for number in range(1_000)))
    live_users(mixpanel.integration.workspace_id)
    small, large = fill(mixpanel, "small", 10), fill(mixpanel, "large", 1_000_000)
    ids = [f"u{number}" for number in range(1_000)]
    for cohort in (small, large):  # the key's last use is noted once a minute, a run made once an export
        mixpanel.change(cohort_id=cohort.cohort_id)
        fold_cohort(cohort.pk)
    pushes, folds = [], []
    for cohort in (small, large):
        pushes.append(statements(lambda cohort=cohort: mixpanel.add(*ids, cohort_id=cohort.cohort_id)))
        folds.append(statements(lambda cohort=cohort: fold_cohort(cohort.pk)))
        assert Cohort.objects.get(pk=cohort.pk).size == 1_000
    assert len(pushes[0]) == len(pushes[1]) == 2
    assert not any('"members"' in sql for sql in pushes[1])
    assert len(folds[0]) == len(folds[1]) == FOLD_STATEMENTS


#: One kind of identifier, all matched, the run exists: two looks whether something waits, a savepoint and its release,
#: the cohort's lock, its copies, requests, run, members, users, waiting list, the run's sets (2), live users (2), the
#: cohort, data points, the requests' deletion, the run's counts; before it the cohort's workspace, after it whether
#: something waits unmatched.
FOLD_STATEMENTS = 21


def test_a_fold_is_a_fixed_number_of_statements(mixpanel: Partner, users: MakeUsers) -> None:
    users(*(f"u{number}" for number in range(50)))
    mixpanel.add("u0")
    cohort_id = mixpanel.cohort().pk
    fold_cohort(cohort_id)
    counts = set()
    for requests, ids in ((1, 1), (1, 40), (20, 2)):
        for number in range(requests):
            mixpanel.remove(*(f"u{number + one}" for one in range(ids)))
            mixpanel.add(*(f"u{number + one}" for one in range(ids)))
        counts.add(len(statements(lambda: fold_cohort(cohort_id))))
    assert counts == {FOLD_STATEMENTS}


def test_identifiers_of_all_kinds_that_name_one_user(mixpanel: Partner, users: MakeUsers) -> None:
    (user,) = users("a")
    (anonymous,) = users(None)
    add_alias(user, "crm", "one")
    add_device(user, "phone")
    add_device(anonymous, "phone")
    add_alias(anonymous, "crm", "two")
    mixpanel.change(
        {"user_ids": ["a"], "aliases": [{"alias_label": "crm", "alias_name": "one"}]},
        {"device_ids": ["phone"], "aliases": [{"alias_label": "crm", "alias_name": "two"}]},
    )
    assert mixpanel.members() == {"a", anonymous.braze_id}
    run = SyncRun.objects.get()
    assert (run.received, run.added, run.already_there, run.unmatched) == (4, 2, 2, 0)


def test_twice_in_two_requests_is_added_once(mixpanel: Partner, users: MakeUsers) -> None:
    users("a")
    mixpanel.add("a")
    mixpanel.add("a")
    mixpanel.members()
    run = SyncRun.objects.get()
    assert (run.requests, run.added, run.already_there, run.data_points) == (2, 1, 1, 1)


def test_changes_log_data_points(mixpanel: Partner, segment: Partner, users: MakeUsers) -> None:
    users("a", "b")
    mixpanel.add("a", "b")
    mixpanel.remove("a", "nobody")
    segment.add("a")
    mixpanel.members(), segment.members()
    assert dict(DataPoints.objects.values_list("source", "count")) == {"Mixpanel Cohorts": 3, "Segment Cohorts": 1}


def test_a_run_keeps_whom_it_added_and_removed(mixpanel: Partner, users: MakeUsers) -> None:
    first, second = users("a", "b")
    mixpanel.add("a", "b")
    mixpanel.members()
    mixpanel.remove("b")
    mixpanel.members()
    sets = RunSets.objects.get()
    assert (set(sets.added), set(sets.removed)) == ({first.pk, second.pk}, {second.pk})


def test_a_gap_of_a_minute_begins_another_run(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b", "c")
    mixpanel.add("a")
    mixpanel.add("b")
    mixpanel.add("c")
    rows = list(CohortChange.objects.order_by("pk"))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE partners_cohortchange SET received_at = received_at - interval '61 seconds' WHERE id = ANY(%s)",
            [[row.pk for row in rows[:2]]],
        )
    mixpanel.members()
    assert list(SyncRun.objects.order_by("pk").values_list("requests", "added")) == [(2, 2), (1, 1)]


def test_unmatched_ids_wait_until_they_are_removed(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.change({"user_ids": ["x", "y"], "device_ids": ["x"]})
    mixpanel.members()
    assert mixpanel.cohort().unmatched.count() == 3
    mixpanel.remove("x")
    mixpanel.members()
    assert set(mixpanel.cohort().unmatched.values_list("kind", "value")) == {("external_id", "y"), ("device", "x")}
    users("y")
    mixpanel.add("y")
    mixpanel.members()
    assert set(mixpanel.cohort().unmatched.values_list("kind", "value")) == {("device", "x")}


def test_a_deleted_user_is_in_no_cohort(mixpanel: Partner, users: MakeUsers) -> None:
    (user, _) = users("a", "b")
    mixpanel.add("a", "b")
    mixpanel.members()
    log_identity(user.workspace_id, IdentityChange.Kind.DELETED, [user.pk])
    Profile.objects.filter(pk=user.pk).delete()
    assert mixpanel.members() == {"b"}
    mixpanel.add("b")
    mixpanel.members()
    assert mixpanel.cohort().size == 1


def test_what_was_folded_before_the_sync_time_is_shown(mixpanel: Partner) -> None:
    mixpanel.name()
    assert mixpanel.cohort().last_sync_at is None
    mixpanel.change()
    mixpanel.members()
    version = mixpanel.cohort().version
    assert (mixpanel.cohort().last_sync_at is not None, version) == (True, 0)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is done differently for many is done so for few."""
    monkeypatch.setattr(unmatched, "COPY_FROM", 1)
    monkeypatch.setattr(folding, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(folding, "IDENTIFIERS_AT_ONCE", 3)


@pytest.mark.usefixtures("small_chunks")
def test_a_large_backlog_is_folded_in_several_transactions(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b", "c", "d", "e")
    for one in "abcde":
        mixpanel.add(one, "nobody")
    mixpanel.remove("a", "b")
    mixpanel.webhook("members", ["a", "b"], cohort_id="w", page=1, pages=3)
    mixpanel.webhook("members", ["c", "x"], cohort_id="w", page=2, pages=3)
    mixpanel.webhook("members", ["d", "y"], cohort_id="w", page=3, pages=3)
    assert mixpanel.members() == {"c", "d", "e"}
    assert mixpanel.members("w") == {"a", "b", "c", "d"}
    assert set(mixpanel.cohort("w").unmatched.values_list("value", flat=True)) == {"x", "y"}
    run = SyncRun.objects.get(cohort=mixpanel.cohort("w"))
    assert (run.received, run.added, run.unmatched, run.status) == (6, 4, 2, "done")


def test_a_reader_folds_little_and_leaves_much(
    mixpanel: Partner, users: MakeUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    users("a", "b")
    mixpanel.add("a", cohort_id="c1")
    mixpanel.add("a", "b", "nobody", cohort_id="c2")
    first, second = mixpanel.cohort("c1"), mixpanel.cohort("c2")
    monkeypatch.setattr(settings, "FOLD_ON_READ_LIMIT", 2)
    assert fold_for_read([second.pk, first.pk]) == 3
    assert pending([first.pk, second.pk]) == 3
    members = cohort_members(mixpanel.integration.workspace_id, [first.pk, second.pk])
    assert {pk: len(found) for pk, found in members.items()} == {first.pk: 1, second.pk: 0}
    fold_stragglers()
    assert pending([first.pk, second.pk]) == 0


def test_cohorts_of_another_workspace_are_not_read(mixpanel: Partner) -> None:
    mixpanel.name()
    other = Workspace.objects.create(name="Other")
    assert cohort_members(other.pk, [mixpanel.cohort().pk]) == {}


def test_one_cohorts_trouble_does_not_stop_the_others(
    mixpanel: Partner, users: MakeUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    users("a")
    mixpanel.add("a", cohort_id="broken")
    mixpanel.add("a", cohort_id="fine")
    CohortChange.objects.filter(cohort__cohort_id="broken").update(changes=b"no json")
    fold_stragglers()
    assert mixpanel.cohort("fine").size == 1
    broken = mixpanel.cohort("broken").pk
    assert len(cohort_members(mixpanel.integration.workspace_id, [broken])[broken]) == 0
    assert fold_for_read([broken]) == 1


# --- with real transactions


@pytest.fixture
def committed(transactional_db: None) -> Partner:
    workspace = Workspace.objects.create(name="Committed")
    make_users(workspace, *(f"u{number}" for number in range(200)))
    return connect(workspace, "mixpanel")


@pytest.mark.django_db(transaction=True)
def test_many_pushers_and_folders_at_once(committed: Partner) -> None:
    def push(worker: int) -> Callable[[], None]:
        def work() -> None:
            for step in range(5):
                ids = [f"u{worker * 20 + one}" for one in range(20)]
                committed.add(*ids)
                committed.remove(*ids[:10])
                fold_cohort(committed.cohort().pk)
                if step % 2:
                    committed.webhook("members", ["u199"], session=f"{worker}-{step}", cohort_id="w")

        return work

    at_once(*(push(worker) for worker in range(8)))
    assert committed.members() == {f"u{worker * 20 + one}" for worker in range(8) for one in range(10, 20)}
    assert committed.members("w") == {"u199"}
    runs = SyncRun.objects.filter(cohort=committed.cohort())
    total = {
        name: sum(runs.values_list(name, flat=True))
        for name in ("requests", "received", "added", "removed", "unmatched")
    }
    assert (total["requests"], total["received"], total["unmatched"]) == (80, 1200, 0)
    assert total["added"] - total["removed"] == 80


@pytest.mark.django_db(transaction=True)
def test_two_folds_at_once_apply_everything_once(committed: Partner) -> None:
    for number in range(30):
        committed.add(f"u{number}")
    cohort_id = committed.cohort().pk
    at_once(*(lambda: fold_cohort(cohort_id) for _ in range(4)))
    assert len(committed.members()) == 30
    assert sum(SyncRun.objects.values_list("added", flat=True)) == 30


@pytest.mark.django_db(transaction=True)
def test_a_request_does_not_wait_for_a_fold(committed: Partner) -> None:
    committed.add("u1")
    with transaction.atomic():
        Cohort.objects.select_for_update(no_key=True).get(cohort_id="c1")
        at_once(lambda: committed.add("u2"))
    assert committed.members() == {"u1", "u2"}


@pytest.mark.django_db(transaction=True)
def test_a_fold_that_breaks_applies_nothing(committed: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    committed.add("u1")
    cohort_id = committed.cohort().pk

    def broken(*args: Any) -> None:
        raise OSError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr("partners.runs.record", broken)
        with pytest.raises(OSError, match="power"):
            fold_cohort(cohort_id)
    assert (CohortChange.objects.count(), SyncRun.objects.count()) == (1, 0)
    assert not DataPoints.objects.exists()
    assert committed.members() == {"u1"}
    assert DataPoints.objects.get().count == 1


@pytest.mark.django_db(transaction=True)
def test_a_lost_wake_up_call_is_made_up_for(committed: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(changes, "wake_up_once", lambda *call: calls.append(call))
    committed.add("u1")
    assert calls == [("partners.fold_cohort", committed.cohort().pk)]
    assert committed.cohort().size == 0
    fold_stragglers()
    assert committed.cohort().size == 1


@pytest.mark.django_db(transaction=True)
def test_a_dead_broker_does_not_refuse_a_push(committed: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[str] = []

    def dead(task: str, *args: Any, **options: Any) -> None:
        attempts.append(task)
        raise ConnectionRefusedError

    monkeypatch.setattr(wakeup.current_app, "send_task", dead)
    monkeypatch.setattr(valkey, "_quiet_until", 0.0)
    committed.add("u1")
    committed.add("u2")
    assert len(attempts) == 1
    assert committed.members() == {"u1", "u2"}
