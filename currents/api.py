"""The REST endpoint of the event log."""

from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from currents import openapi
from currents.ingest import InvalidEventsError, parse_events, store_events
from workspaces.rest import workspace_of


class EventsView(APIView):
    """``POST /currents/events``: store a batch of events, all of them or, when one is malformed, none."""

    endpoint = "currents.events"

    @openapi.events
    def post(self, request: Request) -> Response:
        try:
            events = parse_events(request.data)
        except InvalidEventsError as error:
            raise exceptions.ParseError(str(error)) from None
        result = store_events(workspace_of(request).pk, events)
        return Response({"message": "success", "stored": result.stored, "repeated": result.repeated})
