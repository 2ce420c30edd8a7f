"""What Mixpanel's custom webhook sends and is answered (OpenAPI)."""

from typing import Final

from workspaces.openapi import ANYTHING, COUNT, TEXT, Schema, describe, listing, or_null, shape, whole

_REFUSAL: Final = whole(
    action=or_null(ANYTHING),
    status={"const": "failure"},
    error=whole(message=TEXT, code=COUNT),
)
_REASONS: Final = {
    400: "The message is not of Mixpanel's form",
    401: "The password is no data import key of this integration",
    404: "There is no such integration",
    413: "The body is too large",
    415: "The body's encoding is neither plain nor gzip",
    429: "The key sent more than its limit; Retry-After says how many seconds to wait",
}
_ACTION: Final[Schema] = {"enum": ["members", "add_members", "remove_members"]}
webhook = describe(
    "mixpanel_webhook",
    "Mixpanel",
    {
        200: ("Done", whole(action=_ACTION, status={"const": "success"})),
        **{status: (words, _REFUSAL) for status, words in _REASONS.items()},
    },
    body=shape(
        ["action", "parameters"],
        action=_ACTION,
        parameters=shape(
            ["mixpanel_cohort_id"],
            mixpanel_project_id=TEXT,
            mixpanel_cohort_id=TEXT,
            mixpanel_cohort_name=TEXT,
            mixpanel_cohort_description=TEXT,
            mixpanel_session_id=TEXT,
            page_info=shape(total_pages=COUNT, page_count=COUNT),
            members=listing(
                shape(mixpanel_distinct_id=TEXT, email=TEXT, first_name=TEXT, last_name=TEXT, phone_number=TEXT)
            ),
        ),
    ),
    security="dataImportKey",
)
