"""Custom attribute values: which type one has, and what setting one does to the value before.

Braze: user attributes object, "Custom attribute data types"; nested custom attributes; arrays of objects.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import orjson

from profiles.coercion import Declared, ImpossibleError, coerced
from profiles.dates import as_stored, parse_moment
from profiles.models import AttributeType

#: Longer arrays lose their oldest elements; those of objects have no such limit, only that of size (Braze).
ARRAY_LIMIT: Final = 500
#: Arrays and objects, as JSON.
SIZE_LIMIT: Final = 100 * 1024
NAME_LIMIT: Final = 255
#: The first and the last integer that JSON of ours can hold.
INTEGERS: Final = (-(2**63), 2**64 - 1)
#: The only key of a moment inside an object.
TIME: Final = "$time"
_LIST_CHANGES: Final = frozenset({"add", "remove"})
_OBJECT_CHANGES: Final = frozenset({"$add", "$remove", "$update"})


class BadValueError(ValueError):
    """A value that an attribute cannot have."""


#: Of these every value can be stored; null removes the attribute. Nearly all values are of these types.
_PLAIN: Final = frozenset({str, int, bool, type(None)})


def check(value: Any, *, merging: bool = False) -> None:
    """Raise BadValueError for a value that cannot be stored. ``merging``: a null inside an object removes its key."""
    if type(value) in _PLAIN:
        return
    if not isinstance(value, dict | list):
        _check_scalar(value)
    elif isinstance(value, list):
        _check_list(value, merging)
    elif _is_change(value):
        _check_change(value)
    else:
        _check_object(value, merging)


def _check_scalar(value: Any) -> None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        raise BadValueError


def _check_list(items: list[Any], merging: bool) -> None:
    for item in items:
        if isinstance(item, list):
            raise BadValueError
        _check_inner(item, merging)


def _check_inner(value: Any, merging: bool) -> None:
    """A value inside an array or an object: there is nothing before it that it could change."""
    if isinstance(value, dict):
        _check_object(value, merging)
    elif isinstance(value, list):
        _check_list(value, merging)
    else:
        _check_scalar(value)


def _check_object(value: Mapping[str, Any], merging: bool) -> None:
    if TIME in value:
        # Braze: nested custom attributes, "Capturing dates as object properties".
        if len(value) > 1 or parse_moment(value[TIME]) is None:
            raise BadValueError
        return
    for key, child in value.items():
        if not key or len(key) > NAME_LIMIT or key.startswith("$"):
            raise BadValueError
        if child is not None or not merging:
            _check_inner(child, merging)


def _check_change(change: Mapping[str, Any]) -> None:
    if "inc" in change:
        if not _is_number(change["inc"]):
            raise BadValueError
        _check_scalar(change["inc"])
        return
    if not all(isinstance(items, list) for items in change.values()):
        raise BadValueError
    for name, items in change.items():
        if name in ("$remove", "$update"):
            for item in items:
                _check_named(item, is_update=name == "$update")
        else:
            _check_list(items, merging=False)


def _check_named(item: Any, *, is_update: bool) -> None:
    """An element of ``$remove`` or ``$update``: which objects it is about, and what they become."""
    new = item.get("$new_object") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(item.get("$identifier_key"), str):
        raise BadValueError
    _check_inner(item.get("$identifier_value"), merging=False)
    if is_update:
        if not isinstance(new, dict):
            raise BadValueError
        _check_object(new, merging=False)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_change(value: Any) -> bool:
    """Whether ``value`` says how to change the value before, instead of being the new one."""
    return (
        isinstance(value, dict)
        and bool(value)
        and (value.keys() == {"inc"} or value.keys() <= _LIST_CHANGES or value.keys() <= _OBJECT_CHANGES)
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


def changed(before: Any, value: Any, declared: Declared, *, merging: bool = False) -> Any:
    """The value after ``value`` was set on an attribute of the type ``declared`` that had ``before``; None removes it.

    ``merging`` is Braze's ``_merge_objects``: an object is merged into the one before instead of replacing it. Raises
    ImpossibleError where the attribute has to stay as it is.
    """
    if value is None:
        return None
    if _is_change(value):
        after = _after_change(before, value, declared, merging)
    else:
        if declared.is_forced:
            value = coerced(value, declared.type)
        after = _new_value(before, value, declared, merging)
    if isinstance(after, list | dict) and len(orjson.dumps(after)) > SIZE_LIMIT:
        raise ImpossibleError("would be larger than 100 KB")
    return after


def _new_value(before: Any, value: Any, declared: Declared, merging: bool) -> Any:
    if isinstance(value, str):
        moment = parse_moment(value) if declared.type == AttributeType.DATE else None
        return as_stored(moment) if moment else value
    if isinstance(value, list):
        return _unique(value)
    if isinstance(value, dict) and merging:
        return _merged(before, value)
    return value


def _after_change(before: Any, change: Mapping[str, Any], declared: Declared, merging: bool) -> Any:
    needed = type_of(change)
    if declared.is_forced and declared.type != needed:
        raise ImpossibleError(f"is of the type {declared.type}, and cannot be changed like one of the type {needed}")
    if "inc" in change:
        return _incremented(before, change["inc"])
    if before is not None and not isinstance(before, list):
        raise ImpossibleError("has a value that is no array, so that none of its elements can be changed")
    items = list(before or [])
    if change.keys() <= _LIST_CHANGES:
        items = _unique([*items, *change.get("add", [])])
        gone = [_identity(item) for item in change.get("remove", [])]
        return [item for item in items if _identity(item) not in gone]
    # Braze applies them in this order, whatever the order of the keys.
    items += change.get("$add", [])
    items = [item for item in items if not any(_names(one, item) for one in change.get("$remove", []))]
    for one in change.get("$update", []):
        new = one["$new_object"]
        items = [(_merged(item, new) if merging else dict(new)) if _names(one, item) else item for item in items]
    return items


def _incremented(before: Any, by: int | float) -> Any:
    if before is None:
        return by
    if not _is_number(before):
        raise ImpossibleError("has a value that is no number, and cannot be incremented")
    after = before + by
    is_float = isinstance(after, float)
    if (is_float and not math.isfinite(after)) or (not is_float and not INTEGERS[0] <= after <= INTEGERS[1]):
        raise ImpossibleError("would be beyond 64 bits")
    return after


def _names(one: Mapping[str, Any], item: Any) -> bool:
    """Whether ``one`` (``$identifier_key``, ``$identifier_value``) names the object ``item``."""
    if not isinstance(item, dict) or one["$identifier_key"] not in item:
        return False
    found, wanted = item[one["$identifier_key"]], one.get("$identifier_value")
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)


def _merged(before: Any, new: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(before) if isinstance(before, dict) else {}
    for name, value in new.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            result[name] = _merged(result.get(name), value)
        else:
            result[name] = value
    return result


def _identity(item: Any) -> tuple[bool, Any]:
    """What makes two elements the same: True == 1 in Python, but not in JSON."""
    return type(item) is bool, item


def _unique(items: list[Any]) -> list[Any]:
    """Each element once, where it came last, at most ARRAY_LIMIT, the newest; objects are all kept as they are."""
    if any(isinstance(item, dict) for item in items):
        return items
    last = {_identity(item): item for item in reversed(items)}
    return list(last.values())[::-1][-ARRAY_LIMIT:]
