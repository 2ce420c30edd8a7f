"""Audience > Subscription Groups. Braze: subscription groups, "Creating a subscription group"."""

from django.contrib import admin
from django.contrib.admin.models import ADDITION
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_POST

from profiles.admin.events import COUNTED_HERE
from profiles.forms import SubscriptionGroupForm
from profiles.groups import archive, count_states, unarchive, usage
from profiles.live import live_users
from profiles.models import SubscriptionGroup
from workspaces.admin_base import WorkspaceAdmin, needs, workspace_in
from workspaces.roles import Action


@admin.register(SubscriptionGroup)
class SubscriptionGroupAdmin(WorkspaceAdmin):
    """Groups with their ids and counts. They are archived, never deleted: what users chose is kept."""

    view_action = Action.VIEW_USERS
    edit_action = Action.MANAGE_SUBSCRIPTION_GROUPS

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.list_screen, "changelist"),
            self.route("add/", self.create_screen, "add"),
            self.route("<int:pk>/", self.edit_screen, "change"),
            self.route("<int:pk>/archive/", require_POST(self.archive), "archive"),
            self.route("<int:pk>/unarchive/", require_POST(self.unarchive), "unarchive"),
        ]

    @needs(Action.VIEW_USERS)
    def list_screen(self, request: HttpRequest) -> HttpResponse:
        workspace = workspace_in(request)
        if len(live_users(workspace.pk)) <= COUNTED_HERE:
            count_states(workspace.pk)
        groups = self.get_queryset(request).order_by("name")
        archived = request.GET.get("archived") == "1"
        rows = list(groups.filter(archived_at__isnull=not archived))
        uses = usage.of(rows)
        context = {
            "title": _("Subscription Groups"),
            "archived": archived,
            "rows": [(one, uses[one.pk]) for one in rows],
        }
        return self.screen(request, "profiles/subscription_groups.html", context)

    @needs(Action.MANAGE_SUBSCRIPTION_GROUPS)
    def create_screen(self, request: HttpRequest) -> HttpResponse:
        form = SubscriptionGroupForm(request.POST or None, instance=SubscriptionGroup(workspace=workspace_in(request)))
        if request.method == "POST" and form.is_valid():
            group = form.save()
            said = gettext_noop("Created the subscription group “%(name)s”.")
            self.log_and_say(request, group, said, ADDITION, name=group.name)
            return _to_list()
        context = {"title": _("Create Subscription Group"), "crumbs": _crumbs(), "form": form}
        return self.screen(request, "profiles/subscription_group_form.html", context)

    @needs(Action.MANAGE_SUBSCRIPTION_GROUPS)
    def edit_screen(self, request: HttpRequest, pk: int) -> HttpResponse:
        group: SubscriptionGroup = self.get(request, pk=pk)
        if group.archived_at:
            self.message_user(request, _("An archived subscription group cannot be changed."), "warning")
            return _to_list(archived=True)
        before = group.name
        form = SubscriptionGroupForm(request.POST or None, instance=group)
        if request.method == "POST" and form.is_valid():
            form.save()
            if form.has_changed():
                self._log_change(request, group, before)
                self.message_user(request, _("The subscription group was saved."))
            return _to_list()
        context = {"title": before, "crumbs": _crumbs(), "form": form, "group": group}
        return self.screen(request, "profiles/subscription_group_form.html", context)

    @needs(Action.MANAGE_SUBSCRIPTION_GROUPS)
    def archive(self, request: HttpRequest, pk: int) -> HttpResponse:
        group: SubscriptionGroup = self.get(request, pk=pk)
        if archive(group):
            self.log_and_say(
                request, group, gettext_noop("Archived the subscription group “%(name)s”."), name=group.name
            )
        return _to_list()

    @needs(Action.MANAGE_SUBSCRIPTION_GROUPS)
    def unarchive(self, request: HttpRequest, pk: int) -> HttpResponse:
        group: SubscriptionGroup = self.get(request, pk=pk)
        if unarchive(group):
            said = gettext_noop("Took the subscription group “%(name)s” out of the archive.")
            self.log_and_say(request, group, said, name=group.name)
        return _to_list()

    def _log_change(self, request: HttpRequest, group: SubscriptionGroup, before: str) -> None:
        if group.name == before:
            self.log(request, group, gettext_noop("Changed the description."))
        else:
            said = gettext_noop("Renamed the subscription group “%(before)s” to “%(after)s”.")
            self.log(request, group, said, before=before, after=group.name)


def _to_list(*, archived: bool = False) -> HttpResponse:
    address = reverse("admin:profiles_subscriptiongroup_changelist")
    return HttpResponseRedirect(f"{address}?archived=1" if archived else address)


def _crumbs() -> list[tuple[str, str]]:
    return [(_("Subscription Groups"), reverse("admin:profiles_subscriptiongroup_changelist"))]
