"""What beat does by itself: each app lists its schedules in ``<app>/schedules.py`` as ``SCHEDULES``."""

from dataclasses import dataclass

from django.utils.functional import Promise


@dataclass(frozen=True)
class Schedule:
    """A task that beat starts ``every`` so many seconds, until an admin changes that in the dashboard.

    ``name`` identifies it for ever (it is stored); ``description`` says in words what would be missing without it.
    """

    name: str
    task: str
    every: int
    description: str | Promise = ""
