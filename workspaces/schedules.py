"""What beat does by itself: each app lists its schedules in ``<app>/schedules.py`` as ``SCHEDULES``."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_celery_beat.models import IntervalSchedule, PeriodicTask


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


_UNITS = ((86_400, IntervalSchedule.DAYS), (3_600, IntervalSchedule.HOURS), (60, IntervalSchedule.MINUTES))


def in_units(seconds: int) -> tuple[int, str]:
    """(number, unit of beat's) of so many seconds, in the largest unit that divides them."""
    for unit, period in _UNITS:
        if seconds % unit == 0:
            return seconds // unit, period
    return seconds, IntervalSchedule.SECONDS


def interval(every: int, period: str) -> IntervalSchedule:
    """Beat's interval, found or made. The database does not keep it unique, so the first will do."""
    found = IntervalSchedule.objects.filter(every=every, period=period).order_by("pk").first()
    return found or IntervalSchedule.objects.create(every=every, period=period)


def in_words(every: int, period: str) -> str:
    """An interval of beat's as people say it."""
    words = {
        IntervalSchedule.DAYS: ngettext("every day", "every %(every)s days", every),
        IntervalSchedule.HOURS: ngettext("every hour", "every %(every)s hours", every),
        IntervalSchedule.MINUTES: ngettext("every minute", "every %(every)s minutes", every),
        IntervalSchedule.SECONDS: ngettext("every second", "every %(every)s seconds", every),
    }
    return words.get(period, _("every %(every)s microseconds")) % {"every": every}


def how_often(task: PeriodicTask) -> str:
    """When beat starts ``task``, in words."""
    if task.interval:
        return in_words(task.interval.every, task.interval.period)
    return str(task.scheduler or "")
