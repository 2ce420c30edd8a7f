"""What the partner cohort API takes and answers (OpenAPI)."""

from typing import Any, Final

from workspaces.openapi import BOOLEAN, TEXT, TIME, describe, listing, shape, success, whole

TAG: Final = "Partner cohorts"
_KEYS: Final[dict[str, Any]] = {"partner_api_key": TEXT, "client_secret": TEXT, "cohort_id": TEXT}
_ANSWERS: Final = {
    201: success("Done"),
    404: ("There is no such partner", whole(message=TEXT)),
}
_CHANGE: Final = shape(
    user_ids=listing(TEXT),
    device_ids=listing(TEXT),
    aliases=listing(shape(["alias_name", "alias_label"], alias_name=TEXT, alias_label=TEXT)),
    should_remove=BOOLEAN,
)
cohort_name = describe(
    "partner_cohort_name",
    TAG,
    _ANSWERS,
    body=shape([*_KEYS, "name", "created_at"], **_KEYS, name=TEXT, created_at=TIME),
    security="",
)
cohort_users = describe(
    "partner_cohort_users",
    TAG,
    _ANSWERS,
    body=shape([*_KEYS, "cohort_changes"], **_KEYS, cohort_changes=listing(_CHANGE)),
    security="",
)
