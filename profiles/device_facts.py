"""Devices that users were seen on, and what is known of them, from events that other systems sent.

Braze: Currents, event glossary: an event names its device beside its user, and tells platform, model, version of the
operating system, app, advertising id, carrier and browser where its type has them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from profiles.models import EXTERNAL_ID_LIMIT
from profiles.versions import Kind

#: What an event tells of its device, by the names of its properties: the column, and the most characters that we keep.
_FACTS: Final = {
    "app_id": ("app_id", 36),
    "platform": ("platform", 20),
    "device_model": ("model", 200),
    "os_version": ("os_version", 50),
    "carrier": ("carrier", 100),
    "browser": ("browser", 100),
    "ad_id": ("ad_id", 100),
    "ad_id_type": ("ad_id_type", 20),
    "ad_tracking_enabled": ("ad_tracking", 5),
}
#: Compared as Braze writes them.
_LOWER: Final = frozenset({"app_id", "platform", "ad_id_type", "ad_tracking_enabled"})
#: Fields of events of email: their browser is the one that the mail was read in, on whatever device.
_OF_EMAIL: Final = frozenset({"email_address", "mailbox_provider"})


@dataclass(frozen=True, slots=True)
class Sighting:
    """A user was seen on a device at ``time``; ``facts`` has those of _FACTS that were told, and no blank ones."""

    profile_id: int
    device_id: str
    time: datetime
    facts: Mapping[str, str]


def device_id_of(payload: Mapping[str, Any]) -> str:
    """The device of a logged event; "" if it names none, or by something that is no device id."""
    for part in ("user", "properties"):
        source = payload.get(part)
        found = source.get("device_id") if isinstance(source, Mapping) else None
        if isinstance(found, str) and found:
            return found if len(found) <= EXTERNAL_ID_LIMIT else ""
    return ""


def sightings_of(payload: Mapping[str, Any], profile_id: int, time: datetime) -> Iterator[Sighting]:
    """The sighting that a logged event of this user tells of, if it does."""
    device_id = device_id_of(payload)
    if device_id:
        properties = payload.get("properties")
        yield Sighting(profile_id, device_id, time, _facts(properties if isinstance(properties, Mapping) else {}))


def _facts(properties: Mapping[str, Any]) -> dict[str, str]:
    """Facts are left out where they are no text, or one too long to be such a fact."""
    told = {name: text for name in _FACTS if (text := _text(properties.get(name)))}
    if _OF_EMAIL & properties.keys():
        told.pop("browser", None)
    told |= {name: told[name].lower() for name in _LOWER & told.keys()}
    return {name: value for name, value in told.items() if len(value) <= _FACTS[name][1]}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def log_devices(workspace_id: int, sightings: Iterable[Sighting]) -> None:
    """Keep the devices, in the caller's transaction, with what the newest event told of each. The caller has locked the
    profiles. One statement, none for no sightings.

    A device that another user has, too, belongs to both. An event that comes late only fills in what nobody told
    before. An app that is none of the workspace's is ignored; the platform, where it is not told, is the app's.
    """
    devices: dict[tuple[int, str], dict[str, tuple[datetime, str]]] = {}
    for one in sightings:
        known = devices.setdefault((one.profile_id, one.device_id), {})
        for name, value in one.facts.items():
            if name not in known or one.time >= known[name][0]:
                known[name] = (one.time, value)
    if not devices:
        return
    rows = sorted(devices.items())
    facts = [[known[name][part] if name in known else None for _, known in rows] for name in _FACTS for part in (1, 0)]
    with connection.cursor() as cursor:
        cursor.execute(
            _LOG,
            [
                [profile_id for (profile_id, _), _ in rows],
                [device_id for (_, device_id), _ in rows],
                *facts,
                workspace_id,
                workspace_id,
                workspace_id,
                workspace_id,
                Kind.DEVICES,
            ],
        )


def _newest(column: str, value: str) -> str:
    """SQL: what a device's column becomes when ``value`` was told (NULL: nothing was)."""
    return f"""
        CASE WHEN {value} IS NULL THEN old.{column}
             WHEN told.{column}_at >= old.told_at OR old.told_at IS NULL OR old.{column} IS NULL
               OR old.{column}::text = '' THEN {value}
             ELSE old.{column} END"""


_COLUMNS: Final = [column for column, _most in _FACTS.values()]
_OWN: Final = {"app_id", "platform"}
#: What each column becomes. A platform that is not told is the app's.
_VALUES: Final = {
    "app_id": _newest("app_id", "told.own_app"),
    "platform": f"coalesce(nullif({_newest('platform', 'told.platform')}, ''), told.app_platform, '')",
    **{name: f"coalesce({_newest(name, f'told.{name}')}, '')" for name in _COLUMNS if name not in _OWN},
}
_LIST: Final = ", ".join(_COLUMNS)
_GIVEN: Final = ", ".join(f"{'app' if name == 'app_id' else name}, {name}_at" for name in _COLUMNS)

# A note that devices changed spoils stored segments: there is none where every event told what was known already, as
# most do. The rows stay as this looks at them until it writes: who writes devices has locked their users.
_LOG: Final = f"""
    WITH told AS (
        SELECT new.*, app.id AS own_app, app.platform AS app_platform
        FROM unnest(%s::bigint[], %s::text[], {", ".join("%s::text[], %s::timestamptz[]" for _ in _COLUMNS)})
            AS new (profile_id, device_id, {_GIVEN})
        LEFT JOIN workspaces_app app ON app.workspace_id = %s AND app.api_id::text = new.app
    ),
    known AS (
        SELECT told.profile_id, told.device_id, old AS before,
               {", ".join(f"{value} AS {name}" for name, value in _VALUES.items())},
               greatest(old.told_at, {", ".join(f"{name}_at" for name in _COLUMNS)}) AS told_at
        FROM told LEFT JOIN LATERAL (
            SELECT * FROM profiles_device one
            WHERE one.workspace_id = (SELECT %s) AND one.device_id = told.device_id AND one.profile_id = told.profile_id
            LIMIT 1
        ) old ON true
    ),
    news AS (
        SELECT *, ({_LIST}) IS DISTINCT FROM ({", ".join(f"(before).{name}" for name in _COLUMNS)}) AS has_changed
        FROM known
    ),
    written AS (
        INSERT INTO profiles_device (workspace_id, profile_id, device_id, {_LIST}, told_at)
        SELECT %s, profile_id, device_id, {_LIST}, told_at FROM news
        WHERE has_changed OR told_at IS DISTINCT FROM (before).told_at ORDER BY profile_id, device_id
        ON CONFLICT (workspace_id, device_id, profile_id) DO UPDATE SET
            {", ".join(f"{name} = EXCLUDED.{name}" for name in (*_COLUMNS, "told_at"))}
    )
    INSERT INTO profiles_datachange (workspace_id, kind)
    SELECT %s, %s WHERE EXISTS (SELECT FROM news WHERE has_changed)
"""  # noqa: S608 - constants
