"""The base of every screen: what belongs to the chosen workspace, what the person's role allows, one frame.

A screen is a view of a ``WorkspaceAdmin``. It names the action that it needs; whoever lacks it gets 403, and whatever
belongs to another workspace is not found.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, cast

from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.functional import Promise
from unfold.admin import ModelAdmin

from workspaces.models import User, Workspace
from workspaces.roles import SUPERUSERS_ONLY, Action, role_may
from workspaces.sayings import said, stored

View = Callable[..., HttpResponseBase]
#: No name that one can search for is longer.
SEARCH_LIMIT = 1_000


def workspace_in(request: HttpRequest) -> Workspace:
    """The workspace that the person looks at (see ``WorkspaceMiddleware``). Raises PermissionDenied without one."""
    workspace = getattr(request, "workspace", None)
    if not workspace:
        raise PermissionDenied
    # The middleware's lazy object stands for a plain Workspace.
    return workspace  # type: ignore[no-any-return]


def person_in(request: HttpRequest) -> User:
    """Who looks at the screen: every screen asks for a login."""
    return cast(User, request.user)


def may(request: HttpRequest, action: Action | None) -> bool:
    """Whether the person may do ``action`` in the workspace that they look at; None is allowed to nobody."""
    workspace, user = getattr(request, "workspace", None), request.user
    if action is None or not workspace or not isinstance(user, User):
        return False
    if action in SUPERUSERS_ONLY:
        return user.is_active and user.is_superuser
    roles: dict[int, str | None] = request.__dict__.setdefault("_roles", {})
    if workspace.pk not in roles:
        roles[workspace.pk] = user.role_in(workspace)
    return user.is_active and role_may(roles[workspace.pk], action)


def needs(action: Action) -> Callable[[View], View]:
    """Decorate a view method of a ``WorkspaceAdmin``: only people whose role has ``action`` get in. Walked by tests."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(self: "WorkspaceAdmin", request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not may(request, action):
                raise PermissionDenied
            return view(self, request, *args, **kwargs)

        guarded.needs = action  # type: ignore[attr-defined]
        return guarded

    return decorate


class WorkspaceAdmin(ModelAdmin):
    """A model that belongs to a workspace.

    ``view_action`` opens its list and pages, ``edit_action`` adds, changes and deletes (None: nobody).
    ``workspace_path`` is the lookup from the model to its workspace.
    """

    view_action: ClassVar[Action | None] = None
    edit_action: ClassVar[Action | None] = None
    workspace_path: ClassVar[str] = "workspace"

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request, self.view_action)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.view_action)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.edit_action)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.edit_action)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.edit_action)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Only rows of the chosen workspace."""
        return super().get_queryset(request).filter(**{self.workspace_path: workspace_in(request)})

    def get(self, request: HttpRequest, **lookup: Any) -> Any:
        """One row of the chosen workspace. Raises Http404, also for a row of another workspace."""
        try:
            found = self.get_queryset(request).filter(**lookup).first()
        except (ValueError, OverflowError):
            found = None
        if found is None:
            raise Http404
        return found

    def route(self, address: str, view: View, name: str) -> URLPattern:
        """A path of this admin's own, below its list; named ``admin:<app>_<model>_<name>``."""
        opts = self.model._meta
        return path(address, self.admin_site.admin_view(view), name=f"{opts.app_label}_{opts.model_name}_{name}")

    def screen(
        self, request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200
    ) -> HttpResponse:
        """Render ``template`` (it extends ``dashboard/screen.html``) in the dashboard's frame."""
        frame = {**self.admin_site.each_context(request), "may": allowed_actions(request)}
        return TemplateResponse(request, template, {**frame, **(context or {})}, status=status)

    def log(
        self, request: HttpRequest, obj: models.Model, message: str | Promise, flag: int = CHANGE, **parameters: Any
    ) -> None:
        """Write a line in the activity log: who did what to ``obj``; read in each reader's language.

        ``message`` is of ``gettext_noop`` or lazy, with a placeholder for each parameter. Never put a secret into one.
        """
        LogEntry.objects.log_actions(
            cast(int, request.user.pk), [obj], flag, change_message=stored(message, parameters), single_object=True
        )

    def log_and_say(
        self, request: HttpRequest, obj: models.Model, message: str | Promise, flag: int = CHANGE, **parameters: Any
    ) -> None:
        """``log`` it, and show the person the same message."""
        self.log(request, obj, message, flag, **parameters)
        self.message_user(request, said(stored(message, parameters)))


def searched(request: HttpRequest, name: str = "q") -> str:
    """What was typed into a search box. PostgreSQL has no NUL in texts, so nothing has one: it is left out."""
    return request.GET.get(name, "").replace("\x00", "").strip()[:SEARCH_LIMIT]


def allowed_actions(request: HttpRequest) -> dict[str, bool]:
    """For templates: ``{% if may.manage_currents %}``. What a role may not do is not shown."""
    return {action.value: may(request, action) for action in Action}
