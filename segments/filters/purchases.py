"""Purchases: what, how often, when and for how much. Braze: segmentation filters, purchase behavior.

Money is added up by currency: amounts in other currencies than the one that a filter is about do not count.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from babel import Locale, UnknownLocaleError
from babel.numbers import list_currencies
from django.db import connection
from django.utils.translation import get_language
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from profiles.behaviours import PURCHASE
from profiles.occurrences import PROPERTY_DAYS, purchase_properties
from profiles.sets import ProfileSet
from profiles.stores import DailyCount, Product
from segments.filters import properties
from segments.filters.base import Context, Filter, Leaf, Operator, Option, UnusableError
from segments.filters.behaviours import (
    DailyCounts,
    FirstTime,
    LastTime,
    Often,
    about,
    as_options,
    grouped,
    names_like,
)
from segments.filters.behaviours import unknown_names as unknown
from segments.filters.events import LOOKED_AT, OccurrenceWhere, name_of, property_options, since_day, where_of
from segments.filters.quantities import (
    DAYS_HINT,
    Amount,
    Quantity,
    Times,
    amount_in_days,
    comparisons,
    having,
    times_in_days,
)
from segments.filters.sessions import MomentOfApp
from segments.filters.subjects import About, OneOf, Subject

GROUP: Final = _("Purchase Behavior")
_SEARCH: Final = _("Search for a product")
_CHOOSE: Final = _("Choose a product.")


class PurchaseFilter(DailyCounts):
    """Over all purchases."""

    group = GROUP
    kind = DailyCount.Kind.PURCHASE


class ProductFilter(PurchaseFilter):
    """Over the purchases of one product."""

    member = "product"
    subject: Subject | None = OneOf(member="product", label=_("Search for a product"), missing=_("Choose a product."))

    def search_subjects(
        self, workspace_id: int, query: str, limit: int, member: str = "", subject: About | None = None
    ) -> list[Option]:
        """The products that somebody bought."""
        return as_options(names_like(Product.objects.filter(workspace=workspace_id), query, limit))

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        message = _now("No user has ever purchased the product “%(name)s”. Choose another one or remove the filter.")
        return unknown(Product, workspace_id, leaves, self.member, message, PURCHASE)


class PurchasedProduct(ProductFilter, Often):
    key = "purchased_product"
    name = _("Purchased Product")
    operators = (
        Operator("purchased", _("was purchased")),
        Operator("not_purchased", _("was not purchased"), negates="purchased"),
        *comparisons(Times()),
    )

    def total(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return ("true", []) if leaf.operator == "purchased" else super().total(leaf, context)


class FirstPurchasedProduct(ProductFilter, FirstTime):
    key = "first_purchased_product"
    name = _("First Purchased Product")


class LastPurchasedProduct(ProductFilter, LastTime):
    key = "last_purchased_product"
    name = _("Last Purchased Product")


class ProductPurchasedInDays(ProductFilter, Often):
    key = "product_purchased_in_days"
    name = _("X Product Purchased In Y Days")
    operators = comparisons(times_in_days(), DAYS_HINT)


class PurchasePropertyInDays(ProductFilter, Often):
    """How often somebody bought a product, with properties that fulfil conditions."""

    key = "purchase_property_in_days"
    name = _("X Purchase Property In Y Days")
    member = "name"
    subject = OccurrenceWhere(_SEARCH, _CHOOSE, needs_conditions=True)
    operators = comparisons(times_in_days(PROPERTY_DAYS), DAYS_HINT)

    def _find_one(self, leaf: Leaf, context: Context) -> ProfileSet:
        said, params = properties.all_conditions(where_of(leaf), context)
        where = f"workspace_id = %s AND product = %s AND time BETWEEN %s AND %s AND {said}"
        since = since_day(leaf.value["days"], context)
        given = [context.workspace_id, about(leaf, "name"), since, context.now, *params]
        return grouped("profiles_keptpurchase", where, given, *having(leaf, "sum(count)"))

    def search_subjects(
        self, workspace_id: int, query: str, limit: int, member: str = "", subject: About | None = None
    ) -> list[Option]:
        """Products; for the member ``property``, properties of the purchases of the chosen one."""
        if member != "property":
            return super().search_subjects(workspace_id, query, limit, member, subject)
        return property_options(purchase_properties(workspace_id, name_of(subject), newest=LOOKED_AT), query, limit)


class TotalNumberOfPurchases(PurchaseFilter, Often):
    key = "total_number_of_purchases"
    name = _("Total Number of Purchases")
    operators = comparisons(Times())


class PurchasesInDays(PurchaseFilter, Often):
    key = "purchases_in_days"
    name = _("X Purchases in Last Y Days")
    operators = comparisons(times_in_days(), DAYS_HINT)


class FirstMadePurchase(PurchaseFilter, FirstTime):
    key = "first_made_purchase"
    name = _("First Made Purchase")


class LastMadePurchase(PurchaseFilter, LastTime):
    key = "last_made_purchase"
    name = _("Last Made Purchase")


class CurrencyFilter(Filter):
    """About money in one currency."""

    subject: Subject | None = OneOf(
        member="currency", label=_("Search for a currency"), missing=_("Choose a currency.")
    )
    #: The kind of counts that tell which currencies are in use.
    kind: DailyCount.Kind

    def search_subjects(
        self, workspace_id: int, query: str, limit: int, member: str = "", subject: About | None = None
    ) -> list[Option]:
        """Currencies, those of purchases first."""
        names = _currency_names()
        codes = dict.fromkeys([*self._in_use(workspace_id), *sorted(names, key=lambda code: names[code])])
        wanted = query.casefold().strip()
        found = (Option(code, names.get(code, code), code) for code in codes)
        return [one for one in found if wanted in one.label.casefold() or wanted in one.value.casefold()][:limit]

    def subject_labels(self, workspace_id: int, names: Collection[str]) -> dict[str, str]:
        known = _currency_names()
        return {code: known[code] for code in names if code in known}

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        known = list_currencies()
        message = _now("“%(name)s” is no currency. Choose another one or remove the filter.")
        return {
            leaf.id: UnusableError(message % {"name": about(leaf, "currency")})
            for leaf in leaves
            if about(leaf, "currency") not in known
        }

    def _in_use(self, workspace_id: int) -> list[str]:
        # Some of the purchases tell what most are paid in; the other currencies can be chosen, too.
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT DISTINCT currency FROM (
                    SELECT currency FROM profiles_dailycount
                    WHERE workspace_id = %s AND kind = %s AND currency <> '' LIMIT 10000) found ORDER BY 1
                """,
                [workspace_id, str(self.kind)],
            )
            return [code for (code,) in cursor.fetchall()]


class MoneyFilter(Quantity, CurrencyFilter, PurchaseFilter):
    """How much somebody spent in one currency."""

    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        where, params = super().rows(leaf, context)
        return f"{where} AND currency = %s", [*params, about(leaf, "currency")]

    def total(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return having(leaf, "sum(money)")


def _currency_names() -> dict[str, str]:
    try:
        locale = Locale.parse(get_language() or "en", sep="-")
    except (ValueError, UnknownLocaleError):
        locale = Locale.parse("en")
    known = list_currencies()
    return {code: str(name) for code, name in locale.currencies.items() if code in known}


class MoneySpent(MoneyFilter):
    key = "money_spent"
    name = _("Money Spent")
    operators = comparisons(Amount(), _("Amounts in other currencies are not converted: they do not count."))


class MoneySpentInDays(MoneyFilter):
    key = "money_spent_in_days"
    name = _("X Money Spent in Y Days")
    operators = comparisons(amount_in_days(), DAYS_HINT)


FILTERS: Final[tuple[Filter, ...]] = (
    PurchasedProduct(),
    FirstPurchasedProduct(),
    LastPurchasedProduct(),
    ProductPurchasedInDays(),
    TotalNumberOfPurchases(),
    PurchasesInDays(),
    PurchasePropertyInDays(),
    FirstMadePurchase(),
    MomentOfApp("first_purchase_for_app", _("First Purchase For App"), GROUP, "first_purchased_at"),
    LastMadePurchase(),
    MoneySpent(),
    MoneySpentInDays(),
)
