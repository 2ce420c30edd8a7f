"""What beat does for segments."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from workspaces.schedules import Schedule

SCHEDULES: Final = (
    Schedule(
        name="segments-continue-exports",
        task="segments.continue_exports",
        every=15,
        description=_("Goes on with exports of users whose worker was lost, and repeats callbacks that failed."),
    ),
    Schedule(
        name="segments-purge-exports",
        task="segments.purge_exports",
        every=900,
        description=_("Deletes files of exports whose time is over."),
    ),
    Schedule(
        name="segments-note-sizes",
        task="segments.note_sizes",
        every=3600,
        description=_("Counts the users of every segment once a day, for its size over time."),
    ),
)
