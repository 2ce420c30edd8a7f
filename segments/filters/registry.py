"""The filters that there are. A new filter is a class and a line here; the builder, the checks and the tests follow."""

from collections.abc import Iterable
from functools import cache

from partners.registry import partners
from segments.filters.base import Filter
from segments.filters.cohorts import CohortFilter
from segments.filters.custom_attributes import CustomAttributes
from segments.filters.defaults import Country, EmailSubscription, ExternalUserId, Language, LastUsedApp


@cache
def _registry() -> dict[str, Filter]:
    found: list[Filter] = [
        *(CohortFilter(partner) for partner in partners()),
        CustomAttributes(),
        Country(),
        Language(),
        EmailSubscription(),
        LastUsedApp(),
        ExternalUserId(),
    ]
    return {one.key: one for one in found}


def filters() -> Iterable[Filter]:
    """All filters, in the order in which the builder lists them."""
    return _registry().values()


def filter_of(key: str) -> Filter | None:
    """The filter with that key, or None."""
    return _registry().get(key)
