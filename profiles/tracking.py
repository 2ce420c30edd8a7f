"""The engine behind ``/users/track``: a batch of attributes, events and purchases in a fixed number of statements.

Architecture, decision 5. Locks are always taken in one order (new attribute names, new external ids, new aliases,
profiles by id, counters), so any number of requests about the same users wait for each other and none deadlocks.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

import orjson
from django.db import connection, transaction

from currents.log import NewEvent, append_events
from profiles.behaviours import bought, custom_event, location, subscription_changes
from profiles.catalogue import declare_attributes, log_app_uses, log_custom_events
from profiles.counters import Deed, Kind, record
from profiles.custom_values import changed
from profiles.identities import Identity, find_or_create
from profiles.objects import AttributesObject, EventObject, PurchaseObject
from workspaces.data_points import log_data_points

AnyObject = TypeVar("AnyObject", AttributesObject, EventObject, PurchaseObject)

#: The columns that a request can change, with their SQL types.
WRITABLE: Final = {
    "country": "text",
    "date_of_birth": "date",
    "email": "text",
    "email_subscribe": "text",
    "first_name": "text",
    "first_used_at": "timestamptz",
    "gender": "text",
    "home_city": "text",
    "language": "text",
    "last_name": "text",
    "last_used_at": "timestamptz",
    "phone": "text",
    "push_subscribe": "text",
    "time_zone": "text",
    "custom_attributes": "jsonb",
    "other_fields": "jsonb",
}
_JSON: Final = ("custom_attributes", "other_fields")


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request asks for, checked. Later objects about the same user win."""

    attributes: Sequence[AttributesObject] = ()
    events: Sequence[EventObject] = ()
    purchases: Sequence[PurchaseObject] = ()

    def __iter__(self) -> Iterator[AttributesObject | EventObject | PurchaseObject]:
        yield from self.attributes
        yield from self.events
        yield from self.purchases


@dataclass(slots=True)
class _Row:
    """A locked profile: its names, its columns before, and what they become."""

    id: int
    external_id: str | None
    braze_id: str
    before: dict[str, Any]
    after: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.after = dict(self.before)

    def as_user(self) -> dict[str, Any]:
        """The arguments of ``NewEvent`` that name this user."""
        return {
            "external_user_id": self.external_id,
            "user_id": self.braze_id,
            "timezone": self.after["time_zone"] or None,
        }

    def used(self, moment: datetime) -> None:
        """Note that the user did something at ``moment``."""
        first, last = self.after["first_used_at"], self.after["last_used_at"]
        self.after["first_used_at"] = min(first, moment) if first else moment
        self.after["last_used_at"] = max(last, moment) if last else moment


@transaction.atomic
def track(workspace_id: int, batch: Batch) -> None:
    """Apply ``batch`` in one transaction: profiles, event log, catalogues and data points, all of it or nothing.

    An object whose user does not exist and may not be created is ignored, as Braze does.
    """
    types = declare_attributes(workspace_id, _first_values(batch.attributes))
    ids = find_or_create(
        workspace_id,
        {one.identity for one in batch},
        {one.identity for one in batch if not one.update_only},
    )
    rows = _locked(ids)
    attributes = list(_about(batch.attributes, ids, rows))
    events = list(_about(batch.events, ids, rows))
    purchases = list(_about(batch.purchases, ids, rows))
    for row, change in attributes:
        _set_attributes(row, change, types)
    deeds: list[tuple[_Row, EventObject | PurchaseObject]] = [*events, *purchases]
    for row, deed in deeds:
        row.used(deed.time)
    _save([row for row in rows.values() if row.after != row.before])
    record(workspace_id, [*map(_event_deed, events), *map(_purchase_deed, purchases)])
    log_app_uses(workspace_id, ((row.id, deed.app_id, deed.time) for row, deed in deeds if deed.app_id))
    append_events(
        workspace_id,
        [
            *_changes(rows.values(), attributes),
            *(custom_event(event, row.as_user()) for row, event in events),
            *(piece for row, purchase in purchases for piece in bought(purchase, row.as_user())),
        ],
    )
    log_custom_events(workspace_id, Counter(event.name for _, event in events))
    # One row per source and day is every request's: it is locked last and for the shortest time.
    log_data_points(workspace_id, "attributes", sum(change.data_points for _, change in attributes))
    log_data_points(workspace_id, "events", len(events))
    log_data_points(workspace_id, "purchases", sum(purchase.quantity for _, purchase in purchases))


def _event_deed(done: tuple[_Row, EventObject]) -> Deed:
    row, event = done
    return Deed(row.id, Kind.EVENT, event.name, event.time, properties=event.properties)


def _purchase_deed(done: tuple[_Row, PurchaseObject]) -> Deed:
    row, one = done
    return Deed(row.id, Kind.PURCHASE, one.product_id, one.time, one.quantity, one.currency, one.price)


def _changes(rows: Iterable[_Row], attributes: Iterable[tuple[_Row, AttributesObject]]) -> Iterator[NewEvent]:
    """The events that setting attributes causes: changes of subscription, and places."""
    for row in rows:
        yield from subscription_changes(row.before, row.after, row.as_user())
    for row, change in attributes:
        yield from location(change.kept.get("current_location"), row.as_user())


def _first_values(changes: Iterable[AttributesObject]) -> dict[str, Any]:
    """The first value that comes for each custom attribute: what its type is read from when it is new."""
    values: dict[str, Any] = {}
    for change in changes:
        for name, value in change.custom.items():
            if value is not None:
                values.setdefault(name, value)
    return values


def _locked(ids: dict[Identity, int]) -> dict[int, _Row]:
    """Lock the profiles in the order of their ids and read them; one that was deleted meanwhile is left out."""
    wanted = sorted(set(ids.values()))
    if not wanted:
        return {}
    columns = ", ".join(f"{name}::text" if name in _JSON else name for name in WRITABLE)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, external_id, braze_id, {columns} FROM profiles_profile"  # noqa: S608 - names of ours
            " WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
            [wanted],
        )
        return {row[0]: _row(row) for row in cursor.fetchall()}


def _row(values: tuple[Any, ...]) -> _Row:
    before = dict(zip(WRITABLE, values[3:], strict=True))
    for name in _JSON:
        before[name] = orjson.loads(before[name])
    return _Row(values[0], values[1], values[2], before)


def _about(
    objects: Iterable[AnyObject], ids: dict[Identity, int], rows: dict[int, _Row]
) -> Iterator[tuple[_Row, AnyObject]]:
    """Each object with the row that it is about; an object about nobody is left out."""
    for one in objects:
        row = rows.get(ids.get(one.identity, 0))
        if row is not None:
            yield row, one


def _set_attributes(row: _Row, change: AttributesObject, types: dict[str, str]) -> None:
    row.after |= change.columns
    row.after["other_fields"] = _without_nulls({**row.after["other_fields"], **change.kept})
    custom = dict(row.after["custom_attributes"])
    for name, value in change.custom.items():
        custom[name] = changed(custom.get(name), value, types.get(name, ""), merging=change.merging)
    row.after["custom_attributes"] = _without_nulls(custom)


def _without_nulls(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _save(rows: Sequence[_Row]) -> None:
    """Write the changed rows, all columns of all of them, in one statement."""
    if not rows:
        return
    assignments = ", ".join(f"{name} = new.{name}" for name in WRITABLE)
    arrays = ", ".join(f"%s::text[]::{kind}[]" if kind == "jsonb" else f"%s::{kind}[]" for kind in WRITABLE.values())
    values = [
        [orjson.dumps(row.after[name]).decode() if name in _JSON else row.after[name] for row in rows]
        for name in WRITABLE
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE profiles_profile SET {assignments}, updated_at = now()
            FROM unnest(%s::bigint[], {arrays}) AS new (id, {", ".join(WRITABLE)})
            WHERE profiles_profile.id = new.id
            """,  # noqa: S608 - names of ours
            [[row.id for row in rows], *values],
        )
