"""The list and the editor, which campaigns and Canvases share."""

from dataclasses import asdict
from typing import Any, ClassVar, NamedTuple, cast

from django.contrib import admin
from django.contrib.admin.models import ADDITION
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_GET, require_POST

from messaging import audience, editing
from messaging.messages import CHANNELS, definitions
from messaging.models import Campaign, Canvas, Engagement
from messaging.texts import CAMPAIGNS, CANVASES, Words, page_texts
from messaging.usage import uses_of
from segments.builder import editor_data
from segments.edited_admin import EditedAdmin
from segments.editing import ConflictError
from segments.models import Segment
from segments.reach import CHANNELS as REACHED
from segments.screens import (
    BadRequestError,
    conflict_answer,
    edited_in,
    json_answer,
    json_body,
    refusal,
    version_in,
)
from segments.tree import TreeError
from workspaces.admin_base import may, needs, person_in, workspace_in
from workspaces.roles import Action
from workspaces.usage import Use


class EngagementAdmin(EditedAdmin):
    """``words`` are what the screens of this kind say."""

    view_action: ClassVar[Action | None] = Action.VIEW_CAMPAIGNS
    edit_action: ClassVar[Action | None] = Action.EDIT_CAMPAIGNS
    words: ClassVar[Words]

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.list_view, "changelist"),
            self.route("add/", self.add_view, "add"),
            self.route("statistics/", require_POST(self.statistics_view), "statistics"),
            self.route("segments/", require_GET(self.segments_view), "segments"),
            self.route("<int:pk>/change/", self.editor_view, "change"),
            self.route("<int:pk>/save/", require_POST(self.save_view), "save"),
            self.route("<int:pk>/duplicate/", require_POST(self.duplicate_view), "duplicate"),
            self.route("<int:pk>/archive/", require_POST(self.archive_view), "archive"),
        ]

    # --- The list ------------------------------------------------------------------------------------------------

    @needs(Action.VIEW_CAMPAIGNS)
    def list_view(self, request: HttpRequest) -> HttpResponse:
        return self._list(request)

    @needs(Action.EDIT_CAMPAIGNS)
    def add_view(self, request: HttpRequest) -> HttpResponse:
        """The list with the dialog open; POST makes a draft and opens it. ``segment`` (an api id) is chosen for it."""
        segments = self._chosen(request)
        if request.method != "POST":
            return self._list(request, create={"segments": segments})
        given = {name: request.POST.get(name, "") for name in ("name", "description")}
        workspace, model = workspace_in(request), cast(type[Engagement], self.model)
        try:
            made = editing.create(model, workspace, person_in(request), given["name"], given["description"], segments)
        except ValidationError as error:
            create = {**given, "segments": segments, "errors": error.message_dict}
            return self._list(request, create=create, status=400)
        self.log(request, made, gettext_noop("Created."), ADDITION)
        return HttpResponseRedirect(self.address("change", made.pk) + ("#target" if segments else ""))

    @staticmethod
    def _chosen(request: HttpRequest) -> list[Segment]:
        """The segment that a link has chosen, if any. Raises Http404 when it is not one of this workspace's."""
        wanted = request.POST.get("segment") or request.GET.get("segment")
        if not wanted:
            return []
        mine = Segment.objects.filter(workspace=workspace_in(request), archived_at=None)
        try:
            return [mine.get(api_id=wanted)]
        except (Segment.DoesNotExist, ValidationError):
            raise Http404 from None

    def _list(self, request: HttpRequest, create: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
        listed = self.listed(request)
        context = {
            "title": self.words.plural,
            "words": self.words,
            **listed,
            "rows": _rows(workspace_in(request).pk, list(listed["page"])),
            "urls": {"list": self.address("changelist"), "add": self.address("add")},
            "kind": self.model._meta.model_name,
            "create": create,
        }
        return self.screen(request, "messaging/list.html", context, status=status)

    # --- The editor ------------------------------------------------------------------------------------------------

    @needs(Action.VIEW_CAMPAIGNS)
    def editor_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        one: Engagement = self.get(request, pk=pk)
        context = {
            "title": self.words.edit,
            "words": self.words,
            "crumbs": [(self.words.plural, self.address("changelist"))],
            "engagement": one,
            "uses": uses_of([one])[pk],
            "kind": self.model._meta.model_name,
            "urls": {name: self.address(name, pk) for name in ("duplicate", "archive")},
            "editor": self._editor_data(request, one),
            "texts": page_texts(),
        }
        return self.screen(request, "messaging/editor.html", context)

    def _editor_data(self, request: HttpRequest, one: Engagement) -> dict[str, Any]:
        workspace, target = workspace_in(request), audience.audience_of(one)
        named = audience.segments_of(workspace.pk, target.segments())
        tags = self.get_queryset(request).values_list("tags", flat=True)
        return {
            "pk": one.pk,
            "object": _content(one),
            "editable": may(request, Action.EDIT_CAMPAIGNS),
            "oncePerChannel": self.model is Campaign,
            "channels": definitions(),
            "reach": [{"key": key, "name": str(name)} for key, name in REACHED.items()],
            "steps": [key for key, _name in self.words.steps],
            "segmentNames": {api_id: one.name for api_id, one in named.items()},
            "tags": sorted({tag for row in tags for tag in row}),
            **editor_data(workspace, target.tree),
            "urls": {
                "save": self.address("save", one.pk),
                "statistics": self.address("statistics"),
                "segments": self.address("segments"),
                "values": reverse("admin:segments_segment_values"),
            },
        }

    @needs(Action.VIEW_CAMPAIGNS)
    def statistics_view(self, request: HttpRequest) -> HttpResponse:
        """The numbers of the audience that is being edited."""
        try:
            data = json_body(request)
            edited_in(data, "draft", self.get_queryset(request))
            return json_answer(audience.statistics(workspace_in(request), data))
        except BadRequestError as error:
            return refusal(error)

    @needs(Action.VIEW_CAMPAIGNS)
    def segments_view(self, request: HttpRequest) -> HttpResponse:
        """Segments to choose for what was typed."""
        found = audience.search_segments(workspace_in(request), request.GET.get("q", ""))
        return json_answer({"values": [asdict(one) for one in found]})

    @needs(Action.EDIT_CAMPAIGNS)
    def save_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        one: Engagement = self.get(request, pk=pk)
        try:
            data = json_body(request)
            saved = editing.save(one, person_in(request), version_in(data), editing.draft_of(one, data))
        except (BadRequestError, TreeError, ValidationError) as error:
            return refusal(error)
        except ConflictError as conflict:
            return conflict_answer(conflict, str(self.words.conflict))
        self.log(request, saved, gettext_noop("Saved version %(version)s."), version=saved.version)
        return json_answer(_content(saved))

    @needs(Action.EDIT_CAMPAIGNS)
    def duplicate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        one: Engagement = self.get(request, pk=pk)
        return self.open_copy(request, editing.duplicate(one, person_in(request)))

    @needs(Action.EDIT_CAMPAIGNS)
    def archive_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.archive(request, pk)

    def set_archived(self, one: Engagement, archived: bool) -> None:
        editing.archive(one, archived)


def _content(one: Engagement) -> dict[str, Any]:
    return {"version": one.version, **editing.content_of(one)}


class _Listed(NamedTuple):
    """A row of the list: one with its channels, its audience in words, and what uses it."""

    one: Engagement
    channels: list[str]
    audience: list[audience.Line]
    uses: list[Use]


def _rows(workspace_id: int, found: list[Engagement]) -> list[_Listed]:
    chosen = {api_id for one in found for api_id in (*one.include, *one.exclude)}
    segments = audience.segments_of(workspace_id, chosen)
    uses = uses_of(found)
    return [_Listed(one, _channels(one), audience.in_words(one, segments), uses[one.pk]) for one in found]


def _channels(one: Engagement) -> list[str]:
    used = {message["channel"] for message in one.messages}
    return [str(channel.name) for key, channel in CHANNELS.items() if key in used]


@admin.register(Campaign)
class CampaignAdmin(EngagementAdmin):
    words = CAMPAIGNS


@admin.register(Canvas)
class CanvasAdmin(EngagementAdmin):
    words = CANVASES
