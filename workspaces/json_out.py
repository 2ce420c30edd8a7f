"""JSON out, of whatever the database holds."""

import json
from typing import Any

import orjson


def dump(value: Any, *, indented: bool = False) -> bytes:
    """``value`` as JSON in UTF-8; what JSON has no form for (dates, ids) as its text."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 if indented else None)
    except TypeError:
        # A float such as 1e22 comes back from PostgreSQL as an integer, which orjson refuses beyond 64 bits.
        separators = (",", ": ") if indented else (",", ":")
        text = json.dumps(value, default=str, ensure_ascii=False, indent=2 if indented else None, separators=separators)
        return text.encode()
