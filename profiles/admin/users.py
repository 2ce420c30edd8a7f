"""Audience > Search Users, with the page of a user."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.admin.models import CHANGE, DELETION
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from profiles.counters import habits
from profiles.custom_values import type_of
from profiles.dates import parse_moment
from profiles.deleting import delete_profiles
from profiles.editing import set_subscriptions, set_test_user
from profiles.forms import SubscriptionsForm
from profiles.held import everything_held
from profiles.models import AttributeType, CustomAttribute, Profile, SubscriptionGroup
from profiles.panels import panels
from profiles.rows import MovedError
from profiles.search import newest, search
from profiles.timeline import timeline
from workspaces.admin_base import WorkspaceAdmin, needs, searched, workspace_in
from workspaces.json_out import dump
from workspaces.roles import Action

Changed = TypeVar("Changed")

NEWEST = 20
#: Test users are few, and looked for as a whole.
TEST_USERS = 200
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
            self.route("<int:pk>/subscriptions/", require_POST(self.change_subscriptions), "subscriptions"),
            self.route("<int:pk>/test/", require_POST(self.mark_test_user), "test_user"),
            self.route("<int:pk>/delete/", require_POST(self.delete_user), "delete_user"),
        ]

    @needs(Action.VIEW_USERS)
    def search_screen(self, request: HttpRequest) -> HttpResponse:
        workspace = workspace_in(request)
        query = searched(request)
        test_users = request.GET.get("test") == "1"
        if query:
            rows = search(workspace.pk, query, test_users=test_users)
        else:
            rows = newest(workspace.pk, TEST_USERS if test_users else NEWEST, test_users=test_users)
        context = {"title": _("Search Users"), "query": query, "test_users": test_users, "rows": rows}
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
            "subscriptions": _subscriptions(profile),
            "archived_states": profile.subscription_states.filter(group__archived_at__isnull=False)
            .select_related("group")
            .order_by("group__name"),
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
        content = dump(everything_held(profile), indented=True)
        self._log(request, profile, gettext_noop("Exported the user."))
        response = HttpResponse(content, content_type="application/json")
        response["Content-Disposition"] = f'attachment; filename="user-{profile.braze_id}.json"'
        return never_cache(lambda request: response)(request)

    @needs(Action.EDIT_USERS)
    def change_subscriptions(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Set what the user chose; who sent nothing new changes nothing."""
        profile: Profile = self.get(request, pk=pk)
        form = _subscriptions(profile, request.POST)
        if not form.is_valid():
            self.message_user(request, _("Choose one of the states that the lists offer."), "error")
        elif _found(lambda: set_subscriptions(profile.workspace_id, pk, form.columns(), form.states())):
            self._log(request, profile, gettext_noop("Changed the subscriptions of the user."))
            self.message_user(request, _("The subscriptions were saved."))
        return self._to_user(pk)

    @needs(Action.EDIT_USERS)
    def mark_test_user(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Mark the user as a test user, or take the mark away."""
        profile: Profile = self.get(request, pk=pk)
        wanted = request.POST.get("test") == "1"
        if _found(lambda: set_test_user(pk, wanted)):
            said = gettext_noop("Marked as a test user.") if wanted else gettext_noop("No longer a test user.")
            self._log(request, profile, said)
            self.message_user(request, _(said))
        return self._to_user(pk)

    def _to_user(self, pk: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:profiles_profile_change", args=[pk]))

    @needs(Action.DELETE_USERS)
    def delete_user(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Delete the user for ever, with everything that is held of them beside the event log."""
        profile: Profile = self.get(request, pk=pk)
        _found(lambda: delete_profiles(profile.workspace_id, [pk]))
        self._log(request, profile, gettext_noop("Deleted the user."), DELETION)
        self.message_user(request, _("The user was deleted."))
        return HttpResponseRedirect(reverse("admin:profiles_profile_changelist"))

    def _log(self, request: HttpRequest, profile: Profile, message: str, flag: int = CHANGE) -> None:
        """The activity log outlives users, so it names them by our own id: a deleted user is to be forgotten."""
        self.log(request, Profile(pk=profile.pk, braze_id=profile.braze_id), message, flag)


def _found(change: Callable[[], Changed]) -> Changed:
    """Do ``change``. Raises Http404 when the user was deleted or merged meanwhile."""
    try:
        return change()
    except MovedError:
        raise Http404 from None


def _subscriptions(profile: Profile, data: Any = None) -> SubscriptionsForm:
    groups = SubscriptionGroup.objects.filter(workspace=profile.workspace_id, archived_at=None).order_by("name")
    return SubscriptionsForm(
        data,
        groups=list(groups),
        chosen=dict(profile.subscription_states.values_list("group_id", "is_subscribed")),
        initial={"email_subscribe": profile.email_subscribe, "push_subscribe": profile.push_subscribe},
    )


def _label(column: str) -> str:
    return str(Profile._meta.get_field(column).verbose_name)  # type: ignore[union-attr]


@dataclass(frozen=True)
class ShownAttribute:
    """A custom attribute of a user. ``moment``: of a date; ``is_other``: it is not of the type that is forced."""

    name: str
    type: str
    value: str
    moment: datetime | None
    is_other: bool


def _custom_attributes(profile: Profile) -> list[ShownAttribute]:
    rows = CustomAttribute.objects.filter(workspace=profile.workspace_id, name__in=list(profile.custom_attributes))
    known = {row.name: row for row in rows}
    found = []
    for name, value in sorted(profile.custom_attributes.items()):
        row = known.get(name)
        moment = parse_moment(value) if row and row.type == AttributeType.DATE else None
        is_other = row is not None and row.is_forced and type_of(value) != row.type
        found.append(ShownAttribute(name, row.get_type_display() if row else "", _shown(value), moment, is_other))
    return found


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else dump(value).decode()
