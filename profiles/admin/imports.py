"""Audience > Import Users. Braze: CSV import."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import ADDITION
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import URLPattern, reverse
from django.utils.decorators import method_decorator
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST

from profiles.importing import mapping, running, uploads
from profiles.importing.mapping import Column, MappingError
from profiles.importing.reading import PREVIEW_ROWS
from profiles.models import AttributeType
from profiles.stores import RefusedRow, UserImport
from workspaces.admin_base import WorkspaceAdmin, needs, person_in, workspace_in
from workspaces.csvs import BYTE_ORDER_MARK, csv_line
from workspaces.roles import Action

LISTED = 50
#: Refused rows that the page itself shows.
REFUSED_SHOWN = 10


@admin.register(UserImport)
class UserImportAdmin(WorkspaceAdmin):
    """Upload, mapping, dry run, import: a page for each file."""

    view_action = edit_action = Action.IMPORT_USERS

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.list_screen, "changelist"),
            self.route("upload/", csrf_exempt(self.upload), "upload"),
            self.route("<int:pk>/", self.import_screen, "change"),
            self.route("<int:pk>/start/", require_POST(self.start), "start"),
            self.route("<int:pk>/cancel/", require_POST(self.cancel), "cancel"),
            self.route("<int:pk>/status.json", self.status, "status"),
            self.route("<int:pk>/refused.csv", self.refused, "refused"),
        ]

    @needs(Action.IMPORT_USERS)
    def list_screen(self, request: HttpRequest) -> HttpResponse:
        return self._list(request)

    def _list(self, request: HttpRequest, error: str = "", status: int = 200) -> HttpResponse:
        context = {
            "title": _("Import Users"),
            "imports": self.get_queryset(request).select_related("made_by")[:LISTED],
            "error": error,
            "size_limit": uploads.SIZE_LIMIT,
        }
        return self.screen(request, "profiles/imports.html", context, status=status)

    @needs(Action.IMPORT_USERS)
    def upload(self, request: HttpRequest) -> HttpResponse:
        """Take a file in. The handler is set before anything reads the form, which the check of its token does."""
        if request.method != "POST":
            return HttpResponseRedirect(self._address("changelist"))
        handler = uploads.ImportUploadHandler(request)
        request.upload_handlers = [handler]
        return self._take(request, handler)

    @method_decorator(csrf_protect)
    def _take(self, request: HttpRequest, handler: uploads.ImportUploadHandler) -> HttpResponse:
        wants_json = request.headers.get("Accept") == "application/json"
        try:
            made = uploads.take(workspace_in(request), person_in(request), handler, request.FILES.get("file"))
        except MappingError as error:
            if wants_json:
                return JsonResponse({"error": str(error)}, status=400)
            return self._list(request, str(error), 400)
        self.log(request, made, gettext_noop("Uploaded a file of users."), ADDITION)
        address = self._address("change", made.pk)
        return JsonResponse({"address": address}) if wants_json else HttpResponseRedirect(address)

    @needs(Action.IMPORT_USERS)
    def import_screen(self, request: HttpRequest, pk: int) -> HttpResponse:
        one: UserImport = self.get(request, pk=pk)
        return self._screen(request, one, mapping.from_json(one.mapping), update_only=one.update_only)

    def _screen(
        self, request: HttpRequest, one: UserImport, columns: list[Column], *, update_only: bool, error: str = ""
    ) -> HttpResponse:
        context: dict[str, Any] = {
            "title": one.file_name,
            "crumbs": [(_("Import Users"), self._address("changelist"))],
            "one": one,
            "said": _said(one),
            "error": error,
            "update_only": update_only,
            "refused_rows": one.refused_rows.order_by("pk")[:REFUSED_SHOWN] if one.refused else [],
        }
        if one.is_open:
            rows = uploads.preview(one, PREVIEW_ROWS)
            context |= {
                "columns": [
                    (number, heading, columns[number], [row[number] for row in rows])
                    for number, heading in enumerate(one.header)
                ],
                "identifiers": mapping.IDENTIFIERS.items(),
                "groups": mapping.GROUPS.items(),
                "defaults": mapping.default_names().items(),
                "types": AttributeType.choices,
                "known_types": mapping.known_types(one.workspace_id),
            }
        return self.screen(request, "profiles/import.html", context, status=400 if error else 200)

    @needs(Action.IMPORT_USERS)
    def start(self, request: HttpRequest, pk: int) -> HttpResponse:
        one: UserImport = self.get(request, pk=pk)
        columns = [_posted(request, number) for number in range(len(one.header))]
        update_only = request.POST.get("update_only") == "1"
        dry = request.POST.get("do") != "import"
        try:
            checked = mapping.check(one.workspace_id, one.header, columns)
        except MappingError as error:
            return self._screen(request, one, columns, update_only=update_only, error=str(error))
        if not running.start(one, checked, update_only=update_only, dry=dry):
            self.message_user(request, _("This import was started already."), "warning")
        elif not dry:
            self.log(request, one, gettext_noop("Started the import of users."))
        return HttpResponseRedirect(self._address("change", pk))

    @needs(Action.IMPORT_USERS)
    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        one: UserImport = self.get(request, pk=pk)
        if running.cancel(one):
            self.log(request, one, gettext_noop("Cancelled the import of users."))
            self.message_user(request, _("The import is cancelled. What was imported before stays."))
        return HttpResponseRedirect(self._address("change", pk))

    @needs(Action.IMPORT_USERS)
    def status(self, request: HttpRequest, pk: int) -> HttpResponse:
        one: UserImport = self.get(request, pk=pk)
        answer = JsonResponse({"working": one.is_working, "share": one.share, "text": _said(one)})
        answer["Cache-Control"] = "no-store"
        return answer

    @needs(Action.IMPORT_USERS)
    def refused(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        one: UserImport = self.get(request, pk=pk)
        response = StreamingHttpResponse(_refused_csv(one), content_type="text/csv; charset=utf-8")
        name = slugify(one.file_name.rsplit(".", 1)[0]) or f"import-{one.pk}"
        response["Content-Disposition"] = f'attachment; filename="{name}-refused.csv"'
        return response

    def _address(self, name: str, *arguments: Any) -> str:
        return reverse(f"admin:profiles_userimport_{name}", args=arguments)


def _posted(request: HttpRequest, number: int) -> Column:
    """What the form says of one column."""
    choice = request.POST.get(f"target-{number}", "")
    target, _colon, name = choice.partition(":")
    if target == mapping.CUSTOM:
        return Column(target, request.POST.get(f"name-{number}", "").strip(), request.POST.get(f"type-{number}", ""))
    return Column(target, name)


def _said(one: UserImport) -> str:
    """How far the import is, in a sentence."""
    text = ngettext("%(rows)s row, %(share)s %% of the file", "%(rows)s rows, %(share)s %% of the file", one.rows)
    return text % {"rows": f"{one.rows:,}", "share": one.share}


def _refused_csv(one: UserImport) -> Iterator[str]:
    yield BYTE_ORDER_MARK
    yield csv_line([_("Line"), _("Column"), _("Value"), _("Reason")])
    for row in RefusedRow.objects.filter(user_import=one).order_by("pk").iterator(chunk_size=2_000):
        yield csv_line([row.line, row.column, row.value, row.get_reason_display()])
