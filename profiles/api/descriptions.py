"""What the endpoints of this folder take and answer (OpenAPI)."""

from collections.abc import Callable
from typing import Any, Final

from profiles.api.requests import LIMIT
from profiles.exporting import FIELDS
from workspaces.openapi import (
    ANYTHING,
    BOOLEAN,
    COUNT,
    NAME,
    NUMBER,
    SUCCESS,
    TEXT,
    TIME,
    Described,
    Schema,
    describe,
    listing,
    or_null,
    query,
    shape,
    success,
    whole,
)

USERS: Final = "User data"
SUBSCRIPTIONS: Final = "Subscription groups"
EXPORT: Final = "Export"

ALIAS: Final = shape(["alias_name", "alias_label"], alias_name=NAME, alias_label=NAME)
ERRORS: Final = listing(whole(type=TEXT, input_array=TEXT, index=COUNT), least=1)
_DONE: Final = whole(message=SUCCESS)
_REFUSED: Final = "Nothing was done; the message says why"


def _only_message(words: str = _REFUSED) -> tuple[str, Schema]:
    return words, whole(message=TEXT)


# --- Whom an object is about ---

_IDENTITY: Final[dict[str, Any]] = {
    "external_id": NAME,
    "user_alias": ALIAS,
    "braze_id": TEXT,
    "email": TEXT,
    "phone": TEXT,
    "_update_existing_only": BOOLEAN,
}
_PRIORITIZATION: Final = listing(
    {"enum": ["identified", "unidentified", "most_recently_updated", "least_recently_updated"]}, least=1
)
_EMAIL: Final = shape(["email", "prioritization"], email=TEXT, prioritization=_PRIORITIZATION)
_PHONE: Final = shape(["phone", "prioritization"], phone=TEXT, prioritization=_PRIORITIZATION)
_USER: Final = {
    "anyOf": [shape(["external_id"], external_id=NAME), shape(["user_alias"], user_alias=ALIAS), _EMAIL, _PHONE]
}

# --- Users ---

_GROUP_STATE: Final = shape(
    ["subscription_group_id", "subscription_state"],
    subscription_group_id={"type": "string", "format": "uuid"},
    subscription_state={"enum": ["subscribed", "unsubscribed"]},
)
_ATTRIBUTES: Final = shape(
    **_IDENTITY,
    first_name=TEXT,
    country=TEXT,
    dob=TIME,
    email_subscribe={"enum": ["opted_in", "subscribed", "unsubscribed"]},
    subscription_groups=listing(_GROUP_STATE),
    push_token_import={
        "type": "boolean",
        "description": "With true, without external_id and braze_id: a temporary user for each push token that is new",
    },
    push_tokens=listing(shape(["app_id", "token"], app_id=NAME, token=NAME, device_id=NAME)),
)
_OWN_ID: Final[dict[str, Any]] = {
    "type": "string",
    "maxLength": 200,
    "description": "Not of Braze's: an id of your own. Of objects with the same user (named alike), name or product "
    "and id, the first one counts, for as long as events are kept (EVENT_RETENTION_DAYS); the others are accepted and "
    "change nothing. So a request without an answer can be sent again.",
    "examples": ["order-4711"],
}
_DEED: Final[dict[str, Any]] = {
    **_IDENTITY,
    "app_id": TEXT,
    "time": TIME,
    "properties": {"type": "object"},
    "id": _OWN_ID,
}
_EVENT: Final = shape(["name", "time"], **_DEED, name=NAME)
_PURCHASE: Final = shape(
    ["product_id", "currency", "price", "time"],
    **_DEED,
    product_id=NAME,
    currency={"type": "string", "examples": ["USD"]},
    price=NUMBER,
    quantity={"type": "integer", "minimum": 1, "maximum": 100},
)


def _track(operation: str, limit: int) -> Callable[[Described], Described]:
    return describe(
        operation,
        USERS,
        {
            201: (
                "Done; objects that could not be used are named",
                shape(
                    ["message"],
                    closed=True,
                    message=SUCCESS,
                    attributes_processed=COUNT,
                    events_processed=COUNT,
                    purchases_processed=COUNT,
                    errors=ERRORS,
                ),
            ),
            400: (_REFUSED, shape(["message"], closed=True, message=TEXT, errors=ERRORS)),
        },
        body=shape(
            attributes=listing(_ATTRIBUTES, most=limit),
            events=listing(_EVENT, most=limit),
            purchases=listing(_PURCHASE, most=limit),
        ),
    )


track = _track("users_track", 75)
track_bulk = _track("users_track_bulk", 1_000)


def _aliases(operation: str, body: Schema) -> Callable[[Described], Described]:
    answer = shape(
        ["message", "aliases_processed"], closed=True, message=SUCCESS, aliases_processed=COUNT, errors=ERRORS
    )
    return describe(
        operation,
        USERS,
        {201: ("Done; objects that could not be used are named", answer), 400: _only_message()},
        body=body,
    )


_NEW_ALIAS: Final = shape(["alias_name", "alias_label"], alias_name=NAME, alias_label=NAME, external_id=NAME)
_ALIAS_RENAME: Final = shape(
    ["alias_label", "old_alias_name", "new_alias_name"], alias_label=NAME, old_alias_name=NAME, new_alias_name=NAME
)
alias_new = _aliases("users_alias_new", shape(["user_aliases"], user_aliases=listing(_NEW_ALIAS, 1, LIMIT)))
alias_update = _aliases("users_alias_update", shape(["alias_updates"], alias_updates=listing(_ALIAS_RENAME, 1, LIMIT)))


def _naming(**properties: Any) -> Schema:
    return listing(shape(["external_id", *properties], external_id=NAME, **properties), most=LIMIT)


identify = _aliases(
    "users_identify",
    shape(
        aliases_to_identify=_naming(user_alias=ALIAS),
        emails_to_identify=_naming(email=TEXT, prioritization=_PRIORITIZATION),
        phone_numbers_to_identify=_naming(phone=TEXT, prioritization=_PRIORITIZATION),
        merge_behavior={"enum": ["merge", "none"]},
    ),
)
merge = describe(
    "users_merge",
    USERS,
    {202: ("Done", _DONE), 400: _only_message()},
    body=shape(
        ["merge_updates"],
        merge_updates=listing(
            whole(identifier_to_merge=_USER, identifier_to_keep=_USER),
            most=LIMIT,
        ),
    ),
)
delete = describe(
    "users_delete",
    USERS,
    {
        201: ("Done", whole(deleted=COUNT, message=SUCCESS)),
        400: _only_message(),
    },
    body=shape(
        external_ids=listing(NAME, most=LIMIT),
        braze_ids=listing(NAME, most=LIMIT),
        user_aliases=listing(ALIAS, most=LIMIT),
        email_addresses=listing(_EMAIL, most=LIMIT),
        phone_numbers=listing(_PHONE, most=LIMIT),
    ),
)
_INDEXED: Final = listing(listing({"anyOf": [COUNT, TEXT]}, 2, 2))
rename = describe(
    "users_external_ids_rename",
    USERS,
    {
        201: success(
            "The new ids of those renamed; index and reason of the others",
            external_ids=listing(TEXT),
            rename_errors=_INDEXED,
        ),
        400: _only_message(),
    },
    body=shape(
        ["external_id_renames"],
        external_id_renames=listing(
            shape(["current_external_id", "new_external_id"], current_external_id=NAME, new_external_id=NAME), 1, LIMIT
        ),
    ),
)
remove = describe(
    "users_external_ids_remove",
    USERS,
    {
        201: success(
            "The ids that were removed; index and reason of the others",
            removed_ids=listing(TEXT),
            removal_errors=_INDEXED,
        ),
        400: _only_message(),
    },
    body=shape(["external_ids"], external_ids=listing(NAME, 1, LIMIT)),
)

# --- Export ---

_HABIT: Final = whole(name=TEXT, first=TIME, last=TIME, count=COUNT)
_TEXTS: Final[dict[str, Any]] = dict.fromkeys(FIELDS, TEXT)
_EXPORTED: Final = shape(
    closed=True,
    **{
        **_TEXTS,
        "random_bucket": COUNT,
        "last_coordinates": listing(ANYTHING, 2, 2),
        "custom_attributes": {"type": "object"},
        "user_aliases": listing(ALIAS, least=1),
        "apps": listing(shape(["name", "platform"], name=TEXT, platform=TEXT, first_used=TIME, last_used=TIME)),
        "devices": listing(
            shape(
                ["device_id"],
                device_id=TEXT,
                model=TEXT,
                os=TEXT,
                carrier=TEXT,
                idfa=TEXT,
                google_ad_id=TEXT,
                roku_ad_id=TEXT,
                ad_tracking_enabled={"type": "boolean"},
            )
        ),
        "push_tokens": listing(
            shape(
                ["app", "platform", "token", "notifications_enabled"],
                closed=True,
                app=TEXT,
                platform=TEXT,
                token=TEXT,
                device_id=TEXT,
                notifications_enabled={"type": "boolean", "description": "Whether what is sent there is shown"},
                provisionally_opted_in={
                    "type": "boolean",
                    "description": "Of iOS alone: whether it is shown silently, before the user was asked",
                },
            )
        ),
        "custom_events": listing(_HABIT),
        "purchases": listing(_HABIT),
        "total_revenue": NUMBER,
        "campaigns_received": listing(
            shape(
                ["name", "api_campaign_id", "engaged", "converted"],
                closed=True,
                name=TEXT,
                api_campaign_id=TEXT,
                last_received=TIME,
                engaged={"type": "object", "additionalProperties": {"const": True}},
                converted=BOOLEAN,
                in_control=BOOLEAN,
                variation_name=TEXT,
                variation_api_id=TEXT,
            )
        ),
        "canvases_received": listing(
            shape(
                ["name", "api_canvas_id", "in_control", "steps_received"],
                closed=True,
                name=TEXT,
                api_canvas_id=TEXT,
                last_received_message=TIME,
                last_entered=TIME,
                variation_name=TEXT,
                in_control=BOOLEAN,
                steps_received=listing(whole(name=TEXT, api_canvas_step_id=TEXT, last_received=TIME)),
            )
        ),
    },
)
export_ids = describe(
    "users_export_ids",
    EXPORT,
    {
        201: (
            "The users; what is empty is left out",
            shape(
                ["message", "users"],
                closed=True,
                message=SUCCESS,
                users=listing(_EXPORTED),
                invalid_user_ids=listing(TEXT, least=1),
            ),
        ),
        400: _only_message(),
    },
    body=shape(
        external_ids=listing(NAME, most=LIMIT),
        user_aliases=listing(ALIAS, most=LIMIT),
        braze_id=NAME,
        device_id=NAME,
        email_address=NAME,
        phone=NAME,
        fields_to_export=listing({"enum": list(FIELDS)}),
    ),
)

_CURSOR: Final = query("cursor", TEXT, "From the Link header of an answer")
events_list = describe(
    "events_list",
    EXPORT,
    {
        200: success("250 names", events=listing(TEXT)),
        400: _only_message(),
    },
    parameters=[query("page", COUNT, "From 0")],
)
_LISTED: Final[dict[str, Any]] = {
    "name": TEXT,
    "description": or_null(TEXT),
    "status": TEXT,
    "tag_names": listing(TEXT),
}
events = describe(
    "events_get",
    EXPORT,
    {
        200: success(
            "50 events",
            events=listing(shape(list(_LISTED), **_LISTED, included_in_analytics_report=BOOLEAN)),
        ),
        400: _only_message(),
    },
    parameters=[_CURSOR],
)
custom_attributes = describe(
    "custom_attributes_get",
    EXPORT,
    {
        200: success(
            "50 attributes",
            attributes=listing(shape(list(_LISTED), **_LISTED, data_type=TEXT, array_length=or_null(COUNT))),
        ),
        400: _only_message(),
    },
    parameters=[_CURSOR],
)

# --- Subscription groups ---

_ONE_OR_MANY: Final = {"anyOf": [NAME, listing(NAME, 1, LIMIT)]}
_ADDRESSES: Final = {"description": "For groups for email only; not beside phone numbers", **_ONE_OR_MANY}
_NUMBERS: Final = {
    "description": "Alone for the groups of other channels only; not beside email addresses",
    **_ONE_OR_MANY,
}
_WHOM: Final = [
    query("external_id", NAME, "Also a deprecated one. Can be repeated, also as external_id[]"),
    query("email", NAME, "Can be repeated, also as email[]"),
    query("phone", NAME, "Can be repeated, also as phone[]"),
]
_SET: Final = {201: ("Done", _DONE), 400: _only_message()}
subscription_set = describe(
    "subscription_status_set",
    SUBSCRIPTIONS,
    _SET,
    body={
        **_GROUP_STATE,
        "properties": {
            **_GROUP_STATE["properties"],
            "external_id": _ONE_OR_MANY,
            "email": _ADDRESSES,
            "phone": _NUMBERS,
        },
    },
)
subscription_set_v2 = describe(
    "subscription_status_set_v2",
    SUBSCRIPTIONS,
    _SET,
    body=shape(
        ["subscription_groups"],
        subscription_groups=listing(
            {
                **_GROUP_STATE,
                "properties": {
                    **_GROUP_STATE["properties"],
                    "external_ids": listing(NAME, 1, LIMIT),
                    "emails": _ADDRESSES,
                    "phones": _NUMBERS,
                },
            },
            1,
            LIMIT,
        ),
    ),
)
subscription_get = describe(
    "subscription_status_get",
    SUBSCRIPTIONS,
    {
        200: success(
            "What each user chose",
            status={"type": "object", "additionalProperties": {"enum": ["Subscribed", "Unsubscribed", "Unknown"]}},
        ),
        400: _only_message(),
    },
    parameters=[
        query("subscription_group_id", {"type": "string", "format": "uuid"}, "Of which group", required=True),
        *_WHOM,
    ],
)
_USER_GROUP: Final = whole(id=TEXT, name=TEXT, channel=TEXT, status=TEXT)
subscription_user = describe(
    "subscription_user_status",
    SUBSCRIPTIONS,
    {
        200: success(
            "The groups that each user ever chose",
            success=BOOLEAN,
            total_count=COUNT,
            subscription_groups=listing(
                whole(
                    subscription_group_id=TEXT,
                    subscription_status={"enum": ["subscribed", "unsubscribed"]},
                )
            ),
            users=listing(
                whole(
                    external_id=or_null(TEXT),
                    email=or_null(TEXT),
                    phone=or_null(TEXT),
                    subscription_groups=listing(_USER_GROUP),
                )
            ),
        ),
        400: _only_message(),
    },
    parameters=[*_WHOM, query("limit", COUNT, "At most 100"), query("offset", COUNT, "Users to pass over")],
)
