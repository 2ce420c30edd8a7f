"""What the endpoints of campaigns and Canvases take and answer (OpenAPI)."""

from typing import Final

from drf_spectacular.utils import OpenApiParameter

from messaging.messages import CHANNELS
from workspaces.openapi import (
    BOOLEAN,
    COUNT,
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

TAG: Final = "Export"
_NULL: Final = {"type": "null"}
_CHANNEL: Final = {"enum": [*CHANNELS]}
_LISTED: Final = {"id": TEXT, "name": TEXT, "last_edited": TIME, "tags": listing(TEXT)}
_MESSAGE: Final = {
    "oneOf": [
        whole(
            channel={"const": channel.key},
            name=TEXT,
            **{part.key: TEXT for part in channel.parts},
        )
        for channel in CHANNELS.values()
    ]
}
_MESSAGES: Final = {
    "type": "object",
    "description": "By the message's id: what it says on its channel",
    "additionalProperties": _MESSAGE,
}
_DETAILS: Final = {
    "created_at": TIME,
    "updated_at": TIME,
    "name": TEXT,
    "description": TEXT,
    "archived": BOOLEAN,
    "draft": BOOLEAN,
    "enabled": BOOLEAN,
    "has_post_launch_draft": BOOLEAN,
    "schedule_type": or_null(TEXT),
    "channels": listing(_CHANNEL),
    "tags": listing(TEXT),
    "teams": listing(TEXT),
}


def _list_parameters(what: str) -> list[OpenApiParameter]:
    return [
        query("page", COUNT, "From 0"),
        query("include_archived", BOOLEAN, f"Whether archived {what} are listed, too; false unless given"),
        query("sort_direction", {"enum": ["asc", "desc"]}, "By the time of creation"),
        query("last_edit.time[gt]", TEXT, f"Only {what} edited after this time: yyyy-MM-DDTHH:mm:ss, UTC or an offset"),
    ]


def _details_parameters(name: str, source: str) -> list[OpenApiParameter]:
    return [
        query(name, TEXT, f"The id that {source} gives", required=True),
        query("post_launch_draft_version", BOOLEAN, "Accepted; nothing has a draft beside what was launched"),
    ]


campaign_list = describe(
    "campaigns_list",
    TAG,
    {200: success("100 campaigns", campaigns=listing(whole(**_LISTED, is_api_campaign=BOOLEAN)))},
    parameters=_list_parameters("campaigns"),
)
canvas_list = describe(
    "canvas_list",
    TAG,
    {200: success("100 Canvases", canvases=listing(whole(**_LISTED)))},
    parameters=_list_parameters("Canvases"),
)
campaign_details = describe(
    "campaigns_details",
    TAG,
    {
        200: success(
            "The campaign",
            **_DETAILS,
            first_sent=or_null(TIME),
            last_sent=or_null(TIME),
            messages=_MESSAGES,
            conversion_behaviors=listing(shape()),
        )
    },
    parameters=_details_parameters("campaign_id", "/campaigns/list"),
)
_STEP: Final = whole(
    name=TEXT,
    type={"const": "message"},
    id=TEXT,
    next_step_ids=listing(TEXT),
    next_paths=listing(whole(name=_NULL, next_step_id=TEXT)),
    channels=listing(_CHANNEL),
    messages=_MESSAGES,
)
_VARIANT: Final = shape(
    ["name", "id", "first_step_ids"],
    closed=True,
    name=TEXT,
    id=TEXT,
    first_step_ids=listing(TEXT),
    first_step_id=TEXT,
)
canvas_details = describe(
    "canvas_details",
    TAG,
    {
        200: success(
            "The Canvas",
            **_DETAILS,
            first_entry=or_null(TIME),
            last_entry=or_null(TIME),
            variants=listing(_VARIANT),
            steps=listing(_STEP),
        )
    },
    parameters=_details_parameters("canvas_id", "/canvas/list"),
)
