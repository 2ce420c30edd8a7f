"""The set engine: a filter tree becomes a set of users and exact counts after every row.

Each leaf is one set (one query, or stored bitmaps); everything above is set algebra (see ``profiles.sets``). Everything
is ANDed with the live users, and a negation is the live users without the set that it negates, so deleted users are in
nothing, and a share is a share of the users that there are.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext as _

from profiles.live import live_users
from profiles.sets import ProfileSet, profile_ids
from segments.filters.base import Context, Leaf, UnusableError
from segments.filters.registry import filter_of
from segments.tree import Group, Problem, Row, Tree, TreeError
from workspaces.models import App, Workspace


class LeafSet(NamedTuple):
    """The live users that one leaf matches, and the moment when that was found."""

    users: ProfileSet
    moment: datetime


@dataclass(frozen=True)
class Step:
    """The users who are left after a row, or after an exclusion group; None: a filter before has no set."""

    id: str
    users: ProfileSet | None


@dataclass
class Evaluation:
    """What a tree comes to. ``rows`` and ``exclude`` are the funnel: who is left after each row, in reading order.

    Rows of an exclusion group narrow what it leaves out: after each stands who would be left if it were the last.
    """

    live: ProfileSet
    leaves: dict[str, LeafSet] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    rows: list[Step] = field(default_factory=list)
    exclude: list[Step] = field(default_factory=list)
    final: ProfileSet | None = None
    moment: datetime = field(default_factory=timezone.now)

    @property
    def users(self) -> ProfileSet:
        """The users in the segment. Raises TreeError when a filter has no set: a broken segment is nobody's list."""
        if self.final is None:
            raise TreeError(self.problems)
        return self.final


def evaluate(
    tree: Tree, workspace: Workspace, *, problems: Sequence[Problem] = (), now: datetime | None = None
) -> Evaluation:
    """Evaluate ``tree`` over the live users of ``workspace``.

    ``problems`` are those that ``segments.tree.read`` found: their leaves have no set. ``now`` is the moment that
    relative days count from. Nothing raises here: what has no set is in ``problems`` of the answer, which then has no
    ``users``.
    """
    result = Evaluation(live=live_users(workspace.pk), problems=[*problems])
    context = Context(workspace.pk, ZoneInfo(workspace.time_zone), now or timezone.now())
    _find_leaves(tree, context, result)
    left = _users_of_apps(tree.apps, workspace, result)
    for row in tree.rows:
        left = _and(left, _any_of(row, result))
        result.rows.append(Step(row.id, left))
    for group in tree.exclude:
        left = _leave_out(group, left, result)
    result.final = left
    return result


def broken_references(tree: Tree, workspace_id: int) -> list[Problem]:
    """The leaves of ``tree`` that point to something gone or archived, without evaluating it."""
    found: dict[str, UnusableError] = {}
    for key, leaves in _by_filter(tree.leaves()).items():
        one = filter_of(key)
        if one is not None:
            found |= one.unusable(workspace_id, leaves)
    return [_problem(tree, leaf_id, why) for leaf_id, why in found.items()]


def _find_leaves(tree: Tree, context: Context, result: Evaluation) -> None:
    """The sets of all leaves; those of one filter together, and of equal leaves only one."""
    bad = {problem.leaf_id for problem in result.problems}
    for key, leaves in _by_filter(leaf for leaf in tree.leaves() if leaf.id not in bad).items():
        one = filter_of(key)
        assert one is not None  # noqa: S101 - the tree was checked
        twins: dict[tuple[str, ...], list[Leaf]] = defaultdict(list)
        negated: dict[str, bool] = {}
        for leaf in leaves:
            operator = one.operator(leaf.operator, leaf.type)
            assert operator is not None  # noqa: S101
            negated[leaf.id] = bool(operator.negates)
            asked = replace(leaf, operator=operator.negates or leaf.operator)
            twins[asked.question()].append(asked)
        found = one.find([same[0] for same in twins.values()], context)
        moment = timezone.now()
        for same, users in zip(twins.values(), found, strict=True):
            for leaf in same:
                if isinstance(users, UnusableError):
                    result.problems.append(_problem(tree, leaf.id, users))
                else:
                    matching = result.live - users if negated[leaf.id] else users & result.live
                    result.leaves[leaf.id] = LeafSet(matching, moment)


def _by_filter(leaves: Iterable[Leaf]) -> dict[str, list[Leaf]]:
    found: dict[str, list[Leaf]] = defaultdict(list)
    for leaf in leaves:
        found[leaf.filter].append(leaf)
    return found


def _problem(tree: Tree, leaf_id: str, why: UnusableError) -> Problem:
    return Problem(tree.place_of(leaf_id), str(why.message), leaf_id)


def _users_of_apps(apps: tuple[str, ...] | None, workspace: Workspace, result: Evaluation) -> ProfileSet | None:
    if apps is None:
        return result.live
    known = dict(App.objects.filter(workspace=workspace, api_id__in=apps).values_list("api_id", "pk"))
    if len(known) < len(apps):
        gone = ", ".join(one for one in apps if uuid.UUID(one) not in known)
        message = _("The app “%(id)s” does not exist any more. Choose the apps again.") % {"id": gone}
        result.problems.append(Problem(_("Apps Used"), message))
        return None
    used = profile_ids("app_id = ANY(%s)", [list(known.values())], source="profiles_appuse", column="profile_id")
    return used & result.live


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


@dataclass(frozen=True)
class Reach:
    """Who can get a message on a channel, in a workspace: a set to intersect with."""

    workspace_id: int

    @cached_property
    def email(self) -> ProfileSet:
        """Users with an email address who have not unsubscribed. Braze: measuring segment size, reachable users."""
        return profile_ids(
            "workspace_id = %s AND email <> '' AND email_subscribe <> 'unsubscribed'", [self.workspace_id]
        )

    def of(self, users: ProfileSet) -> dict[str, int]:
        """By channel: how many of ``users`` can be reached. Only channels whose data we hold."""
        return {"email": users.intersection_size(self.email)}
