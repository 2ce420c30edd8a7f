"""Background work, thin: each task calls a function that tests call without Celery. All are safe to repeat."""

from celery import shared_task

from partners import copies, folding, identities, late, metering, runs
from partners.changes import FOLD_TASK
from partners.registry import modules

# Celery finds this module; the partners' own tasks are registered by importing them.
PARTNERS_TASKS = [module for _, module in modules("tasks")]


@shared_task(name=FOLD_TASK)  # type: ignore[untyped-decorator]
def fold_cohort(cohort_id: int) -> None:
    """Fold what waits for one cohort: the wake-up call after requests."""
    folding.fold_unless_folding(cohort_id)


@shared_task(name="partners.fold_stragglers")  # type: ignore[untyped-decorator]
def fold_stragglers() -> None:
    """Fold what lost its wake-up call, and give up full copies whose pages stopped arriving."""
    copies.expire_copies()
    folding.fold_stragglers()
    late.match_stragglers()


@shared_task(name="partners.follow_identities")  # type: ignore[untyped-decorator]
def follow_identities() -> None:
    """Let waiting identifiers join whose users appeared; follow merges and deletions."""
    identities.follow_all()


@shared_task(name="partners.match_unlogged")  # type: ignore[untyped-decorator]
def match_unlogged() -> None:
    """Match waiting emails and devices anew."""
    late.match_unlogged()


@shared_task(name="partners.store_key_use")  # type: ignore[untyped-decorator]
def store_key_use() -> None:
    """Store how many requests came with each data import key."""
    metering.store_counts()


@shared_task(name="partners.forget_old_runs")  # type: ignore[untyped-decorator]
def forget_old_runs() -> None:
    """Delete whom runs added and removed, 90 days after, and runs that did nothing, 30 days after."""
    runs.forget_old()
    metering.forget_old_counts()
