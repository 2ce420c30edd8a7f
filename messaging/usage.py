"""Where campaigns and Canvases show up elsewhere: on home, and with the segments, cohorts and others that they use.

The floors below are told, so that archiving what they use can warn. And what uses them themselves: ``uses_of``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from messaging.editing import source_kind
from messaging.models import Campaign, Canvas, Engagement
from partners import usage as cohorts
from partners.models import Cohort
from profiles import groups
from profiles.message_stores import MessageSource
from profiles.models import SubscriptionGroup
from segments import where_used as segments
from segments.models import Segment
from segments.usage import APPS, GROUPS, SOURCES, Key, Naming, SourceId, named_by, names_cohort, segments_with
from segments.words import tree_of
from workspaces import usage
from workspaces.models import App, Workspace
from workspaces.usage import Use

KINDS: tuple[tuple[type[Engagement], str | Promise], ...] = ((Campaign, _("Campaign")), (Canvas, _("Canvas")))


def address_of(engagement: Engagement) -> str:
    """The page of a campaign or Canvas."""
    return reverse(f"admin:messaging_{engagement._meta.model_name}_change", args=[engagement.pk])


def last_edited(workspace: Workspace, limit: int) -> list[tuple[Use, Engagement]]:
    """The campaigns and Canvases, not archived, that were edited last: what each is, and the thing itself."""
    found = [
        (Use(kind, one.name, address_of(one)), one)
        for model, kind in KINDS
        for one in model._default_manager.filter(workspace=workspace, archived_at=None)
        .only("name", "edited_at")
        .order_by("-edited_at")[:limit]
    ]
    return sorted(found, key=lambda pair: pair[1].edited_at, reverse=True)[:limit]


@segments.register
def engagements_with(chosen: Sequence[Segment]) -> Iterator[tuple[int, Use]]:
    """Campaigns and Canvases, not archived, whose audience names one of the segments."""
    by_api_id = {one.api_id: one.pk for one in chosen}
    workspaces = {one.workspace_id for one in chosen}
    for model, kind in KINDS:
        found = model._default_manager.filter(
            workspace__in=workspaces, archived_at=None, segments_named__overlap=list(by_api_id)
        )
        for one in found.only("name", "segments_named").order_by("name"):
            for api_id in by_api_id.keys() & set(one.segments_named):
                yield by_api_id[api_id], Use(kind, one.name, address_of(one))


@cohorts.register
def engagements_using(cohort: Cohort) -> list[Use]:
    """Campaigns and Canvases, not archived, with a further filter that names ``cohort``."""
    return [
        Use(kind, one.name, address_of(one))
        for model, kind in KINDS
        for one in _with_filters(model, cohort.integration.workspace_id)
        if any(names_cohort(leaf, cohort) for leaf in tree_of(one.filters).leaves())
    ]


@groups.usage.register
def engagements_with_groups(found: Sequence[SubscriptionGroup]) -> Iterator[tuple[int, Use]]:
    """Campaigns and Canvases, not archived, with a further filter over one of these subscription groups."""
    return _engagements_with(found[0].workspace_id, {one.api_id: one.pk for one in found}, GROUPS)


@usage.apps.register
def engagements_with_apps(found: Sequence[App]) -> Iterator[tuple[int, Use]]:
    """Campaigns and Canvases, not archived, whose further filters name one of these apps."""
    return _engagements_with(found[0].workspace_id, {one.api_id: one.pk for one in found}, APPS)


def uses_of(found: Sequence[Engagement]) -> dict[int, list[Use]]:
    """By primary key, of some campaigns or some Canvases of one workspace: what has a filter over it or a part of it.

    These are segments, campaigns and Canvases that are not archived. One that names itself, such as a campaign for
    those who have not received it yet, is not its own use.
    """
    uses: dict[int, list[Use]] = {one.pk: [] for one in found}
    if found:
        own, workspace_id = _sources_of(found), found[0].workspace_id
        themselves = {(one.pk, address_of(one)) for one in found}
        for pk, use in (*segments_with(workspace_id, own, SOURCES), *_engagements_with(workspace_id, own, SOURCES)):
            if (pk, use.address) not in themselves:
                uses[pk].append(use)
    return uses


def _sources_of(found: Sequence[Engagement]) -> dict[SourceId, int]:
    """By what filters name: the primary key of the one that it is, or is a part of."""
    kind = source_kind(found[0]).value
    own = {str(one.api_id): one.pk for one in found}
    parts = MessageSource.objects.filter(
        parent__workspace=found[0].workspace_id, parent__kind=kind, parent__source_id__in=own
    )
    named = {
        (part, source_id): own[of]
        for part, source_id, of in parts.values_list("kind", "source_id", "parent__source_id")
    }
    return {**named, **{(kind, api_id): pk for api_id, pk in own.items()}}


def _engagements_with(workspace_id: int, own: Mapping[Key, int], naming: Naming[Key]) -> Iterator[tuple[int, Use]]:
    for model, kind in KINDS:
        mine = model._default_manager.filter(workspace=workspace_id, archived_at=None)
        for pk, one in named_by(mine, own, naming):
            yield pk, Use(kind, one.name, address_of(one))


def _with_filters(model: type[Engagement], workspace_id: int) -> Iterable[Engagement]:
    mine = model._default_manager.filter(workspace=workspace_id, archived_at=None)
    return mine.only("name", "filters").order_by("name")
