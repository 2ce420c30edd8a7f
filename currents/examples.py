"""One well-formed example of each event type: what Send Test Events sends, and what the tests walk through."""

import time
import uuid
from typing import Any

from currents.catalogue import CUSTOM_EVENT, PURCHASE, Property, event_type

#: Properties whose examples would be nonsense if made from their name.
_VALUES: dict[str, Any] = {
    "currency": "USD",
    "price": 9.99,
    "product_id": "example-product",
    "platform": "ios",
    "email_address": "user@example.com",
    "latitude": 35.68,
    "longitude": 139.76,
    "os_version": "17.0",
    "device_model": "example-device",
    "url": "https://example.com/",
}
_BY_TYPE: dict[str, Any] = {"int": 1, "long": 1, "float": 1.5, "boolean": True, "array of string": ["example"]}
_USER = frozenset({"user_id", "external_user_id", "device_id", "timezone"})
_LEFT_OUT = _USER | {"id", "time", "properties"}


def example_event(type_name: str, *, external_user_id: str = "example-user") -> dict[str, Any]:
    """One event of a known type as ``POST /currents/events`` takes it, with every field that its schemas have.

    Each call gives it an id of its own and the present time. Raises KeyError for a type that is not in the catalogue.
    """
    return {
        "event_type": type_name,
        "id": str(uuid.uuid4()),
        "time": int(time.time()),
        "user": {
            "user_id": "0123456789abcdef01234567",
            "external_user_id": external_user_id,
            "device_id": "example-device-id",
            "timezone": "Asia/Tokyo",
        },
        "properties": example_properties(type_name),
    }


def example_properties(type_name: str) -> dict[str, Any]:
    """The fields of an example beside its user's, under their storage names (Mixpanel's where there are no others)."""
    kind = event_type(type_name)
    if kind is None:
        raise KeyError(type_name)
    schema = kind.storage or _without_own_names(kind.mixpanel or {})
    values = {name: _value(one, kind.enums.get(name, ())) for name, one in schema.items() if name not in _LEFT_OUT}
    if type_name == CUSTOM_EVENT:
        values |= {"name": "Example event", "custom_properties": {"color": "blue", "amount": 3}}
    if type_name == PURCHASE:
        values |= {"purchase_properties": {"color": "blue", "amount": 3}}
    return values


def _without_own_names(schema: Any) -> dict[str, Property]:
    own = {"distinct_id", "$insert_id", "$partner_id", "token"}
    return {name: one for name, one in schema.items() if name not in own}


def _value(one: Property, allowed: tuple[str, ...]) -> Any:
    if allowed:
        return int(allowed[0]) if one.type in ("int", "long") else allowed[0]
    if one.name in _VALUES:
        return _VALUES[one.name]
    return _BY_TYPE.get(one.type, f"example-{one.name}".replace("_", "-"))
