"""``/events/list``, ``/events`` and ``/custom_attributes``. Braze: export custom events (list), custom attributes."""

import base64
import binascii
import re
from typing import Any, Final

from django.db.models import Model, QuerySet
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.api import descriptions
from profiles.api.requests import number, parameter
from profiles.custom_values import ARRAY_LIMIT
from profiles.models import AttributeType, CustomAttribute, CustomEvent
from workspaces.rest import workspace_of

NAMES_A_PAGE: Final = 250
ROWS_A_PAGE: Final = 50
MAX_PAGE: Final = 1_000_000
#: The wire's words, whatever language the dashboard speaks.
_TYPES: Final = {
    AttributeType.STRING: "String",
    AttributeType.NUMBER: "Number",
    AttributeType.BOOLEAN: "Boolean",
    AttributeType.DATE: "Date",
    AttributeType.ARRAY: "Array",
    AttributeType.OBJECT: "Object",
}


class EventListView(APIView):
    """The names of custom events, 250 a page, sorted."""

    endpoint = "events.list"

    @descriptions.events_list
    def get(self, request: Request) -> Response:
        start = number(request, "page", 0, MAX_PAGE) * NAMES_A_PAGE
        rows = CustomEvent.objects.filter(workspace=workspace_of(request)).order_by("name")
        names = list(rows.values_list("name", flat=True)[start : start + NAMES_A_PAGE])
        return Response({"message": "success", "events": names})


class EventsView(APIView):
    """Custom events, 50 a page, sorted; the header ``Link`` names the pages before and after."""

    endpoint = "events.get"

    @descriptions.events
    def get(self, request: Request) -> Response:
        rows, links = _page(request, CustomEvent.objects.filter(workspace=workspace_of(request)))
        events = [_entry(one.name, included_in_analytics_report=False) for one in rows]
        return Response({"message": "success", "events": events}, headers=links)


class CustomAttributesView(APIView):
    """Custom attributes, 50 a page, sorted; the header ``Link`` names the pages before and after."""

    endpoint = "custom_attributes.get"

    @descriptions.custom_attributes
    def get(self, request: Request) -> Response:
        rows, links = _page(request, CustomAttribute.objects.filter(workspace=workspace_of(request)))
        attributes = [
            _entry(
                one.name,
                data_type=_TYPES[AttributeType(one.type)],
                array_length=ARRAY_LIMIT if one.type == AttributeType.ARRAY else None,
            )
            for one in rows
        ]
        return Response({"message": "success", "attributes": attributes}, headers=links)


def _entry(name: str, **own: Any) -> dict[str, Any]:
    """An event or attribute as Braze lists it: with a description, a state and tags, which ours do not have."""
    return {"name": name, "description": None, **own, "status": "Active", "tag_names": []}


def _page(request: Request, rows: QuerySet[Any, Model]) -> tuple[list[Any], dict[str, str]]:
    """A page of ``rows`` by name, and the header that names its neighbours."""
    skip = _skipped(parameter(request, "cursor"))
    found = list(rows.order_by("name")[skip : skip + ROWS_A_PAGE + 1])
    path = request.path.rstrip("/")
    links = []
    if skip:
        links.append(f'<{path}?cursor={_cursor(max(0, skip - ROWS_A_PAGE))}>; rel="prev"')
    if len(found) > ROWS_A_PAGE:
        links.append(f'<{path}?cursor={_cursor(skip + ROWS_A_PAGE)}>; rel="next"')
    return found[:ROWS_A_PAGE], {"Link": ",".join(links)} if links else {}


def _cursor(skip: int) -> str:
    return base64.urlsafe_b64encode(f"skip:{skip}".encode()).decode()


def _skipped(cursor: str) -> int:
    # Some clients lose the signs of equality at the end of a parameter.
    padded = cursor.rstrip("=") + "=" * (-len(cursor.rstrip("=")) % 4)
    try:
        found = re.fullmatch(rb"skip:(\d{1,9})", base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        found = None
    if cursor and not found:
        raise exceptions.ParseError("'cursor' must come from the Link header of an answer")
    return int(found[1]) if found else 0
