"""Which workspace a person is looking at."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from workspaces.activity import acting_in
from workspaces.models import User, Workspace

SESSION_KEY = "workspace"


def workspaces_of(user: User) -> list[Workspace]:
    """The workspaces that ``user`` may enter, by name."""
    rows = Workspace.objects.all()
    return list(rows if user.is_superuser else rows.filter(memberships__user=user))


def _current_workspace(request: HttpRequest) -> Workspace | None:
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return None
    mine = workspaces_of(user)
    chosen = request.session.get(SESSION_KEY)
    return next((one for one in mine if one.pk == chosen), mine[0] if mine else None)


class WorkspaceMiddleware:
    """Sets ``request.workspace`` (None: the person is in no workspace) and shows times in its time zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.workspace = SimpleLazyObject(lambda: _current_workspace(request))  # type: ignore[attr-defined]
        if request.path_info.startswith("/admin/") and request.workspace:  # type: ignore[attr-defined]
            timezone.activate(request.workspace.time_zone)  # type: ignore[attr-defined]
        else:
            timezone.deactivate()
        with acting_in(request.workspace):  # type: ignore[attr-defined]
            return self.get_response(request)
