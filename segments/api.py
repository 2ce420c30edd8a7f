"""``/segments/list``, ``/segments/details`` and ``/segments/data_series``.

Braze: export segment list, export segment details, export segment analytics.
"""

import re
from datetime import UTC, datetime
from typing import Final

from django.utils import translation
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from segments import openapi, sizes
from segments.edited_api import iso, one_of, page_of
from segments.models import Segment
from segments.tree import Tree
from segments.words import Words, tree_of
from workspaces.rest import workspace_of

#: Days of a data series. Braze: export segment analytics, ``length``.
MAX_LENGTH = 100


class SegmentList(APIView):
    """Segments that are not archived, 100 a page, oldest first unless ``sort_direction=desc``.

    Every segment is counted each day, so analytics tracking is always enabled: ``/segments/data_series`` answers.
    """

    endpoint = "segments.list"

    @openapi.segment_list
    def get(self, request: Request) -> Response:
        rows = Segment.objects.filter(workspace=workspace_of(request), archived_at=None).only("api_id", "name", "tags")
        found = [
            {"id": str(one.api_id), "name": one.name, "analytics_tracking_enabled": True, "tags": one.tags}
            for one in page_of(request, rows)
        ]
        return Response({"message": "success", "segments": found})


class SegmentDetails(APIView):
    """One segment by ``segment_id``; its ``description`` is our description of its filters, as Braze's is."""

    endpoint = "segments.details"

    @openapi.segment_details
    def get(self, request: Request) -> Response:
        segment = segment_of(request, request.query_params.get("segment_id", ""))
        tree = tree_of(segment.filters)
        return Response(
            {
                "message": "success",
                "created_at": iso(segment.created_at),
                "updated_at": iso(segment.edited_at),
                "name": segment.name,
                "description": _in_english(segment.workspace_id, tree),
                "text_description": segment.description,
                "tags": segment.tags,
                "teams": [],
            }
        )


class SegmentDataSeries(APIView):
    """The size of a segment on each of up to 100 days of the workspace's time zone; days without a count are absent."""

    endpoint = "segments.data_series"

    @openapi.segment_data_series
    def get(self, request: Request) -> Response:
        segment = segment_of(request, request.query_params.get("segment_id", ""))
        length = request.query_params.get("length", "")
        if not length.isascii() or not length.isdigit() or len(length) > 3 or not 1 <= int(length) <= MAX_LENGTH:
            raise exceptions.ParseError(f"length must be a number of days from 1 to {MAX_LENGTH}")
        last = sizes.day_in(segment.workspace, _moment(request.query_params.get("ending_at", "")))
        found = sizes.series(segment, last, int(length))
        return Response(
            {"message": "success", "data": [{"time": day.isoformat(), "size": size} for day, size in found]}
        )


_YEARS: Final = range(1900, 9000)


def _moment(text: str) -> datetime | None:
    """``ending_at``; None: it is not given. Takes what Braze's own example has: an hour of one digit in the offset.

    Raises ParseError.
    """
    if not text:
        return None
    # A plus sign in an address means a space, and few clients know.
    whole = re.sub(r" (?=\d{1,2}:?\d{2}$)", "+", text)
    whole = re.sub(r"(?<=[+-])(?=\d:\d{2}$)", "0", whole)
    try:
        found = datetime.fromisoformat(whole)
        # In other zones, the first and last days that Python counts are days that it does not.
        if not _YEARS.start <= found.year <= _YEARS.stop:
            raise ValueError
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except ValueError:
        raise exceptions.ParseError("ending_at must be a time in ISO 8601, such as 2026-01-31T23:59:59Z") from None


def segment_of(request: Request, text: str) -> Segment:
    """The workspace's segment with that API id. Raises ParseError."""
    mine = Segment.objects.select_related("workspace").filter(workspace=workspace_of(request))
    return one_of(mine, "segment_id", text)


def _in_english(workspace_id: int, tree: Tree) -> str:
    """The filters in words; the wire speaks English whatever language the client prefers."""
    with translation.override("en"):
        return Words(workspace_id, [tree]).sentence(tree)
