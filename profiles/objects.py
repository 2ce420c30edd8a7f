"""The objects of a ``/users/track`` request, checked. Braze: user attributes object, event object, purchase object."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar

import orjson
from babel.numbers import list_currencies
from django.utils import timezone

from profiles import attributes, custom_values
from profiles.choices import states_of
from profiles.custom_values import NAME_LIMIT, BadValueError
from profiles.dates import parse_time
from profiles.identities import BadIdentityError, Identity, identity_of
from profiles.push_tokens import Token, tokens_of

Parsed = TypeVar("Parsed")

_UNCOUNTED: Final = attributes.NOT_ATTRIBUTES | attributes.FREE_FIELDS
QUANTITY_LIMIT: Final = 100
#: More than anything costs in any currency; what many purchases cost together is still a number.
PRICE_LIMIT: Final = 1e15
PROPERTIES_LIMIT: Final = 100 * 1024
#: The longest id that an event or a purchase can carry.
ID_LIMIT: Final = 200
#: Names that a custom event's own properties cannot have (Braze: event object, "Reserved keys").
RESERVED_PROPERTIES: Final = frozenset({"time", "event_name"})


class BadObjectError(ValueError):
    """An object that cannot be used; its text is the error that the API answers for it."""


@dataclass(frozen=True, slots=True)
class AttributesObject:
    """What to set on one user: ``columns`` by column name, ``kept`` and ``custom`` by attribute name (None removes)."""

    identity: Identity
    update_only: bool
    columns: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    custom: dict[str, Any] = field(default_factory=dict)
    merging: bool = False
    data_points: int = 0
    subscriptions: dict[uuid.UUID, bool] = field(default_factory=dict)
    push_tokens: list[Token] = field(default_factory=list)
    #: Which object of its request it is.
    number: int = 0

    @property
    def is_token_import(self) -> bool:
        """Whether it is about users of whom only push tokens are known. Braze: ``push_token_import``."""
        return self.identity.kind == "push_token"

    def each_user(self) -> "Iterator[AttributesObject]":
        """Itself; of an import of tokens, one for each of them (Braze: a temporary user for each token)."""
        if not self.is_token_import:
            yield self
            return
        for token in self.push_tokens:
            yield replace(self, identity=token.identity, push_tokens=[token])


@dataclass(frozen=True, slots=True)
class EventObject:
    """One custom event of one user. ``id``: its sender's own, by which a repeated one is known."""

    identity: Identity
    update_only: bool
    name: str
    time: datetime
    properties: dict[str, Any]
    app_id: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class PurchaseObject:
    """A purchase of ``quantity`` pieces; Braze treats it as that many purchases of one. ``id`` as that of an event."""

    identity: Identity
    update_only: bool
    product_id: str
    currency: str
    price: float
    quantity: int
    time: datetime
    properties: dict[str, Any]
    app_id: str | None = None
    id: str | None = None


def attributes_object(source: Any, number: int = 0) -> AttributesObject:
    """Check one object of ``attributes``, the one of this ``number`` in its request. Raises BadObjectError."""
    tokens = _parsed(source, "push_tokens", tokens_of) if isinstance(source, dict) else []
    identity, update_only = _imported(source, tokens) or _subject(source)
    columns: dict[str, Any] = {}
    kept: dict[str, Any] = {attributes.FOR_PUSH_ONLY: True} if identity.kind == "push_token" else {}
    custom: dict[str, Any] = {}
    merging = source.get("_merge_objects") is True
    for name, value in source.items():
        if name in attributes.NOT_ATTRIBUTES or name in attributes.OWN_TABLES:
            continue
        if name in attributes.COLUMNS:
            _set_column(columns, name, value)
        elif name in attributes.KEPT_FIELDS:
            kept[name] = _kept(name, value)
        else:
            _check_custom(name, value, merging)
            custom[name] = value
    return AttributesObject(
        identity,
        update_only,
        columns,
        kept,
        custom,
        merging,
        len(source.keys() - _UNCOUNTED),
        subscriptions=_parsed(source, "subscription_groups", states_of),
        push_tokens=tokens,
        number=number,
    )


def _imported(source: Any, tokens: list[Token]) -> tuple[Identity, bool] | None:
    """Whom an import of push tokens is about: those who have the tokens. None for any other object.

    Braze: user attributes object, "Push token import".
    """
    if not isinstance(source, dict) or source.get(attributes.FOR_PUSH_ONLY) is not True or source.get("user_alias"):
        return None
    if source.get("external_id") is not None or source.get("braze_id") is not None:
        raise BadObjectError("'external_id' and 'braze_id' cannot be specified with 'push_token_import'")
    if not tokens:
        raise BadObjectError("'push_tokens' is required with 'push_token_import'")
    return tokens[0].identity, source.get("_update_existing_only") is True


def _parsed(source: Mapping[str, Any], name: str, parse: Callable[[Any], Parsed]) -> Parsed:
    try:
        return parse(source.get(name))
    except ValueError:
        raise BadObjectError(f"'{name}' is not valid") from None


def _set_column(columns: dict[str, Any], name: str, value: Any) -> None:
    try:
        found = attributes.column_value(name, value)
    except attributes.BadFieldError as error:
        raise BadObjectError(str(error)) from None
    if found:
        columns[found[0]] = found[1]


def _kept(name: str, value: Any) -> Any:
    if value is not None and not attributes.KEPT_FIELDS[name](value):
        raise BadObjectError(f"'{name}' is not valid")
    return value


def _check_custom(name: str, value: Any, merging: bool) -> None:
    if not name or len(name) > NAME_LIMIT or name.startswith("$"):
        raise BadObjectError(f"A custom attribute name must have 1 to {NAME_LIMIT} characters and not begin with '$'")
    try:
        custom_values.check(value, merging=merging)
    except BadValueError:
        raise BadObjectError(f"'{name}' is not valid") from None


def event_object(source: Any) -> EventObject:
    """Check one object of ``events``. Raises BadObjectError."""
    identity, update_only = _subject(source)
    properties = _properties(source)
    if reserved := sorted(RESERVED_PROPERTIES & properties.keys()):
        raise BadObjectError(f"'properties' may not hold the reserved key '{reserved[0]}'")
    return EventObject(
        identity,
        update_only,
        name=_text(source, "name"),
        time=_time(source),
        properties=properties,
        app_id=_app_id(source),
        id=_own_id(source),
    )


def purchase_object(source: Any) -> PurchaseObject:
    """Check one object of ``purchases``. Raises BadObjectError."""
    identity, update_only = _subject(source)
    return PurchaseObject(
        identity,
        update_only,
        product_id=_text(source, "product_id"),
        currency=_currency(source),
        price=_price(source),
        quantity=_quantity(source),
        time=_time(source),
        properties=_properties(source),
        app_id=_app_id(source),
        id=_own_id(source),
    )


def _subject(source: Any) -> tuple[Identity, bool]:
    """Whom the object is about, and whether it may only update. For an alias that is the default (Braze)."""
    if not isinstance(source, dict):
        raise BadObjectError("must be an object")
    try:
        identity = identity_of(source)
    except BadIdentityError as error:
        raise BadObjectError(str(error)) from None
    flag = source.get("_update_existing_only")
    if flag is not None and not isinstance(flag, bool):
        raise BadObjectError("'_update_existing_only' must be true or false")
    update_only = flag if flag is not None else identity.kind == "alias"
    return identity, update_only or identity.kind == "braze_id"


def _required(source: Mapping[str, Any], key: str) -> Any:
    if source.get(key) in (None, ""):
        raise BadObjectError(f"'{key}' is required")
    return source[key]


def _text(source: Mapping[str, Any], key: str) -> str:
    value = _required(source, key)
    if isinstance(value, str) and not value.strip():
        raise BadObjectError(f"'{key}' is required")
    if not isinstance(value, str) or len(value) > NAME_LIMIT:
        raise BadObjectError(f"'{key}' must be a string of at most {NAME_LIMIT} characters")
    return value


def _time(source: Mapping[str, Any]) -> datetime:
    """Braze: a time in the future becomes the current time."""
    moment = parse_time(_required(source, "time"))
    if moment is None:
        raise BadObjectError("'time' is not valid")
    return min(moment, timezone.now())


def _app_id(source: Mapping[str, Any]) -> str | None:
    value = source.get("app_id")
    if value is not None and (not isinstance(value, str) or len(value) > NAME_LIMIT):
        raise BadObjectError("'app_id' is not valid")
    return value or None


def _own_id(source: Mapping[str, Any]) -> str | None:
    """Braze has no such field: it takes every event for a new one (track users, frequently asked questions)."""
    value = source.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is not None and (not isinstance(value, str) or len(value) > ID_LIMIT):
        raise BadObjectError(f"'id' must be a string of at most {ID_LIMIT} characters")
    return value or None


@cache
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())


def _currency(source: Mapping[str, Any]) -> str:
    value = _required(source, "currency")
    if not isinstance(value, str) or value.upper() not in _currencies():
        raise BadObjectError("'currency' is not valid")
    return value.upper()


def _price(source: Mapping[str, Any]) -> float:
    value = _required(source, "price")
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > PRICE_LIMIT:
        raise BadObjectError("'price' is not valid")
    return float(value)


def _quantity(source: Mapping[str, Any]) -> int:
    value = 1 if source.get("quantity") is None else source["quantity"]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= QUANTITY_LIMIT:
        raise BadObjectError("'quantity' is not valid")
    return value


def _properties(source: Mapping[str, Any]) -> dict[str, Any]:
    """Braze: names of 1 to 255 characters without a leading dollar sign, at most 100 KB together."""
    value = source.get("properties")
    if value is None:
        return {}
    if not isinstance(value, dict) or any(not name or len(name) > NAME_LIMIT or name.startswith("$") for name in value):
        raise BadObjectError("'properties' is not valid")
    if len(orjson.dumps(value)) > PROPERTIES_LIMIT:
        raise BadObjectError("'properties' must be at most 100 KB")
    return dict(value)
