"""Which segments use a cohort, a subscription group, an app, a campaign or a Canvas, so that archiving it can warn.

The floors below are told; those above ask (``segments_with``).
"""

import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from partners.models import Cohort
from partners.usage import register
from profiles import groups
from profiles.message_stores import MessageSource
from profiles.models import SubscriptionGroup
from segments.filters.base import Leaf
from segments.filters.cohorts import key_of
from segments.filters.messages import SourceFilter
from segments.filters.registry import filter_of
from segments.filters.sources import OneSource
from segments.filters.subscriptions import SubscriptionGroupFilter
from segments.models import Edited, Segment
from segments.tree import Tree
from segments.words import tree_of
from workspaces import usage
from workspaces.models import App
from workspaces.usage import Use

Ids = set[uuid.UUID]
Key = TypeVar("Key", bound=Hashable)
Kind = TypeVar("Kind", bound=Edited)
#: A campaign, a Canvas or a part of one: its kind (``MessageSource.Kind``) and its id.
SourceId = tuple[str, str]


@dataclass(frozen=True)
class Naming(Generic[Key]):
    """How trees name things of one kind: ``told`` is a condition on the ``text`` of a stored tree that names one."""

    told: Q
    keys_in: Callable[[Tree], set[Key]]


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
    return segments_with(found[0].workspace_id, {one.api_id: one.pk for one in found}, GROUPS)


@usage.apps.register
def segments_with_apps(found: Sequence[App]) -> Iterator[tuple[int, Use]]:
    """The segments, not archived, for users of one of these apps, or with a filter over one."""
    return segments_with(found[0].workspace_id, {one.api_id: one.pk for one in found}, APPS)


def _groups_in(tree: Tree) -> Ids:
    key = SubscriptionGroupFilter.key
    return _ids((leaf.subject or {}).get("id") for leaf in tree.leaves() if leaf.filter == key)


def _apps_in(tree: Tree) -> Ids:
    return _ids([*(tree.apps or ()), *((leaf.subject or {}).get("app") for leaf in tree.leaves())])


def _ids(found: Iterable[Any]) -> Ids:
    ids = set()
    for one in found:
        try:
            ids.add(uuid.UUID(one))
        except (ValueError, AttributeError, TypeError):
            continue
    return ids


def _sources_in(tree: Tree) -> set[SourceId]:
    found = set()
    for leaf in tree.leaves():
        one = filter_of(leaf.filter)
        if isinstance(one, SourceFilter) and isinstance(one.scope, OneSource):
            found.add((one.scope.kind.value, str((leaf.subject or {}).get(one.scope.member, ""))))
    return found


#: How trees name subscription groups, apps, and campaigns, Canvases and parts of them.
GROUPS: Final = Naming(Q(text__contains=f'"{SubscriptionGroupFilter.key}"'), _groups_in)
APPS: Final = Naming(Q(text__contains='"app": "') | Q(text__contains='"apps": ["'), _apps_in)
SOURCES: Final = Naming(Q(text__regex=rf'"subject": \{{"({"|".join(MessageSource.Kind.values)})": '), _sources_in)


def named_by(rows: QuerySet[Kind], own: Mapping[Key, int], naming: Naming[Key]) -> Iterator[tuple[int, Kind]]:
    """Of ``rows``, by name, those with filters that name one of ``own``: with what is kept there for it. One query."""
    found = rows.annotate(text=Cast("filters", TextField())).filter(naming.told)
    for one in found.only("name", "filters").order_by("name"):
        for pk in {own[key] for key in naming.keys_in(tree_of(one.filters)) & own.keys()}:
            yield pk, one


def segments_with(workspace_id: int, own: Mapping[Key, int], naming: Naming[Key]) -> Iterator[tuple[int, Use]]:
    """The segments, not archived, that name one of ``own``: with what is kept there for it. One query."""
    mine = Segment.objects.filter(workspace=workspace_id, archived_at=None)
    return ((pk, _use(segment)) for pk, segment in named_by(mine, own, naming))


def _use(segment: Segment) -> Use:
    return Use(_("Segment"), segment.name, reverse("admin:segments_segment_change", args=[segment.pk]))
