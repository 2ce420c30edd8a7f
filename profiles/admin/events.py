"""Analytics > Custom Events: the names that came in, with their counts; which events keep their properties, and which
attributes are forced to a type.
"""

from datetime import UTC, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import F, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_POST

from profiles.catalogue import count_users
from profiles.live import live_users
from profiles.models import AttributeType, CustomAttribute, CustomEvent
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
            self.route("attributes/<int:pk>/", self.attribute_screen, "attribute"),
            self.route("attributes/<int:pk>/type/", require_POST(self.force_type), "attribute_type"),
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

    @needs(Action.VIEW_USERS)
    def attribute_screen(self, request: HttpRequest, pk: int) -> HttpResponse:
        attribute = _attribute(request, pk)
        context = {
            "title": attribute.name,
            "crumbs": [(_("Custom Events"), reverse("admin:profiles_customevent_changelist"))],
            "attribute": attribute,
            "types": AttributeType.choices,
        }
        return self.screen(request, "profiles/custom_attribute.html", context)

    @needs(Action.MANAGE_EVENTS)
    def force_type(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Force the attribute to a type from now on, or let it be detected again (``type`` is empty)."""
        attribute = _attribute(request, pk)
        wanted = request.POST.get("type", "")
        if wanted and wanted not in AttributeType.values:
            self.message_user(request, _("Choose one of the types that the list offers."), "error")
        else:
            is_forced, type_ = bool(wanted), AttributeType(wanted or attribute.type)
            if (attribute.is_forced, attribute.type) != (is_forced, type_):
                CustomAttribute.objects.filter(pk=pk).update(is_forced=is_forced, type=type_)
                said = (
                    gettext_noop("“%(name)s” is forced to the type %(type)s from now on.")
                    if is_forced
                    else gettext_noop("The type of “%(name)s” is detected automatically from now on.")
                )
                self.log_and_say(request, attribute, said, name=attribute.name, type=type_.value)
        return HttpResponseRedirect(reverse("admin:profiles_customevent_attribute", args=[pk]))


def _attribute(request: HttpRequest, pk: int) -> CustomAttribute:
    """Raises Http404, also for an attribute of another workspace."""
    return get_object_or_404(CustomAttribute, workspace=workspace_in(request), pk=pk)


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
