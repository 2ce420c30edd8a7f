"""The Currents event types, as data: ``catalogue.json`` holds what Braze's event glossary says of each.

Braze: Currents, message engagement events and customer behavior events; their Mixpanel and Cloud Storage schemas.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from currents.event_titles import TITLES

_FILE = Path(__file__).with_name("catalogue.json")

CUSTOM_EVENT: Final = "users.behaviors.CustomEvent"
PURCHASE: Final = "users.behaviors.Purchase"

MESSAGE_ENGAGEMENT: Final = "message_engagement"
CUSTOMER_BEHAVIOR: Final = "customer_behavior"
#: Stands in a selection for every type that the catalogue does not know.
OTHERS: Final = "*"
BLOCKS: Final[dict[str, Promise]] = {
    MESSAGE_ENGAGEMENT: _("Message Engagement Events"),
    CUSTOMER_BEHAVIOR: _("Customer Behavior Events"),
}

#: Where the form lists a type: the longest prefix that fits, as (prefix, block, heading), headings in this order.
_HEADINGS: Final[tuple[tuple[str, str, str | Promise], ...]] = (
    ("users.messages.email.", MESSAGE_ENGAGEMENT, _("Email")),
    ("users.messages.pushnotification.", MESSAGE_ENGAGEMENT, _("Push Notification")),
    ("users.messages.sms.", MESSAGE_ENGAGEMENT, _("SMS")),
    ("users.messages.whatsapp.", MESSAGE_ENGAGEMENT, "WhatsApp"),
    ("users.messages.line.", MESSAGE_ENGAGEMENT, "LINE"),
    ("users.messages.rcs.", MESSAGE_ENGAGEMENT, _("RCS")),
    ("users.messages.inappmessage.", MESSAGE_ENGAGEMENT, _("In-App Message")),
    ("users.messages.contentcard.", MESSAGE_ENGAGEMENT, _("Content Card")),
    ("users.messages.banner.", MESSAGE_ENGAGEMENT, _("Banner")),
    ("users.messages.liveactivity.", MESSAGE_ENGAGEMENT, _("Live Activity")),
    ("users.messages.featureflag.", MESSAGE_ENGAGEMENT, _("Feature Flag")),
    ("users.messages.webhook.", MESSAGE_ENGAGEMENT, _("Webhook")),
    ("users.campaigns", MESSAGE_ENGAGEMENT, _("Campaign")),
    ("users_campaigns", MESSAGE_ENGAGEMENT, _("Campaign")),
    ("users.canvas", MESSAGE_ENGAGEMENT, _("Canvas")),
    ("users_canvas", MESSAGE_ENGAGEMENT, _("Canvas")),
    ("users.behaviors.subscription", MESSAGE_ENGAGEMENT, _("Subscription")),
    ("users.behaviors.Uninstall", MESSAGE_ENGAGEMENT, _("Uninstall")),
    ("users.behaviors.app.", CUSTOMER_BEHAVIOR, _("Sessions")),
    ("users.behaviors.liveactivity.", CUSTOMER_BEHAVIOR, _("Live Activity")),
    ("users.behaviors.pushnotification.", CUSTOMER_BEHAVIOR, _("Push Notification")),
    ("users.", CUSTOMER_BEHAVIOR, _("Events")),
    ("", CUSTOMER_BEHAVIOR, _("Other events")),
)


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an event type. ``type`` is string, int, long, float, boolean or "array of string".

    A property with a ``literal`` always has that value, and no type.
    """

    name: str
    type: str = ""
    required: bool = False
    pii: bool = False
    literal: str | None = None


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type: its name at Mixpanel (None: it has none) and its properties there and in the storage schema.

    ``offered`` types can be chosen for a Mixpanel export. A schema that the glossary lacks is None.
    """

    name: str
    group: str
    offered: bool
    mixpanel_name: str | None
    mixpanel: Mapping[str, Property] | None
    storage: Mapping[str, Property] | None
    enums: Mapping[str, tuple[str, ...]]

    @property
    def label(self) -> str:
        """What people read, in their language."""
        if self.name == OTHERS:
            return gettext("Every type that is not listed here")
        return str(TITLES.get(self.name, self.name))

    @property
    def block(self) -> str:
        """Which of ``BLOCKS`` it is listed in."""
        return _heading_of(self.name)[1]

    @property
    def heading(self) -> str | Promise:
        """The heading of the group that it is listed under."""
        return _heading_of(self.name)[2]


def _heading_of(name: str) -> tuple[str, str, str | Promise]:
    return max((one for one in _HEADINGS if name.startswith(one[0])), key=lambda one: len(one[0]))


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, EventType]:
    """All known event types by name, in the order of the file."""
    return {row["type"]: _read(row) for row in orjson.loads(_FILE.read_bytes())}


def event_type(name: str) -> EventType | None:
    """The event type of that name; None for one that we do not know."""
    return catalogue().get(name)


@lru_cache(maxsize=1)
def offered() -> Mapping[str, EventType]:
    """The event types that a Mixpanel export can send."""
    return {name: one for name, one in catalogue().items() if one.offered}


def grouped(types: Mapping[str, EventType]) -> Iterator[tuple[str, list[tuple[str | Promise, list[EventType]]]]]:
    """``types`` as the form lists them: (block, [(heading, [types])]), headings in their fixed order."""
    for block in BLOCKS:
        groups: dict[str, tuple[str | Promise, list[EventType]]] = {}
        ranked = sorted((one for one in types.values() if one.block == block), key=_rank)
        for one in ranked:
            groups.setdefault(str(one.heading), (one.heading, []))[1].append(one)
        yield block, list(groups.values())


def _rank(one: EventType) -> int:
    return _HEADINGS.index(_heading_of(one.name))


def _read(row: dict[str, Any]) -> EventType:
    return EventType(
        name=row["type"],
        group=row["group"],
        offered=row["offered"],
        mixpanel_name=row["mixpanel_name"],
        mixpanel=_read_schema(row["mixpanel"]),
        storage=_read_schema(row["storage"]),
        enums={name: tuple(values) for name, values in row["enums"].items()},
    )


def _read_schema(schema: dict[str, str] | None) -> dict[str, Property] | None:
    return None if schema is None else {name: _read_property(name, facts) for name, facts in schema.items()}


def _read_property(name: str, facts: str) -> Property:
    """``facts`` is "= literal" or a type with dashes for spaces, then "required" and "pii" where they are true."""
    if facts.startswith("= "):
        return Property(name, literal=facts.removeprefix("= "))
    kind, *flags = facts.split()
    return Property(name, kind.replace("-", " "), required="required" in flags, pii="pii" in flags)
