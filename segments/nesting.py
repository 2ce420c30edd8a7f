"""Segments inside segments: which use which, and what keeps one from being saved.

A segment must not contain itself, by whatever way, and segments can be inside each other ``MAX_DEPTH`` deep.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segments.filters.base import Leaf
from segments.filters.membership import MAX_DEPTH, SegmentMembership
from segments.models import Segment
from segments.tree import Problem, Tree
from segments.where_used import register
from segments.words import tree_of
from workspaces.usage import Use

#: By segment (its api id): the segments that it names.
Graph = Mapping[str, set[str]]


def named_in(tree: Tree) -> dict[str, Leaf]:
    """The segments (api ids) that ``tree`` names, each with the first filter that does."""
    found: dict[str, Leaf] = {}
    for leaf in tree.leaves():
        if leaf.filter == SegmentMembership.key and isinstance(leaf.value, list):
            for one in leaf.value:
                found.setdefault(str(one), leaf)
    return found


def nesting_problems(tree: Tree, segment: Segment) -> list[Problem]:
    """The filters of ``tree`` that ``segment`` cannot have: it would contain itself, or be nested too deep."""
    named = named_in(tree)
    if not named:
        return []
    own = str(segment.api_id)
    users = [one for one in _nesting(segment.workspace_id) if str(one.api_id) != own]
    graph: dict[str, set[str]] = {str(one.api_id): set(named_in(tree_of(one.filters))) for one in users}
    above = _depth(own, _turned(graph))
    problems = []
    for api_id, leaf in named.items():
        if own in _reachable(api_id, graph):
            problems.append(
                _problem(tree, leaf, _("The segment would contain itself. Choose another one or remove it."))
            )
        elif above + 1 + _depth(api_id, graph) > MAX_DEPTH:
            message = _("Segments can be inside each other %(most)s deep, and here they would be deeper.")
            problems.append(_problem(tree, leaf, message % {"most": MAX_DEPTH}))
    return problems


def _problem(tree: Tree, leaf: Leaf, message: str) -> Problem:
    return Problem(tree.place_of(leaf.id), message, leaf.id)


def _nesting(workspace_id: int) -> list[Segment]:
    """The segments of the workspace, not archived, that have a filter over segments."""
    rows = Segment.objects.filter(workspace=workspace_id, archived_at=None).annotate(text=Cast("filters", TextField()))
    found = rows.filter(text__contains=f'"{SegmentMembership.key}"').order_by("name")
    return list(found.only("api_id", "name", "filters"))


def _turned(graph: Graph) -> dict[str, set[str]]:
    turned: dict[str, set[str]] = {}
    for one, others in graph.items():
        for other in others:
            turned.setdefault(other, set()).add(one)
    return turned


def _reachable(start: str, graph: Graph) -> set[str]:
    """``start`` and all that can be reached from it."""
    found, waiting = {start}, [start]
    while waiting:
        new = graph.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def _depth(start: str, graph: Graph) -> int:
    """How many steps can be taken from ``start`` on; more than are allowed are not counted."""
    steps, here = 0, {start}
    while steps <= MAX_DEPTH and (here := {other for one in here for other in graph.get(one, ())}):
        steps += 1
    return steps


@register
def segments_in_segments(segments: Sequence[Segment]) -> Iterable[tuple[int, Use]]:
    """The segments, not archived, that name one of ``segments``."""
    own: dict[str, int] = {str(one.api_id): one.pk for one in segments}
    if not own:
        return []
    return [(own[api_id], _use(user)) for user in _nesting(segments[0].workspace_id) for api_id in _named_of(user, own)]


def _named_of(user: Segment, own: Mapping[str, Any]) -> list[str]:
    return [api_id for api_id in named_in(tree_of(user.filters)) if api_id in own]


def _use(user: Segment) -> Use:
    address = reverse("admin:segments_segment_change", args=[user.pk])
    return Use(gettext_lazy("Segment"), user.name, address)
