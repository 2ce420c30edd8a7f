"""What the REST endpoints over segments, campaigns and Canvases do alike. Braze: export segment list, and its kin."""

import uuid
from datetime import UTC, datetime
from typing import Final, TypeVar

from django.db.models import QuerySet
from rest_framework import exceptions
from rest_framework.request import Request

from segments.models import Edited

PAGE_SIZE: Final = 100
MAX_PAGE: Final = 1_000_000
Kind = TypeVar("Kind", bound=Edited)


def page_of(request: Request, rows: QuerySet[Kind]) -> QuerySet[Kind]:
    """The 100 of ``rows`` that the query asks for, oldest first unless ``sort_direction=desc``. Raises ParseError."""
    page = request.query_params.get("page", "0")
    if not page.isascii() or not page.isdigit() or len(page) > len(str(MAX_PAGE)):
        raise exceptions.ParseError("page must be a number from 0 on")
    direction = request.query_params.get("sort_direction", "asc")
    if direction not in ("asc", "desc"):
        raise exceptions.ParseError("sort_direction must be 'asc' or 'desc'")
    order = ("-created_at", "-pk") if direction == "desc" else ("created_at", "pk")
    return rows.order_by(*order)[int(page) * PAGE_SIZE : (int(page) + 1) * PAGE_SIZE]


def one_of(rows: QuerySet[Kind], name: str, text: str) -> Kind:
    """The one of ``rows`` whose API id is ``text``, which was given as ``name``: "segment_id". Raises ParseError."""
    if not text:
        raise exceptions.ParseError(f"{name} is required")
    try:
        found = rows.filter(api_id=uuid.UUID(text)).first()
    except ValueError:
        found = None
    if not found:
        what = name.removesuffix("_id")
        raise exceptions.ParseError(f"Invalid {name}: there is no such {what} in this workspace")
    return found


def iso(moment: datetime) -> str:
    """A time as these endpoints write it: UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
