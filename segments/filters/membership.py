"""Segment Membership: who is in another segment. Braze: segmentation filters, segment membership.

A segment is made from the sets of its own filters, so its set is always as new as they are. Segments that contain each
other, or are nested too deep, are refused when they are saved (``segments.nesting``); what has come about all the same
has no set and says so.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Case, IntegerField, Value, When
from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from profiles.models import Profile
from profiles.sets import ProfileSet
from profiles.versions import Kind
from segments.filters.api_ids import by_api_id
from segments.filters.base import Context, Filter, Leaf, Operator, Option, UnusableError
from segments.filters.facts import Fact
from segments.filters.values import Several
from segments.models import Segment
from workspaces.models import Workspace
from workspaces.roles import Action

#: So many segments can be inside each other.
MAX_DEPTH: Final = 5


class SegmentMembership(Filter):
    """A leaf names segments by their ids; it is their union."""

    key = "segment_membership"
    name = _("Segment Membership")
    group = _("Segment or CSV Membership")
    depends_on = frozenset({Kind.SEGMENTS})
    operators = (
        Operator("includes", _("includes"), Several(search=True)),
        Operator("does_not_include", _("does not include"), Several(search=True), negates="includes"),
    )

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        known = _segments(context.workspace_id, (one for leaf in leaves for one in leaf.value))
        workspace = Workspace.objects.get(pk=context.workspace_id)
        sets = {one: _users(one, known.get(one), workspace, context) for leaf in leaves for one in leaf.value}
        return [_union([sets[one] for one in leaf.value]) for leaf in leaves]

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        known = _segments(context.workspace_id, (one for leaf in leaves for one in leaf.value))
        workspace = Workspace.objects.get(pk=context.workspace_id)
        found = {one: _fact(one, segment, workspace, profile, context) for one, segment in known.items()}
        return {leaf.id: [found[one] for one in leaf.value if one in found] for leaf in leaves}

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        known = _segments(workspace_id, (one for leaf in leaves for one in leaf.value))
        faults = {leaf.id: [why for one in leaf.value if (why := _fault(one, known.get(one)))] for leaf in leaves}
        return {leaf_id: found[0] for leaf_id, found in faults.items() if found}

    def search(self, workspace_id: int, query: str, limit: int, subject: Any = None) -> list[Option]:
        wanted = query.strip()
        order = Case(When(name__istartswith=wanted, then=0), default=Value(1), output_field=IntegerField())
        rows = Segment.objects.filter(workspace=workspace_id, archived_at=None, name__icontains=wanted)
        found = rows.order_by(order, "name", "pk").values_list("api_id", "name", "size")[:limit]
        return [Option(str(api_id), name, _size(size)) for api_id, name, size in found]

    def labels(self, workspace_id: int, values: Collection[str]) -> dict[str, str]:
        return {given: one.name for given, one in _segments(workspace_id, values).items()}


def _segments(workspace_id: int, api_ids: Iterable[str]) -> dict[str, Segment]:
    """The segments with these ids, by the id as it was given. One query."""
    rows = Segment.objects.filter(workspace=workspace_id).only("api_id", "name", "filters", "archived_at")
    return by_api_id(rows, api_ids)


def _fault(api_id: str, segment: Segment | None) -> UnusableError | None:
    if segment is None:
        message = _now("The segment with the id “%(id)s” does not exist. Choose another one or remove it.")
        return UnusableError(message % {"id": api_id})
    if segment.archived_at:
        message = _now("The segment “%(name)s” is archived. Choose another one or remove it.")
        return UnusableError(message % {"name": segment.name})
    return None


def _users(api_id: str, segment: Segment | None, workspace: Workspace, context: Context) -> ProfileSet | UnusableError:
    """The users of one segment, inside those that are being evaluated."""
    # The engine knows all filters, this one too.
    from segments.engine import evaluate
    from segments.tree import TreeError, parse

    if fault := _fault(api_id, segment):
        return fault
    assert segment is not None  # noqa: S101
    if (own := str(segment.api_id)) in context.within:
        message = _now("The segment “%(name)s” contains itself. Remove its filter over segments.")
        return UnusableError(message % {"name": segment.name})
    # One more than segments: what they are inside of may be a campaign's audience.
    if len(context.within) > MAX_DEPTH:
        message = _now("Segments can be inside each other %(most)s deep, and “%(name)s” lies deeper.")
        return UnusableError(message % {"most": MAX_DEPTH, "name": segment.name})
    try:
        tree = parse(segment.filters)
        found = evaluate(tree, workspace, now=context.now, within=(*context.within, own), fresh=context.fresh)
        context.moments.append(found.moment)
        context.waiting.append(found.waiting - found.uncounted)
        context.uncounted.append(found.uncounted)
        return found.users
    except TreeError as broken:
        message = _now("Correct the segment “%(name)s” first. %(problem)s")
        return UnusableError(message % {"name": segment.name, "problem": broken.problems[0]})


def _fact(api_id: str, segment: Segment, workspace: Workspace, profile: Profile, context: Context) -> Fact:
    users = _users(api_id, segment, workspace, context)
    if isinstance(users, UnusableError):
        return Fact(str(users.message))
    said = _now("In “%(name)s”.") if profile.pk in users else _now("Not in “%(name)s”.")
    address = reverse("admin:segments_segment_change", args=[segment.pk])
    return Fact(said % {"name": segment.name}, address, Action.VIEW_SEGMENTS)


def _union(sets: Sequence[ProfileSet | UnusableError]) -> ProfileSet | UnusableError:
    broken = next((one for one in sets if isinstance(one, UnusableError)), None)
    return broken or ProfileSet.union(one for one in sets if isinstance(one, ProfileSet))


def _size(count: int | None) -> str:
    return "" if count is None else ngettext("%(count)s user", "%(count)s users", count) % {"count": intcomma(count)}


FILTERS: Final = (SegmentMembership(),)
