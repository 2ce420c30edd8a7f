"""What the segments' endpoints take and answer (OpenAPI)."""

from typing import Final

from profiles.custom_values import NAME_LIMIT
from profiles.exporting import FIELDS
from segments.exporting.fields import CUSTOM_LIMIT, UNHELD
from segments.reach import CHANNELS
from workspaces.openapi import BOOLEAN, COUNT, TEXT, TIME, describe, listing, or_null, query, shape, success, whole

TAG: Final = "Export"
segment_list = describe(
    "segments_list",
    TAG,
    {
        200: success(
            "100 segments",
            segments=listing(
                whole(
                    id=TEXT,
                    name=TEXT,
                    analytics_tracking_enabled=BOOLEAN,
                    tags=listing(TEXT),
                )
            ),
        )
    },
    parameters=[
        query("page", COUNT, "From 0"),
        query("sort_direction", {"enum": ["asc", "desc"]}, "By the time of creation"),
    ],
)
segment_data_series = describe(
    "segments_data_series",
    TAG,
    {
        200: success(
            "Days that were counted, oldest first",
            data=listing(whole(time={"type": "string", "format": "date"}, size=COUNT)),
        )
    },
    parameters=[
        query("segment_id", TEXT, "The id that /segments/list gives", required=True),
        query("length", {"type": "integer", "minimum": 1, "maximum": 100}, "At most so many days", required=True),
        query("ending_at", TIME, "When the last day ends; without it, now"),
    ],
)
users_export_segment = describe(
    "users_export_segment",
    TAG,
    {
        201: success(
            "The export has begun; its file can be fetched from the url once it is complete",
            object_prefix=TEXT,
            url={"type": "string", "format": "uri"},
        )
    },
    body=shape(
        ["segment_id", "fields_to_export"],
        segment_id=TEXT,
        fields_to_export=listing({"enum": [*FIELDS, *sorted(UNHELD)]}, 1),
        custom_attributes_to_export={
            "description": "Of the custom attributes, export these alone. Not with the field custom_attributes, which "
            "is all of them",
            **listing({"type": "string", "minLength": 1, "maxLength": NAME_LIMIT}, most=CUSTOM_LIMIT),
        },
        callback_endpoint={
            "type": "string",
            "description": "A public https address that is told when the file is complete",
        },
        output_format={"enum": ["zip", "gzip"]},
    ),
)
segment_details = describe(
    "segments_details",
    TAG,
    {
        200: success(
            "The segment; its description is that of its filters",
            created_at=TIME,
            updated_at=TIME,
            name=TEXT,
            description=TEXT,
            text_description=TEXT,
            tags=listing(TEXT),
            teams=listing(TEXT),
        )
    },
    parameters=[query("segment_id", TEXT, "The id that /segments/list gives", required=True)],
)

_CHANNELS: Final = or_null(whole(**dict.fromkeys(CHANNELS, COUNT)))
_STEP: Final = whole(id=TEXT, users=or_null(COUNT), channels=_CHANNELS)
_PROBLEMS: Final = listing(whole(place=TEXT, filter_id=TEXT, message=TEXT))
_ROWS: Final = {
    "description": "Joined by AND. A user passes a row by passing any of its filters",
    **listing(
        shape(
            ["filters"],
            id=TEXT,
            filters=listing(
                shape(
                    ["filter", "operator"],
                    id=TEXT,
                    filter=TEXT,
                    subject={"description": "What the filter is about, where it needs to be told"},
                    operator=TEXT,
                    value={"description": "What is compared with, as the operator takes it"},
                ),
                1,
            ),
        )
    ),
}
segment_preview = describe(
    "segments_preview",
    "Segments",
    {
        200: success(
            "The numbers; null where a filter before has a problem",
            live=COUNT,
            total=or_null(COUNT),
            channels=_CHANNELS,
            rows=listing(_STEP),
            exclude=listing(_STEP),
            problems=_PROBLEMS,
            waiting={**COUNT, "description": "Accepted changes and events that are not in the numbers yet"},
            calculated_at=TIME,
        ),
        400: (
            "The filters are malformed: every row and filter at fault is named",
            shape(["message"], message=TEXT, problems=_PROBLEMS),
        ),
    },
    body=shape(
        ["filters"],
        filters=shape(
            apps={"description": "Ids of apps of which a user has used one; null: users of all apps"},
            rows=_ROWS,
            exclude=listing(shape(["rows"], id=TEXT, rows=_ROWS)),
        ),
        channels={"type": "boolean", "description": "Whether to count reachable users by channel"},
        fresh={"type": "boolean", "description": "Whether to find everything anew"},
    ),
)
