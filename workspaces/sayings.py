"""What was done, kept as a message with its parameters, and said in the language of whoever reads it."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.utils.functional import Promise
from django.utils.translation import gettext, override


def stored(message: str | Promise, parameters: Mapping[str, Any]) -> str:
    """A message (of ``gettext_noop``, or lazy) as the log keeps it.

    A parameter that is lazy is translated with the message; every other one is a name or a number, kept as text.
    """
    given = {
        name: {"message": _source(value)} if isinstance(value, Promise) else str(value)
        for name, value in parameters.items()
    }
    return orjson.dumps({"message": _source(message), "parameters": given}).decode()


def said(text: str, flag: int = 0) -> str:
    """What the log keeps, in the reader's language: our own messages, those that Django logs, and plain text."""
    from django.contrib.admin.models import LogEntry

    try:
        kept = orjson.loads(text)
        message, parameters = kept["message"], kept["parameters"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return str(LogEntry(change_message=text, action_flag=flag).get_change_message())
    words = {name: _translated(value) if isinstance(value, dict) else value for name, value in parameters.items()}
    return gettext(message) % words if words else gettext(message)


def _translated(kept: Mapping[str, str]) -> str:
    source = kept["message"]
    return gettext(source)


def _source(message: str | Promise) -> str:
    """The text that catalogues translate: ours are in English."""
    with override("en"):
        return str(message)
