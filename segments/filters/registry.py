"""The filters that there are. A new filter is a class and a line here; the builder, the checks and the tests follow.

Beside them a workspace has a filter for each partner that it has named itself.
"""

import re
from collections.abc import Collection, Iterable
from functools import cache

from partners.models import Integration
from partners.registry import custom_partner, partners
from segments.filters import (
    any_message,
    app_use,
    attribution,
    demographics,
    devices,
    events,
    identity,
    imports,
    kept_fields,
    membership,
    messages,
    orders,
    purchases,
    sessions,
    subscriptions,
    user_lists,
)
from segments.filters.base import Filter, Text
from segments.filters.cohorts import CUSTOM_KEY, CohortFilter
from segments.filters.custom_attributes import CustomAttributes
from segments.filters.days_of_year import RecurringEvent
from segments.filters.nested import NestedCustomAttributes


@cache
def _registry() -> dict[str, Filter]:
    found: list[Filter] = [
        *(CohortFilter(partner) for partner in partners()),
        CustomAttributes(),
        NestedCustomAttributes(),
        RecurringEvent(),
        *demographics.FILTERS,
        *events.FILTERS,
        *purchases.FILTERS,
        *orders.FILTERS,
        *app_use.FILTERS,
        *sessions.FILTERS,
        *devices.FILTERS,
        *messages.FILTERS,
        *any_message.FILTERS,
        *subscriptions.FILTERS,
        *membership.FILTERS,
        *user_lists.FILTERS,
        *imports.FILTERS,
        *attribution.FILTERS,
        *kept_fields.FILTERS,
        *identity.FILTERS,
    ]
    return {one.key: one for one in found}


def filters() -> Iterable[Filter]:
    """All filters that every workspace has, in the order in which the builder lists them."""
    return _registry().values()


def filters_in(workspace_id: int) -> list[Filter]:
    """All filters of a workspace: those over its own partners stand behind the other partners."""
    shared = list(filters())
    first = next(place for place, one in enumerate(shared) if not isinstance(one, CohortFilter))
    return [*shared[:first], *_custom_filters(workspace_id), *shared[first:]]


def filter_of(key: str) -> Filter | None:
    """The filter with that key, or None. For a partner that a workspace has named itself, it is named by the slug."""
    found = _registry().get(key)
    if found is None and re.fullmatch(CUSTOM_KEY, key):
        slug = key.rpartition("_")[0]
        return CohortFilter(custom_partner(slug, slug))
    return found


def names_in(workspace_id: int, keys: Collection[str]) -> dict[str, Text]:
    """How the filters with these keys are called in a workspace. A query, only if one is its own partner's."""
    found = {key: one.name for key in keys if (one := filter_of(key))}
    if any(key not in _registry() for key in found):
        found |= {one.key: one.name for one in _custom_filters(workspace_id) if one.key in found}
    return found


def _custom_filters(workspace_id: int) -> list[CohortFilter]:
    own = Integration.objects.filter(workspace=workspace_id).exclude(custom_name="").order_by("custom_name", "pk")
    return [CohortFilter(one.partner) for one in own]
