"""On a segment's page: its exports, and the dialog that begins a CSV (``static/segments/exports.js`` shows both)."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext
from django.views.decorators.http import require_GET, require_POST

from profiles.models import CustomAttribute
from segments.exporting import fields
from segments.exporting.downloads import file_of
from segments.exporting.formats import FORMATS
from segments.exporting.starting import RefusedError, cancel, start_csv
from segments.models import Segment
from segments.screens import BadRequestError, json_answer, json_body
from segments.stores import SegmentExport
from workspaces.admin_base import WorkspaceAdmin, allowed_actions, needs, person_in, workspace_in
from workspaces.roles import Action

LISTED = 20


@admin.register(SegmentExport)
class SegmentExportAdmin(WorkspaceAdmin):
    """Exports have no list of their own: each segment's page shows its own."""

    view_action = edit_action = Action.EXPORT_USERS

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.changelist_screen, "changelist"),
            self.route("of/<int:pk>/", require_GET(self.panel), "panel"),
            self.route("of/<int:pk>/fields/", require_GET(self.choose), "fields"),
            self.route("of/<int:pk>/start/", require_POST(self.start), "start"),
            self.route("<int:pk>/cancel/", require_POST(self.cancel), "cancel"),
            self.route("<int:pk>/file/", require_GET(self.file), "file"),
        ]

    @needs(Action.EXPORT_USERS)
    def changelist_screen(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:segments_segment_changelist"))

    @needs(Action.EXPORT_USERS)
    def panel(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The segment's exports, newest first."""
        segment = _segment(request, pk)
        exports = segment.exports.defer("users").select_related("made_by", "api_key")[:LISTED]
        context = {"exports": [(one, _said(one)) for one in exports], "may": allowed_actions(request)}
        return _never_kept(render(request, "segments/_exports.html", context))

    @needs(Action.EXPORT_USERS)
    def choose(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What can be exported, to choose from."""
        segment = _segment(request, pk)
        attributes = CustomAttribute.objects.filter(workspace=segment.workspace_id).order_by("name")
        context = {
            "choices": [(name, label, name in fields.USUAL) for name, label in fields.choices()],
            "attributes": [(fields.CUSTOM + name, name) for name in attributes.values_list("name", flat=True)],
        }
        return render(request, "segments/_export_fields.html", context)

    @needs(Action.EXPORT_USERS)
    def start(self, request: HttpRequest, pk: int) -> HttpResponse:
        segment = _segment(request, pk)
        try:
            wanted = json_body(request).get("fields")
            if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
                raise BadRequestError(_("“fields” is not a list of texts."))
            made = start_csv(segment, person_in(request), wanted)
        except (BadRequestError, RefusedError) as refused:
            return json_answer({"error": str(refused)}, 400)
        names = ", ".join(fields.heading(name) for name in made.fields)
        self.log(request, segment, gettext_noop("Exported the users as CSV: %(fields)s."), fields=names)
        return json_answer({"export": made.pk})

    @needs(Action.EXPORT_USERS)
    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        export: SegmentExport = self.get(request, pk=pk)
        done = cancel(export)
        if done:
            self.log(request, export.segment, gettext_noop("Cancelled an export of the users."))
        return json_answer({"cancelled": done})

    @needs(Action.EXPORT_USERS)
    def file(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        export: SegmentExport = self.get(request, pk=pk)
        name = slugify(export.segment.name) or f"segment-{export.segment_id}"
        day = f"{export.made_at:%Y-%m-%d}"
        found = file_of(export, f"{name}-{day}.{FORMATS[export.format].extension}") if export.is_available else None
        if found is None:
            raise Http404
        self.log(request, export.segment, gettext_noop("Downloaded an export of the users."))
        return found


def _segment(request: HttpRequest, pk: int) -> Segment:
    """The segment, if it is one of the chosen workspace. Raises Http404."""
    return get_object_or_404(Segment, pk=pk, workspace=workspace_in(request))


def _said(export: SegmentExport) -> str:
    """How far it is, in a sentence."""
    if export.total is None:
        return _("The users are being found…")
    text = ngettext("%(done)s of %(total)s user", "%(done)s of %(total)s users", export.total)
    return text % {"done": f"{export.done:,}", "total": f"{export.total:,}"}


def _never_kept(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
