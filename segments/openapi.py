"""What the segments' endpoints take and answer (OpenAPI)."""

from typing import Final

from workspaces.openapi import BOOLEAN, COUNT, SUCCESS, TEXT, TIME, describe, listing, query, shape

TAG: Final = "Export"
segment_list = describe(
    "segments_list",
    TAG,
    {
        200: (
            "100 segments",
            shape(
                ["message", "segments"],
                closed=True,
                message=SUCCESS,
                segments=listing(
                    shape(
                        ["id", "name", "analytics_tracking_enabled", "tags"],
                        closed=True,
                        id=TEXT,
                        name=TEXT,
                        analytics_tracking_enabled=BOOLEAN,
                        tags=listing(TEXT),
                    )
                ),
            ),
        )
    },
    parameters=[
        query("page", COUNT, "From 0"),
        query("sort_direction", {"enum": ["asc", "desc"]}, "By the time of creation"),
    ],
)
segment_details = describe(
    "segments_details",
    TAG,
    {
        200: (
            "The segment; its description is that of its filters",
            shape(
                [
                    "message",
                    "created_at",
                    "updated_at",
                    "name",
                    "description",
                    "text_description",
                    "tags",
                    "teams",
                ],
                closed=True,
                message=SUCCESS,
                created_at=TIME,
                updated_at=TIME,
                name=TEXT,
                description=TEXT,
                text_description=TEXT,
                tags=listing(TEXT),
                teams=listing(TEXT),
            ),
        )
    },
    parameters=[query("segment_id", TEXT, "The id that /segments/list gives", required=True)],
)
