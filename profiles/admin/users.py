"""Audience > Search Users, with the page of a user."""

from typing import Any

import orjson
from django.contrib import admin
from django.contrib.admin.models import CHANGE, DELETION
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from profiles.counters import habits
from profiles.deleting import delete_profiles
from profiles.exporting import export_users
from profiles.models import CustomAttribute, Profile
from profiles.panels import panels
from profiles.search import newest, search
from profiles.timeline import timeline
from workspaces.admin_base import WorkspaceAdmin, needs, searched, workspace_in
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
            self.route("<int:pk>/export.json", self.export, "export"),
            self.route("<int:pk>/delete/", require_POST(self.delete_user), "delete_user"),
        ]

    @needs(Action.VIEW_USERS)
    def search_screen(self, request: HttpRequest) -> HttpResponse:
        workspace = workspace_in(request)
        query = searched(request)
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
            "subscriptions": profile.subscription_states.select_related("group").order_by("group__name"),
            "push_tokens": profile.push_tokens.select_related("app").order_by("pk"),
            "app_uses": profile.app_uses.select_related("app").order_by("-last_used_at"),
            "habits": habits([pk]).get(pk, []),
            "timeline": timeline(profile),
            "panels": panels(request, profile),
        }
        return self.screen(request, "profiles/user.html", context)

    @needs(Action.VIEW_USERS)
    def export(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Everything that is held of the user, as a file; what they may ask for by law."""
        profile: Profile = self.get(request, pk=pk)
        content = orjson.dumps(export_users([pk])[0], option=orjson.OPT_INDENT_2)
        self._log(request, profile, _("Exported the user."))
        response = HttpResponse(content, content_type="application/json")
        response["Content-Disposition"] = f'attachment; filename="user-{profile.braze_id}.json"'
        return never_cache(lambda request: response)(request)

    @needs(Action.DELETE_USERS)
    def delete_user(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Delete the user for ever, with everything that is held of them beside the event log."""
        profile: Profile = self.get(request, pk=pk)
        self._log(request, profile, _("Deleted the user."), DELETION)
        delete_profiles(profile.workspace_id, [pk])
        self.message_user(request, _("The user was deleted."))
        return HttpResponseRedirect(reverse("admin:profiles_profile_changelist"))

    def _log(self, request: HttpRequest, profile: Profile, message: str, flag: int = CHANGE) -> None:
        """The activity log outlives users, so it names them by our own id: a deleted user is to be forgotten."""
        self.log(request, Profile(pk=profile.pk, braze_id=profile.braze_id), message, flag)


def _label(column: str) -> str:
    return str(Profile._meta.get_field(column).verbose_name)  # type: ignore[union-attr]


def _custom_attributes(profile: Profile) -> list[tuple[str, str, str]]:
    """(name, type, value) of each custom attribute."""
    rows = CustomAttribute.objects.filter(workspace=profile.workspace_id, name__in=list(profile.custom_attributes))
    types = {row.name: row.get_type_display() for row in rows}
    return [(name, types.get(name, ""), _shown(value)) for name, value in sorted(profile.custom_attributes.items())]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
