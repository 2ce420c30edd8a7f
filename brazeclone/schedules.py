"""Schedules of all apps, put where beat reads them. An admin's changes survive: only missing ones are made."""

from typing import Any

from django.apps.registry import Apps
from django.db import transaction
from django_celery_beat.models import PeriodicTask

from workspaces.schedules import in_units, interval, schedules


@transaction.atomic
def ensure_schedules() -> int:
    """Make the periodic tasks that are missing; how many were."""
    known = set(PeriodicTask.objects.values_list("name", flat=True))
    missing = [one for one in schedules() if one.name not in known]
    for one in missing:
        PeriodicTask.objects.create(name=one.name, task=one.task, interval=interval(*in_units(one.every)))
    return len(missing)


def after_migration(apps: Apps | None = None, **signal: Any) -> None:
    """Receiver of ``post_migrate``. ``apps`` is what is migrated, perhaps without beat; a flush sends none."""
    if apps is None or apps.all_models.get("django_celery_beat"):
        ensure_schedules()
