"""What the event log's endpoint takes and answers (OpenAPI)."""

from typing import Any, Final, cast

from drf_spectacular.utils import OpenApiResponse, extend_schema

from workspaces.openapi import (
    BOOLEAN,
    COUNT,
    NUMBER,
    TEXT,
    TIME,
    describe,
    listing,
    or_null,
    query,
    shape,
    success,
    whole,
)

_EVENT: Final = shape(
    ["event_type", "id", "time", "user"],
    event_type={"type": "string", "minLength": 1, "maxLength": 100},
    id={"type": "string", "minLength": 1, "maxLength": 200},
    time={**NUMBER, "minimum": 0},
    user=shape(user_id=TEXT, external_user_id=TEXT, device_id=TEXT, timezone=TEXT),
    properties={
        "type": "object",
        "description": "The fields of the type, as the storage or the Mixpanel schema names them. Of behaviors,"
        " `app_version` beside `app_id` tells which version of the app was used, for segments to filter by; of install"
        " attributions `campaign`, `adgroup` and `ad` may stand beside `source`.",
    },
)
events = describe(
    "currents_events",
    "Currents",
    {
        200: success(
            "Stored; an event that came before is not stored again",
            stored=COUNT,
            repeated=COUNT,
        )
    },
    body=shape(events=listing(_EVENT)),
)

_SUMMARY: Final = {
    "id": TEXT,
    "name": TEXT,
    "destination": TEXT,
    "status": {"enum": ["draft", "active", "paused", "failed", "stopped"]},
    "created_at": TIME,
    "updated_at": TIME,
    "launched_at": or_null(TIME),
}
_COUNTS: Final = {"type": "object", "additionalProperties": COUNT, "description": "Events by reason"}
_DETAILS: Final = {
    **_SUMMARY,
    "contact_email": TEXT,
    "options": {"type": "object"},
    "event_types": listing(TEXT),
    "transformations": {"type": "object"},
    "flush_interval": NUMBER,
    "requests_in_flight": COUNT,
}
_STATUS: Final = {
    "id": TEXT,
    "status": _SUMMARY["status"],
    "failed_at": or_null(TIME),
    "last_error": or_null(TEXT),
    "lag": whole(
        events=COUNT,
        more=BOOLEAN,
        seconds=NUMBER,
        oldest=or_null(TIME),
    ),
    "delivered": COUNT,
    "failed": _COUNTS,
    "skipped": _COUNTS,
    "dead_letters": COUNT,
    "last_request": or_null(
        whole(
            started_at=TIME,
            milliseconds=COUNT,
            events=COUNT,
            status=or_null(COUNT),
            error=or_null(TEXT),
        )
    ),
}
_CURRENT_ID: Final = query("current_id", {"type": "string", "format": "uuid"}, "From /currents/list", required=True)

current_list = describe(
    "currents_list",
    "Currents",
    {200: success("All Currents, by name", currents=listing(whole(**_SUMMARY)))},
)
current_details = describe(
    "currents_details", "Currents", {200: success("How it is set up", **_DETAILS)}, parameters=[_CURRENT_ID]
)
current_status = describe(
    "currents_status", "Currents", {200: success("How it does", **_STATUS)}, parameters=[_CURRENT_ID]
)
metrics = extend_schema(
    operation_id="metrics",
    tags=["Currents"],
    auth=cast(Any, [{"restApiKey": []}]),
    responses={(200, "text/plain"): OpenApiResponse(TEXT, "The metrics in Prometheus' text format")},
)
