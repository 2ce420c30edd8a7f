"""What partners send, checked before anything is written. Messages are protocol texts in the manner of Braze's."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rest_framework import status
from rest_framework.exceptions import APIException, ParseError

from partners.changes import ALIAS, DEVICE, EXTERNAL_ID, ID_LIMIT, Group, count

IDENTIFIERS_PER_REQUEST = 1_000
NAME_LIMIT = 512

_FORM = (
    "`cohort_changes` must be an array of objects each with key `user_ids` and/or `device_ids` mapping to an array of"
    " strings, and/or `aliases` mapping to an array of objects with `alias_name` and `alias_label`;"
    " `should_remove` is an optional boolean"
)


class InvalidKey(APIException):
    """A key that is not accepted: 401. (DRF's own answers 403 where no authentication class names a scheme.)"""

    status_code = status.HTTP_401_UNAUTHORIZED
    default_code = "invalid_key"


def body_of(data: Any) -> Mapping[str, Any]:
    """The request's body as an object. Raises ParseError for any other JSON."""
    if not isinstance(data, dict):
        raise ParseError("The request body must be a JSON object")
    return data


def cohort_id_of(body: Mapping[str, Any]) -> str:
    """The valid ``cohort_id``. Raises ParseError."""
    value = body.get("cohort_id")
    if not isinstance(value, str) or not value:
        raise ParseError("`cohort_id` must be a valid string")
    return storable(value, "`cohort_id`")


def name_of(body: Mapping[str, Any]) -> str:
    """The valid ``name``. Raises ParseError."""
    value = body.get("name")
    if not isinstance(value, str) or not value.strip():
        raise ParseError("`name` must be a non-empty string")
    return storable(value, "`name`", NAME_LIMIT)


def created_at_of(body: Mapping[str, Any]) -> datetime:
    """The valid ``created_at``; a time without an offset is UTC. Raises ParseError."""
    value = body.get("created_at")
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None:
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ParseError("`created_at` must be a valid time as an ISO-8601 string")


def changes_of(body: Mapping[str, Any]) -> list[Group]:
    """The valid ``cohort_changes``, in their order. Raises ParseError.

    Braze: partner cohort import, User cohort endpoint.
    """
    changes = body.get("cohort_changes")
    if not isinstance(changes, list):
        raise ParseError(_FORM)
    groups = [group for change in changes for group in _groups(change)]
    if count(groups) > IDENTIFIERS_PER_REQUEST:
        raise ParseError("Only 1,000 `user_ids`, `device_ids`, and `aliases` are allowed per request")
    return groups


def _groups(change: Any) -> list[Group]:
    if not isinstance(change, dict) or not change.keys() & {"user_ids", "device_ids", "aliases"}:
        raise ParseError(_FORM)
    remove = change.get("should_remove")
    if remove is not None and not isinstance(remove, bool):
        raise ParseError(_FORM)
    return [
        Group(EXTERNAL_ID, bool(remove), _strings(change.get("user_ids"), "user_ids")),
        Group(DEVICE, bool(remove), _strings(change.get("device_ids"), "device_ids")),
        Group(ALIAS, bool(remove), [_alias(alias) for alias in _list(change.get("aliases"))]),
    ]


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ParseError(_FORM)
    return value


def _strings(value: Any, key: str) -> list[str]:
    values = _list(value)
    if not {*map(type, values)} <= {str}:
        raise ParseError(_FORM)
    # Nearly always all are good, and asking each costs ten times as much.
    if max(map(len, values), default=0) > ID_LIMIT or "\x00" in "".join(values):
        return [storable(one, f"Each of `{key}`") for one in values]
    return values


def _alias(value: Any) -> list[str]:
    if not isinstance(value, dict):
        raise ParseError(_FORM)
    label, name = value.get("alias_label"), value.get("alias_name")
    if not isinstance(label, str) or not isinstance(name, str):
        raise ParseError(_FORM)
    return [storable(label, "Each `alias_label`"), storable(name, "Each `alias_name`")]


def storable(value: str, what: str, limit: int = ID_LIMIT) -> str:
    """``value`` if PostgreSQL can keep it and it is not longer than ``limit`` characters. Raises ParseError."""
    if len(value) > limit:
        raise ParseError(f"{what} must be at most {limit} characters long")
    if "\x00" in value:
        raise ParseError(f"{what} must not contain the character NUL")
    return value
