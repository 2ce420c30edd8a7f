"""The set engine: a filter tree becomes a set of users and exact counts after every row.

Each leaf is one set (a kept one, one query, or stored bitmaps); everything above is set algebra (``profiles.sets``).
Everything is ANDed with the live users, and a negation is the live users without the set that it negates, so deleted
users are in nothing, and a share is a share of the users that there are.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext as _

from profiles.live import live_users
from profiles.reading import COUNTED, count_for_read
from profiles.sets import ProfileSet, profile_ids, sampled
from profiles.versions import Kind
from segments.filters.base import Context, Leaf, UnusableError
from segments.filters.registry import filter_of
from segments.finding import Answer, Patience, find_all, in_time
from segments.leaf_cache import LeafSet, Question
from segments.leaves import Asked, Side, by_filter, questions_of
from segments.tree import Group, Problem, Row, Tree, TreeError, parse
from workspaces.models import App, Workspace

#: So many users are looked at for an estimate: half a percent of all is found to a fifth of it.
SAMPLE: Final = 20_000
#: What an estimate may take at most, in seconds: it takes a tenth of that where nothing else is to be done.
ESTIMATE_SECONDS: Final = 1.0
#: Stands for the apps among the ids of leaves, which are never empty.
APPS: Final = ""


@dataclass(frozen=True)
class Step:
    """The users who are left after a row, or after an exclusion group; None: a filter before has no set."""

    id: str
    users: ProfileSet | None


@dataclass
class Evaluation:
    """What a tree comes to. ``rows`` and ``exclude`` are the funnel: who is left after each row, in reading order.

    Rows of an exclusion group narrow what it leaves out: after each stands who would be left if it were the last.
    ``pending`` is what patience was too short for: its leaves have no set, though nothing is wrong with them.
    Sets of single leaves may hold users who are gone; whoever is in a step is live.
    """

    live: ProfileSet
    leaves: dict[str, LeafSet] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    rows: list[Step] = field(default_factory=list)
    exclude: list[Step] = field(default_factory=list)
    final: ProfileSet | None = None
    pending: list[Asked] = field(default_factory=list)
    #: Changes that have arrived and are too many to be in the sets yet.
    waiting: int = 0
    #: Those of them that are events from other systems, which are not counted yet.
    uncounted: int = 0
    started: datetime = field(default_factory=timezone.now)

    @property
    def users(self) -> ProfileSet:
        """The users in the segment. Raises TreeError when a filter has no set: a broken segment is nobody's list."""
        if self.final is None:
            raise TreeError(self.problems)
        return self.final

    @property
    def moment(self) -> datetime:
        """When the oldest of the sets was found."""
        return min([self.started, *(leaf.moment for leaf in self.leaves.values())])


def evaluate(
    tree: Tree,
    workspace: Workspace,
    *,
    problems: Sequence[Problem] = (),
    now: datetime | None = None,
    within: tuple[str, ...] = (),
    fresh: bool = False,
    seconds: float | None = None,
) -> Evaluation:
    """Evaluate ``tree`` over the live users of ``workspace``.

    ``problems`` are those that ``segments.tree.read`` found: their leaves have no set. ``now`` is the moment that
    relative days count from. ``within`` are the segments that the tree is of (see ``Context``). ``fresh``: every filter
    is found anew, as it must be before a send or an export; else sets that are kept may be used (see
    ``segments.leaf_cache``). ``seconds``: what the queries may take together, then leaves are left ``pending``.
    Nothing raises here: what has no set is in ``problems`` of the answer, which then has no ``users``.
    """
    context = Context(workspace.pk, ZoneInfo(workspace.time_zone), now or timezone.now(), within, fresh)
    context.uncounted.append(_count_what_waits(tree, workspace.pk, fresh=fresh))
    result = Evaluation(live=live_users(workspace.pk), problems=[*problems])
    questions = questions_of(tree, {problem.leaf_id for problem in problems}, context)
    for sides, answer in questions.answered:
        _take(tree, sides, answer, result)
    asked = [*questions.asked, *_asked_apps(tree, workspace, result)]
    answers = find_all([one.question for one in asked], context, Patience.of(seconds))
    for one, answer in zip(asked, answers, strict=True):
        if answer is None:
            result.pending.append(one)
        else:
            _take(tree, one.sides, answer, result)
    _funnel(tree, result)
    result.uncounted = max(context.uncounted)
    result.waiting = sum(context.waiting) + result.uncounted
    return result


def _count_what_waits(tree: Tree, workspace_id: int, *, fresh: bool = False) -> int:
    """Have events from other systems counted, if the tree is about what they tell of; returns how many still wait."""
    filters = [one for leaf in tree.leaves() if (one := filter_of(leaf.filter))]
    if tree.apps is None and not any(COUNTED & one.depends_on for one in filters):
        return 0
    return count_for_read(workspace_id, fresh=fresh)


def estimate(tree: Tree, workspace: Workspace, found: Evaluation) -> Evaluation:
    """``found`` again, over a sample of its live users: with sets for what is pending there, as far as time allows.

    Shares of its ``live`` are about those of everybody.
    """
    context = Context(workspace.pk, ZoneInfo(workspace.time_zone), found.started)
    sample = found.live.sample(SAMPLE)
    leaves = {key: LeafSet(one.users & sample, one.moment) for key, one in found.leaves.items()}
    result = Evaluation(live=sample, leaves=leaves, problems=[*found.problems])
    patience = Patience.of(ESTIMATE_SECONDS)
    with sampled(sample):
        for one in found.pending:
            users = in_time(patience, partial(one.question.find, context))
            if isinstance(users, ProfileSet):
                _take(tree, one.sides, LeafSet(users, found.started), result)
    _funnel(tree, result)
    return result


def _funnel(tree: Tree, result: Evaluation) -> None:
    left: ProfileSet | None = result.live
    if tree.apps is not None:
        left = result.live & result.leaves[APPS].users if APPS in result.leaves else None
    for row in tree.rows:
        left = _and(left, _any_of(row, result))
        result.rows.append(Step(row.id, left))
    for group in tree.exclude:
        left = _leave_out(group, left, result)
    result.final = left


def broken_references(tree: Tree, workspace_id: int) -> list[Problem]:
    """The leaves of ``tree`` that point to something gone or archived, without evaluating it."""
    found: dict[str, UnusableError] = {}
    _count_what_waits(tree, workspace_id)
    for key, leaves in by_filter(tree.leaves()).items():
        one = filter_of(key)
        if one is not None:
            found |= one.unusable(workspace_id, leaves)
    return [_problem(tree, leaf_id, why) for leaf_id, why in found.items()]


def broken_among(filters: Mapping[int, Any], workspace_id: int) -> set[int]:
    """The keys of those of ``filters`` (stored trees) that have no set, as far as can be told without evaluating them:
    they cannot be read, or point to something gone or archived. A few statements, however many trees there are.
    """
    found: set[int] = set()
    leaves: list[Leaf] = []
    for key, data in filters.items():
        try:
            leaves += [replace(leaf, id=f"{key}:{leaf.id}") for leaf in parse(data).leaves()]
        except TreeError:
            found.add(key)
    for name, alike in by_filter(leaves).items():
        one = filter_of(name)
        if one is not None:
            found |= {int(leaf_id.partition(":")[0]) for leaf_id in one.unusable(workspace_id, alike)}
    return found


def _take(tree: Tree, sides: Sequence[Side], answer: Answer, result: Evaluation) -> None:
    """Give the leaves of ``sides`` their sets, or say why they have none."""
    for leaf_id, negated in sides:
        if isinstance(answer, LeafSet):
            result.leaves[leaf_id] = LeafSet(result.live - answer.users, answer.moment) if negated else answer
        elif answer is not None:
            result.problems.append(_problem(tree, leaf_id, answer))


def _problem(tree: Tree, leaf_id: str, why: UnusableError) -> Problem:
    return Problem(tree.place_of(leaf_id), str(why.message), leaf_id)


def _asked_apps(tree: Tree, workspace: Workspace, result: Evaluation) -> list[Asked]:
    """Who used one of the tree's apps, as a question; the problem where an app is gone."""
    if tree.apps is None:
        return []
    known = dict(App.objects.filter(workspace=workspace, api_id__in=tree.apps).values_list("api_id", "pk"))
    if len(known) < len(tree.apps):
        gone = ", ".join(one for one in tree.apps if uuid.UUID(one) not in known)
        message = _("The app “%(id)s” does not exist any more. Choose the apps again.") % {"id": gone}
        result.problems.append(Problem(_("Apps Used"), message))
        return []
    used = sorted(known.values())
    question = Question(("apps used", *used), frozenset({Kind.DEVICES}), lambda _context: _users_of_apps(used))
    return [Asked(question, [Side(APPS, negated=False)])]


def _users_of_apps(apps: list[int]) -> ProfileSet:
    return profile_ids("app_id = ANY(%s)", [apps], source="profiles_appuse", column="profile_id")


def _any_of(row: Row, result: Evaluation) -> ProfileSet | None:
    if any(leaf.id not in result.leaves for leaf in row.leaves):
        return None
    return ProfileSet.union(result.leaves[leaf.id].users for leaf in row.leaves)


def _and(left: ProfileSet | None, right: ProfileSet | None) -> ProfileSet | None:
    return None if left is None or right is None else left & right


def _leave_out(group: Group, left: ProfileSet | None, result: Evaluation) -> ProfileSet | None:
    """Who of ``left`` stays when those who pass all rows of ``group`` go."""
    stays, passing = left, left
    for row in group.rows:
        passing = _and(passing, _any_of(row, result))
        stays = None if left is None or passing is None else left - passing
        result.rows.append(Step(row.id, stays))
    result.exclude.append(Step(group.id, stays))
    return stays
