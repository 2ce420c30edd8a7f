"""Screens 3 and 4: the list of segments and the segment builder."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from profiles.models import Profile
from segments import builder, editing
from segments.engine import evaluate
from segments.models import Segment
from segments.panels import segments_of
from segments.schema import schema
from segments.screens import BadRequestError, json_answer, json_body
from segments.texts import builder_texts
from segments.tree import TreeError, parse
from segments.words import Words, tree_of
from workspaces.admin_base import WorkspaceAdmin, may, needs, workspace_in
from workspaces.models import App, User
from workspaces.roles import Action

PAGE_SIZE = 25
#: Columns that the list can be sorted by: key, what to order by.
SORTS = {
    "name": F("name").asc(),
    "-name": F("name").desc(),
    "size": F("size").asc(nulls_last=True),
    "-size": F("size").desc(nulls_last=True),
    "edited": F("edited_at").asc(),
    "-edited": F("edited_at").desc(),
}
DEFAULT_SORT = "-edited"
#: For so long the list shows a size as it was computed last.
SIZE_GOOD_FOR = timedelta(seconds=60)


def _me(request: HttpRequest) -> User:
    return cast(User, request.user)


def _refusal(error: ValidationError | TreeError | BadRequestError) -> HttpResponse:
    """What is wrong, beside the field or by row and filter."""
    if isinstance(error, TreeError):
        return json_answer({"problems": [one.to_json() for one in error.problems]}, 400)
    if isinstance(error, ValidationError):
        return json_answer({"errors": {name: " ".join(said) for name, said in error.message_dict.items()}}, 400)
    return json_answer({"errors": {"": str(error)}}, 400)


def _is_stale(segment: Segment) -> bool:
    """Whether the list should ask for the size anew."""
    return segment.size_at is None or timezone.now() - segment.size_at > SIZE_GOOD_FOR


@admin.register(Segment)
class SegmentAdmin(WorkspaceAdmin):
    view_action: ClassVar[Action | None] = Action.VIEW_SEGMENTS
    edit_action: ClassVar[Action | None] = Action.EDIT_SEGMENTS

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.list_view, "changelist"),
            self.route("add/", self.add_view, "add"),
            self.route("statistics/", require_POST(self.statistics_view), "statistics"),
            self.route("values/", require_GET(self.values_view), "values"),
            self.route("preview/", require_POST(self.preview_view), "preview"),
            self.route("schema.json", require_GET(self.schema_view), "schema"),
            self.route("of-user/<int:pk>/", require_GET(self.of_user_view), "of_user"),
            self.route("<int:pk>/change/", self.builder_view, "change"),
            self.route("<int:pk>/save/", require_POST(self.save_view), "save"),
            self.route("<int:pk>/history/", require_GET(self.versions_view), "history"),
            self.route("<int:pk>/size/", require_POST(self.size_view), "size"),
            self.route("<int:pk>/duplicate/", require_POST(self.duplicate_view), "duplicate"),
            self.route("<int:pk>/archive/", require_POST(self.archive_view), "archive"),
        ]

    # --- The list ------------------------------------------------------------------------------------------------

    @needs(Action.VIEW_SEGMENTS)
    def list_view(self, request: HttpRequest) -> HttpResponse:
        return self._list(request)

    @needs(Action.EDIT_SEGMENTS)
    def add_view(self, request: HttpRequest) -> HttpResponse:
        """The list with the Create Segment dialog open; POST makes the segment and opens the builder."""
        if request.method != "POST":
            return self._list(request, create={})
        given = {name: request.POST.get(name, "") for name in ("name", "description")}
        try:
            segment = editing.create(workspace_in(request), _me(request), given["name"], given["description"])
        except ValidationError as error:
            return self._list(request, create={**given, "errors": error.message_dict}, status=400)
        self.log(request, segment, _("Created."), ADDITION)
        return HttpResponseRedirect(reverse("admin:segments_segment_change", args=[segment.pk]))

    def _list(self, request: HttpRequest, create: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
        query = request.GET.get("q", "").strip()[:200].replace("\x00", "")
        archived = bool(request.GET.get("archived"))
        sort = request.GET.get("sort", "")
        sort = sort if sort in SORTS else DEFAULT_SORT
        mine: QuerySet[Segment] = self.get_queryset(request)
        found = mine if archived else mine.filter(archived_at=None)
        if query:
            found = found.filter(Q(name__icontains=query) | Q(description__icontains=query) | Q(tags__contains=[query]))
        found = found.select_related("edited_by").order_by(SORTS[sort], "pk")
        page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("p"))
        trees = {segment.pk: tree_of(segment.filters) for segment in page.object_list}
        words = Words(workspace_in(request).pk, trees.values())
        context = {
            "title": _("Segments"),
            "rows": [(one, words.lines(trees[one.pk]), _is_stale(one)) for one in page.object_list],
            "page": page,
            "query": query,
            "archived": archived,
            "sort": sort,
            "none_at_all": not page.paginator.count and not query and not mine.exists(),
            "create": create,
        }
        return self.screen(request, "segments/list.html", context, status=status)

    @needs(Action.VIEW_SEGMENTS)
    def size_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The exact size of one segment, now."""
        segment = self.get(request, pk=pk)
        try:
            size = len(evaluate(parse(segment.filters), workspace_in(request)).users)
        except TreeError as error:
            return _refusal(error)
        editing.note_size(segment, segment.version, size)
        return json_answer({"size": size})

    @needs(Action.VIEW_SEGMENTS)
    def of_user_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The inside of the panel on a user's page (see ``segments.panels``)."""
        workspace = workspace_in(request)
        user = get_object_or_404(Profile, pk=pk, workspace=workspace)
        found = segments_of(workspace, user.pk)
        return render(request, "segments/of_user.html", {"segments": found.segments, "broken": found.broken})

    # --- The builder -----------------------------------------------------------------------------------------------

    @needs(Action.VIEW_SEGMENTS)
    def builder_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        segment = self.get(request, pk=pk)
        changes = editing.note_view(segment, _me(request))
        context = {
            "title": _("Edit Segment"),
            "crumbs": [(_("Segments"), reverse("admin:segments_segment_changelist"))],
            "segment": segment,
            "changes": changes,
            "builder": self._builder_data(request, segment),
            "texts": builder_texts(),
        }
        return self.screen(request, "segments/builder.html", context)

    def _builder_data(self, request: HttpRequest, segment: Segment) -> dict[str, Any]:
        workspace = workspace_in(request)
        tree = tree_of(segment.filters)
        tags = Segment.objects.filter(workspace=workspace).values_list("tags", flat=True)
        own = ("save", "history")
        shared = ("statistics", "values", "preview")
        return {
            "segment": {
                "pk": segment.pk,
                "version": segment.version,
                "name": segment.name,
                "description": segment.description,
                "tags": segment.tags,
                "filters": tree.to_json(),
            },
            "editable": may(request, Action.EDIT_SEGMENTS),
            "filters": builder.definitions(workspace),
            "labels": builder.labels(workspace, [tree]),
            "apps": [
                {"id": str(app.api_id), "name": app.name, "platform": app.get_platform_display()}
                for app in App.objects.filter(workspace=workspace).order_by("name")
            ],
            "tags": sorted({tag for row in tags for tag in row}),
            "urls": {
                **{name: reverse(f"admin:segments_segment_{name}", args=[segment.pk]) for name in own},
                **{name: reverse(f"admin:segments_segment_{name}") for name in shared},
            },
        }

    @needs(Action.VIEW_SEGMENTS)
    def statistics_view(self, request: HttpRequest) -> HttpResponse:
        try:
            data = json_body(request)
        except BadRequestError as error:
            return _refusal(error)
        pk = data.get("segment")
        segment = self.get_queryset(request).filter(pk=pk).first() if isinstance(pk, int) and pk < 2**63 else None
        channels = data.get("channels") is True
        found = builder.statistics(workspace_in(request), data.get("filters"), channels=channels, segment=segment)
        return json_answer(found)

    @needs(Action.VIEW_SEGMENTS)
    def values_view(self, request: HttpRequest) -> HttpResponse:
        found = builder.search_values(workspace_in(request), request.GET.get("filter", ""), request.GET.get("q", ""))
        return json_answer({"values": [asdict(one) for one in found]})

    @needs(Action.VIEW_USERS)
    def preview_view(self, request: HttpRequest) -> HttpResponse:
        try:
            data = json_body(request)
            found = builder.preview(workspace_in(request), data.get("filters"), str(data.get("q") or ""))
        except (BadRequestError, TreeError) as error:
            return _refusal(error)
        return json_answer(found)

    @needs(Action.VIEW_SEGMENTS)
    def schema_view(self, request: HttpRequest) -> HttpResponse:
        """The published JSON Schema of a segment's filters."""
        return json_answer(schema())

    @needs(Action.EDIT_SEGMENTS)
    def save_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        segment = self.get(request, pk=pk)
        try:
            data = json_body(request)
            version = data.get("version")
            if isinstance(version, bool) or not isinstance(version, int) or not 0 < version < 2**31 - 1:
                raise BadRequestError(_("“version” is missing: reload the page."))
            draft = editing.draft_of(segment, data)
            segment = editing.save(segment, _me(request), version, draft)
        except (BadRequestError, TreeError, ValidationError) as error:
            return _refusal(error)
        except editing.ConflictError as conflict:
            return json_answer({"conflict": self._conflict(conflict)}, 409)
        self.log(request, segment, _("Saved version %(version)s.") % {"version": segment.version}, CHANGE)
        saved = {
            "version": segment.version,
            "name": segment.name,
            "description": segment.description,
            "tags": segment.tags,
            "filters": segment.filters,
        }
        return json_answer(saved)

    @staticmethod
    def _conflict(conflict: editing.ConflictError) -> dict[str, Any]:
        latest = conflict.latest
        message = _("%(who)s has saved this segment since you opened it (%(when)s).") % {
            "who": latest.made_by or _("Somebody"),
            "when": builder.moment_json(latest.made_at)["text"],
        }
        return {"version": latest.version, "message": message}

    @needs(Action.VIEW_SEGMENTS)
    def versions_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        segment = self.get(request, pk=pk)
        changes = list(segment.history.select_related("made_by")[: builder.HISTORY_LIMIT + 1])
        return json_answer(builder.history(segment, changes))

    @needs(Action.EDIT_SEGMENTS)
    def duplicate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        copy = editing.duplicate(self.get(request, pk=pk), _me(request))
        self.log(request, copy, _("Created as a copy."), ADDITION)
        messages.success(request, _("“%(name)s” has been created.") % {"name": copy.name})
        return HttpResponseRedirect(reverse("admin:segments_segment_change", args=[copy.pk]))

    @needs(Action.EDIT_SEGMENTS)
    def archive_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        segment = self.get(request, pk=pk)
        archived = request.POST.get("archived") == "1"
        editing.archive(segment, archived)
        done = _("“%(name)s” has been archived.") if archived else _("“%(name)s” is back from the archive.")
        self.log(request, segment, _("Archived.") if archived else _("Brought back from the archive."))
        messages.success(request, done % {"name": segment.name})
        return HttpResponseRedirect(reverse("admin:segments_segment_changelist"))
