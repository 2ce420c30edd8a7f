"""Pulling cohorts from the query API: a sandbox on a real socket stands in for Mixpanel."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from partners.folding import fold_cohort
from partners.mixpanel import limits, pull
from partners.mixpanel.limits import MustWait, interval_of, queries_left, query_slot
from partners.mixpanel.query import ListedCohort, QueryError
from partners.models import Cohort, CohortChange, FullCopy, PullConnection, PullQuery, SyncRun
from tests.partners.conftest import MakeUsers, Partner
from tests.sandbox.running import RunningSandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(mixpanel: Partner, sandbox: RunningSandbox, settings: LazySettings) -> PullConnection:
    settings.MIXPANEL_SANDBOX_URL = sandbox.url
    settings.MIXPANEL_QUERY_TIMEOUT = 5
    options = {"project_id": "1", "region": "sandbox", "service_account": "sandbox-service-account"}
    secrets = {"service_secret": "sandbox-service-secret"}
    return PullConnection.objects.create(integration=mixpanel.integration, options=options, secrets=secrets)


Offer = Callable[..., int]


@pytest.fixture
def offer(sandbox: RunningSandbox) -> Offer:
    """Makes or changes a cohort in Mixpanel."""

    def make(*members: Any, cohort_id: int | None = None) -> int:
        body = {"name": "Offered", "members": list(members)}
        if cohort_id is None:
            return int(sandbox.call("POST", "/sandbox/cohorts", body).json["id"])
        assert sandbox.call("PUT", f"/sandbox/cohorts/{cohort_id}", body).status == 200
        return cohort_id

    return make


def choose(connection: PullConnection, cohort_id: int, sync: str = "dynamic") -> Cohort:
    listed = next(one for one in pull.refresh_listing(connection) if one.id == str(cohort_id))
    return pull.choose(connection, listed, sync)


def due(cohort: Cohort) -> None:
    Cohort.objects.filter(pk=cohort.pk).update(next_pull_at=timezone.now())


def run_due(connection: PullConnection) -> None:
    pull.pull_connection(connection.pk)


def test_it_works(mixpanel: Partner, connection: PullConnection, offer: Offer, users: MakeUsers) -> None:
    users("a", "b", "c")
    users("e", email="e@example.com")
    cohort_id = offer("a", {"distinct_id": "other", "$braze_external_id": "b"}, "nobody")
    cohort = choose(connection, cohort_id)
    before = timezone.now()
    run_due(connection)
    assert mixpanel.members(str(cohort_id)) == {"a", "b"}
    cohort.refresh_from_db()
    assert (cohort.name, cohort.source, cohort.sync, cohort.size) == ("Offered", "pull", "dynamic", 2)
    assert cohort.next_pull_at is not None
    assert timedelta(minutes=14) < cohort.next_pull_at - before < timedelta(minutes=16)
    offer("c", cohort_id=cohort_id)
    due(cohort)
    run_due(connection)
    assert mixpanel.members(str(cohort_id)) == {"c"}
    run = SyncRun.objects.latest("pk")
    assert (run.status, run.source, run.received, run.added, run.removed) == ("done", "pull", 1, 1, 2)


def test_all_pages_are_read(
    mixpanel: Partner,
    connection: PullConnection,
    offer: Offer,
    users: MakeUsers,
    sandbox: RunningSandbox,
) -> None:
    sandbox.call("PATCH", "/sandbox/settings", {"page_size": 2})
    users(*"abcdef")
    for members in ("abcde", "abcd", "ab", ""):
        cohort_id = offer(*members)
        choose(connection, cohort_id)
        run_due(connection)
        assert mixpanel.members(str(cohort_id)) == set(members)


def test_a_one_time_pull_is_not_repeated(connection: PullConnection, offer: Offer) -> None:
    cohort = choose(connection, offer("a"), "one_time")
    run_due(connection)
    cohort.refresh_from_db()
    assert (cohort.sync, cohort.next_pull_at) == ("one_time", None)


def test_nothing_due_costs_no_query(connection: PullConnection, offer: Offer) -> None:
    choose(connection, offer("a"))
    run_due(connection)
    queries = PullQuery.objects.count()
    assert pull.pull_due() == 0
    run_due(connection)
    assert PullQuery.objects.count() == queries


def test_due_cohorts_are_found_by_beat(
    connection: PullConnection, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(pull, "wake_up", lambda *call: calls.append(call))
    choose(connection, offer("a"))
    choose(connection, offer("b"))
    assert pull.pull_due() == 1
    assert calls == [("partners.mixpanel.pull_connection", connection.pk)]


@pytest.mark.parametrize(
    ("kind", "problem", "again_soon"),
    [
        ("500", "unreachable", True),
        ("503", "unreachable", True),
        ("reset", "unreachable", True),
        ("truncated", "unreachable", True),
        ("garbage", "bad_answer", True),
        ("401", "unauthorized", False),
        ("403", "unauthorized", False),
        ("400", "refused", False),
    ],
)
def test_a_pull_that_breaks_midway_changes_nothing(
    mixpanel: Partner,
    connection: PullConnection,
    offer: Offer,
    users: MakeUsers,
    sandbox: RunningSandbox,
    kind: str,
    problem: str,
    again_soon: bool,
) -> None:
    sandbox.call("PATCH", "/sandbox/settings", {"page_size": 2})
    users(*"abcd")
    cohort_id = offer("a", "b", "c")
    cohort = choose(connection, cohort_id)
    run_due(connection)
    offer("b", "c", "d", cohort_id=cohort_id)
    due(cohort)
    # The first page is answered, the second is not.
    sandbox.misbehave("slow", delay=0, times=1)
    sandbox.misbehave(kind)
    run_due(connection)
    assert mixpanel.members(str(cohort_id)) == {"a", "b", "c"}
    run = SyncRun.objects.latest("pk")
    assert (run.status, run.problem) == ("failed", problem)
    assert not FullCopy.objects.exists()
    assert not CohortChange.objects.exists()
    connection.refresh_from_db()
    assert connection.problem == problem
    cohort.refresh_from_db()
    assert cohort.next_pull_at is not None
    assert (cohort.next_pull_at - timezone.now() < timedelta(minutes=6)) is again_soon
    sandbox.call("DELETE", "/sandbox/misbehave")
    due(cohort)
    run_due(connection)
    assert mixpanel.members(str(cohort_id)) == {"b", "c", "d"}
    connection.refresh_from_db()
    assert connection.problem == ""


def test_429_waits_and_goes_on(
    mixpanel: Partner,
    connection: PullConnection,
    offer: Offer,
    users: MakeUsers,
    sandbox: RunningSandbox,
) -> None:
    sandbox.call("PATCH", "/sandbox/settings", {"page_size": 2})
    users(*"abc")
    cohort_id = offer("a", "b", "c")
    cohort = choose(connection, cohort_id)
    sandbox.misbehave("slow", delay=0, times=1)
    sandbox.misbehave("429", retry_after=120, times=1)
    run_due(connection)
    cohort.refresh_from_db()
    assert cohort.next_pull_at is not None
    assert timedelta(seconds=110) < cohort.next_pull_at - timezone.now() < timedelta(seconds=121)
    with pytest.raises(MustWait), query_slot(connection):
        pass
    queries = PullQuery.objects.count()
    PullConnection.objects.update(wait_until=timezone.now())
    due(cohort)
    run_due(connection)
    # The first page was kept: only the second is asked for.
    assert PullQuery.objects.count() == queries + 1
    assert mixpanel.members(str(cohort_id)) == {"a", "b", "c"}


def test_no_more_than_60_queries_an_hour(
    mixpanel: Partner,
    connection: PullConnection,
    offer: Offer,
    users: MakeUsers,
    sandbox: RunningSandbox,
    settings: LazySettings,
) -> None:
    settings.MIXPANEL_QUERIES_PER_HOUR = 3
    sandbox.call("PATCH", "/sandbox/settings", {"page_size": 1, "queries_per_hour": 1000})
    users(*"abc")
    cohort_id = offer("a", "b", "c")
    cohort = choose(connection, cohort_id)  # one query
    run_due(connection)  # two more
    assert (PullQuery.objects.count(), queries_left(connection)) == (3, 0)
    cohort.refresh_from_db()
    assert cohort.next_pull_at is not None
    assert cohort.next_pull_at > timezone.now() + timedelta(minutes=59)
    due(cohort)
    run_due(connection)
    assert PullQuery.objects.count() == 3
    assert mixpanel.members(str(cohort_id)) == set()
    past = timezone.now() - timedelta(hours=1, seconds=1)
    PullQuery.objects.update(started_at=past, ended_at=past)
    due(cohort)
    run_due(connection)
    assert mixpanel.members(str(cohort_id)) == {"a", "b", "c"}


def test_no_more_than_5_queries_at_once(connection: PullConnection) -> None:
    for _ in range(5):
        PullQuery.objects.create(integration=connection.integration)
    with pytest.raises(MustWait) as waits, query_slot(connection):
        pass
    assert waits.value.until - timezone.now() < timedelta(seconds=5)
    # A process that died leaves queries without an end.
    PullQuery.objects.update(started_at=timezone.now() - timedelta(minutes=5))
    with query_slot(connection):
        assert PullQuery.objects.filter(ended_at=None).count() == 6


def test_old_queries_are_forgotten(connection: PullConnection) -> None:
    PullQuery.objects.create(integration=connection.integration, started_at=timezone.now() - timedelta(hours=3))
    limits.forget_old_queries()
    assert not PullQuery.objects.exists()


@pytest.mark.parametrize(
    ("users_of_cohorts", "minutes"),
    [([10], 15), ([15_000], 15), ([15_001], 16), ([30_000, 30_000], 60), ([1] * 20, 20)],
)
def test_the_interval_that_the_cohorts_can_really_have(
    connection: PullConnection, users_of_cohorts: list[int], minutes: int
) -> None:
    for number, users in enumerate(users_of_cohorts):
        pull.choose(connection, ListedCohort(str(number), "N", "", users), "dynamic")
    pull.choose(connection, ListedCohort("once", "N", "", 1_000_000), "one_time")
    assert interval_of(connection) == timedelta(minutes=minutes)


def test_a_cohort_that_is_not_chosen_any_more_is_not_pulled(connection: PullConnection, offer: Offer) -> None:
    cohort_id = offer("a")
    cohort = choose(connection, cohort_id)
    pull.choose(connection, ListedCohort(str(cohort_id), "Offered", "", 1), "")
    cohort.refresh_from_db()
    assert (cohort.sync, cohort.next_pull_at) == ("", None)
    pull.sync_now(cohort)
    cohort.refresh_from_db()
    assert cohort.next_pull_at is None


def test_paused_and_archived_cohorts_do_not_slow_the_others(connection: PullConnection) -> None:
    for number in range(4):
        pull.choose(connection, ListedCohort(str(number), "N", "", 15_000), "dynamic")
    assert interval_of(connection) == timedelta(minutes=60)
    Cohort.objects.filter(cohort_id="1").update(paused_at=timezone.now())
    Cohort.objects.filter(cohort_id="2").update(archived_at=timezone.now())
    assert interval_of(connection) == timedelta(minutes=30)


def test_archived_cohorts_are_not_pulled(connection: PullConnection, offer: Offer) -> None:
    cohort = choose(connection, offer("a"))
    Cohort.objects.filter(pk=cohort.pk).update(archived_at=timezone.now())
    assert pull.pull_due() == 0


def test_differences_pushed_during_a_pull_stay_on_top(
    mixpanel: Partner,
    connection: PullConnection,
    offer: Offer,
    users: MakeUsers,
    sandbox: RunningSandbox,
) -> None:
    sandbox.call("PATCH", "/sandbox/settings", {"page_size": 1})
    users(*"abc")
    cohort_id = offer("a", "b")
    cohort = choose(connection, cohort_id)
    sandbox.misbehave("slow", delay=0, times=1)
    sandbox.misbehave("429", times=1)
    run_due(connection)
    mixpanel.change({"user_ids": ["c"]}, {"user_ids": ["b"], "should_remove": True}, cohort_id=str(cohort_id))
    fold_cohort(cohort.pk)
    PullConnection.objects.update(wait_until=None)
    due(cohort)
    run_due(connection)
    assert mixpanel.members(str(cohort_id)) == {"a", "c"}


def test_wrong_credentials_are_told(connection: PullConnection) -> None:
    connection.secrets = {"service_secret": "wrong"}
    connection.save()
    with pytest.raises(QueryError) as refusal:
        pull.refresh_listing(connection)
    assert (refusal.value.problem, refusal.value.is_transient) == ("unauthorized", False)
    assert "wrong" not in str(refusal.value)
    connection.refresh_from_db()
    assert connection.problem == "unauthorized"


def test_the_listing_is_kept(connection: PullConnection, offer: Offer) -> None:
    cohort_id = offer("a", "b")
    pull.refresh_listing(connection)
    assert ListedCohort(str(cohort_id), "Offered", "", 2) in pull.listing(PullConnection.objects.get())


def test_a_region_that_is_gone_is_told(connection: PullConnection, settings: LazySettings) -> None:
    settings.MIXPANEL_SANDBOX_URL = ""
    with pytest.raises(QueryError, match="region"):
        pull.refresh_listing(connection)
