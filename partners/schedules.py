"""What beat does for cohorts."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from workspaces.schedules import Schedule

SCHEDULES: Final = (
    Schedule(
        name="partners-fold-stragglers",
        task="partners.fold_stragglers",
        every=15,
        description=_("Applies cohort changes whose wake-up call was lost, and ends full copies that never completed."),
    ),
    Schedule(
        name="partners-pull-due",
        task="partners.pull_due",
        every=30,
        description=_("Starts the pulls of cohorts that are due: dynamic syncs every 15 minutes."),
    ),
    Schedule(
        name="partners-forget-old-runs",
        task="partners.forget_old_runs",
        every=24 * 3600,
        description=_("Deletes whom sync runs added and removed, 90 days after; the runs' counts stay."),
    ),
)
