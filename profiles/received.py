"""Events that came in by ``POST /currents/events``, counted for the users that we know.

What users did (custom events, purchases, sessions), on which devices, and what messages they had. The log is read
downward with a cursor of our own, below the horizon (see ``currents.log``); what was caused here is counted where it
happens, and is stepped over. No profile is made, and no attribute that people set or subscription changes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson
from django.db import connection
from django.utils import timezone

from currents.log import AT_HOME_SQL, HORIZON_SQL
from profiles import engagement
from profiles.app_uses import Use, log_app_uses
from profiles.attributions import Attribution, log_attributions, told_in
from profiles.behaviours import (
    CUSTOM_EVENT,
    INSTALL_ATTRIBUTION,
    PURCHASE,
    SESSION_END,
    SESSION_START,
    UNINSTALL,
)
from profiles.catalogue import log_custom_events, log_products
from profiles.counters import Deed, Kind, record
from profiles.custom_values import NAME_LIMIT
from profiles.device_facts import Sighting, device_id_of, log_devices, sightings_of
from profiles.engagement import Touch, actions_of, parts_of, source_of
from profiles.former_names import Sought, find_former
from profiles.identities import Identity, find
from profiles.orders import value_of_order
from profiles.rows import MovedError, at_once
from profiles.session_lengths import log_session_lengths, seconds_of
from profiles.stores import LogCursor
from profiles.token_changes import START_CHANGE, TOKEN_CHANGE, TokenChange, change_of, log_token_changes
from profiles.uninstalls import Uninstalled, log_uninstalls

CURSOR: Final = "counters"
#: Types of events that tell something of a user though they are no deed, no message and may name no device.
_TOLD_ALONE: Final = frozenset({SESSION_END, UNINSTALL, INSTALL_ATTRIBUTION, TOKEN_CHANGE, START_CHANGE})
#: Events of one transaction: it lasts well below a second.
BATCH: Final = 2_000


class _Event(NamedTuple):
    workspace_id: int
    event_type: str
    time: int
    external_id: str | None
    payload: dict[str, Any]
    xid: int
    id: int
    received_at: datetime

    @property
    def names(self) -> Iterator[Identity]:
        """The user's names, the one that goes before first."""
        if self.external_id:
            yield Identity("external_id", self.external_id)
        if self.braze_id:
            yield Identity("braze_id", self.braze_id)

    @property
    def braze_id(self) -> str:
        user = self.payload.get("user")
        found = user.get("user_id") if isinstance(user, Mapping) else None
        return found if isinstance(found, str) else ""

    @property
    def properties(self) -> Mapping[str, Any]:
        found = self.payload.get("properties")
        return found if isinstance(found, Mapping) else {}

    @property
    def moment(self) -> datetime:
        """Braze: a time in the future becomes the current time."""
        return min(datetime.fromtimestamp(self.time, UTC), timezone.now())


def count_received(batch: int = BATCH, most: int | None = None) -> int:
    """Count everything that has come in and is not counted yet, a batch a transaction; returns how many events.

    ``most``: so many batches at most.

    Two callers never count the same event: the cursor is locked, and the second leaves the work to the first.
    """
    total, batches = 0, 0
    while batches != most and (read := _count_batch(batch)):
        total, batches = total + read, batches + 1
        if read < batch:
            break
    return total


@at_once
def _count_batch(batch: int) -> int:
    LogCursor.objects.get_or_create(name=CURSOR)
    place = LogCursor.objects.select_for_update(skip_locked=True).filter(name=CURSOR).first()
    if place is None:
        return 0
    _come_home(place)
    events = _read(place, batch)
    if not events:
        return 0
    mine: dict[int, list[_Event]] = defaultdict(list)
    for event in events:
        mine[event.workspace_id].append(event)
    for workspace_id in sorted(mine):
        _count(workspace_id, mine[workspace_id])
    place.xid, place.event = events[-1].xid, events[-1].id
    place.save()
    return len(events)


def _come_home(place: LogCursor) -> None:
    """After a dump and restore the log has new transaction ids (``currents.rebase``): find the cursor's place by its
    event. If that is gone, it was older than everything that is still there.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier FROM pg_control_system()")
        [cluster] = cursor.fetchone()
        if place.cluster is not None and place.cluster != cluster:
            # No index leads to an event by its id: this reads the whole log, once after a restore.
            cursor.execute("SELECT xid FROM currents_event WHERE id = %s", [place.event])
            found = cursor.fetchone()
            place.xid = found[0] if found else 0
    place.cluster = cluster


def _read(place: LogCursor, batch: int) -> list[_Event]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT e.workspace_id, e.event_type, e.time, e.external_user_id, e.payload::text, e.xid, e.id,
                   e.received_at
            FROM currents_event e
            WHERE e.from_outside AND (e.xid, e.id) > (%s, %s) AND e.xid < {HORIZON_SQL} AND {AT_HOME_SQL}
            ORDER BY e.xid, e.id LIMIT %s
            """,  # noqa: S608 - constants
            [place.xid, place.event, batch],
        )
        return [_Event._make((*row[:4], orjson.loads(row[4]), *row[5:])) for row in cursor.fetchall()]


def _count(workspace_id: int, events: Sequence[_Event]) -> None:
    """Count events of one workspace, by kind: what a user did, which apps they used, what messages they had."""
    counted = [event for event in events if _is_counted(event)]
    users = _locked_users(workspace_id, counted)
    deeds: list[Deed] = []
    uses: list[Use] = []
    touches: list[Touch] = []
    sightings: list[Sighting] = []
    of_users = [(event, profile_id) for event in counted if (profile_id := users.get(event.id))]
    for event, profile_id in of_users:
        if deed := _deed(event):
            deeds.append(Deed(profile_id, *deed))
            uses += _uses(event, profile_id)
        touches += _touches(event, profile_id)
        sightings += sightings_of(event.payload, profile_id, event.moment)
    record(workspace_id, deeds)
    _note_use(deeds)
    log_app_uses(workspace_id, uses)
    log_devices(workspace_id, sightings)
    log_session_lengths(workspace_id, (one for each in of_users for one in _session_lengths(*each)))
    log_uninstalls(workspace_id, (one for each in of_users for one in _uninstalls(*each)))
    log_token_changes(workspace_id, filter(None, (_token_change(*each) for each in of_users)))
    log_attributions(workspace_id, (one for each in of_users for one in _attributions(*each)))
    engagement.record(workspace_id, touches)
    log_custom_events(workspace_id, Counter(deed.name for deed in deeds if deed.kind == Kind.EVENT))
    log_products(workspace_id, (deed.name for deed in deeds if deed.kind == Kind.PURCHASE))


def _is_counted(event: _Event) -> bool:
    return bool(
        event.event_type in _TOLD_ALONE
        or _deed(event)
        or actions_of(event.event_type, event.properties)
        or device_id_of(event.payload)
    )


def _uses(event: _Event, profile_id: int) -> Iterator[Use]:
    """The app that the user did it in, with its version where a sender tells it beside Braze's own fields."""
    app_id, version = event.properties.get("app_id"), event.properties.get("app_version")
    if isinstance(app_id, str):
        told = version if isinstance(version, str) else ""
        starts, buys = event.event_type == SESSION_START, event.event_type == PURCHASE
        yield Use(profile_id, app_id, event.moment, starts, told, buys)


def _session_lengths(event: _Event, profile_id: int) -> Iterator[tuple[int, int]]:
    seconds = seconds_of(event.properties.get("duration"))
    if event.event_type == SESSION_END and seconds is not None:
        yield profile_id, seconds


def _uninstalls(event: _Event, profile_id: int) -> Iterator[Uninstalled]:
    app_id = event.properties.get("app_id")
    if event.event_type == UNINSTALL and isinstance(app_id, str):
        yield Uninstalled(profile_id, app_id, event.moment)


def _token_change(event: _Event, profile_id: int) -> TokenChange | None:
    return change_of(event.event_type, event.properties, profile_id, event.moment)


def _attributions(event: _Event, profile_id: int) -> Iterator[Attribution]:
    if event.event_type == INSTALL_ATTRIBUTION:
        yield Attribution(profile_id, event.moment, told_in(event.properties))


def _touches(event: _Event, profile_id: int) -> Iterator[Touch]:
    source, name = source_of(event.properties)
    for action, channel in actions_of(event.event_type, event.properties):
        parts = parts_of(source, action, event.properties)
        yield Touch(profile_id, action, channel, event.moment, source, name, parts)


def _note_use(deeds: Sequence[Deed]) -> None:
    """Move the first and last use of the locked users, as ``/users/track`` does (``profiles.rows.Row.used``)."""
    times: dict[int, list[datetime]] = defaultdict(list)
    for deed in deeds:
        times[deed.profile_id].append(deed.time)
    if not times:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH used AS (
                UPDATE profiles_profile one SET first_used_at = least(one.first_used_at, new.first),
                                                last_used_at = greatest(one.last_used_at, new.last)
                FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS new (id, first, last)
                WHERE one.id = new.id
                  AND (one.first_used_at <= new.first AND one.last_used_at >= new.last) IS NOT TRUE
                RETURNING workspace_id
            )
            INSERT INTO profiles_datachange (workspace_id, kind)
            SELECT DISTINCT workspace_id, 'profiles.use' FROM used
            """,
            [list(times), [min(found) for found in times.values()], [max(found) for found in times.values()]],
        )


def _locked_users(workspace_id: int, events: Sequence[_Event]) -> dict[int, int]:
    """Whom the events (by id) mean, by a name that somebody has (also a deprecated external id), else by one that
    somebody had; locked in the order of their ids, as all writers do.

    Raises MovedError when one of them went between finding and locking: by then their names lead to the survivor.
    """
    found: dict[int, int] = {}
    owners = find(workspace_id, (name for event in events for name in event.names))
    strangers = [event for event in events if not any(name in owners for name in event.names)]
    sought = [Sought(name, event.received_at) for event in strangers for name in event.names]
    former = find_former(workspace_id, sought)
    for event in events:
        named = (owners.get(name) or former.get(Sought(name, event.received_at)) for name in event.names)
        if owner := next(filter(None, named), None):
            found[event.id] = owner
    wanted = sorted({*found.values()})
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM profiles_profile WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [wanted])
            if len(cursor.fetchall()) < len(wanted):
                raise MovedError
    return found


def _deed(event: _Event) -> tuple[Any, ...] | None:
    """The fields of a ``Deed`` after its user; None for an event that tells of none."""
    properties = event.properties
    if event.event_type == SESSION_START:
        return Kind.SESSION, "", event.moment
    if event.event_type == CUSTOM_EVENT:
        name = _name(properties.get("name"))
        own = _own_properties(properties, "custom_properties")
        return (Kind.EVENT, name, event.moment, 1, *value_of_order(name, own), own) if name else None
    if event.event_type == PURCHASE:
        name = _name(properties.get("product_id"))
        own = _own_properties(properties, "purchase_properties")
        return (Kind.PURCHASE, name, event.moment, 1, *_price(properties), own) if name else None
    return None


def _name(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= NAME_LIMIT else ""


def _own_properties(properties: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    """Braze's connectors send the own properties of a deed as an object, its storage exports as a text of JSON."""
    for name in (member, "properties"):
        value = properties.get(name)
        if isinstance(value, str):
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError:
                continue
        if isinstance(value, Mapping):
            return value
    return {}


def _price(properties: Mapping[str, Any]) -> tuple[str, float]:
    currency, price = properties.get("currency"), properties.get("price")
    if not isinstance(currency, str) or len(currency) != 3:
        currency = ""
    if isinstance(price, bool) or not isinstance(price, int | float):
        price = 0.0
    return currency.upper(), float(price)
