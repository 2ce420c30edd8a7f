"""How each cohort's syncs are doing, in a word and a colour."""

from collections.abc import Collection
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


def latest_runs(cohorts: Collection[Cohort]) -> dict[int, SyncRun]:
    """The latest run of each cohort, by its id. One query."""
    runs = SyncRun.objects.filter(cohort__in=cohorts).order_by("cohort_id", "-started_at", "-id").distinct("cohort_id")
    return {run.cohort_id: run for run in runs}


def health_of(cohort: Cohort, latest: SyncRun | None, interval: timedelta) -> Health:
    """``interval`` is how often the cohort is pulled. A cohort that is sent to us is never late."""
    if cohort.archived_at:
        return Health("", _("Archived"))
    if latest and latest.status == SyncRun.Status.FAILED:
        return Health("bad", _("Failing"), latest.get_problem_display())
    if latest and latest.status == SyncRun.Status.INCOMPLETE:
        return Health("warn", _("Incomplete"), latest.get_problem_display())
    if cohort.sync == Cohort.Sync.DYNAMIC and _is_late(cohort, interval):
        return Health("warn", _("Late"), _("It was not refreshed for twice its interval."))
    if cohort.last_sync_at is None:
        return Health("", _("Waiting for users"))
    return Health("ok", _("Up to date"))


def _is_late(cohort: Cohort, interval: timedelta) -> bool:
    return timezone.now() - (cohort.last_sync_at or cohort.first_seen_at) > 2 * interval
