"""The engine behind ``/users/track``: a batch of attributes, events and purchases in a fixed number of statements.

Architecture, decision 5. Locks are always taken in one order (new attribute names, new names of users, profiles by id,
what belongs to them, counters), so any number of requests about the same users wait for each other and none deadlocks.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from django.utils import timezone

from currents.log import NewEvent, append_events
from profiles.app_uses import Use, log_app_uses
from profiles.behaviours import SUBSCRIPTIONS, bought, custom_event, location, subscription_changes
from profiles.catalogue import declare_attributes, log_custom_events, log_products
from profiles.coercion import Declared, ImpossibleError
from profiles.counters import Deed, Kind, count, keep
from profiles.custom_values import changed
from profiles.identities import Identity, find
from profiles.names import find_or_create
from profiles.objects import AttributesObject, EventObject, PurchaseObject
from profiles.orders import value_of_order
from profiles.pipelines import pipelined
from profiles.push_tokens import store_tokens
from profiles.repeats import first_times
from profiles.rows import Row, at_once, lock, newborn, save
from profiles.subscriptions import Choice, peers, store_choices
from workspaces.data_points import log_data_points_of

AnyObject = TypeVar("AnyObject", AttributesObject, EventObject, PurchaseObject)


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


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A custom attribute that stays as it was, though an object of the batch was to change it; and why."""

    number: int
    name: str
    reason: str


@at_once
def track(workspace_id: int, batch: Batch) -> list[Unchanged]:
    """Apply ``batch`` in one transaction: profiles, event log, catalogues and data points, all of it or nothing.

    An object whose user does not exist and may not be created is ignored, as Braze does; so is an event or purchase
    that carries an id and has come before. Returns which custom attributes could not be what was asked for.
    """
    now = timezone.now()
    unchanged: dict[tuple[int, str], str] = {}
    with pipelined():
        batch = _with_new_tokens(workspace_id, batch)
        declared = declare_attributes(workspace_id, _first_values(batch.attributes))
        ids, born = find_or_create(
            workspace_id,
            {one.identity for one in batch},
            {one.identity for one in batch if not one.update_only},
            _births(batch, declared, now, unchanged),
        )
        known = lock({*ids.values(), *_peers(workspace_id, batch.attributes, ids)} - born.keys())
        rows = dict(sorted((known | born).items()))
        attributes = list(_about(batch.attributes, ids, rows))
        events = first_times(workspace_id, list(_about(batch.events, ids, rows)))
        purchases = first_times(workspace_id, list(_about(batch.purchases, ids, rows)))
        for row, change in attributes:
            if row.id in known:
                _set_attributes(row, change, declared, unchanged)
        uses: list[tuple[Row, EventObject | PurchaseObject]] = [(row, event) for row, event, _ in events]
        uses += [(row, purchase) for row, purchase, _ in purchases]
        for row in rows.values():
            row.chose(now)
        for row, deed in uses:
            row.used(deed.time)
        save(rows.values())
        store_tokens(workspace_id, ((row.id, token) for row, change in attributes for token in change.push_tokens))
        choices = [
            Choice(row.id, group, state) for row, change in attributes for group, state in change.subscriptions.items()
        ]
        chosen = store_choices(workspace_id, rows, choices, spreading=True)
        deeds = [_event_deed(row, one) for row, one, _ in events]
        deeds += [_purchase_deed(row, one) for row, one, _ in purchases]
        count(workspace_id, deeds)
        log_app_uses(workspace_id, (_use(row, deed, deed.app_id) for row, deed in uses if deed.app_id))
        logged = [
            *_changes(rows.values(), attributes),
            *chosen,
            *(custom_event(event, row.as_user(), name) for row, event, name in events),
            *(piece for row, purchase, name in purchases for piece in bought(purchase, row.as_user(), name)),
        ]
    keep(workspace_id, deeds)
    append_events(workspace_id, logged)
    with pipelined():
        log_custom_events(workspace_id, Counter(event.name for _, event, _ in events))
        log_products(workspace_id, (purchase.product_id for _, purchase, _ in purchases))
        # One row per source and day is every request's: it is locked last and for the shortest time.
        log_data_points_of(
            workspace_id,
            {
                "attributes": sum(change.data_points for _, change in attributes),
                "events": len(events),
                "purchases": sum(purchase.quantity for _, purchase, _ in purchases),
            },
        )
    return [Unchanged(number, name, reason) for (number, name), reason in sorted(unchanged.items())]


def _births(
    batch: Batch, declared: Mapping[str, Declared], now: datetime, unchanged: dict[tuple[int, str], str]
) -> Callable[[Identity], Row]:
    """What makes the row of a new user with all that ``batch`` says of them, so that it is written once.

    Not when they did what has an id of its own: whether that counts is known later (``profiles.repeats``).
    """
    changes: dict[Identity, list[AttributesObject]] = defaultdict(list)
    times: dict[Identity, list[datetime]] = defaultdict(list)
    for change in batch.attributes:
        changes[change.identity].append(change)
    for deeds in (batch.events, batch.purchases):
        for deed in deeds:
            if deed.id is None:
                times[deed.identity].append(deed.time)

    def make(identity: Identity) -> Row:
        row = newborn(identity.name)
        for change in changes[identity]:
            _set_attributes(row, change, declared, unchanged)
        row.chose(now)
        for time in times[identity]:
            row.used(time)
        return row

    return make


def _with_new_tokens(workspace_id: int, batch: Batch) -> Batch:
    """``batch`` with an object for each push token that is imported; one that somebody has is ignored (Braze).

    So is one that another object of the batch gives somebody.
    """
    if not any(one.is_token_import for one in batch.attributes):
        return batch
    attributes = [each for one in batch.attributes for each in one.each_user()]
    known = set(find(workspace_id, {one.identity for one in attributes if one.is_token_import}))
    known |= {one.identity for each in attributes if not each.is_token_import for one in each.push_tokens}
    return replace(batch, attributes=[one for one in attributes if one.identity not in known])


def _peers(workspace_id: int, attributes: Iterable[AttributesObject], ids: Mapping[Identity, int]) -> set[int]:
    """Users who share an email address with one whose subscription groups are set: theirs are set too (Braze)."""
    choosing = [one for one in attributes if one.subscriptions]
    emails = {one.columns["email"] for one in choosing if one.columns.get("email")}
    return peers(workspace_id, {ids[one.identity] for one in choosing if one.identity in ids}, emails)


def _event_deed(row: Row, event: EventObject) -> Deed:
    currency, value = value_of_order(event.name, event.properties)
    return Deed(row.id, Kind.EVENT, event.name, event.time, 1, currency, value, event.properties)


def _purchase_deed(row: Row, one: PurchaseObject) -> Deed:
    return Deed(row.id, Kind.PURCHASE, one.product_id, one.time, one.quantity, one.currency, one.price, one.properties)


def _use(row: Row, deed: EventObject | PurchaseObject, app_id: str) -> Use:
    return Use(row.id, app_id, deed.time, is_purchase=isinstance(deed, PurchaseObject))


def _changes(rows: Iterable[Row], attributes: Iterable[tuple[Row, AttributesObject]]) -> Iterator[NewEvent]:
    """The events that setting attributes causes: changes of subscription, and places."""
    for row in rows:
        if any(row.before[name] != row.after[name] for name in SUBSCRIPTIONS):
            yield from subscription_changes(row.before, row.after, row.as_user())
    for row, change in attributes:
        if "current_location" in change.kept:
            yield from location(change.kept["current_location"], row.as_user())


def _first_values(changes: Iterable[AttributesObject]) -> dict[str, Any]:
    """The first value that comes for each custom attribute: what its type is read from when it is new."""
    values: dict[str, Any] = {}
    for change in changes:
        for name, value in change.custom.items():
            if value is not None:
                values.setdefault(name, value)
    return values


def _about(
    objects: Iterable[AnyObject], ids: Mapping[Identity, int], rows: Mapping[int, Row]
) -> Iterator[tuple[Row, AnyObject]]:
    """Each object with the row that it is about; an object about nobody is left out."""
    for one in objects:
        row = rows.get(ids.get(one.identity, 0))
        if row is not None:
            yield row, one


def _set_attributes(
    row: Row,
    change: AttributesObject,
    declared: Mapping[str, Declared],
    unchanged: dict[tuple[int, str], str],
) -> None:
    """Make of ``row`` what ``change`` says; a custom attribute that cannot be is left, and noted in ``unchanged``."""
    row.after |= change.columns
    if change.kept:
        row.after["other_fields"] = _without_nulls({**row.after["other_fields"], **change.kept})
    custom = dict(row.after["custom_attributes"])
    for name, value in change.custom.items():
        if value is None:
            custom.pop(name, None)
            continue
        try:
            custom[name] = changed(custom.get(name), value, declared[name], merging=change.merging)
        except ImpossibleError as error:
            unchanged[change.number, name] = str(error)
    row.after["custom_attributes"] = custom


def _without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
