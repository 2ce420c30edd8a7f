"""Settings > Workspaces: the workspace that one looks at, with its apps; all of one's workspaces in a list."""

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_POST

from workspaces import usage
from workspaces.admin_base import WorkspaceAdmin, needs, workspace_in
from workspaces.forms import AppForm, WorkspaceForm
from workspaces.middleware import SESSION_KEY, workspaces_of
from workspaces.models import App, Membership, User, Workspace
from workspaces.roles import Action, Role


@admin.register(Workspace)
class WorkspaceSettingsAdmin(WorkspaceAdmin):
    """Only the chosen workspace can be changed; choosing another is the workspace picker's work."""

    view_action = edit_action = Action.MANAGE_WORKSPACE
    workspace_path = "pk"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Workspace]:
        return Workspace.objects.filter(pk=workspace_in(request).pk)

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.list_screen, "changelist"),
            self.route("add/", self.create_screen, "add"),
            self.route("<int:pk>/", self.edit_screen, "change"),
            self.route("<int:pk>/apps/add/", require_POST(self.add_app), "add_app"),
            self.route("<int:pk>/apps/<int:app>/", require_POST(self.change_app), "change_app"),
            self.route("<int:pk>/apps/<int:app>/remove/", require_POST(self.remove_app), "remove_app"),
        ]

    @needs(Action.MANAGE_WORKSPACE)
    def list_screen(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        mine = workspaces_of(user) if isinstance(user, User) else []
        counts = dict(
            App.objects.filter(workspace__in=mine).values_list("workspace").annotate(n=models.Count("pk")).order_by()
        )
        context = {
            "title": _("Workspaces"),
            "rows": [(one, counts.get(one.pk, 0)) for one in mine],
            "here": workspace_in(request),
            "may_create": isinstance(user, User) and user.is_superuser,
        }
        return self.screen(request, "workspaces/workspaces.html", context)

    @needs(Action.MANAGE_WORKSPACE)
    def create_screen(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User) or not user.is_superuser:
            raise PermissionDenied
        form = WorkspaceForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            with transaction.atomic():
                made = form.save()
                Membership.objects.create(user=user, workspace=made, role=Role.ADMIN)
            self.log(request, made, gettext_noop("Created the workspace “%(name)s”."), ADDITION, name=made.name)
            request.session[SESSION_KEY] = made.pk
            return HttpResponseRedirect(_page(made.pk))
        context = {"title": _("Create Workspace"), "crumbs": self._crumbs(), "form": form}
        return self.screen(request, "workspaces/workspace_new.html", context)

    @needs(Action.MANAGE_WORKSPACE)
    def edit_screen(self, request: HttpRequest, pk: int) -> HttpResponse:
        workspace = self.get(request, pk=pk)
        form = WorkspaceForm(request.POST or None, instance=workspace)
        if request.method == "POST" and form.is_valid():
            form.save()
            self.log(request, workspace, gettext_noop("Changed the name or time zone."), CHANGE)
            self.message_user(request, _("The workspace was saved."))
            return HttpResponseRedirect(_page(pk))
        return self._edit(request, workspace, form)

    def _edit(
        self,
        request: HttpRequest,
        workspace: Workspace,
        form: WorkspaceForm,
        new_app: AppForm | None = None,
        status: int = 200,
    ) -> HttpResponse:
        apps = list(workspace.apps.order_by("name"))
        uses = usage.apps.of(apps)
        context = {
            "title": _("Workspace Settings"),
            "crumbs": self._crumbs(),
            "form": form,
            "shown": workspace,
            "apps": [(app, AppForm(instance=app, prefix=f"app-{app.pk}"), uses[app.pk]) for app in apps],
            "new_app": new_app or AppForm(prefix="new"),
        }
        return self.screen(request, "workspaces/workspace.html", context, status=status)

    @needs(Action.MANAGE_WORKSPACE)
    def add_app(self, request: HttpRequest, pk: int) -> HttpResponse:
        workspace = self.get(request, pk=pk)
        form = AppForm(request.POST, prefix="new", instance=App(workspace=workspace))
        if not form.is_valid():
            return self._edit(request, workspace, WorkspaceForm(instance=workspace), form, status=400)
        app = form.save()
        self.log(request, app, gettext_noop("Added the app “%(name)s”."), ADDITION, name=app.name)
        return HttpResponseRedirect(_page(pk))

    @needs(Action.MANAGE_WORKSPACE)
    def change_app(self, request: HttpRequest, pk: int, app: int) -> HttpResponse:
        row = self._app(request, pk, app)
        form = AppForm(request.POST, prefix=f"app-{row.pk}", instance=row)
        if form.is_valid():
            form.save()
            self.log(request, row, gettext_noop("Changed the app “%(name)s”."), CHANGE, name=row.name)
            self.message_user(request, _("The app was saved."))
        else:
            for messages in form.errors.values():
                self.message_user(request, " ".join(map(str, messages)), "error")
        return HttpResponseRedirect(_page(pk))

    @needs(Action.MANAGE_WORKSPACE)
    def remove_app(self, request: HttpRequest, pk: int, app: int) -> HttpResponse:
        row = self._app(request, pk, app)
        self.log(request, row, gettext_noop("Removed the app “%(name)s”."), DELETION, name=row.name)
        row.delete()
        self.message_user(request, _("The app was removed."))
        return HttpResponseRedirect(_page(pk))

    def _app(self, request: HttpRequest, pk: int, app: int) -> App:
        row = self.get(request, pk=pk).apps.filter(pk=app).first()
        if row is None:
            raise Http404
        return row  # type: ignore[no-any-return]

    def _crumbs(self) -> list[tuple[str, str]]:
        return [(_("Workspaces"), reverse("admin:workspaces_workspace_changelist"))]


def _page(pk: int) -> str:
    return reverse("admin:workspaces_workspace_change", args=[pk])
