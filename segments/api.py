"""``/segments/list`` and ``/segments/details``. Braze: export segment list, export segment details."""

import uuid
from datetime import datetime

from django.utils import timezone, translation
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from segments import openapi
from segments.models import Segment
from segments.tree import Tree
from segments.words import Words, tree_of
from workspaces.rest import workspace_of

PAGE_SIZE = 100
MAX_PAGE = 1_000_000


class SegmentList(APIView):
    """Segments that are not archived, 100 a page, oldest first unless ``sort_direction=desc``."""

    endpoint = "segments.list"

    @openapi.segment_list
    def get(self, request: Request) -> Response:
        page = _page(request.query_params.get("page", "0"))
        direction = request.query_params.get("sort_direction", "asc")
        if direction not in ("asc", "desc"):
            raise exceptions.ParseError("sort_direction must be 'asc' or 'desc'")
        order = ("-created_at", "-pk") if direction == "desc" else ("created_at", "pk")
        rows = Segment.objects.filter(workspace=workspace_of(request), archived_at=None).order_by(*order)
        found = [
            {"id": str(api_id), "name": name, "analytics_tracking_enabled": False, "tags": tags}
            for api_id, name, tags in rows.values_list("api_id", "name", "tags")[
                page * PAGE_SIZE : (page + 1) * PAGE_SIZE
            ]
        ]
        return Response({"message": "success", "segments": found})


class SegmentDetails(APIView):
    """One segment by ``segment_id``; its ``description`` is our description of its filters, as Braze's is."""

    endpoint = "segments.details"

    @openapi.segment_details
    def get(self, request: Request) -> Response:
        segment = _segment(request, request.query_params.get("segment_id", ""))
        tree = tree_of(segment.filters)
        return Response(
            {
                "message": "success",
                "created_at": _iso(segment.created_at),
                "updated_at": _iso(segment.edited_at),
                "name": segment.name,
                "description": _in_english(segment.workspace_id, tree),
                "text_description": segment.description,
                "tags": segment.tags,
                "teams": [],
            }
        )


def _page(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(MAX_PAGE)):
        raise exceptions.ParseError("page must be a number from 0 on")
    return int(text)


def _segment(request: Request, text: str) -> Segment:
    if not text:
        raise exceptions.ParseError("segment_id is required")
    try:
        api_id = uuid.UUID(text)
    except ValueError:
        api_id = None
    found = api_id and Segment.objects.filter(workspace=workspace_of(request), api_id=api_id).first()
    if not found:
        raise exceptions.ParseError("Invalid segment_id: there is no such segment in this workspace")
    return found


def _in_english(workspace_id: int, tree: Tree) -> str:
    """The filters in words; the wire speaks English whatever language the client prefers."""
    with translation.override("en"):
        return Words(workspace_id, [tree]).sentence(tree)


def _iso(moment: datetime) -> str:
    return timezone.localtime(moment, timezone.get_fixed_timezone(0)).isoformat(timespec="milliseconds")
