"""What users did, as events of the log: custom events and purchases. Braze Currents: customer behavior events."""

from collections.abc import Iterator
from typing import Any, Final

from currents.log import NewEvent
from profiles.objects import EventObject, PurchaseObject

CUSTOM_EVENT: Final = "users.behaviors.CustomEvent"
PURCHASE: Final = "users.behaviors.Purchase"


def custom_event(event: EventObject, user: dict[str, Any]) -> NewEvent:
    """The event of the log for ``event``; ``user`` are the keyword arguments of ``NewEvent`` that name the user."""
    return NewEvent(
        CUSTOM_EVENT,
        int(event.time.timestamp()),
        properties=_with_app({"name": event.name, "custom_properties": event.properties}, event.app_id),
        **user,
    )


def bought(purchase: PurchaseObject, user: dict[str, Any]) -> Iterator[NewEvent]:
    """The events of the log for ``purchase``: one for each piece (Braze: purchase object, ``quantity``)."""
    properties = {
        "product_id": purchase.product_id,
        "currency": purchase.currency,
        "price": purchase.price,
        "purchase_properties": purchase.properties,
    }
    for _ in range(purchase.quantity):
        yield NewEvent(
            PURCHASE,
            int(purchase.time.timestamp()),
            properties=_with_app(properties, purchase.app_id),
            **user,
        )


def _with_app(properties: dict[str, Any], app_id: str | None) -> dict[str, Any]:
    return properties if app_id is None else {**properties, "app_id": app_id}
