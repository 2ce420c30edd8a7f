"""What beat does by itself: each app lists its schedules in ``<app>/schedules.py`` as ``SCHEDULES``."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps
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


def schedules() -> Iterator[Schedule]:
    """The schedules of every installed app that has a module ``schedules`` with ``SCHEDULES``."""
    for app in apps.get_app_configs():
        name = f"{app.name}.schedules"
        if find_spec(name) is not None:
            yield from getattr(import_module(name), "SCHEDULES", ())
