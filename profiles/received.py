"""Events that came in by ``POST /currents/events``, counted for the users that we know.

The log is read downward with a cursor of our own, below the horizon (see ``currents.log``); what was caused here is
counted where it happens, and is stepped over. No profile is made, and no attribute or subscription changes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson
from django.db import connection, transaction

from currents.log import AT_HOME_SQL, HORIZON_SQL
from profiles.behaviours import CUSTOM_EVENT, PURCHASE, SESSION_START
from profiles.catalogue import log_custom_events
from profiles.counters import Deed, Kind, record
from profiles.custom_values import NAME_LIMIT
from profiles.stores import LogCursor

CURSOR: Final = "counters"
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

    @property
    def braze_id(self) -> str:
        user = self.payload.get("user")
        found = user.get("user_id") if isinstance(user, Mapping) else None
        return found if isinstance(found, str) else ""


def count_received(batch: int = BATCH) -> int:
    """Count everything that has come in and is not counted yet, a batch a transaction; returns how many events.

    Two callers never count the same event: the cursor is locked, and the second leaves the work to the first.
    """
    total = 0
    while read := _count_batch(batch):
        total += read
        if read < batch:
            break
    return total


@transaction.atomic
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
            SELECT e.workspace_id, e.event_type, e.time, e.external_user_id, e.payload::text, e.xid, e.id
            FROM currents_event e
            WHERE e.from_outside AND (e.xid, e.id) > (%s, %s) AND e.xid < {HORIZON_SQL} AND {AT_HOME_SQL}
            ORDER BY e.xid, e.id LIMIT %s
            """,  # noqa: S608 - constants
            [place.xid, place.event, batch],
        )
        return [_Event._make((*row[:4], orjson.loads(row[4]), *row[5:])) for row in cursor.fetchall()]


def _count(workspace_id: int, events: Iterable[_Event]) -> None:
    known = [(event, deed) for event in events if (deed := _deed(event))]
    users = _locked_users(workspace_id, [event for event, _ in known])
    deeds = []
    for event, deed in known:
        profile_id = users.get(("external_id", event.external_id or "")) or users.get(("braze_id", event.braze_id))
        if profile_id:
            deeds.append(Deed(profile_id, *deed))
    record(workspace_id, deeds)
    log_custom_events(workspace_id, Counter(deed.name for deed in deeds if deed.kind == Kind.EVENT))


def _locked_users(workspace_id: int, events: Iterable[_Event]) -> dict[tuple[str, str], int]:
    """Ids of the users that the events name, by either name; locked in the order of their ids, as all writers do."""
    external_ids = sorted({event.external_id for event in events if event.external_id})
    braze_ids = sorted({event.braze_id for event in events if event.braze_id})
    users: dict[tuple[str, str], int] = {}
    if not external_ids and not braze_ids:
        return users
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, external_id, braze_id FROM profiles_profile
            WHERE workspace_id = %s AND (external_id = ANY(%s) OR braze_id = ANY(%s)) ORDER BY id FOR UPDATE
            """,
            [workspace_id, external_ids, braze_ids],
        )
        for profile_id, external_id, braze_id in cursor.fetchall():
            users["braze_id", braze_id] = profile_id
            if external_id is not None:
                users["external_id", external_id] = profile_id
    return users


def _deed(event: _Event) -> tuple[Any, ...] | None:
    """The fields of a ``Deed`` after its user; None for an event that is not counted."""
    properties = event.payload.get("properties")
    if not isinstance(properties, Mapping):
        return None
    time = datetime.fromtimestamp(event.time, UTC)
    if event.event_type == SESSION_START:
        return Kind.SESSION, "", time
    if event.event_type == CUSTOM_EVENT:
        name = _name(properties.get("name"))
        return (Kind.EVENT, name, time, 1, "", 0.0, _own_properties(properties)) if name else None
    if event.event_type == PURCHASE:
        name = _name(properties.get("product_id"))
        return (Kind.PURCHASE, name, time, 1, *_price(properties)) if name else None
    return None


def _name(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= NAME_LIMIT else ""


def _own_properties(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Braze's connectors send a custom event's own properties as an object, its storage exports as a text of JSON."""
    for name in ("custom_properties", "properties"):
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
