"""``POST /users/export/segment``. Braze: export user profile by segment."""

from typing import Any, cast

from django.utils.translation import gettext_noop
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.api.requests import body_of
from profiles.custom_values import NAME_LIMIT
from segments import openapi
from segments.api import segment_of
from segments.exporting.fields import CUSTOM_LIMIT
from segments.exporting.links import url_of
from segments.exporting.starting import RefusedError, start_rest
from segments.stores import SegmentExport
from workspaces.activity import log_program
from workspaces.models import ApiKey

OUTPUT_FORMATS = (SegmentExport.Format.ZIP, SegmentExport.Format.GZIP)


class ExportSegmentView(APIView):
    """Begin to export the users of a segment, as JSON lines in a zip (a file for 5,000 users each) or a gzip.

    The answer comes at once; the url works when the file is complete, for a few hours. ``callback_endpoint`` is told
    then: ``{"success": true, "url": "…"}``, or ``{"success": false, "message": "…"}`` if the export failed.
    """

    endpoint = "users.export.segment"

    @openapi.users_export_segment
    def post(self, request: Request) -> Response:
        body = body_of(request)
        segment = segment_of(request, _text(body, "segment_id"))
        key = cast(ApiKey, request.auth)
        output_format = _text(body, "output_format") or SegmentExport.Format.ZIP
        if output_format not in OUTPUT_FORMATS:
            raise exceptions.ParseError("'output_format' must be 'zip' or 'gzip'")
        try:
            made = start_rest(
                segment, key, _fields(body), _attributes(body), output_format, _text(body, "callback_endpoint").strip()
            )
        except RefusedError as refused:
            raise exceptions.ParseError(str(refused)) from None
        log_program(
            key, segment, gettext_noop("Exported the users by REST: %(fields)s."), fields=", ".join(made.fields)
        )
        answer = {"message": "success", "object_prefix": made.prefix, "url": url_of(made)}
        return Response(answer, status=status.HTTP_201_CREATED)


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or "\x00" in value:
        raise exceptions.ParseError(f"'{name}' must be a string")
    return value


def _fields(body: dict[str, Any]) -> list[str]:
    value = body.get("fields_to_export")
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise exceptions.ParseError("'fields_to_export' is required: an array of the names of the fields to export")
    return value


def _attributes(body: dict[str, Any]) -> list[str]:
    """The single custom attributes asked for; none named, none alone. Raises ParseError."""
    value = body.get("custom_attributes_to_export")
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) and 0 < len(one) <= NAME_LIMIT for one in value):
        raise exceptions.ParseError(
            "'custom_attributes_to_export' must be an array of names of custom attributes, strings of 1 to "
            f"{NAME_LIMIT} characters"
        )
    if len(value) > CUSTOM_LIMIT:
        raise exceptions.ParseError(f"'custom_attributes_to_export' may hold at most {CUSTOM_LIMIT} names")
    return value
