"""Settings > API Keys. Braze: REST API keys."""

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from workspaces.admin_base import WorkspaceAdmin, needs, workspace_in
from workspaces.endpoints import ENDPOINTS, grouped
from workspaces.forms import ApiKeyForm
from workspaces.models import ApiKey
from workspaces.roles import Action


@admin.register(ApiKey)
class ApiKeyAdmin(WorkspaceAdmin):
    """Keys are made and invalidated, never changed: a key whose permissions could grow would surprise its holder."""

    view_action = edit_action = Action.MANAGE_API_KEYS

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.list_screen, "changelist"),
            self.route("add/", self.create_screen, "add"),
            self.route("<int:pk>/invalidate/", require_POST(self.invalidate), "invalidate"),
        ]

    @needs(Action.MANAGE_API_KEYS)
    def list_screen(self, request: HttpRequest) -> HttpResponse:
        keys = self.get_queryset(request).select_related("made_by")
        rows = [(key, [ENDPOINTS.get(name, name) for name in key.permissions]) for key in keys]
        return self.screen(request, "workspaces/api_keys.html", {"title": _("API Keys"), "rows": rows})

    @needs(Action.MANAGE_API_KEYS)
    def create_screen(self, request: HttpRequest) -> HttpResponse:
        form = ApiKeyForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._created(request, form)
        chosen = set(form.data.getlist("permissions")) if hasattr(form.data, "getlist") else set()
        context = {
            "title": _("Create API Key"),
            "crumbs": self._crumbs(),
            "form": form,
            "groups": list(grouped()),
            "chosen": chosen,
        }
        return self.screen(request, "workspaces/api_key_form.html", context)

    def _created(self, request: HttpRequest, form: ApiKeyForm) -> HttpResponse:
        row, key = ApiKey.make(workspace=workspace_in(request), made_by=request.user, **form.cleaned_data)
        self.log(request, row, gettext_noop("Created the API key “%(name)s”."), ADDITION, name=row.name)
        context = {"title": _("API Key Created"), "crumbs": self._crumbs(), "row": row, "secret": key.secret}
        # The key is in this one answer and nowhere else: not in a redirect, not in the session, not in a cache.
        return never_cache(lambda request: self.screen(request, "workspaces/api_key_made.html", context))(request)

    @needs(Action.MANAGE_API_KEYS)
    def invalidate(self, request: HttpRequest, pk: int) -> HttpResponse:
        key = self.get(request, pk=pk)
        if key.is_valid:
            key.invalidate()
            self.log(request, key, gettext_noop("Invalidated the API key “%(name)s”."), CHANGE, name=key.name)
            self.message_user(request, _("The API key “%(name)s” is refused from now on.") % {"name": key.name})
        return HttpResponseRedirect(reverse("admin:workspaces_apikey_changelist"))

    def _crumbs(self) -> list[tuple[str, str]]:
        return [(_("API Keys"), reverse("admin:workspaces_apikey_changelist"))]
