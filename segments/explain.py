"""Is this user in the segment, and which row decides: every filter's answer, with what the user has of it.

The answers are those of the engine itself, so they can never differ from the numbers of the builder.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext as _

from profiles.models import AppUse, Profile
from segments.engine import Evaluation, evaluate
from segments.filters.base import Context, Leaf
from segments.filters.facts import Fact, names_fact
from segments.filters.registry import filter_of
from segments.tree import Group, Row, Tree, read
from segments.words import Words
from workspaces.models import Workspace


@dataclass(frozen=True)
class LeafAnswer:
    """One filter: in words, whether the user matches it (None: it has no set, ``problem`` says why)."""

    words: str
    matches: bool | None
    problem: str = ""
    facts: Sequence[Fact] = ()


@dataclass
class RowAnswer:
    """A row, or the choice of apps: whether the user passes it (None: nobody can tell).

    ``decides``: it is because of this row that the user is not in the segment.
    """

    place: str
    passes: bool | None
    leaves: Sequence[LeafAnswer] = ()
    decides: bool = False


@dataclass
class GroupAnswer:
    """An exclusion group: who passes all of its rows is left out."""

    place: str
    rows: list[RowAnswer]
    passes: bool | None = None
    decides: bool = False


@dataclass
class Explanation:
    """``inside`` None: a filter has no set, so nobody can tell. ``because`` says what decides, in a sentence."""

    profile: Profile
    inside: bool | None
    because: str = ""
    rows: list[RowAnswer] = field(default_factory=list)
    groups: list[GroupAnswer] = field(default_factory=list)


def explain(workspace: Workspace, data: Any, profile: Profile) -> Explanation:
    """Explain for a user of ``workspace`` and a tree, stored or being edited. Raises TreeError when it is no tree."""
    tree, problems = read(data)
    found = evaluate(tree, workspace, problems=problems)
    answers = _Answers(workspace, tree, found, profile)
    rows = [*_apps_row(tree, workspace, found, profile), *answers.rows(tree.rows, _("Row %(number)s"))]
    groups = [answers.group(group, number) for number, group in enumerate(tree.exclude, 1)]
    inside = None if found.final is None else profile.pk in found.final
    explained = Explanation(profile, inside, rows=rows, groups=groups)
    explained.because = _because(explained, is_live=profile.pk in found.live)
    return explained


class _Answers:
    """What the leaves of one tree say of one user; the facts are read filter by filter."""

    def __init__(self, workspace: Workspace, tree: Tree, found: Evaluation, profile: Profile) -> None:
        self.pk = profile.pk
        self.found = found
        self.words = Words(workspace.pk, [tree])
        self.problems = {problem.leaf_id: problem.message for problem in found.problems}
        context = Context(workspace.pk, ZoneInfo(workspace.time_zone), timezone.now())
        self.facts: dict[str, Sequence[Fact]] = {}
        by_filter: dict[str, list[Leaf]] = {}
        for leaf in tree.leaves():
            if leaf.id in found.leaves:
                by_filter.setdefault(leaf.filter, []).append(leaf)
        for key, leaves in by_filter.items():
            one = filter_of(key)
            self.facts |= one.facts(leaves, profile, context) if one else {}

    def rows(self, rows: Sequence[Row], place: str) -> Iterator[RowAnswer]:
        for number, row in enumerate(rows, 1):
            leaves = [self.leaf(leaf) for leaf in row.leaves]
            yield RowAnswer(place % {"number": number}, _any(one.matches for one in leaves), leaves)

    def group(self, group: Group, number: int) -> GroupAnswer:
        rows = list(self.rows(group.rows, _("Row %(number)s")))
        passes = [row.passes for row in rows]
        whole = False if False in passes else None if None in passes else True
        return GroupAnswer(_("Exclusion group %(number)s") % {"number": number}, rows, whole)

    def leaf(self, leaf: Leaf) -> LeafAnswer:
        said = self.words.leaf(leaf)
        if leaf.id not in self.found.leaves:
            return LeafAnswer(said, None, self.problems.get(leaf.id, ""))
        return LeafAnswer(said, self.pk in self.found.leaves[leaf.id].users, facts=self.facts.get(leaf.id, ()))


def _any(answers: Iterator[bool | None]) -> bool | None:
    """Of OR. As in the engine, one filter without a set leaves the whole row without one."""
    found = list(answers)
    return None if None in found else True in found


def _apps_row(tree: Tree, workspace: Workspace, found: Evaluation, profile: Profile) -> list[RowAnswer]:
    if tree.apps is None:
        return []
    uses = AppUse.objects.filter(profile=profile).select_related("app")
    used = {str(one.app.api_id): one.app.name for one in uses}
    problem = next((one.message for one in found.problems if not one.leaf_id), "")
    passes = None if problem else any(one in used for one in tree.apps)
    said = Words(workspace.pk, [Tree(apps=tree.apps)]).lines(Tree(apps=tree.apps))[0]
    return [RowAnswer(_("Apps Used"), passes, [LeafAnswer(said, passes, problem, [names_fact(used.values())])])]


def _because(explained: Explanation, *, is_live: bool) -> str:
    """Mark what decides, and say it."""
    if explained.inside is None:
        return _("Nobody can tell before the filters without an answer are corrected.")
    if not is_live:
        return _("The user has been deleted.")
    if explained.inside:
        return _("The user passes every row and no exclusion group.")
    for row in explained.rows:
        if row.passes is False:
            row.decides = True
            return _("“%(place)s” decides: the user passes none of its filters.") % {"place": row.place}
    for group in explained.groups:
        if group.passes:
            group.decides = True
            return _("“%(place)s” decides: the user passes all of its rows.") % {"place": group.place}
    # The data changed between two readings.
    return _("The user's data has just changed. Ask again.")
