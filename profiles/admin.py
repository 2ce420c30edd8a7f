"""Audience > Search Users with the page of a user; Analytics > Custom Events."""

from typing import Any

import orjson
from django.contrib import admin
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _

from profiles.models import CustomAttribute, CustomEvent, Profile
from profiles.panels import panels
from profiles.search import newest, search
from workspaces.admin_base import WorkspaceAdmin, needs, workspace_in
from workspaces.roles import Action

NEWEST = 20
#: The default attributes on a user's page, in this order.
SHOWN = (
    "first_name",
    "last_name",
    "email",
    "phone",
    "gender",
    "date_of_birth",
    "country",
    "home_city",
    "language",
    "time_zone",
)


@admin.register(Profile)
class ProfileAdmin(WorkspaceAdmin):
    """Users come in through the REST API; here they are looked at."""

    view_action = Action.VIEW_USERS

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.search_screen, "changelist"),
            self.route("<int:pk>/", self.user_screen, "change"),
        ]

    @needs(Action.VIEW_USERS)
    def search_screen(self, request: HttpRequest) -> HttpResponse:
        workspace = workspace_in(request)
        query = request.GET.get("q", "").strip()
        rows = search(workspace.pk, query) if query else newest(workspace.pk, NEWEST)
        context = {"title": _("Search Users"), "query": query, "rows": rows}
        return self.screen(request, "profiles/search.html", context)

    @needs(Action.VIEW_USERS)
    def user_screen(self, request: HttpRequest, pk: int) -> HttpResponse:
        profile: Profile = self.get(request, pk=pk)
        context = {
            "title": str(profile),
            "crumbs": [(_("Search Users"), reverse("admin:profiles_profile_changelist"))],
            "profile": profile,
            "attributes": [(_label(name), getattr(profile, name)) for name in SHOWN],
            "custom": _custom_attributes(profile),
            "other": [(name, _shown(value)) for name, value in sorted(profile.other_fields.items())],
            "aliases": profile.aliases.order_by("label", "name"),
            "devices": profile.devices.select_related("app").order_by("device_id"),
            "app_uses": profile.app_uses.select_related("app").order_by("-last_used_at"),
            "panels": panels(request, profile),
        }
        return self.screen(request, "profiles/user.html", context)


@admin.register(CustomEvent)
class CustomEventAdmin(WorkspaceAdmin):
    """The names that came in: custom events with their counts, custom attributes with their types."""

    view_action = Action.VIEW_USERS

    def get_urls(self) -> list[URLPattern]:
        return [self.route("", self.list_screen, "changelist")]

    @needs(Action.VIEW_USERS)
    def list_screen(self, request: HttpRequest) -> HttpResponse:
        workspace = workspace_in(request)
        context = {
            "title": _("Custom Events"),
            "events": self.get_queryset(request).order_by(F("count").desc(), "name"),
            "attributes": CustomAttribute.objects.filter(workspace=workspace).order_by("name"),
        }
        return self.screen(request, "profiles/custom_events.html", context)


def _label(column: str) -> str:
    return str(Profile._meta.get_field(column).verbose_name)  # type: ignore[union-attr]


def _custom_attributes(profile: Profile) -> list[tuple[str, str, str]]:
    """(name, type, value) of each custom attribute."""
    rows = CustomAttribute.objects.filter(workspace=profile.workspace_id, name__in=list(profile.custom_attributes))
    types = {row.name: row.get_type_display() for row in rows}
    return [(name, types.get(name, ""), _shown(value)) for name, value in sorted(profile.custom_attributes.items())]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
