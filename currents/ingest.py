"""``POST /currents/events``: events from a real Braze connector, or any sender, into the log.

Braze: Currents, Custom HTTP connector. An event: ``{"event_type", "id", "time", "user": {...}, "properties": {...}}``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from currents.log import NewEvent, append_events

TEXT_LIMITS = {"event_type": 100, "id": 200}
#: 10000-01-01: a time at or above it can only be meant in milliseconds.
TIME_LIMIT = 253_402_300_800

_OWN_COLUMNS = frozenset({"event_type", "id", "time", "properties"})
_USER_FIELDS = ("user_id", "external_user_id", "device_id", "timezone")


class InvalidEventsError(Exception):
    """The batch cannot be stored; the message names the event by its index and says what is wrong with it."""


@dataclass(frozen=True)
class Stored:
    """How many events of a batch were new, and how many had been received before (or twice in the batch)."""

    stored: int
    repeated: int


def parse_events(body: Any) -> list[NewEvent]:
    """The events of a request's body; none for an empty body, which only checks the token.

    Raises InvalidEventsError for the first event that lacks what is required.
    """
    if not isinstance(body, dict):
        raise InvalidEventsError("The body must be a JSON object with a list 'events'.")
    events = body.get("events")
    if events is None:
        return []
    if not isinstance(events, list):
        raise InvalidEventsError("'events' must be a list of events.")
    return [_parse(f"events[{index}]", one) for index, one in enumerate(events)]


def store_events(workspace_id: int, events: Sequence[NewEvent]) -> Stored:
    """Append those of ``events`` whose ids are new: one transaction, a fixed number of statements."""
    first_by_id: dict[str, NewEvent] = {}
    for one in events:
        first_by_id.setdefault(one.event_id, one)
    with transaction.atomic():
        new = claim_ids(workspace_id, list(first_by_id))
        fresh = [one for event_id, one in first_by_id.items() if event_id in new]
        append_events(workspace_id, fresh, from_outside=True)
    return Stored(stored=len(new), repeated=len(events) - len(new))


def claim_ids(workspace_id: int, event_ids: Sequence[str]) -> set[str]:
    """Note ids as received, in the caller's transaction; returns those that were not yet, since EVENT_RETENTION_DAYS.

    Sorted, so that two batches cannot wait for each other. One statement; none for no ids.
    """
    if not event_ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO currents_receivedeventid (workspace_id, event_id, day)
            SELECT %s, one, %s FROM unnest(%s::text[]) WITH ORDINALITY AS given (one, place) ORDER BY place
            ON CONFLICT DO NOTHING
            RETURNING event_id
            """,
            [workspace_id, timezone.now().date(), sorted(event_ids)],
        )
        return {event_id for (event_id,) in cursor.fetchall()}


def _parse(where: str, event: Any) -> NewEvent:
    if not isinstance(event, dict):
        raise InvalidEventsError(f"{where} must be an object.")
    user = event.get("user")
    if not isinstance(user, dict):
        raise InvalidEventsError(f"{where}.user must be an object with 'user_id' or 'external_user_id'.")
    texts = {name: _user_text(where, user, name) for name in _USER_FIELDS}
    if not texts["user_id"] and not texts["external_user_id"]:
        raise InvalidEventsError(f"{where}.user must have 'user_id' or 'external_user_id'.")
    properties = event.get("properties")
    if properties is None:
        properties = {}
    if not isinstance(properties, dict):
        raise InvalidEventsError(f"{where}.properties must be an object.")
    return NewEvent(
        event_type=_text(where, event, "event_type"),
        event_id=_text(where, event, "id"),
        time=_time(where, event),
        properties=properties,
        extra=_unknown(event, user),
        **texts,
    )


def _text(where: str, event: dict[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidEventsError(f"{where}.{name} must be a non-empty string.")
    if len(value) > TEXT_LIMITS[name]:
        raise InvalidEventsError(f"{where}.{name} must have at most {TEXT_LIMITS[name]} characters.")
    return value


def _user_text(where: str, user: dict[str, Any], name: str) -> str | None:
    value = user.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidEventsError(f"{where}.user.{name} must be a string.")
    return value


def _time(where: str, event: dict[str, Any]) -> int:
    value = event.get("time")
    # bool is an int in Python, and JSON's true is no time.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < TIME_LIMIT:
        raise InvalidEventsError(f"{where}.time must be a number of seconds since 1970-01-01 UTC.")
    return int(value)


def _unknown(event: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    """What the event has beside the fields that we know: kept, so that it can leave again as it came."""
    extra = {name: value for name, value in event.items() if name not in _OWN_COLUMNS and name != "user"}
    more_user = {name: value for name, value in user.items() if name not in _USER_FIELDS}
    return {**extra, "user": more_user} if more_user else extra
