"""eCommerce: orders, refunds and what they were worth, from the recommended events (``profiles.orders``).

Braze: segmentation filters, eCommerce. An order that was cancelled is not counted; money is in one currency, as money
of purchases is.
"""

from abc import abstractmethod
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from profiles.behaviours import CUSTOM_EVENT
from profiles.models import CustomEvent, Profile
from profiles.orders import ORDER_CANCELLED, ORDER_PLACED, ORDER_REFUNDED
from profiles.reading import arriving
from profiles.sets import ProfileSet
from profiles.stores import DailyCount
from profiles.versions import Kind
from segments.filters import dates
from segments.filters.base import Context, Filter, Leaf, Text, UnusableError
from segments.filters.behaviours import about, grouped, of_user
from segments.filters.facts import Fact, value_fact
from segments.filters.purchases import CurrencyFilter
from segments.filters.quantities import Amount, Quantity, Times, comparisons, first_day, having, today

GROUP: Final = _("eCommerce")
#: How far back filters with "last 730 days" in their names look.
_DAYS: Final = 730


class Orders(Filter):
    """A condition on the counts of ``events`` (names), all or those of the last 730 days."""

    group = GROUP
    depends_on = frozenset({Kind.COUNTERS})
    kind = DailyCount.Kind.EVENT

    def __init__(self, key: str, name: Text, *events: str, recent: bool = True) -> None:
        self.key, self.name, self.events, self.recent = key, name, events, recent

    @abstractmethod
    def measure(self) -> str:
        """The SQL expression over a user's rows together that is compared."""

    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        """The SQL condition on the daily counts, and its parameters."""
        where = "workspace_id = %s AND kind = %s AND name = ANY(%s)"
        params: list[Any] = [context.workspace_id, self.kind.value, list(self.events)]
        if self.recent:
            where, params = f"{where} AND day BETWEEN %s AND %s", [*params, first_day(_DAYS, context), today(context)]
        return where, params

    def total(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        """The SQL condition on a user's rows together."""
        return having(leaf, self.measure())

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        broken = self.unusable(context.workspace_id, leaves)
        return [broken.get(leaf.id) or self._find_one(leaf, context) for leaf in leaves]

    def _find_one(self, leaf: Leaf, context: Context) -> ProfileSet:
        return grouped("profiles_dailycount", *self.rows(leaf, context), *self.total(leaf, context))

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        return {leaf.id: [self._fact(leaf, profile, context)] for leaf in leaves}

    def _fact(self, leaf: Leaf, profile: Profile, context: Context) -> Fact:
        where, params = self.rows(leaf, context)
        [found] = of_user("profiles_dailycount", self.measure(), where, params, profile)
        return value_fact(found, f"{found.normalize():f}" if isinstance(found, Decimal) else "")

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        """A workspace without these events has no data for the filter: then nobody has ordered nothing."""
        wanted = set(self.events[:1])
        known = CustomEvent.objects.filter(workspace=workspace_id, name__in=wanted).exists()
        if known or arriving(workspace_id, CUSTOM_EVENT, wanted):
            return {}
        message = _now(
            "No user has ever performed the custom event “%(name)s”, which this filter is made of. Have it sent, or"
            " remove the filter."
        )
        return {leaf.id: UnusableError(message % {"name": self.events[0]}) for leaf in leaves}

    def net(self, column: str) -> str:
        """The SQL sum of ``column``: the first of the events counts, the others are taken off."""
        return f"sum(CASE name WHEN '{self.events[0]}' THEN {column} ELSE -{column} END)"


class OrderCount(Quantity, Orders):
    """How many orders."""

    operators = comparisons(Times())

    def measure(self) -> str:
        return self.net("count")


class OfCurrency(CurrencyFilter, Orders):
    """What orders were worth in one currency."""

    operators = comparisons(Amount(), _("Amounts in other currencies are not converted: they do not count."))

    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        where, params = super().rows(leaf, context)
        return f"{where} AND currency = %s", [*params, about(leaf, "currency")]

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        return Orders.unusable(self, workspace_id, leaves) | CurrencyFilter.unusable(self, workspace_id, leaves)


class OrderMoney(Quantity, OfCurrency):
    """How much in all."""

    def measure(self) -> str:
        return self.net("money")


class AverageOrder(OfCurrency):
    """How much an order was on average. Who placed none matches no comparison."""

    def measure(self) -> str:
        return "sum(money) / sum(count)"


class LastOrder(Orders):
    """When the last order was placed."""

    operators = dates.PAST

    def measure(self) -> str:
        return "max(last_at)"

    def total(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return dates.time_condition(leaf, context, self.measure())


FILTERS: Final[tuple[Orders, ...]] = (
    LastOrder("last_order_placed", _("Last order placed (last 730 days)"), ORDER_PLACED),
    OrderCount("recent_orders_count", _("Total orders count (last 730 days)"), ORDER_PLACED, ORDER_CANCELLED),
    OrderCount("total_orders_count", _("Total orders count"), ORDER_PLACED, ORDER_CANCELLED, recent=False),
    OrderCount("recent_canceled_orders_count", _("Total canceled orders count (last 730 days)"), ORDER_CANCELLED),
    OrderMoney("recent_refund_value", _("Total refund value (last 730 days)"), ORDER_REFUNDED),
    OrderMoney("total_refund_value", _("Total refund value"), ORDER_REFUNDED, recent=False),
    OrderMoney("recent_revenue", _("Total revenue (last 730 days)"), ORDER_PLACED, ORDER_REFUNDED),
    OrderMoney("total_revenue", _("Total revenue"), ORDER_PLACED, ORDER_REFUNDED, recent=False),
    AverageOrder("average_order_value", _("Average order value (last 730 days)"), ORDER_PLACED),
)
