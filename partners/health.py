"""How each cohort's syncs are doing, in a word and a colour."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from partners.models import Cohort, SyncRun


@dataclass(frozen=True)
class Health:
    """``level`` is "ok", "warn", "bad" or "" (nothing to say); ``reason`` explains what is wrong."""

    level: str
    word: str | Promise
    reason: str | Promise = ""


def latest_runs(cohorts: Iterable[Cohort], limit: int) -> list[SyncRun]:
    """The latest runs of all ``cohorts``, newest first: so many of each are looked at, however many there are."""
    return _latest(cohorts, SyncRun.Source.values, limit, limit)


def latest_syncs(cohorts: Iterable[Cohort]) -> dict[int, SyncRun]:
    """The latest run of each cohort that was the partner's or our asking it, by the cohort's id. One query."""
    return {run.cohort_id: run for run in _latest(cohorts, Cohort.Source.values, 1, None)}


def _latest(cohorts: Iterable[Cohort], sources: list[str], each: int, limit: int | None) -> list[SyncRun]:
    runs = SyncRun.objects.raw(
        """
        SELECT run.* FROM unnest(%s::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
            SELECT * FROM partners_syncrun r WHERE r.cohort_id = wanted.id AND r.source = ANY(%s)
            ORDER BY r.started_at DESC, r.id DESC LIMIT %s) AS run
        ORDER BY run.started_at DESC, run.id DESC LIMIT %s
        """,
        [[one.pk for one in cohorts], sources, each, limit],
    )
    return list(runs)


def health_of(cohort: Cohort, latest: SyncRun | None, interval: timedelta, *, connected: bool) -> Health:
    """How a cohort's syncs are doing. A cohort that is sent to us is never late.

    ``interval`` is how often the cohort is pulled; ``connected`` whether a data import key is valid, so that the
    partner can send.
    """
    if cohort.archived_at:
        return Health("", _("Archived"))
    if cohort.paused_at:
        return Health("", _("Paused"), _("Its pulls are paused. Resume them to refresh it again."))
    if latest and latest.status == SyncRun.Status.FAILED:
        return Health("bad", _("Failing"), latest.get_problem_display())
    if latest and latest.status == SyncRun.Status.INCOMPLETE:
        return Health("warn", _("Incomplete"), latest.get_problem_display())
    if cohort.sync == Cohort.Sync.DYNAMIC and _is_late(cohort, interval):
        return Health("warn", _("Late"), _("It was not refreshed for twice its interval."))
    if not cohort.is_pulled and not connected:
        return Health("", _("Paused"), _("Every data import key is invalidated, so nothing can arrive. Generate one."))
    if cohort.last_sync_at is None:
        return Health("", _("Waiting for users"))
    return Health("ok", _("Up to date"))


def _is_late(cohort: Cohort, interval: timedelta) -> bool:
    return timezone.now() - (cohort.last_sync_at or cohort.first_seen_at) > 2 * interval
