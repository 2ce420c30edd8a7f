"""What the lists and editors of segments, campaigns and Canvases do alike."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.contrib import messages
from django.contrib.admin.models import ADDITION
from django.core.paginator import Paginator
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from segments import editing
from segments.models import Edited
from workspaces.admin_base import WorkspaceAdmin, searched

PAGE_SIZE: Final = 25
DEFAULT_SORT: Final = "-edited"


class EditedAdmin(WorkspaceAdmin):
    """A model whose rows people write, search, copy and archive (``segments.models.Edited``)."""

    #: Columns that the list can be sorted by: key, what to order by.
    sorts: ClassVar[Mapping[str, OrderBy]] = {
        "name": F("name").asc(),
        "-name": F("name").desc(),
        "edited": F("edited_at").asc(),
        "-edited": F("edited_at").desc(),
    }

    def address(self, name: str, *args: Any) -> str:
        """The address of one of this model's own pages."""
        opts = self.model._meta
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", args=args)

    def listed(self, request: HttpRequest) -> dict[str, Any]:
        """What the person asked the list for, and the ``page`` of it, as the lists' templates take them."""
        query, archived, sort = searched(request), bool(request.GET.get("archived")), request.GET.get("sort", "")
        sort = sort if sort in self.sorts else DEFAULT_SORT
        mine: QuerySet[Any] = self.get_queryset(request)
        found = mine if archived else mine.filter(archived_at=None)
        if query:
            found = found.filter(Q(name__icontains=query) | Q(description__icontains=query) | Q(tags__contains=[query]))
        found = found.select_related("edited_by").order_by(self.sorts[sort], "-pk")
        page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
        return {
            "page": page,
            "query": query,
            "archived": archived,
            "sort": sort,
            "none_at_all": not page.paginator.count and not query and not mine.exists(),
        }

    def open_copy(self, request: HttpRequest, copy: Edited) -> HttpResponse:
        """Say that ``copy`` has been made, and open it."""
        self.log(request, copy, gettext_noop("Created as a copy."), ADDITION)
        messages.success(request, _("“%(name)s” has been created.") % {"name": copy.name})
        return HttpResponseRedirect(self.address("change", copy.pk))

    def archive(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Archive one, or bring it back, as the form field ``archived`` says."""
        one: Edited = self.get(request, pk=pk)
        archived = request.POST.get("archived") == "1"
        self.set_archived(one, archived)
        done = _("“%(name)s” has been archived.") if archived else _("“%(name)s” is back from the archive.")
        said = gettext_noop("Archived.") if archived else gettext_noop("Brought back from the archive.")
        self.log(request, one, said)
        messages.success(request, done % {"name": one.name})
        return HttpResponseRedirect(self.address("changelist"))

    def set_archived(self, one: Any, archived: bool) -> None:
        """Archive one, or bring it back."""
        editing.archive(one, archived)
