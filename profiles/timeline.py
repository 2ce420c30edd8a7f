"""The last events of one user, read from the event log."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from django.utils.translation import gettext as _

from currents.event_titles import TITLES
from currents.log import LoggedEvent
from currents.newest import newest_of_user
from profiles.behaviours import CUSTOM_EVENT, PURCHASE
from profiles.models import Profile

SHOWN: Final = 100


@dataclass(frozen=True)
class Line:
    """One event of a user, for people."""

    time: datetime
    title: str
    event_type: str
    details: str


@dataclass(frozen=True)
class Timeline:
    """The newest events first. ``is_whole``: there are no older ones in the log."""

    lines: list[Line]
    is_whole: bool


def timeline(profile: Profile, shown: int = SHOWN) -> Timeline:
    """The events of ``profile`` that came last, whatever they were called then, in the order of when they happened."""
    names = profile.deprecated_ids.values_list("external_id", flat=True)
    external_ids = [profile.external_id, *names] if profile.external_id else [*names]
    events = newest_of_user(profile.workspace_id, external_ids, profile.braze_id, shown + 1)
    lines = sorted(map(_line, events[:shown]), key=lambda line: line.time, reverse=True)
    return Timeline(lines, len(events) <= shown)


def _line(event: LoggedEvent) -> Line:
    title = str(TITLES.get(event.event_type, event.event_type))
    moment = datetime.fromtimestamp(event.time, UTC)
    if event.payload is None:
        return Line(moment, title, event.event_type, _("Too large to be shown here."))
    payload: dict[str, Any] = orjson.loads(event.payload)
    properties = payload.get("properties")
    properties = dict(properties) if isinstance(properties, dict) else {}
    name = {CUSTOM_EVENT: "name", PURCHASE: "product_id"}.get(event.event_type, "")
    if isinstance(properties.get(name), str):
        title = f"{title}: {properties.pop(name)}"
    for inner in ("custom_properties", "purchase_properties"):
        if isinstance(properties.get(inner), dict):
            properties |= properties.pop(inner)
    shown = {key: value for key, value in properties.items() if value not in (None, {}, [], "")}
    details = orjson.dumps(shown).decode() if shown else ""
    return Line(moment, title, event.event_type, details)
