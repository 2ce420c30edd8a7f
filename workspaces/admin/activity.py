"""Settings > Activity Log: who did what in this workspace."""

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workspaces.admin_base import WorkspaceAdmin, needs, searched
from workspaces.models import Activity
from workspaces.roles import Action

PAGE_SIZE = 50
FLAGS = {ADDITION: gettext_lazy("Created"), CHANGE: gettext_lazy("Changed"), DELETION: gettext_lazy("Removed")}


@admin.register(Activity)
class ActivityAdmin(WorkspaceAdmin):
    """Read only."""

    view_action = Action.VIEW_ACTIVITY

    def get_urls(self) -> list[URLPattern]:
        return [self.route("", self.list_screen, "changelist")]

    @needs(Action.VIEW_ACTIVITY)
    def list_screen(self, request: HttpRequest) -> HttpResponse:
        query = searched(request)
        found = self.get_queryset(request)
        if query:
            found = found.filter(person_name__icontains=query) | found.filter(object_name__icontains=query)
        page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
        rows = [(one, FLAGS.get(one.flag, ""), one.message) for one in page]
        context = {"title": _("Activity Log"), "page": page, "rows": rows, "query": query}
        return self.screen(request, "workspaces/activity.html", context)
