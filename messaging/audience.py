"""Whom a campaign or a Canvas is for. Braze: targeting users.

An audience is the users in all of the segments that are included, in none of those that are excluded, who pass further
filters; without any of it, everybody. It is evaluated as one filter tree in that order, so all that holds for segments
(exact counts after every step, what is said of something archived or gone) holds here.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from messaging.models import Engagement
from segments import funnels
from segments.engine import broken_references
from segments.filters.base import Leaf, Option
from segments.filters.membership import SegmentMembership
from segments.models import Segment
from segments.nesting import named_in
from segments.tree import Problem, Row, Tree, TreeError, read
from segments.words import tree_of
from workspaces.models import Workspace

MAX_SEGMENTS: Final = 50
SEARCH_LIMIT: Final = 50


@dataclass(frozen=True)
class Audience:
    """Segments by their api ids, and further filters, whose form is right."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    tree: Tree = field(default_factory=Tree)

    def to_json(self) -> dict[str, Any]:
        return {"include": list(self.include), "exclude": list(self.exclude), "filters": self.tree.to_json()}

    def segments(self) -> list[str]:
        """Every segment that the audience names, chosen or in a filter."""
        return sorted({*self.include, *self.exclude, *named_in(self.tree)})

    def as_tree(self) -> Tree:
        """The audience as one tree; the rows of chosen segments have ids that no row of a person's has."""
        chosen = [_row("include", "includes", one) for one in self.include]
        left_out = [_row("exclude", "does_not_include", one) for one in self.exclude]
        return _AudienceTree(self.tree.apps, (*chosen, *left_out, *self.tree.rows), self.tree.exclude, self.tree)


@dataclass(frozen=True)
class _AudienceTree(Tree):
    """The tree of an audience; ``own`` are its further filters, which people count from 1."""

    own: Tree = field(default_factory=Tree)

    def place_of(self, leaf_id: str) -> str:
        """Where it stands on the page: among the segments of a side, or in a row of the further filters."""
        side, colon, _rest = leaf_id.partition(":")
        if not colon:
            return self.own.place_of(leaf_id)
        return _("Target Segments") if side == "include" else _("Excluded Segments")


def _row(side: str, operator: str, api_id: str) -> Row:
    place = f"{side}:{api_id}"
    return Row(place, (Leaf(f"{place}:", SegmentMembership.key, operator, [api_id]),))


def audience_of(engagement: Engagement) -> Audience:
    """The audience that is stored."""
    include, exclude = ([str(one) for one in ids] for ids in (engagement.include, engagement.exclude))
    return Audience(tuple(include), tuple(exclude), tree_of(engagement.filters))


def read_audience(data: dict[str, Any]) -> tuple[Audience, list[Problem]]:
    """The audience in ``data`` (``include``, ``exclude``, ``filters``), with what is wrong or missing in its filters.

    Raises TreeError when something has not the right form.
    """
    include = _api_ids(data.get("include", []), _("Target Segments"))
    exclude = _api_ids(data.get("exclude", []), _("Excluded Segments"))
    tree, problems = read(data.get("filters"))
    return Audience(include, exclude, tree), problems


def _api_ids(data: Any, place: str) -> tuple[str, ...]:
    if not isinstance(data, list) or len(data) > MAX_SEGMENTS:
        message = _("Give a list of at most %(most)s segment ids.") % {"most": MAX_SEGMENTS}
        raise TreeError([Problem(place, message)])
    try:
        return tuple(dict.fromkeys(str(uuid.UUID(one)) for one in data))
    except (ValueError, AttributeError, TypeError):
        raise TreeError([Problem(place, _("A segment id is not valid."))]) from None


def parse_audience(data: dict[str, Any], before: Audience, workspace_id: int) -> Audience:
    """The audience in ``data``, complete and right. Raises TreeError, naming all faults.

    What points to something gone or archived is refused, unless it stands in ``before`` already: one can still edit a
    message whose segment has been archived.
    """
    audience, problems = read_audience(data)
    if problems:
        raise TreeError(problems)
    kept = {leaf.question() for leaf in before.as_tree().leaves()}
    whole = audience.as_tree()
    new = {leaf.id for leaf in whole.leaves() if leaf.question() not in kept}
    if broken := [one for one in broken_references(whole, workspace_id) if one.leaf_id in new]:
        raise TreeError(broken)
    return audience


def statistics(workspace: Workspace, data: dict[str, Any]) -> dict[str, Any]:
    """The numbers of an audience that is being edited, always by channel: see ``segments.funnels.funnel``."""
    wanted = {name: data.get(name) is True for name in ("fresh", "quick")}
    try:
        audience, problems = read_audience(data)
    except TreeError as error:
        return funnels.no_statistics(error)
    return funnels.funnel(workspace, audience.as_tree(), problems, channels=True, **wanted)


def search_segments(workspace: Workspace, query: str) -> list[Option]:
    """Up to 50 segments to choose for what was typed, those whose names begin with it first."""
    return SegmentMembership().search(workspace.pk, query[:200].replace("\x00", ""), SEARCH_LIMIT)


def segments_of(workspace_id: int, api_ids: Iterable[object]) -> dict[str, Segment]:
    """By api id: the segments with these ids, archived ones too, for they are still named. One query."""
    wanted = {str(one) for one in api_ids}
    if not wanted:
        return {}
    rows = Segment.objects.filter(workspace=workspace_id, api_id__in=wanted)
    return {str(one.api_id): one for one in rows.only("api_id", "name", "archived_at")}


class Line(NamedTuple):
    """A part of an audience in words. ``is_broken``: it points to something archived or gone."""

    text: str
    is_broken: bool = False


def in_words(engagement: Engagement, segments: Mapping[str, Segment]) -> list[Line]:
    """The audience in a few short lines, for lists. ``segments``: see ``segments_of``."""
    audience = audience_of(engagement)
    said = [_chosen(_("In “%(name)s”"), one, segments.get(one)) for one in audience.include]
    said += [_chosen(_("Not in “%(name)s”"), one, segments.get(one)) for one in audience.exclude]
    if count := sum(1 for _leaf in audience.tree.leaves()):
        text = ngettext("%(count)s further filter", "%(count)s further filters", count)
        said.append(Line(text % {"count": count}))
    return said


def _chosen(text: str, api_id: str, segment: Segment | None) -> Line:
    is_broken = segment is None or segment.archived_at is not None
    return Line(text % {"name": segment.name if segment else api_id}, is_broken)
