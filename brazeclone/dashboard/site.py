from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.sites import UnfoldAdminSite

from brazeclone.dashboard.login import LoginForm
from workspaces.middleware import SESSION_KEY, workspaces_of
from workspaces.models import User


class Dashboard(UnfoldAdminSite):
    """The Django admin as the dashboard. The screens belong to the apps' own admin classes."""

    site_title = site_header = "brazeclone"
    login_form: type[AuthenticationForm] | None = LoginForm
    index_template = "dashboard/home.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Whoever has a role somewhere may come in; what they may do there is the role's matter."""
        return isinstance(request.user, User) and request.user.is_active and bool(getattr(request, "workspace", None))

    def extra_urls(self) -> list[URLPattern]:
        return [path("workspace/", self.admin_view(require_POST(choose_workspace)), name="choose_workspace")]

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Any = None) -> HttpResponse:
        """The left bar lists the screens; a list of an app's models would show them a second time."""
        return HttpResponseRedirect(reverse("admin:index"))

    def extra_context(self, context: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
        if isinstance(request.user, User):
            context["workspaces"] = workspaces_of(request.user)
        return context


def choose_workspace(request: HttpRequest) -> HttpResponse:
    """Look at another workspace from now on; only one that the person may enter."""
    wanted = request.POST.get("workspace", "")
    if not isinstance(request.user, User) or wanted not in {str(one.pk) for one in workspaces_of(request.user)}:
        raise PermissionDenied
    request.session[SESSION_KEY] = int(wanted)
    return HttpResponseRedirect(reverse("admin:index"))
