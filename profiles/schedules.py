"""What beat does for users."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from workspaces.schedules import Schedule

SCHEDULES: Final = (
    Schedule(
        name="profiles-count-received",
        task="profiles.count_received",
        every=5,
        description=_("Counts events that other systems sent for our users, for segments to filter by."),
    ),
    Schedule(
        name="profiles-continue-imports",
        task="profiles.continue_imports",
        every=15,
        description=_("Goes on with imports of users whose worker was lost."),
    ),
    Schedule(
        name="profiles-forget-notes",
        task="profiles.forget_notes",
        every=300,
        description=_("Deletes notes about changed user data that no stored filter result needs any more."),
    ),
    Schedule(
        name="profiles-count-attributes",
        task="profiles.count_attributes",
        every=3600,
        description=_("Counts how many users have each custom attribute, and are in each subscription group."),
    ),
    Schedule(
        name="profiles-purge",
        task="profiles.purge",
        every=3600,
        description=_(
            "Deletes event properties and the log of who users became after 30 days, and imports never started."
        ),
    ),
)
