"""Screens 3 and 4: the list of segments and the segment builder."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple

from django.contrib import admin
from django.contrib.admin.models import ADDITION
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import F
from django.db.models.expressions import OrderBy
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_GET, require_POST

from profiles.models import Profile
from segments import builder, editing, funnels, sizes
from segments.edited_admin import EditedAdmin
from segments.engine import broken_among, evaluate
from segments.explain import explain
from segments.exporting import screens as export_screens  # noqa: F401 - registers them
from segments.filters.user_lists import label_of
from segments.lists.taking import MAX_BYTES, MAX_MEGABYTES, ListError, take
from segments.models import Segment
from segments.offers import Offer, offers
from segments.panels import segments_of
from segments.schema import schema
from segments.screens import (
    BadRequestError,
    conflict_answer,
    edited_in,
    json_answer,
    json_body,
    json_object,
    refusal,
    version_in,
)
from segments.texts import builder_texts
from segments.tree import TreeError, parse
from segments.where_used import uses_of
from segments.words import Words, tree_of
from workspaces.admin_base import may, needs, person_in, workspace_in
from workspaces.models import App
from workspaces.roles import Action
from workspaces.usage import Use

#: Days of the chart.
CHART_DAYS = 100
#: For so long the list shows a size as it was computed last.
SIZE_GOOD_FOR = timedelta(seconds=60)


class _Listed(NamedTuple):
    """A row of the list; ``size`` is as it was computed last, ``is_stale``: the page asks for it anew."""

    segment: Segment
    lines: list[str]
    size: int | None
    is_stale: bool
    uses: list[Use]
    offers: list[Offer]


@admin.register(Segment)
class SegmentAdmin(EditedAdmin):
    view_action: ClassVar[Action | None] = Action.VIEW_SEGMENTS
    edit_action: ClassVar[Action | None] = Action.EDIT_SEGMENTS
    sorts: ClassVar[Mapping[str, OrderBy]] = {
        **EditedAdmin.sorts,
        "size": F("size").asc(nulls_last=True),
        "-size": F("size").desc(nulls_last=True),
    }

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.list_view, "changelist"),
            self.route("add/", self.add_view, "add"),
            self.route("statistics/", require_POST(self.statistics_view), "statistics"),
            self.route("values/", require_GET(self.values_view), "values"),
            self.route("lists/", require_POST(self.lists_view), "lists"),
            self.route("preview/", require_POST(self.preview_view), "preview"),
            self.route("explain/", require_POST(self.explain_view), "explain"),
            self.route("schema.json", require_GET(self.schema_view), "schema"),
            self.route("of-user/<int:pk>/", require_GET(self.of_user_view), "of_user"),
            self.route("<int:pk>/change/", self.builder_view, "change"),
            self.route("<int:pk>/save/", require_POST(self.save_view), "save"),
            self.route("<int:pk>/history/", require_GET(self.versions_view), "history"),
            self.route("<int:pk>/explain/<int:user_pk>/", require_GET(self.explain_saved_view), "explain_saved"),
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
            segment = editing.create(workspace_in(request), person_in(request), given["name"], given["description"])
        except ValidationError as error:
            return self._list(request, create={**given, "errors": error.message_dict}, status=400)
        self.log(request, segment, gettext_noop("Created."), ADDITION)
        return HttpResponseRedirect(self.address("change", segment.pk))

    def _list(self, request: HttpRequest, create: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
        listed = self.listed(request)
        segments: list[Segment] = list(listed["page"])
        trees = {segment.pk: tree_of(segment.filters) for segment in segments}
        words = Words(workspace_in(request).pk, trees.values())
        uses = uses_of(segments)
        # What such a segment had before something in it was archived is not its size.
        broken = broken_among({one.pk: one.filters for one in segments}, workspace_in(request).pk)
        old = timezone.now() - SIZE_GOOD_FOR
        rows = [
            _Listed(
                one,
                words.lines(trees[one.pk]),
                None if one.pk in broken else one.size,
                one.pk in broken or one.size_at is None or one.size_at < old,
                uses[one.pk],
                offers(request, one),
            )
            for one in segments
        ]
        context = {"title": _("Segments"), **listed, "rows": rows, "create": create}
        return self.screen(request, "segments/list.html", context, status=status)

    @needs(Action.VIEW_SEGMENTS)
    def size_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The exact size of one segment, now: null where there is none, with ``problem``, which says why."""
        segment = self.get(request, pk=pk)
        try:
            size = len(evaluate(parse(segment.filters), workspace_in(request)).users)
        except TreeError as error:
            return json_answer({"size": None, "problem": str(error.problems[0])})
        editing.note_size(segment, segment.version, size)
        return json_answer({"size": size})

    @needs(Action.VIEW_SEGMENTS)
    def of_user_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The inside of the panel on a user's page (see ``segments.panels``)."""
        workspace = workspace_in(request)
        user = get_object_or_404(Profile, pk=pk, workspace=workspace)
        found = segments_of(workspace, user.pk)
        return render(request, "segments/of_user.html", {"found": found, "user_pk": user.pk})

    # --- The builder -----------------------------------------------------------------------------------------------

    @needs(Action.VIEW_SEGMENTS)
    def builder_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        segment = self.get(request, pk=pk)
        changes = editing.note_view(segment, person_in(request))
        context = {
            "title": _("Edit Segment"),
            "crumbs": [(_("Segments"), self.address("changelist"))],
            "segment": segment,
            "changes": changes,
            "uses": uses_of([segment])[pk],
            "offers": offers(request, segment),
            "bars": sizes.chart(segment, sizes.day_in(workspace_in(request)), CHART_DAYS),
            "builder": self._builder_data(request, segment, changes),
            "texts": builder_texts(),
        }
        return self.screen(request, "segments/builder.html", context)

    def _builder_data(self, request: HttpRequest, segment: Segment, changes: int) -> dict[str, Any]:
        workspace = workspace_in(request)
        tree = tree_of(segment.filters)
        tags = Segment.objects.filter(workspace=workspace).values_list("tags", flat=True)
        own = ("save", "history")
        shared = ("statistics", "values", "preview", "explain")
        return {
            "segment": {
                "pk": segment.pk,
                "version": segment.version,
                "name": segment.name,
                "description": segment.description,
                "tags": segment.tags,
                "filters": tree.to_json(),
            },
            "seen": segment.version - changes,
            "editable": may(request, Action.EDIT_SEGMENTS),
            **builder.editor_data(workspace, tree),
            "apps": [
                {"id": str(app.api_id), "name": app.name, "platform": app.get_platform_display()}
                for app in App.objects.filter(workspace=workspace).order_by("name")
            ],
            "tags": sorted({tag for row in tags for tag in row}),
            "urls": {
                **{name: self.address(name, segment.pk) for name in own},
                **{name: self.address(name) for name in shared},
            },
        }

    @needs(Action.VIEW_SEGMENTS)
    def statistics_view(self, request: HttpRequest) -> HttpResponse:
        try:
            data = json_body(request)
            segment = edited_in(data, "segment", self.get_queryset(request))
        except BadRequestError as error:
            return refusal(error)
        wanted = {name: data.get(name) is True for name in ("channels", "fresh", "quick")}
        found = funnels.statistics(workspace_in(request), data.get("filters"), segment=segment, **wanted)
        return json_answer(found)

    @needs(Action.VIEW_SEGMENTS)
    def values_view(self, request: HttpRequest) -> HttpResponse:
        asked = {name: request.GET.get(name, "") for name in ("filter", "q", "member")}
        subject = json_object(request.GET.get("subject", ""))
        found = builder.search_values(workspace_in(request), asked["filter"], asked["q"], asked["member"], subject)
        return json_answer({"values": [asdict(one) for one in found]})

    @needs(Action.EDIT_SEGMENTS)
    def lists_view(self, request: HttpRequest) -> HttpResponse:
        """Take a list of ids in (form fields ``ids``, a file, and ``name``, "" for pasted ones); answers its id."""
        upload = request.FILES.get("ids")
        if upload is None or (upload.size or 0) > MAX_BYTES:
            message = _("Choose a CSV file of at most %(most)s MB, or paste ids.")
            return refusal(BadRequestError(message % {"most": MAX_MEGABYTES}))
        try:
            name = request.POST.get("name", "").replace("\x00", "")
            made = take(workspace_in(request), person_in(request), upload.read(), name)
        except ListError as error:
            return refusal(BadRequestError(str(error)))
        return json_answer({"id": made.api_id, "label": label_of(made), "note": made.note})

    @needs(Action.VIEW_USERS)
    def preview_view(self, request: HttpRequest) -> HttpResponse:
        try:
            data = json_body(request)
            edited_in(data, "segment", self.get_queryset(request))
            found = builder.preview(workspace_in(request), data.get("filters"), str(data.get("q") or ""))
        except (BadRequestError, TreeError) as error:
            return refusal(error)
        return json_answer(found)

    @needs(Action.VIEW_USERS)
    def explain_view(self, request: HttpRequest) -> HttpResponse:
        """Why a user is in a tree that is being edited, or not."""
        try:
            data = json_body(request)
            pk = data.get("user")
            if isinstance(pk, bool) or not isinstance(pk, int):
                raise BadRequestError(_("“user” is missing: reload the page."))
            return self._explained(request, data.get("filters"), pk)
        except (BadRequestError, TreeError) as error:
            return refusal(error)

    @needs(Action.VIEW_USERS)
    def explain_saved_view(self, request: HttpRequest, pk: int, user_pk: int) -> HttpResponse:
        """Why a user is in a segment, or not."""
        segment = self.get(request, pk=pk)
        try:
            return self._explained(request, segment.filters, user_pk)
        except TreeError as error:
            return HttpResponse(escape(str(error)))

    def _explained(self, request: HttpRequest, filters: Any, user_pk: int) -> HttpResponse:
        if not may(request, Action.VIEW_SEGMENTS):
            raise PermissionDenied
        workspace = workspace_in(request)
        try:
            profile = get_object_or_404(Profile, pk=user_pk, workspace=workspace)
        except OverflowError:
            raise Http404 from None
        allowed = {action for action in Action if may(request, action)}
        context = {"explained": explain(workspace, filters, profile), "allowed": allowed}
        return render(request, "segments/_explanation.html", context)

    @needs(Action.VIEW_SEGMENTS)
    def schema_view(self, request: HttpRequest) -> HttpResponse:
        """The published JSON Schema of a segment's filters."""
        return json_answer(schema())

    @needs(Action.EDIT_SEGMENTS)
    def save_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        segment = self.get(request, pk=pk)
        try:
            data = json_body(request)
            draft = editing.draft_of(segment, data)
            segment = editing.save(segment, person_in(request), version_in(data), draft)
        except (BadRequestError, TreeError, ValidationError) as error:
            return refusal(error)
        except editing.ConflictError as conflict:
            return conflict_answer(conflict, _("%(who)s has saved this segment since you opened it (%(when)s)."))
        self.log(request, segment, gettext_noop("Saved version %(version)s."), version=segment.version)
        saved = {
            "version": segment.version,
            "name": segment.name,
            "description": segment.description,
            "tags": segment.tags,
            "filters": segment.filters,
        }
        return json_answer(saved)

    @needs(Action.VIEW_SEGMENTS)
    def versions_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        segment = self.get(request, pk=pk)
        changes = list(segment.history.select_related("made_by")[: builder.HISTORY_LIMIT + 1])
        return json_answer(builder.history(segment, changes))

    @needs(Action.EDIT_SEGMENTS)
    def duplicate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.open_copy(request, editing.duplicate(self.get(request, pk=pk), person_in(request)))

    @needs(Action.EDIT_SEGMENTS)
    def archive_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.archive(request, pk)
