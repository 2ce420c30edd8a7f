"""The REST endpoints of Currents: events in, and how the Currents of a workspace do."""

import uuid
from datetime import datetime
from typing import Any

from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from currents import monitoring, openapi
from currents.ingest import InvalidEventsError, parse_events, store_events
from currents.models import Current, Outcome
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


class CurrentList(APIView):
    """``GET /currents/list``: the workspace's Currents, by name."""

    endpoint = "currents.list"

    @openapi.current_list
    def get(self, request: Request) -> Response:
        found = Current.objects.filter(workspace=workspace_of(request)).order_by("name", "pk")
        return Response({"message": "success", "currents": [_summary(one) for one in found]})


class CurrentDetails(APIView):
    """``GET /currents/details?current_id=``: how one Current is set up. Its secrets are never told."""

    endpoint = "currents.details"

    @openapi.current_details
    def get(self, request: Request) -> Response:
        current = _current(request)
        return Response(
            {
                "message": "success",
                **_summary(current),
                "contact_email": current.contact_email,
                "options": current.options,
                "event_types": current.event_types,
                "transformations": current.transformations,
                "flush_interval": current.flush_seconds,
                "requests_in_flight": current.max_in_flight,
            }
        )


class CurrentStatus(APIView):
    """``GET /currents/status?current_id=``: how one Current does."""

    endpoint = "currents.status"

    @openapi.current_status
    def get(self, request: Request) -> Response:
        [health] = monitoring.health([_current(request)])
        current = health.current
        last = current.requests.order_by("-id").first()
        return Response(
            {
                "message": "success",
                "id": str(current.api_id),
                "status": current.status,
                "failed_at": _iso(current.failed_at),
                "last_error": health.error or None,
                "lag": {
                    "events": health.lag.events,
                    "more": health.lag.more,
                    "seconds": health.lag.seconds,
                    "oldest": _iso(health.lag.oldest),
                },
                "delivered": health.counts[Outcome.DELIVERED],
                "failed": {one.value: health.counts[one] for one in sorted(monitoring.FAILURES)},
                "skipped": {one.value: health.counts[one] for one in monitoring.SKIPS},
                "dead_letters": health.dead_letters,
                "last_request": last
                and {
                    "started_at": _iso(last.started_at),
                    "milliseconds": last.milliseconds,
                    "events": last.events,
                    "status": last.status,
                    "error": last.error or None,
                },
            }
        )


def _summary(current: Current) -> dict[str, Any]:
    return {
        "id": str(current.api_id),
        "name": current.name,
        "destination": current.destination,
        "status": current.status,
        "created_at": _iso(current.created_at),
        "updated_at": _iso(current.updated_at),
        "launched_at": _iso(current.launched_at),
    }


def _current(request: Request) -> Current:
    text = request.query_params.get("current_id", "")
    if not text:
        raise exceptions.ParseError("current_id is required")
    try:
        api_id = uuid.UUID(text)
    except ValueError:
        api_id = None
    found = api_id and Current.objects.filter(workspace=workspace_of(request), api_id=api_id).first()
    if not found:
        raise exceptions.ParseError("Invalid current_id: there is no such Current in this workspace")
    return found


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None
