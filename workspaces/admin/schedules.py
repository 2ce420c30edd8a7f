"""Settings > Schedules: what beat does by itself, how often, and when it did so last."""

from typing import Final

from django.contrib import admin
from django.contrib.admin.models import CHANGE
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from workspaces.admin_base import WorkspaceAdmin, needs
from workspaces.forms import ScheduleForm
from workspaces.roles import Action
from workspaces.schedules import Schedule, how_often, in_units, in_words, interval, schedules

#: What the activity log says of a new interval, for one and for many of its unit.
SET_TO: Final = {
    IntervalSchedule.SECONDS: (
        gettext_noop("Set to run every second."),
        gettext_noop("Set to run every %(every)s seconds."),
    ),
    IntervalSchedule.MINUTES: (
        gettext_noop("Set to run every minute."),
        gettext_noop("Set to run every %(every)s minutes."),
    ),
    IntervalSchedule.HOURS: (gettext_noop("Set to run every hour."), gettext_noop("Set to run every %(every)s hours.")),
    IntervalSchedule.DAYS: (gettext_noop("Set to run every day."), gettext_noop("Set to run every %(every)s days.")),
}

for model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(model)


@admin.register(PeriodicTask)
class ScheduleAdmin(WorkspaceAdmin):
    """Schedules belong to the installation, not to a workspace: only superusers see and change them."""

    view_action = edit_action = Action.MANAGE_SCHEDULES

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[PeriodicTask]:
        # celery.* is beat's own housekeeping.
        tasks = PeriodicTask.objects.select_related("interval", "crontab").exclude(task__startswith="celery.")
        return tasks.order_by("name")  # type: ignore[no-any-return]

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.list_screen, "changelist"),
            self.route("<int:pk>/", self.edit_screen, "change"),
        ]

    @needs(Action.MANAGE_SCHEDULES)
    def list_screen(self, request: HttpRequest) -> HttpResponse:
        known = _known()
        rows = [(task, known.get(task.name), how_often(task)) for task in self.get_queryset(request)]
        return self.screen(request, "workspaces/schedules.html", {"title": _("Schedules"), "rows": rows})

    @needs(Action.MANAGE_SCHEDULES)
    def edit_screen(self, request: HttpRequest, pk: int) -> HttpResponse:
        task = self.get(request, pk=pk)
        known = _known().get(task.name)
        form = ScheduleForm(request.POST or None, initial=_initial(task))
        if request.method == "POST" and form.is_valid():
            _save(task, form)
            one, many = SET_TO[form.cleaned_data["period"]]
            every = form.cleaned_data["every"]
            self.log(request, task, one if every == 1 else many, CHANGE, every=every)
            self.message_user(request, _("The schedule was saved."))
            return HttpResponseRedirect(reverse("admin:django_celery_beat_periodictask_changelist"))
        context = {
            "title": task.name,
            "crumbs": [(_("Schedules"), reverse("admin:django_celery_beat_periodictask_changelist"))],
            "form": form,
            "task": task,
            "known": known,
            "installed": in_words(*in_units(known.every)) if known else "",
        }
        return self.screen(request, "workspaces/schedule.html", context)


def _known() -> dict[str, Schedule]:
    return {one.name: one for one in schedules()}


def _initial(task: PeriodicTask) -> dict[str, object]:
    interval = task.interval
    period = interval.period if interval else IntervalSchedule.MINUTES
    return {"every": interval.every if interval else 1, "period": period, "enabled": task.enabled}


def _save(task: PeriodicTask, form: ScheduleForm) -> None:
    """Beat reads the change at once: saving a periodic task tells it that something changed."""
    task.interval = interval(form.cleaned_data["every"], form.cleaned_data["period"])
    task.crontab = task.solar = task.clocked = None
    task.enabled = form.cleaned_data["enabled"]
    task.save()
