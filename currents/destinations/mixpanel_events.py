"""One stored event in Mixpanel's words: names, renames, types and limits.

Braze: Currents event glossary, Mixpanel schemas. Mixpanel: Ingestion API, Import Events, "Validation".
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson
from django.utils.translation import gettext_noop

from currents.catalogue import CUSTOM_EVENT, PURCHASE, event_type
from currents.log import LoggedEvent

CUSTOM_EVENT_NAME: Final = "[Braze Custom Event]"
CUSTOM_PREFIX: Final = "[Custom event property]"
PURCHASE_PREFIX: Final = "[Purchase property]"
#: Mixpanel's name of a property, and the name that it is stored under where they differ.
RENAMED: Final = {"$device": "device_model", "$os": "os_version", "card_id": "content_card_id"}
#: Set from the event's own columns.
_OWN: Final = frozenset({"time", "distinct_id", "$insert_id", "token", "$partner_id"})

#: The sentences about these limits are stored, and translated when they are shown: they name the numbers.
MAX_CHILDREN: Final = 255
MAX_DEPTH: Final = 3

_INSERT_ID = re.compile(r"[A-Za-z0-9-]{1,36}")
#: What Mixpanel takes for the id of nobody and nothing, in any case of letters.
_PLACEHOLDERS: Final = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        *("anon", "anonymous", "unknown", "undefined", "na", "lmy47d"),
        *("nil", "none", "null", "true", "false", "0", "-1"),
    }
)
_ID_NAMESPACE = uuid.UUID("c6a1b1f5-6d0f-5a3e-9d36-0a8e3f1f7c52")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why Mixpanel would refuse an event."""

    reason: str
    field: str


def build_event(event: LoggedEvent, token: str) -> tuple[dict[str, Any], Problem | None]:
    """The event as ``/import`` takes it, and why Mixpanel would refuse it (None: it would not).

    Only the properties that the type is documented to have at Mixpanel leave. ``event`` is of an offered type, has a
    payload and an external user id.
    """
    stored = orjson.loads(event.payload or b"{}")
    user, own = _as_object(stored.get("user")), _as_object(stored.get("properties"))
    plan = plan_of(event.event_type)
    properties: dict[str, Any] = {
        "token": token,
        "time": event.time,
        "distinct_id": event.external_user_id,
        "$insert_id": insert_id(event.event_id),
        "$partner_id": "braze",
    }
    # The event's own fields come last: they win over the user's.
    for given in (user, own):
        for stored_name, value in given.items():
            slot = plan.slots.get(stored_name)
            if slot is None or value is None or (slot.is_alias and slot.name in properties):
                continue
            properties[slot.name] = value if type(value) is slot.wanted else slot.coerce(value)
    problem = None
    if plan.prefix:
        extra = _as_object(_first(own, plan.extra_sources))
        problem = _problem(extra, len(properties))
        properties.update({f"{plan.prefix} {name}": value for name, value in extra.items()})
    return {"event": plan.event_name(own), "properties": properties}, problem


def problem_of(type_name: str, properties: Mapping[str, Any]) -> Problem | None:
    """Why Mixpanel would refuse an event that ``build_event`` made and whose properties were changed since."""
    prefix = f"{plan_of(type_name).prefix} "
    extra = {name.removeprefix(prefix): value for name, value in properties.items() if name.startswith(prefix)}
    return _problem(extra, len(properties) - len(extra))


def insert_id(event_id: str) -> str:
    """``event_id`` if Mixpanel takes it, else one that follows from it: a repeated event is still counted once."""
    if _INSERT_ID.fullmatch(event_id) and event_id.lower() not in _PLACEHOLDERS:
        return event_id
    return str(uuid.uuid5(_ID_NAMESPACE, event_id))


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one stored field goes: the property's name, the type that it has there, how another becomes that.

    ``is_alias``: the field is under Mixpanel's name already, and the storage side's name wins over it.
    """

    name: str
    wanted: type | None
    coerce: Callable[[Any], Any]
    is_alias: bool


@dataclass(frozen=True)
class Plan:
    """What is done with the events of one type; ``slots`` by the name of the stored field."""

    name: str
    slots: Mapping[str, Slot]
    prefix: str = ""
    extra_sources: tuple[str, ...] = ()

    @property
    def is_named_by_event(self) -> bool:
        """Whether the event's own name is part of its name at Mixpanel."""
        return self.name == CUSTOM_EVENT_NAME

    def event_name(self, own: Mapping[str, Any]) -> str:
        """The event's name at Mixpanel; a custom event's own name stands behind the type's."""
        name = own.get("name") if self.is_named_by_event else None
        return f"{self.name} {name}" if name else self.name


@lru_cache(maxsize=256)
def plan_of(type_name: str) -> Plan:
    """The plan of an offered type. Raises ValueError for a type that Mixpanel has no name for."""
    kind = event_type(type_name)
    if kind is None or kind.mixpanel is None or kind.mixpanel_name is None:
        raise ValueError(f"{type_name} has no Mixpanel schema.")
    slots = {}
    for one in kind.mixpanel.values():
        if one.name not in _OWN and one.literal is None:
            wanted, coerce = _COERCIONS[one.type]
            renamed = RENAMED.get(one.name)
            slots[one.name] = Slot(one.name, wanted, coerce, is_alias=renamed is not None)
            if renamed:
                slots[renamed] = Slot(one.name, wanted, coerce, is_alias=False)
    if type_name == CUSTOM_EVENT:
        return Plan(kind.mixpanel_name, slots, CUSTOM_PREFIX, ("custom_properties", "properties"))
    if type_name == PURCHASE:
        return Plan(kind.mixpanel_name, slots, PURCHASE_PREFIX, ("purchase_properties", "properties"))
    return Plan(kind.mixpanel_name, slots)


def _first(own: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((own[name] for name in names if own.get(name) is not None), None)


def _as_object(value: Any) -> dict[str, Any]:
    """An object, also one that was stored as a string of JSON (as Braze's storage schema has custom properties)."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return value if isinstance(value, dict) else {}


def _as_string(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return orjson.dumps(value).decode()


def _as_integer(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return _as_scalar(value)


def _as_float(value: Any) -> Any:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return _as_scalar(value)
    return number if number - number == 0 else _as_scalar(value)


def _as_boolean(value: Any) -> Any:
    words = {"true": True, "1": True, "false": False, "0": False}
    return value if isinstance(value, bool) else words.get(str(value).lower(), _as_scalar(value))


def _as_strings(value: Any) -> list[str]:
    return [_as_string(one) for one in (value if isinstance(value, list) else [value])][: MAX_CHILDREN - 1]


def _as_scalar(value: Any) -> Any:
    """A value that is not of its documented type leaves as it is, but never nested: that could break the limits."""
    return _as_string(value) if isinstance(value, dict | list) else value


#: For each documented type: the Python type of a value that is of it already, and how another becomes one.
_COERCIONS: Final[dict[str, tuple[type | None, Callable[[Any], Any]]]] = {
    "string": (str, _as_string),
    "int": (int, _as_integer),
    "long": (int, _as_integer),
    "float": (float, _as_float),
    "boolean": (bool, _as_boolean),
    "array of string": (None, _as_strings),
}


def _problem(extra: Mapping[str, Any], already: int) -> Problem | None:
    """Why a custom event's or a purchase's own properties break Mixpanel's limits."""
    if already + len(extra) >= MAX_CHILDREN:
        return Problem(gettext_noop("The event must have fewer than 255 properties."), "properties")
    for name, value in extra.items():
        if isinstance(value, dict | list):
            reason = _container_problem(value, 1)
            if reason:
                return Problem(reason, f"properties.{name}")
    return None


def _container_problem(value: Any, depth: int) -> str:
    if depth > MAX_DEPTH:
        return gettext_noop("The value must not be nested deeper than 3 levels.")
    if len(value) >= MAX_CHILDREN:
        return gettext_noop("The value must have fewer than 255 elements.")
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            reason = _container_problem(child, depth + 1)
            if reason:
                return reason
    return ""
