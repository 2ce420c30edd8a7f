"""What users did, as events of the log. Braze Currents: customer behavior events."""

import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

from currents.log import NewEvent
from profiles.objects import EventObject, PurchaseObject
from profiles.repeats import event_id

CUSTOM_EVENT: Final = "users.behaviors.CustomEvent"
PURCHASE: Final = "users.behaviors.Purchase"
SESSION_START: Final = "users.behaviors.app.SessionStart"
SESSION_END: Final = "users.behaviors.app.SessionEnd"
UNINSTALL: Final = "users.behaviors.Uninstall"
INSTALL_ATTRIBUTION: Final = "users.behaviors.InstallAttribution"
LOCATION: Final = "users.behaviors.Location"
GLOBAL_STATE_CHANGE: Final = "users.behaviors.subscription.GlobalStateChange"
GROUP_STATE_CHANGE: Final = "users.behaviors.subscriptiongroup.StateChange"

#: What caused a change of subscription, in Braze's words.
REST_API: Final = "REST API"
CSV_IMPORT: Final = "CSV import"
DASHBOARD: Final = "Dashboard"
_STATES: Final = {"subscribed": "Subscribed", "unsubscribed": "Unsubscribed", "opted_in": "Opted In"}
#: The channels that a user is subscribed to, by the column that says so.
SUBSCRIPTIONS: Final = {"email_subscribe": "email", "push_subscribe": "push"}


def custom_event(event: EventObject, user: dict[str, Any], name: uuid.UUID | None = None) -> NewEvent:
    """The event of the log for ``event``; ``user`` are the keyword arguments of ``NewEvent`` that name the user.

    ``name`` is what it goes by if it has an id of its own (``profiles.repeats``).
    """
    return NewEvent(
        CUSTOM_EVENT,
        int(event.time.timestamp()),
        event_id=event_id(name),
        properties=_with_app({"name": event.name, "custom_properties": event.properties}, event.app_id),
        **user,
    )


def bought(purchase: PurchaseObject, user: dict[str, Any], name: uuid.UUID | None = None) -> Iterator[NewEvent]:
    """The events of the log for ``purchase``: one for each piece (Braze: purchase object, ``quantity``)."""
    properties = {
        "product_id": purchase.product_id,
        "currency": purchase.currency,
        "price": purchase.price,
        "purchase_properties": purchase.properties,
    }
    for piece in range(purchase.quantity):
        yield NewEvent(
            PURCHASE,
            int(purchase.time.timestamp()),
            event_id=event_id(name, piece),
            properties=_with_app(properties, purchase.app_id),
            **user,
        )


def subscription_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], user: dict[str, Any], source: str = REST_API
) -> Iterator[NewEvent]:
    """An event for each channel whose subscription differs between two states of a user (by column), as of now."""
    for column, channel in SUBSCRIPTIONS.items():
        if before[column] == after[column]:
            continue
        properties = {
            "channel": channel,
            "subscription_status": _STATES[after[column]],
            "state_change_source": source,
        }
        if channel == "email" and after.get("email"):
            properties |= {"email_address": after["email"], "channel_identifier": after["email"]}
        yield NewEvent(GLOBAL_STATE_CHANGE, int(time.time()), properties=properties, **user)


def group_change(
    group_id: str, channel: str, state: str, user: dict[str, Any], identifier: str = "", source: str = REST_API
) -> NewEvent:
    """The event for a user whose state (``subscribed``, ``unsubscribed``) in a subscription group changes now.

    ``identifier`` is the email address (channel ``email``) or phone number that the group reaches the user by.
    """
    properties = {
        "subscription_group_id": group_id,
        "channel": channel,
        "subscription_status": _STATES[state],
        "state_change_source": source,
    }
    if identifier:
        name = "email_address" if channel == "email" else "phone_number"
        properties |= {name: identifier, "channel_identifier": identifier}
    return NewEvent(GROUP_STATE_CHANGE, int(time.time()), properties=properties, **user)


def location(place: Any, user: dict[str, Any]) -> Iterator[NewEvent]:
    """The event for a user whose ``current_location`` is set now; none for what is no place."""
    if not isinstance(place, Mapping):
        return
    names = {"latitude": "latitude", "longitude": "longitude", "altitude": "altitude", "accuracy": "ll_accuracy"}
    properties = {
        name: float(place[given])
        for given, name in names.items()
        if isinstance(place.get(given), int | float) and not isinstance(place[given], bool)
    }
    if "latitude" in properties and "longitude" in properties:
        yield NewEvent(LOCATION, int(time.time()), properties=properties, **user)


def _with_app(properties: dict[str, Any], app_id: str | None) -> dict[str, Any]:
    return properties if app_id is None else {**properties, "app_id": app_id}
