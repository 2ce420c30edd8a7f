"""Custom attribute values: which type one has, and what setting one does to the value before.

Braze: user attributes object, "Custom attribute data types"; nested custom attributes; arrays of objects.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from profiles.dates import as_stored, parse_moment
from profiles.models import AttributeType

#: Longer arrays lose their oldest elements.
ARRAY_LIMIT: Final = 500
NAME_LIMIT: Final = 255
INTEGER_LIMIT: Final = 2**63
_LIST_CHANGES: Final = ("add", "remove")
_OBJECT_CHANGES: Final = ("$add", "$remove", "$update")


class BadValueError(ValueError):
    """A value that an attribute cannot have."""


def check(value: Any, *, merging: bool = False) -> None:
    """Raise BadValueError for a value that cannot be stored. ``merging``: a null inside an object removes its key."""
    if isinstance(value, float) and not math.isfinite(value):
        raise BadValueError
    if isinstance(value, Mapping):
        _check_change(value)
        for key, child in value.items():
            if child is None and not merging:
                raise BadValueError
            if not key or len(key) > NAME_LIMIT:
                raise BadValueError
            if child is not None:
                check(child, merging=merging)
    elif isinstance(value, list):
        for child in value:
            if child is None or isinstance(child, list):
                raise BadValueError
            check(child, merging=merging)


def _check_change(value: Mapping[str, Any]) -> None:
    if "inc" in value and len(value) == 1 and not _is_number(value["inc"]):
        raise BadValueError
    for name in (*_LIST_CHANGES, *_OBJECT_CHANGES):
        if _is_change(value) and name in value and not isinstance(value[name], list):
            raise BadValueError


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_change(value: Any) -> bool:
    """Whether ``value`` says how to change the value before, instead of being the new one."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and (set(value) == {"inc"} or set(value) <= set(_LIST_CHANGES) or set(value) <= set(_OBJECT_CHANGES))
    )


def type_of(value: Any) -> AttributeType:
    """The type that an attribute has whose first value is ``value`` (a new value or a change)."""
    if isinstance(value, bool):
        return AttributeType.BOOLEAN
    if _is_number(value):
        return AttributeType.NUMBER
    if isinstance(value, str):
        return AttributeType.DATE if parse_moment(value) else AttributeType.STRING
    if isinstance(value, list):
        return AttributeType.ARRAY
    if _is_change(value):
        return AttributeType.NUMBER if "inc" in value else AttributeType.ARRAY
    return AttributeType.OBJECT


def changed(before: Any, value: Any, declared: str, *, merging: bool = False) -> Any:
    """The value after ``value`` was set on an attribute of type ``declared`` that had ``before``; None removes it.

    ``merging`` is Braze's ``_merge_objects``: an object is merged into the one before instead of replacing it.
    """
    if isinstance(value, str):
        moment = parse_moment(value) if declared == AttributeType.DATE else None
        return as_stored(moment) if moment else value
    if isinstance(value, list):
        return _unique(value)
    if _is_change(value):
        return _after_change(before, value)
    if isinstance(value, Mapping) and merging:
        return _merged(before, value)
    return value


def _after_change(before: Any, change: Mapping[str, Any]) -> Any:
    if "inc" in change:
        return _incremented(before, change["inc"])
    items = list(before) if isinstance(before, list) else []
    if set(change) <= set(_LIST_CHANGES):
        items = _unique([*items, *change.get("add", [])])
        return [item for item in items if item not in change.get("remove", [])]
    # Braze applies them in this order, whatever the order of the keys.
    items += change.get("$add", [])
    items = [item for item in items if not any(_names(key, item) for key in change.get("$remove", []))]
    for key in change.get("$update", []):
        new = key.get("$new_object") if isinstance(key, Mapping) else None
        items = [_merged(item, new) if _names(key, item) and isinstance(new, Mapping) else item for item in items]
    return items[-ARRAY_LIMIT:]


def _incremented(before: Any, by: int | float) -> Any:
    if before is None:
        return by
    after = before + by if _is_number(before) else before
    return after if _is_number(after) and abs(after) < INTEGER_LIMIT else before


def _names(key: Any, item: Any) -> bool:
    """Whether ``key`` (``$identifier_key``, ``$identifier_value``) names the object ``item``."""
    if not isinstance(key, Mapping) or not isinstance(item, Mapping):
        return False
    name = key.get("$identifier_key")
    return name in item and item[name] == key.get("$identifier_value")


def _merged(before: Any, new: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(before) if isinstance(before, Mapping) else {}
    for name, value in new.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            result[name] = _merged(result.get(name), value)
        else:
            result[name] = value
    return result


def _unique(items: list[Any]) -> list[Any]:
    """Each element once, where it came last; objects are kept as they are. At most ARRAY_LIMIT, the newest."""
    if any(isinstance(item, Mapping) for item in items):
        return items[-ARRAY_LIMIT:]
    # True == 1 in Python, but not in JSON.
    last = {(type(item) is bool, item): item for item in reversed(items)}
    return list(last.values())[::-1][-ARRAY_LIMIT:]
