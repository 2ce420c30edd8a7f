"""What beat does for pulls."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from workspaces.schedules import Schedule

SCHEDULES: Final = (
    Schedule(
        name="partners-mixpanel-pull-due",
        task="partners.mixpanel.pull_due",
        every=30,
        description=_("Starts the pulls of cohorts that are due: dynamic syncs every 15 minutes."),
    ),
)
