"""Attributes that an admin has forced to a type: what comes is made one of it, or ignored.

Braze: manage custom data, "Forcing data type comparisons".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from profiles.dates import parse_moment
from profiles.models import AttributeType

_BOOLEANS: Final = {"1": True, "true": True, "t": True, "0": False, "false": False, "f": False}


class ImpossibleError(ValueError):
    """A change that leaves the attribute as it is; the text goes on after its name: "would be larger than 100 KB"."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The type of an attribute in its workspace: that of the first value, or one that an admin forced it to."""

    type: AttributeType
    is_forced: bool = False


def coerced(value: Any, wanted: AttributeType) -> Any:
    """``value`` as one of the type ``wanted``. Raises ImpossibleError where there is no such value."""
    found = _WAYS[wanted](value)
    if found is None:
        raise ImpossibleError(f"is of the type {wanted}, and this value cannot be made one")
    return found


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return _BOOLEANS.get(str(value).strip().lower()) if isinstance(value, str | int) else None


def _number(value: Any) -> int | float | None:
    if isinstance(value, str):
        try:
            value = orjson.loads(value.strip())
        except orjson.JSONDecodeError:
            return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _string(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return None if isinstance(value, list | Mapping) else orjson.dumps(value).decode()


def _date(value: Any) -> str | None:
    return value if parse_moment(value) else None


def _array(value: Any) -> list[Any] | None:
    return value if isinstance(value, list) else None


def _object(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None


_WAYS: Final[dict[AttributeType, Callable[[Any], Any]]] = {
    AttributeType.STRING: _string,
    AttributeType.NUMBER: _number,
    AttributeType.BOOLEAN: _boolean,
    AttributeType.DATE: _date,
    AttributeType.ARRAY: _array,
    AttributeType.OBJECT: _object,
}
