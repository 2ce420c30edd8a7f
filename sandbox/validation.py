"""The rules that Mixpanel's public specification sets for an imported event.

Mixpanel: Ingestion API, Import Events, "Validation"; and the ``/import`` schema of its OpenAPI file.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import orjson

MAX_EVENT_BYTES = 1024 * 1024
MAX_CHILDREN = 255
"""Properties of an event, keys of an object and elements of an array must all be fewer."""
MAX_DEPTH = 3
MAX_INSERT_ID = 36

EARLIEST_SECONDS = 31_536_000
"""1971-01-01 UTC. From a thousand times this on, a number can only be milliseconds."""
FUTURE_SECONDS = 3_600

FORBIDDEN_IDS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        *("anon", "anonymous", "unknown", "undefined", "n/a", "na"),
        *("nil", "<nil>", "none", "null", "true", "false", "0", "-1", "[]", "{}"),
        "lmy47d",
    }
)
"""Placeholders that Mixpanel refuses as distinct_id and $insert_id, in any case of letters."""

_INSERT_ID = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A valid event, ready to store. ``time`` is in milliseconds, as sent; ``properties`` is JSON."""

    event: str
    time: int
    distinct_id: str
    insert_id: str
    properties: bytes

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What Mixpanel deduplicates by."""
        return self.event, self.time, self.distinct_id, self.insert_id


class InvalidEventError(Exception):
    """One event broke a rule. ``field`` names the part and ``message`` the rule, as Mixpanel answers."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.message = f"'{field}' is invalid: {problem}"
        super().__init__(self.message)


@dataclass(frozen=True)
class EventRules:
    """The rules of one request: of one project, at one moment, strict or lenient.

    Lenient (``strict=0``) follows the same limits, but makes up a missing ``distinct_id`` from the sender's
    address and a missing or malformed ``$insert_id`` from the event, and lets placeholder ids pass.
    """

    token: str
    now: float
    strict: bool = True
    address: str = ""

    def check(self, record: object) -> Accepted:
        """The event to store. Raises InvalidEventError with the first rule that it breaks."""
        name, properties = self._shape(record)
        time = self._time(properties)
        distinct_id = self._distinct_id(properties)
        insert_id = self._insert_id(properties, record)
        self._token(properties)
        _check_properties(properties)
        encoded = orjson.dumps(self._as_stored(properties, time))
        if len(encoded) + len(name.encode()) >= MAX_EVENT_BYTES:
            raise InvalidEventError("event", "an event must be smaller than 1 MB of uncompressed JSON")
        return Accepted(name, time, distinct_id, insert_id, encoded)

    def _shape(self, record: object) -> tuple[str, dict[str, Any]]:
        if not isinstance(record, dict):
            raise InvalidEventError("event", "each record must be a JSON object")
        name = record.get("event")
        if not isinstance(name, str) or not name:
            raise InvalidEventError("event", "must be a non-empty string")
        properties = record.get("properties")
        if not isinstance(properties, dict):
            raise InvalidEventError("properties", "must be a JSON object")
        if self.strict and len(record) > 2:
            extra = next(key for key in record if key not in {"event", "properties"})
            raise InvalidEventError(extra, "an event has only 'event' and 'properties'")
        return name, properties

    def _time(self, properties: dict[str, Any]) -> int:
        value = properties.get("time")
        # bool is an int in Python, and JSON's true is no time.
        if type(value) is not int:
            raise InvalidEventError("properties.time", "must be specified as seconds since epoch")
        milliseconds = value if value >= EARLIEST_SECONDS * 1000 else value * 1000
        if milliseconds < EARLIEST_SECONDS * 1000:
            raise InvalidEventError("properties.time", "must not be before 1971-01-01")
        if milliseconds > (self.now + FUTURE_SECONDS) * 1000:
            raise InvalidEventError("properties.time", "must not be more than 1 hour in the future")
        return milliseconds

    def _distinct_id(self, properties: dict[str, Any]) -> str:
        value = properties.get("distinct_id")
        if value is None and not self.strict:
            return hashlib.sha256(self.address.encode()).hexdigest()[:MAX_INSERT_ID]
        if not isinstance(value, str):
            raise InvalidEventError("properties.distinct_id", "must be a string and must not be missing")
        if self.strict and value.lower() in FORBIDDEN_IDS:
            raise InvalidEventError("properties.distinct_id", f"{value!r} is a disallowed placeholder")
        return value

    def _insert_id(self, properties: dict[str, Any], record: object) -> str:
        value = properties.get("$insert_id")
        problem = _insert_id_problem(value)
        if problem is None:
            return str(value)
        if self.strict:
            raise InvalidEventError("properties.$insert_id", problem)
        return hashlib.sha256(orjson.dumps(record, option=orjson.OPT_SORT_KEYS)).hexdigest()[:MAX_INSERT_ID]

    def _token(self, properties: dict[str, Any]) -> None:
        if "token" in properties and properties["token"] != self.token:
            raise InvalidEventError("properties.token", "is not the token of this project")

    def _as_stored(self, properties: dict[str, Any], time: int) -> dict[str, Any]:
        # Mixpanel: a time in the (permitted) future is overwritten with the present at ingestion.
        if time > self.now * 1000:
            return {**properties, "time": int(self.now)}
        return properties


def _insert_id_problem(value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return "must be a non-empty string and must not be missing"
    if len(value.encode()) > MAX_INSERT_ID:
        return f"must be at most {MAX_INSERT_ID} bytes"
    if not _INSERT_ID.fullmatch(value):
        return "must contain only alphanumeric characters or '-'"
    if value.lower() in FORBIDDEN_IDS:
        return f"{value!r} is a disallowed placeholder"
    return None


def _check_properties(properties: dict[str, Any]) -> None:
    if len(properties) >= MAX_CHILDREN:
        raise InvalidEventError("properties", f"must have fewer than {MAX_CHILDREN} properties")
    for name, value in properties.items():
        if type(value) is dict or type(value) is list:
            _check_container(f"properties.{name}", value, 1)


def _check_container(field: str, value: dict[str, Any] | list[Any], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidEventError(field, f"the maximum nesting depth is {MAX_DEPTH}")
    if len(value) >= MAX_CHILDREN:
        what = "keys" if isinstance(value, dict) else "elements"
        raise InvalidEventError(field, f"must have fewer than {MAX_CHILDREN} {what}")
    for child in value.values() if isinstance(value, dict) else value:
        if type(child) is dict or type(child) is list:
            _check_container(field, child, depth + 1)
