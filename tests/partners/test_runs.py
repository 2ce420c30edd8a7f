"""Run records: which requests are one run, and how long runs are kept."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from partners import runs
from partners.models import RunSets, SyncRun
from partners.tasks import forget_old_runs
from tests.partners.conftest import MakeUsers, Partner

pytestmark = pytest.mark.django_db

COUNTS = ("session_id", "requests", "received", "added", "removed")


def runs_of(partner: Partner, cohort_id: str = "7") -> list[tuple[object, ...]]:
    return list(SyncRun.objects.filter(cohort=partner.cohort(cohort_id)).order_by("pk").values_list(*COUNTS))


def age(*run_ids: int, days: int) -> None:
    """Make these runs so many days older."""
    passed = timedelta(days=days)
    SyncRun.objects.filter(pk__in=run_ids).update(started_at=F("started_at") - passed, ended_at=F("ended_at") - passed)


def test_it_works(mixpanel: Partner, users: MakeUsers) -> None:
    """Mixpanel makes both calls at every sync, also when nobody came or left: that is one run."""
    users("a")
    mixpanel.webhook("add_members", [], session="s1")
    mixpanel.webhook("remove_members", [], session="s2")
    mixpanel.members("7")
    assert runs_of(mixpanel) == [("s1", 2, 0, 0, 0)]


@pytest.mark.parametrize("together", [True, False], ids=["one fold", "two folds"])
@pytest.mark.parametrize(
    ("added", "removed", "session"), [(["b"], [], "s1"), ([], ["a"], "s2")], ids=["who came", "who left"]
)
def test_the_empty_half_of_a_sync_is_no_run_of_its_own(
    mixpanel: Partner, users: MakeUsers, added: list[str], removed: list[str], session: str, together: bool
) -> None:
    users("a", "b")
    mixpanel.webhook("members", ["a"], session="full")
    mixpanel.members("7")
    mixpanel.webhook("add_members", added, session="s1")
    if not together:
        mixpanel.members("7")
    mixpanel.webhook("remove_members", removed, session="s2")
    mixpanel.members("7")
    assert runs_of(mixpanel)[1:] == [(session, 2, 1, len(added), len(removed))]
    # A further page of the session that named somebody is of the same run.
    mixpanel.webhook("add_members", ["nobody"], session=session)
    mixpanel.members("7")
    assert [one[:3] for one in runs_of(mixpanel)[1:]] == [(session, 3, 2)]


def test_two_halves_that_name_somebody_are_two_runs(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b")
    mixpanel.webhook("add_members", ["a"], session="s1")
    mixpanel.webhook("remove_members", ["b"], session="s2")
    mixpanel.webhook("add_members", [], session="s3")
    mixpanel.members("7")
    assert runs_of(mixpanel) == [("s1", 1, 1, 1, 0), ("s2", 2, 1, 0, 0)]


def test_an_empty_sync_a_minute_later_is_another_run(mixpanel: Partner) -> None:
    for session in ("s1", "s2"):
        mixpanel.webhook("add_members", [], session=session)
        mixpanel.members("7")
        SyncRun.objects.update(ended_at=timezone.now() - timedelta(seconds=61))
    assert runs_of(mixpanel) == [("s1", 1, 0, 0, 0), ("s2", 1, 0, 0, 0)]


def test_an_empty_sync_does_not_join_a_full_copy(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.webhook("members", [], session="full")
    mixpanel.members("7")
    mixpanel.webhook("add_members", [], session="s1")
    mixpanel.members("7")
    assert [one[0] for one in runs_of(mixpanel)] == ["full", "s1"]


# --- How long they are kept -------------------------------------------------------------------------------------------


def make_runs(partner: Partner, *sessions: list[str]) -> list[int]:
    """A run for each session, whose members are added again; a day apart, the last of them now."""
    for number, members in enumerate(sessions):
        age(*SyncRun.objects.values_list("pk", flat=True), days=1)
        partner.webhook("add_members", members, session=f"s{number}")
        partner.members("7")
    return list(SyncRun.objects.order_by("pk").values_list("pk", flat=True))


def test_runs_that_did_nothing_go_after_30_days(mixpanel: Partner, users: MakeUsers) -> None:
    users("a")
    added, quiet, nothing, unmatched, latest = make_runs(mixpanel, ["a"], ["a"], [], ["x"], [])
    age(added, quiet, nothing, unmatched, latest, days=29 - 4)
    forget_old_runs()
    assert SyncRun.objects.count() == 5
    age(added, quiet, nothing, unmatched, latest, days=20)
    forget_old_runs()
    assert set(SyncRun.objects.values_list("pk", flat=True)) == {added, unmatched, latest}


def test_many_go_in_several_steps(mixpanel: Partner, users: MakeUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "CHUNK", 1)
    users("a")
    made = make_runs(mixpanel, ["a"], ["a"], ["a"], ["a"], ["a"])
    age(*made, days=40)
    forget_old_runs()
    assert list(SyncRun.objects.order_by("pk").values_list("pk", flat=True)) == [made[0], made[-1]]


def test_the_run_that_somebody_waits_since_stays(mixpanel: Partner, users: MakeUsers) -> None:
    first, _second = make_runs(mixpanel, ["x"], [])
    SyncRun.objects.filter(pk=first).update(unmatched=0)
    age(first, _second, days=40)
    forget_old_runs()
    assert SyncRun.objects.filter(pk=first).exists()
    assert mixpanel.cohort("7").unmatched.count() == 1


def test_whom_a_run_changed_is_kept_for_90_days_and_its_counts_for_good(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b")
    old, new = make_runs(mixpanel, ["a"], ["b"])
    age(old, days=89)
    forget_old_runs()
    assert set(RunSets.objects.values_list("pk", flat=True)) == {new}
    assert SyncRun.objects.get(pk=old).added == 1
