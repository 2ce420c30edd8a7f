"""Home: the loop at a glance, and what to do next while something of it is missing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from currents.models import Current
from currents.monitoring import rows
from messaging.usage import last_edited
from partners.models import Cohort, DataImportKey
from profiles.live import live_users
from segments.models import Segment
from workspaces.admin_base import allowed_actions, may, workspace_in
from workspaces.models import DataPoints, Workspace
from workspaces.roles import Action

SHOWN = 5


@dataclass(frozen=True)
class Step:
    """One step of the loop, with the button that leads to it."""

    title: str | Promise
    text: str | Promise
    button: str | Promise
    address: str
    action: Action
    done: bool


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to ``context`` what the home screen shows; of what the person's role does not allow, nothing."""
    workspace = workspace_in(request)
    users = len(live_users(workspace.pk))
    context |= {"title": _("Home"), "may": allowed_actions(request), "users": users, "workspace": workspace}
    if may(request, Action.VIEW_COHORTS):
        context |= _cohorts(workspace)
    if may(request, Action.VIEW_CURRENTS):
        context |= _currents(workspace)
    if may(request, Action.VIEW_DATA_POINTS):
        context["data_points"] = _data_points(workspace)
    if may(request, Action.VIEW_CAMPAIGNS):
        context["engagements"] = last_edited(workspace, SHOWN)
    if may(request, Action.VIEW_SEGMENTS):
        context["segment_count"] = Segment.objects.filter(workspace=workspace, archived_at=None).count()
    steps = [step for step in _steps(workspace, users) if may(request, step.action)]
    context["steps"] = steps if any(not step.done for step in steps) else []
    return context


def _cohorts(workspace: Workspace) -> dict[str, Any]:
    """Cohorts, those synced last first. Late is a pulled one whose sync is overdue; a pushed one is never late."""
    mine = Cohort.objects.filter(integration__workspace=workspace, archived_at=None)
    overdue = timezone.now() - timedelta(seconds=settings.DYNAMIC_SYNC_INTERVAL)
    late = Q(sync=Cohort.Sync.DYNAMIC, next_pull_at__lt=overdue)
    recent = mine.select_related("integration").order_by("-last_sync_at", "name")[:SHOWN]
    late_ids = set(mine.filter(late).values_list("pk", flat=True))
    return {
        "cohort_count": mine.count(),
        "late_count": len(late_ids),
        "cohorts": [(one, one.pk in late_ids) for one in recent],
    }


def _currents(workspace: Workspace) -> dict[str, Any]:
    mine = list(Current.objects.filter(workspace=workspace).order_by("name"))
    active = sum(one.status == Current.Status.ACTIVE for one in mine)
    return {"current_count": len(mine), "active_count": active, "currents": rows(mine[:SHOWN])}


def _data_points(workspace: Workspace) -> int:
    first = datetime.now(UTC).date().replace(day=1)
    found = DataPoints.objects.filter(workspace=workspace, day__gte=first).aggregate(sum=Sum("count"))
    return found["sum"] or 0


def _steps(workspace: Workspace, users: int) -> list[Step]:
    keys = DataImportKey.objects.filter(integration__workspace=workspace)
    return [
        Step(
            _("Send your users"),
            _("Create an API key and send users, events and purchases to the endpoint /users/track."),
            _("API Keys"),
            reverse("admin:workspaces_apikey_changelist"),
            Action.MANAGE_API_KEYS,
            users > 0,
        ),
        Step(
            _("Connect Mixpanel"),
            _("Generate a data import key and export a cohort with it."),
            _("Technology Partners"),
            reverse("admin:partners_integration_changelist"),
            Action.VIEW_COHORTS,
            keys.exclude(last_used_at=None).exists()
            or Cohort.objects.filter(integration__workspace=workspace).exists(),
        ),
        Step(
            _("Build a segment"),
            _("Filter your users by cohort and attribute, and see the exact size at once."),
            _("Segments"),
            reverse("admin:segments_segment_changelist"),
            Action.VIEW_SEGMENTS,
            Segment.objects.filter(workspace=workspace).exists(),
        ),
        Step(
            _("Send events back"),
            _("Create a Current that exports engagement events to Mixpanel, and launch it."),
            _("Currents"),
            reverse("admin:currents_current_changelist"),
            Action.VIEW_CURRENTS,
            Current.objects.filter(workspace=workspace, launched_at__isnull=False).exists(),
        ),
    ]
