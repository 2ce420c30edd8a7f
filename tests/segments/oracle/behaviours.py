"""What users did: custom events with their properties, purchases, sessions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from hypothesis import strategies as st

from profiles.counters import Deed, Kind, record
from profiles.models import CustomEvent
from profiles.occurrences import flattened
from profiles.orders import ORDER_CANCELLED, ORDER_PLACED, ORDER_REFUNDED, value_of_order
from profiles.session_lengths import log_session_lengths
from profiles.stores import KeptEvent, KeptPurchase, Product
from segments.filters.base import Leaf, Operator
from segments.filters.properties import OPERATORS as CONDITIONS
from tests.segments.oracle.apps import counts
from tests.segments.oracle.base import DATES, DAYS, MOMENTS, NOW, NUMBERS, Facet, World, each, in_time

EVENTS = ["song", "skip"]
PRODUCTS = ["hat", "bag"]
CURRENCIES = ["USD", "EUR"]
#: Beside the moments that all filters are tested at: the edges of UTC days.
TIMES = [
    *(one for one in MOMENTS if one <= NOW),
    *(
        datetime(2024, 3, 10, tzinfo=UTC) - timedelta(days=days, seconds=shift)
        for days in (0, 1, 2, 30)
        for shift in (-1, 0, 1)
    ),
]
PROPERTIES = {
    "genre": st.sampled_from(["jazz", "Jazz", "acid jazz", "", "5", None, 5, True, ["jazz", "folk"], ["x", 5], []]),
    "length": st.sampled_from([*NUMBERS, "5", None, [1, 5], [True]]),
    "loud": st.sampled_from([True, False, "true", None, [True, False], 1]),
    "at": st.sampled_from([*(one.isoformat() for one in MOMENTS), *DATES, "now", "2024-13-45", 7, ["2024-03-01", "x"]]),
    "by": st.fixed_dictionaries({"name": st.sampled_from(["band", "5"])}),
}
PATHS = {"string": ["genre", "by.name", "length"], "number": ["length", "genre"], "boolean": ["loud"], "time": ["at"]}


@dataclass
class Did:
    """What one user did.

    ``events`` are (name, time, properties), ``purchases`` (product, currency, price, n, time, properties), ``orders``
    (event, currency, value, time), ``lengths`` the seconds of sessions.
    """

    events: list[tuple[str, datetime, dict[str, Any]]] = field(default_factory=list)
    purchases: list[tuple[str, str, float, int, datetime, dict[str, Any]]] = field(default_factory=list)
    sessions: list[datetime] = field(default_factory=list)
    orders: list[tuple[str, str, float, datetime]] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)


_times = st.sampled_from(TIMES)
_properties = st.fixed_dictionaries({}, optional=PROPERTIES)
_event = st.tuples(st.sampled_from(EVENTS), _times, _properties)
_purchase = st.tuples(
    st.sampled_from(PRODUCTS),
    st.sampled_from(CURRENCIES),
    st.sampled_from([0.1, 0.2, 5, 0, -1]),
    st.integers(1, 3),
    _times,
    _properties,
)
_order = st.tuples(
    st.sampled_from([ORDER_PLACED, ORDER_PLACED, ORDER_CANCELLED, ORDER_REFUNDED]),
    st.sampled_from(CURRENCIES),
    st.sampled_from([0.1, 0.2, 5, 0]),
    st.sampled_from([*TIMES, *(NOW - timedelta(days=days) for days in (729, 730, 731, 800))]),
)
_did = st.builds(
    Did,
    events=st.lists(_event, max_size=4),
    purchases=st.lists(_purchase, max_size=3),
    sessions=st.lists(_times, max_size=3),
    orders=st.lists(_order, max_size=4),
    lengths=st.lists(st.sampled_from([0, 1, 2, 4, 300]), max_size=5),
)


def _prepare(world: World) -> None:
    CustomEvent.objects.bulk_create(
        CustomEvent(workspace=world.workspace, name=name, keeps_properties=True)
        for name in (*EVENTS, ORDER_PLACED, ORDER_CANCELLED, ORDER_REFUNDED)
    )
    Product.objects.bulk_create(Product(workspace=world.workspace, name=name) for name in PRODUCTS)


def _write(world: World) -> None:
    record(world.workspace.pk, [deed for one in world.users for deed in _deeds(one.id, one.parts["behaviours"])])
    log_session_lengths(
        world.workspace.pk, [(one.id, seconds) for one in world.users for seconds in one.parts["behaviours"].lengths]
    )
    KeptPurchase.objects.bulk_create(
        KeptPurchase(
            workspace=world.workspace,
            product=product,
            profile_id=one.id,
            time=time,
            count=number,
            properties=flattened(properties),
        )
        for one in world.users
        for product, _currency, _price, number, time, properties in one.parts["behaviours"].purchases
    )
    ids = {event.name: event for event in CustomEvent.objects.filter(workspace=world.workspace)}
    # Not by ``record``: it keeps what is young today, and the world's today is long past.
    KeptEvent.objects.bulk_create(
        KeptEvent(
            workspace=world.workspace, event=ids[name], profile_id=one.id, time=time, properties=flattened(properties)
        )
        for one in world.users
        for name, time, properties in one.parts["behaviours"].events
    )


def _deeds(profile_id: int, did: Did) -> Iterable[Deed]:
    for name, time, _properties in did.events:
        yield Deed(profile_id, Kind.EVENT, name, time)
    for product, currency, price, number, time, _properties in did.purchases:
        yield Deed(profile_id, Kind.PURCHASE, product, time, number, currency, price)
    for event, currency, value, time in did.orders:
        told = value_of_order(event, {"currency": currency.lower(), "total_value": value})
        yield Deed(profile_id, Kind.EVENT, event, time, 1, *told)
    for time in did.sessions:
        yield Deed(profile_id, Kind.SESSION, "", time)


# --- Conditions on properties ----------------------------------------------------------------------------------------


def _at(properties: Mapping[str, Any], path: str) -> list[Any]:
    """The values at a path: none, one, or the elements of a list."""
    found: Any = properties
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    values = found if isinstance(found, list) else [found]
    return [one for one in values if isinstance(one, str | int | float)]


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found and (found if found.tzinfo else found.replace(tzinfo=UTC))


def _fulfils(condition: Mapping[str, Any], properties: Mapping[str, Any]) -> bool:
    values, operator, wanted = _at(properties, condition["property"]), condition["operator"], condition["value"]
    if operator in ("is_blank", "is_not_blank"):
        return (values in ([], [""])) == (operator == "is_blank")
    if condition["type"] == "time":
        return any(in_time(operator, wanted, _moment(one)) for one in values)
    if condition["type"] == "boolean":
        return any(one is (wanted == "true") for one in values)
    if condition["type"] == "number":
        numbers = [number for one in values if (number := _number(one)) is not None]
        compare: dict[str, Callable[[float], bool]] = {
            "exactly": lambda one: one == wanted,
            "does_not_equal": lambda one: one == wanted,
            "more_than": lambda one: one > wanted,
            "at_least": lambda one: one >= wanted,
            "less_than": lambda one: one < wanted,
            "at_most": lambda one: one <= wanted,
        }
        return any(map(compare[operator], numbers)) != (operator == "does_not_equal")
    texts = [one for one in values if isinstance(one, str)]
    if operator in ("contains", "does_not_contain"):
        found = any(wanted in one for one in texts)
    else:
        found = any(one in (wanted if isinstance(wanted, list) else [wanted]) for one in texts)
    return found != (operator in ("does_not_equal", "is_none_of", "does_not_contain"))


# --- Filters ---------------------------------------------------------------------------------------------------------


def _first_moment(days: int) -> datetime:
    return datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC) - timedelta(days=days)


def often(leaf: Leaf, did: list[tuple[datetime, Any]]) -> bool:
    """The comparisons of how often or how much; each deed is its time and how often or how much it counts."""
    if leaf.operator in ("performed", "not_performed", "purchased", "not_purchased"):
        return bool(did) == (not leaf.operator.startswith("not"))
    wanted = leaf.value
    if isinstance(wanted, dict):
        did = [one for one in did if one[0] >= _first_moment(wanted["days"])]
        wanted = wanted.get("count", wanted.get("amount"))
    total = sum((one[1] for one in did), start=Decimal())
    return counts(leaf.operator, total, Decimal(repr(wanted)))


def _custom_event(leaf: Leaf, part: Did, world: World) -> bool:
    assert leaf.subject
    did = [one for one in part.events if one[0] == leaf.subject["name"]]
    if where := leaf.subject.get("where"):
        did = [one for one in did if one[1] >= _first_moment(30) and all(_fulfils(each, one[2]) for each in where)]
    times = [time for _name, time, _properties in did]
    if leaf.filter.startswith("first"):
        return in_time(leaf.operator, leaf.value, min(times, default=None))
    if leaf.filter.startswith("last"):
        return in_time(leaf.operator, leaf.value, max(times, default=None))
    return often(leaf, [(time, Decimal(1)) for time in times])


def _purchases(leaf: Leaf, part: Did, world: World) -> bool:
    about = leaf.subject or {}
    did = [
        (time, Decimal(repr(price)) * number if "currency" in about else Decimal(number))
        for product, currency, price, number, time, _properties in part.purchases
        if about.get("product", product) == product and about.get("currency", currency) == currency
    ]
    if leaf.filter.startswith("first"):
        return in_time(leaf.operator, leaf.value, min((time for time, _ in did), default=None))
    if leaf.filter.startswith("last"):
        return in_time(leaf.operator, leaf.value, max((time for time, _ in did), default=None))
    return often(leaf, did)


def _purchase_property(leaf: Leaf, part: Did, world: World) -> bool:
    assert leaf.subject
    did = [
        (time, Decimal(number))
        for product, _currency, _price, number, time, properties in part.purchases
        if product == leaf.subject["name"] and all(_fulfils(one, properties) for one in leaf.subject["where"])
    ]
    return often(leaf, did)


#: By filter: the event that counts, the one that is taken off, and whether it looks back 730 days only.
_ORDERS = {
    "last_order_placed": (ORDER_PLACED, "", True),
    "recent_orders_count": (ORDER_PLACED, ORDER_CANCELLED, True),
    "total_orders_count": (ORDER_PLACED, ORDER_CANCELLED, False),
    "recent_canceled_orders_count": (ORDER_CANCELLED, "", True),
    "recent_refund_value": (ORDER_REFUNDED, "", True),
    "total_refund_value": (ORDER_REFUNDED, "", False),
    "recent_revenue": (ORDER_PLACED, ORDER_REFUNDED, True),
    "total_revenue": (ORDER_PLACED, ORDER_REFUNDED, False),
    "average_order_value": (ORDER_PLACED, "", True),
}
_OF_CURRENCY = ["recent_refund_value", "total_refund_value", "recent_revenue", "total_revenue", "average_order_value"]


def _orders(leaf: Leaf, part: Did, world: World) -> bool:
    plus, minus, recent = _ORDERS[leaf.filter]
    currency = (leaf.subject or {}).get("currency")
    did = [
        (1 if event == plus else -1, time, Decimal(repr(value)))
        for event, paid_in, value, time in part.orders
        if event in (plus, minus) and currency in (None, paid_in) and (not recent or time >= _first_moment(730))
    ]
    if leaf.filter == "last_order_placed":
        return in_time(leaf.operator, leaf.value, max((time for _sign, time, _value in did), default=None))
    wanted = Decimal(repr(leaf.value))
    if leaf.filter == "average_order_value":
        return bool(did) and counts(leaf.operator, sum(value for *_, value in did) / len(did), wanted)
    return counts(leaf.operator, sum(sign * (value if currency else 1) for sign, _time, value in did), wanted)


def _median(leaf: Leaf, part: Did, world: World) -> bool:
    return bool(part.lengths) and counts(leaf.operator, median(part.lengths), leaf.value)


def _sessions(leaf: Leaf, part: Did, world: World) -> bool:
    return often(leaf, [(time, Decimal(1)) for time in part.sessions])


# --- Leaves ----------------------------------------------------------------------------------------------------------

_CONDITION_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "none": st.none(),
    "text": st.sampled_from(["jazz", "band", "5", "zz"]),
    "texts": st.lists(st.sampled_from(["jazz", "band", "5", "folk"]), min_size=1, max_size=2),
    "number": st.sampled_from(NUMBERS),
    "choice": st.sampled_from(["true", "false"]),
    "date": st.sampled_from(DATES),
    "days": st.sampled_from(DAYS),
}


@st.composite
def _conditions(draw: st.DrawFn) -> dict[str, Any]:
    type_ = draw(st.sampled_from(sorted(CONDITIONS)))
    operator = draw(st.sampled_from(CONDITIONS[type_]))
    value = draw(_CONDITION_VALUES[operator.value.widget])
    return {
        "property": draw(st.sampled_from(PATHS[type_])),
        "type": type_,
        "operator": operator.key,
        "value": value,
    }


def _where(least: int, names: Sequence[str] = EVENTS) -> st.SearchStrategy[Any]:
    name = {"name": st.sampled_from(names)}
    with_conditions = st.fixed_dictionaries({**name, "where": st.lists(_conditions(), min_size=1, max_size=3)})
    return with_conditions if least else st.fixed_dictionaries(name) | with_conditions


def values(operator: Operator, kind: str) -> st.SearchStrategy[Any] | None:
    """How often, how much, and in how many days."""
    if operator.value.widget == "times":
        return st.integers(0, 3)
    if operator.value.widget == "parts":
        names = [one.name for one in getattr(operator.value, "parts", ())]
        parts = {
            "count": st.integers(0, 3),
            "amount": st.sampled_from([0, 0.1, 0.2, 0.3, 5, 10]),
            "days": st.sampled_from([1, 2, 29, 30]),
        }
        return st.fixed_dictionaries({name: parts[name] for name in names})
    if operator.value.widget == "number":
        return st.sampled_from([0, 0.1, 0.3, 0.6, 5, 10])
    return None


_EVENT_FILTERS = [
    "custom_event",
    "first_did_custom_event",
    "last_did_custom_event",
    "custom_event_in_days",
    "custom_event_property_in_days",
]
_PRODUCT_FILTERS = [
    "purchased_product",
    "first_purchased_product",
    "last_purchased_product",
    "product_purchased_in_days",
]
_MONEY_FILTERS = ["money_spent", "money_spent_in_days"]
_PURCHASE_FILTERS = ["total_number_of_purchases", "purchases_in_days", "first_made_purchase", "last_made_purchase"]
_SESSION_FILTERS = ["session_count", "sessions_in_days"]


def _seconds(operator: Operator, kind: str) -> st.SearchStrategy[Any]:
    return st.sampled_from([0, 1, 2, 3, 4, 300])


FACET = Facet(
    key="behaviours",
    parts=each(_did),
    passes={
        **dict.fromkeys(_EVENT_FILTERS, _custom_event),
        **dict.fromkeys([*_PRODUCT_FILTERS, *_MONEY_FILTERS, *_PURCHASE_FILTERS], _purchases),
        **dict.fromkeys(_SESSION_FILTERS, _sessions),
        **dict.fromkeys(_ORDERS, _orders),
        "purchase_property_in_days": _purchase_property,
        "median_session_duration": _median,
    },
    prepare=_prepare,
    write=_write,
    subjects={
        **dict.fromkeys(_EVENT_FILTERS, lambda kind: st.fixed_dictionaries({"name": st.sampled_from(EVENTS)})),
        "custom_event": lambda kind: _where(0),
        "custom_event_property_in_days": lambda kind: _where(1),
        **dict.fromkeys(_PRODUCT_FILTERS, lambda kind: st.fixed_dictionaries({"product": st.sampled_from(PRODUCTS)})),
        "purchase_property_in_days": lambda kind: _where(1, PRODUCTS),
        **dict.fromkeys(
            [*_MONEY_FILTERS, *_OF_CURRENCY],
            lambda kind: st.fixed_dictionaries({"currency": st.sampled_from(CURRENCIES)}),
        ),
    },
    values={
        **dict.fromkeys(
            [*_EVENT_FILTERS, *_PRODUCT_FILTERS, *_MONEY_FILTERS, *_PURCHASE_FILTERS, *_SESSION_FILTERS, *_ORDERS],
            values,
        ),
        "purchase_property_in_days": values,
        "median_session_duration": _seconds,
    },
)
