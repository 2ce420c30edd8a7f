"""Settings > Team: who has which role in the workspace."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from workspaces.admin_base import WorkspaceAdmin, needs, workspace_in
from workspaces.forms import PersonForm, RoleForm
from workspaces.models import Membership, Workspace
from workspaces.roles import PERMISSIONS, Action, Role


class LastAdminError(Exception):
    """The change would leave the workspace without an admin."""


@admin.register(Membership)
class TeamAdmin(WorkspaceAdmin):
    """Passwords are set when a person is added and never here again: a person can be in other workspaces too."""

    view_action = edit_action = Action.MANAGE_WORKSPACE

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.list_screen, "changelist"),
            self.route("add/", sensitive_post_parameters("password")(self.add_screen), "add"),
            self.route("<int:pk>/role/", require_POST(self.change_role), "role"),
            self.route("<int:pk>/remove/", require_POST(self.remove), "remove"),
        ]

    @needs(Action.MANAGE_WORKSPACE)
    def list_screen(self, request: HttpRequest) -> HttpResponse:
        context = {
            "title": _("Team"),
            "rows": self.get_queryset(request).select_related("user").order_by("user__username"),
            "roles": Role.choices,
            "permissions": [
                (role.label, [action.label for action in Action if action in PERMISSIONS[role]]) for role in Role
            ],
        }
        return self.screen(request, "workspaces/team.html", context)

    @needs(Action.MANAGE_WORKSPACE)
    def add_screen(self, request: HttpRequest) -> HttpResponse:
        form = PersonForm(request.POST or None, workspace=workspace_in(request))
        if request.method == "POST" and form.is_valid():
            with transaction.atomic():
                member = form.save()
                self.log(request, member, gettext_noop("Added to the team as %(role)s."), ADDITION, role=_role(member))
            self.message_user(request, _("%(person)s was added to the team.") % {"person": member.user})
            return self._back()
        crumbs = [(_("Team"), reverse("admin:workspaces_membership_changelist"))]
        return self.screen(
            request, "workspaces/person.html", {"title": _("Add Person"), "crumbs": crumbs, "form": form}
        )

    @needs(Action.MANAGE_WORKSPACE)
    def change_role(self, request: HttpRequest, pk: int) -> HttpResponse:
        member, form = self.get(request, pk=pk), RoleForm(request.POST)
        if not form.is_valid() or form.cleaned_data["role"] == member.role:
            return self._back()
        try:
            with _keeping_an_admin(workspace_in(request)):
                member.role = form.cleaned_data["role"]
                member.save(update_fields=["role"])
        except LastAdminError:
            return self._last_admin(request)
        self.log(request, member, gettext_noop("Changed the role to %(role)s."), CHANGE, role=_role(member))
        self.message_user(request, _("The role of %(person)s was changed.") % {"person": member.user})
        return self._back()

    @needs(Action.MANAGE_WORKSPACE)
    def remove(self, request: HttpRequest, pk: int) -> HttpResponse:
        member = self.get(request, pk=pk)
        person = member.user
        try:
            with _keeping_an_admin(workspace_in(request)):
                self.log(request, member, gettext_noop("Removed from the team."), DELETION)
                member.delete()
        except LastAdminError:
            return self._last_admin(request)
        self.message_user(request, _("%(person)s was removed from the team.") % {"person": person})
        return self._back()

    def _last_admin(self, request: HttpRequest) -> HttpResponse:
        text = _("This is the last admin of the workspace. Make another person an admin first.")
        self.message_user(request, text, "error")
        return self._back()

    def _back(self) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:workspaces_membership_changelist"))


@contextmanager
def _keeping_an_admin(workspace: Workspace) -> Iterator[None]:
    """A transaction that is rolled back by LastAdminError when no active admin is left at its end.

    The workspace's row is locked, so two admins who remove each other at once cannot both succeed.
    """
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=workspace.pk)
        yield
        if not workspace.memberships.filter(role=Role.ADMIN, user__is_active=True).exists():
            raise LastAdminError


def _role(member: Membership) -> Promise:
    """The role's name, translated when it is read."""
    label: Promise = Role(member.role).label
    return label
