"""Orders: what Braze's eCommerce recommended events tell of money. They are custom events of these names.

Braze: recommended events, eCommerce: ``total_value`` in ``currency``.
"""

from collections.abc import Mapping
from typing import Any, Final

ORDER_PLACED: Final = "ecommerce.order_placed"
ORDER_CANCELLED: Final = "ecommerce.order_cancelled"
ORDER_REFUNDED: Final = "ecommerce.order_refunded"
_ORDERS: Final = frozenset({ORDER_PLACED, ORDER_CANCELLED, ORDER_REFUNDED})


def value_of_order(event: str, properties: Mapping[str, Any]) -> tuple[str, float]:
    """(currency, value) of an order that a custom event tells of; ("", 0.0) for other events and what is no amount."""
    currency, value = properties.get("currency"), properties.get("total_value")
    if event not in _ORDERS or not isinstance(currency, str) or len(currency) != 3:
        return "", 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "", 0.0
    return currency.upper(), float(value)
