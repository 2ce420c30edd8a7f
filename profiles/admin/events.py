"""Analytics > Custom Events: the names that came in, with their counts; which events keep their properties."""

from datetime import UTC, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import F, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_POST

from profiles.catalogue import count_users
from profiles.live import live_users
from profiles.models import CustomAttribute, CustomEvent
from profiles.occurrences import PROPERTY_DAYS, kept_properties
from profiles.stores import DailyCount
from workspaces.admin_base import WorkspaceAdmin, needs, workspace_in
from workspaces.roles import Action

#: Up to so many users the screen counts itself; above, it shows what beat counted last.
COUNTED_HERE = 50_000


@admin.register(CustomEvent)
class CustomEventAdmin(WorkspaceAdmin):
    """Custom events with their counts, custom attributes with their types and users."""

    view_action = Action.VIEW_USERS
    edit_action = Action.MANAGE_EVENTS

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.list_screen, "changelist"),
            self.route("<int:pk>/", self.event_screen, "event"),
            self.route("<int:pk>/properties/", require_POST(self.keep_properties), "properties"),
        ]

    @needs(Action.VIEW_USERS)
    def list_screen(self, request: HttpRequest) -> HttpResponse:
        workspace = workspace_in(request)
        if len(live_users(workspace.pk)) <= COUNTED_HERE:
            count_users(workspace.pk)
        context = {
            "title": _("Custom Events"),
            "events": self.get_queryset(request).order_by(F("count").desc(), "name"),
            "attributes": CustomAttribute.objects.filter(workspace=workspace).order_by("name"),
        }
        return self.screen(request, "profiles/custom_events.html", context)

    @needs(Action.VIEW_USERS)
    def event_screen(self, request: HttpRequest, pk: int) -> HttpResponse:
        event: CustomEvent = self.get(request, pk=pk)
        days = _days(event)
        context = {
            "title": event.name,
            "crumbs": [(_("Custom Events"), reverse("admin:profiles_customevent_changelist"))],
            "event": event,
            "properties": kept_properties(event.pk),
            "kept_days": PROPERTY_DAYS,
            "days": days,
            "most": max(day["times"] for day in days),
        }
        return self.screen(request, "profiles/custom_event.html", context)

    @needs(Action.MANAGE_EVENTS)
    def keep_properties(self, request: HttpRequest, pk: int) -> HttpResponse:
        event: CustomEvent = self.get(request, pk=pk)
        wanted = request.POST.get("keep") == "1"
        if CustomEvent.objects.filter(pk=pk).exclude(keeps_properties=wanted).update(keeps_properties=wanted):
            said = (
                gettext_noop("Properties of “%(name)s” are kept from now on.")
                if wanted
                else gettext_noop("Properties of “%(name)s” are no longer kept.")
            )
            self.log_and_say(request, event, said, name=event.name)
        return HttpResponseRedirect(reverse("admin:profiles_customevent_event", args=[pk]))


def _days(event: CustomEvent) -> list[dict[str, Any]]:
    """How often the event was performed on each of the last 30 days (UTC), oldest first."""
    today = timezone.now().astimezone(UTC).date()
    first = today - timedelta(days=29)
    counted = DailyCount.objects.filter(
        workspace_id=event.workspace_id, kind=DailyCount.Kind.EVENT, name=event.name, day__gte=first
    )
    times = dict(counted.values_list("day").annotate(n=Sum("count")).order_by())
    most = max(times.values(), default=0) or 1
    days = [first + timedelta(days=number) for number in range(30)]
    return [{"day": day, "times": times.get(day, 0), "share": round(100 * times.get(day, 0) / most)} for day in days]
