"""Field transformations: what is done to the value of a field, in events of every type, before it leaves.

Braze: Currents, field transformations. A field is named as the destination names it.
"""

import hashlib
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import orjson
from django.db import models
from django.utils.translation import gettext_lazy as _

REDACTED: Final = "[REDACTED]"
NAME_LIMIT: Final = 255


class Transformation(models.TextChoices):
    """What can be done to a field."""

    REMOVE = "remove", _("Remove")
    HASH = "hash", _("Hash")


def transform(fields: MutableMapping[str, Any], transformations: Mapping[str, str]) -> None:
    """Transform in place those of ``fields`` that are named; what is not there, or null, stays so."""
    for name, how in transformations.items():
        value = fields.get(name)
        if value is not None:
            fields[name] = transformed(value, how)


def transformed(value: Any, how: str) -> Any:
    """``value`` as it may leave. A list is hashed element by element; of what is not a text, its JSON is hashed.

    A way that is not known (any more) removes: never does a value leave that somebody wanted gone.
    """
    if how != Transformation.HASH:
        return REDACTED
    if isinstance(value, list):
        return [None if one is None else _hash(one) for one in value]
    return _hash(value)


def _hash(value: Any) -> str:
    raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else orjson.dumps(value)
    return hashlib.sha256(raw).hexdigest()
