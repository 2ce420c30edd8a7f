"""The file of an export, for whoever has the signed link (see ``links``)."""

from django.http import FileResponse, HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_safe

from segments.exporting.formats import FORMATS
from segments.exporting.links import file_name, is_signed, path_of
from segments.stores import SegmentExport


@require_safe
def export_file(request: HttpRequest, name: str) -> HttpResponseBase:
    """The file; 404 before it is complete and for a link that we did not make, 410 after its time."""
    prefix = name.partition(".")[0]
    export = None
    if is_signed(name, request.GET.get("signature", "")):
        export = SegmentExport.objects.defer("users").filter(prefix=prefix).first()
    if export is None or file_name(export) != name:
        return _refusal("There is no such export.", 404)
    if export.is_working:
        return _refusal("The export is not complete yet. Try again in a moment.", 404)
    if not export.is_available:
        return _refusal("The export is not available any more. Ask for a new one.", 410)
    return file_of(export, name) or _refusal("The file of the export is gone. Ask for a new one.", 410)


def file_of(export: SegmentExport, name: str) -> FileResponse | None:
    """The export's file under a name, as a download that no cache keeps; None when it is gone."""
    try:
        file = path_of(export).open("rb")
    except FileNotFoundError:
        return None
    response = FileResponse(file, as_attachment=True, filename=name, content_type=FORMATS[export.format].content_type)
    response["Cache-Control"] = "private, no-store"
    return response


def _refusal(message: str, status: int) -> JsonResponse:
    return JsonResponse({"message": message}, status=status)
