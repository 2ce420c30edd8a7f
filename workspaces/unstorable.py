"""What of a JSON body cannot be stored exactly, by its name, for whoever has to find it among a thousand objects."""

import json
import math
from typing import Any

_LONGEST_NAME = 200


class _LongNumber:
    """In place of an integer beyond 64 bits."""


def fault_of(body: bytes) -> str | None:
    """A sentence on the first value or name in ``body`` (JSON in UTF-8) that cannot be stored exactly.

    That is: the character NUL (which PostgreSQL takes in no text), half a surrogate pair, an integer beyond 64 bits, a
    number beyond the range of floats, NaN. None: there is nothing of the kind, or it is no JSON in the first place.
    """
    try:
        value = json.loads(body.decode(), parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            for key in value:
                if fault := _fault_of_text(key):
                    return f"A name in {_shown(name) or 'the body'} {fault}"
            waiting += [(f"{name}.{key}" if name else key, child) for key, child in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(f"{name}[{index}]", value[index]) for index in range(len(value) - 1, -1, -1)]
        elif fault := _fault_of_scalar(value):
            return f"{_shown(name) or 'The body'} {fault}"
    return None


def _integer(digits: str) -> int | _LongNumber:
    is_long = len(digits) > 20 or not -(2**63) <= int(digits) < 2**64
    return _LongNumber() if is_long else int(digits)


def _fault_of_scalar(value: Any) -> str | None:
    if isinstance(value, str):
        return _fault_of_text(value)
    if isinstance(value, _LongNumber):
        return "is a number beyond 64 bits. Send it as a string."
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a number, or larger than a number can be. Send it as a string."
    return None


def _fault_of_text(text: str) -> str | None:
    if "\0" in text:
        return "holds the character NUL (\\u0000), which cannot be stored."
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"holds half a surrogate pair (\\u{ord(text[error.start]):04x}), which is no character."
    return None


def _shown(name: str) -> str:
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
    return f"'{shown}'" if shown else ""
