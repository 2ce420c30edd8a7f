"""Tells the floors below which segments use a cohort, a subscription group or an app, so that archiving it can warn."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from partners.models import Cohort
from partners.usage import register
from profiles import groups
from profiles.models import SubscriptionGroup
from segments.filters.base import Leaf
from segments.filters.cohorts import key_of
from segments.filters.subscriptions import SubscriptionGroupFilter
from segments.models import Segment
from segments.tree import Tree
from segments.words import tree_of
from workspaces import usage
from workspaces.models import App
from workspaces.usage import Use

Ids = set[uuid.UUID]
#: What the text of a stored tree holds where it names a subscription group, or an app.
NAMES_GROUP = Q(text__contains=f'"{SubscriptionGroupFilter.key}"')
NAMES_APP = Q(text__contains='"app": "') | Q(text__contains='"apps": ["')


@register
def segments_using(cohort: Cohort) -> list[Use]:
    """The segments, not archived, with a filter that names ``cohort``."""
    segments = Segment.objects.filter(workspace=cohort.integration.workspace_id, archived_at=None).order_by("name")
    return [
        _use(segment)
        for segment in segments.only("name", "filters")
        if any(names_cohort(leaf, cohort) for leaf in tree_of(segment.filters).leaves())
    ]


def names_cohort(leaf: Leaf, cohort: Cohort) -> bool:
    """Whether a filter names ``cohort``."""
    named = leaf.value if isinstance(leaf.value, list) else []
    return leaf.filter == key_of(cohort.integration.partner_slug) and cohort.cohort_id in named


@groups.usage.register
def segments_with_groups(found: Sequence[SubscriptionGroup]) -> Iterator[tuple[int, Use]]:
    """The segments, not archived, with a filter over one of these subscription groups."""
    return _segments_with({one.api_id: one.pk for one in found}, found[0].workspace_id, NAMES_GROUP, groups_in)


@usage.apps.register
def segments_with_apps(found: Sequence[App]) -> Iterator[tuple[int, Use]]:
    """The segments, not archived, for users of one of these apps, or with a filter over one."""
    return _segments_with({one.api_id: one.pk for one in found}, found[0].workspace_id, NAMES_APP, apps_in)


def groups_in(tree: Tree) -> Ids:
    """The subscription groups that ``tree`` names."""
    key = SubscriptionGroupFilter.key
    return _ids((leaf.subject or {}).get("id") for leaf in tree.leaves() if leaf.filter == key)


def apps_in(tree: Tree) -> Ids:
    """The apps that ``tree`` names."""
    return _ids([*(tree.apps or ()), *((leaf.subject or {}).get("app") for leaf in tree.leaves())])


def _ids(found: Iterable[Any]) -> Ids:
    ids = set()
    for one in found:
        try:
            ids.add(uuid.UUID(one))
        except (ValueError, AttributeError, TypeError):
            continue
    return ids


def _segments_with(
    own: dict[uuid.UUID, int], workspace_id: int, named: Q, ids_in: Callable[[Tree], Ids]
) -> Iterator[tuple[int, Use]]:
    rows = Segment.objects.filter(workspace=workspace_id, archived_at=None)
    found = rows.annotate(text=Cast("filters", TextField())).filter(named)
    for segment in found.only("name", "filters").order_by("name"):
        for api_id in ids_in(tree_of(segment.filters)) & own.keys():
            yield own[api_id], _use(segment)


def _use(segment: Segment) -> Use:
    return Use(_("Segment"), segment.name, reverse("admin:segments_segment_change", args=[segment.pk]))
