"""Background work, thin: each task calls a function that tests call without Celery. All are safe to repeat."""

from celery import shared_task

from partners import copies, folding


@shared_task(name="partners.tasks.fold_cohort")  # type: ignore[untyped-decorator]
def fold_cohort(cohort_id: int) -> None:
    """Fold what waits for one cohort: the wake-up call after each request."""
    folding.fold_cohort(cohort_id)


@shared_task(name="partners.tasks.fold_stragglers")  # type: ignore[untyped-decorator]
def fold_stragglers() -> None:
    """Fold what lost its wake-up call, and give up full copies whose pages stopped arriving."""
    copies.expire_copies()
    folding.fold_stragglers()
