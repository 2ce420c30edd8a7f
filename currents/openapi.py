"""What the event log's endpoint takes and answers (OpenAPI)."""

from typing import Final

from workspaces.openapi import COUNT, NUMBER, SUCCESS, TEXT, describe, listing, shape

_EVENT: Final = shape(
    ["event_type", "id", "time", "user"],
    event_type={"type": "string", "minLength": 1, "maxLength": 100},
    id={"type": "string", "minLength": 1, "maxLength": 200},
    time={**NUMBER, "minimum": 0},
    user=shape(user_id=TEXT, external_user_id=TEXT, device_id=TEXT, timezone=TEXT),
    properties={"type": "object"},
)
events = describe(
    "currents_events",
    "Currents",
    {
        200: (
            "Stored; an event that came before is not stored again",
            shape(["message", "stored", "repeated"], closed=True, message=SUCCESS, stored=COUNT, repeated=COUNT),
        )
    },
    body=shape(events=listing(_EVENT)),
)
