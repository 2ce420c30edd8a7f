"""The numbers of a tree that is being edited: in total, after every row, by channel. Quick first, then exact."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings

from profiles.sets import ProfileSet
from segments.editing import note_size
from segments.engine import Evaluation, Step, estimate, evaluate
from segments.models import Segment
from segments.nesting import nesting_problems
from segments.reach import Reach
from segments.screens import moment_json
from segments.tree import Problem, Tree, TreeError, read
from workspaces.models import Workspace


def statistics(
    workspace: Workspace,
    data: Any,
    *,
    channels: bool = False,
    fresh: bool = False,
    quick: bool = False,
    segment: Segment | None = None,
) -> dict[str, Any]:
    """The funnel of a tree that is being edited, with whatever is wrong or unfinished in it: see ``funnel``.

    When the tree is what ``segment`` has saved, its size is noted for the list.
    """
    try:
        tree, problems = read(data)
    except TreeError as error:
        return no_statistics(error)
    if segment is not None:
        problems += nesting_problems(tree, segment)
    found = funnel(workspace, tree, problems, channels=channels, fresh=fresh, quick=quick)
    is_known = found["total"] is not None and found["exact"]
    if segment is not None and is_known and tree.to_json() == segment.filters:
        note_size(segment, segment.version, found["total"])
    return found


def no_statistics(error: TreeError) -> dict[str, Any]:
    """What there is to say of something that has not the form of a tree."""
    return {"live": None, "total": None, "exact": True, "rows": {}, "problems": _problems(error.problems)}


def funnel(
    workspace: Workspace,
    tree: Tree,
    problems: Sequence[Problem],
    *,
    channels: bool = False,
    fresh: bool = False,
    quick: bool = False,
) -> dict[str, Any]:
    """The numbers of ``tree``, whose known ``problems`` are those that ``segments.tree.read`` found.

    Counts are null from the first row on that has no set. ``channels`` adds the reachable users by channel (costlier).
    ``fresh``: nothing that is kept is used. ``quick``: filters that take longer than ``SEGMENT_ESTIMATE_AFTER`` are
    estimated (``estimates``: by leaf, how many it matches); counts that rest on that are not ``exact``, and neither is
    the whole: then ask again without it.
    """
    seconds = settings.SEGMENT_ESTIMATE_AFTER / 1000 if quick else None
    found = evaluate(tree, workspace, problems=problems, fresh=fresh, seconds=seconds)
    reach = Reach(workspace.pk, fresh) if channels and not found.pending else None
    guess = _Guess(tree, workspace, found) if found.pending else None
    return {
        "live": len(found.live),
        **_total(found, guess, reach),
        "rows": {step.id: _step(step, guess, reach) for step in [*found.rows, *found.exclude]},
        "estimates": guess.leaves if guess else {},
        "problems": _problems(found.problems),
        "waiting": found.waiting,
        "moment": moment_json(found.moment),
    }


class _Guess:
    """Counts over a sample, for steps that rest on what is pending."""

    def __init__(self, tree: Tree, workspace: Workspace, found: Evaluation) -> None:
        sample = estimate(tree, workspace, found)
        self._scale = len(found.live) / max(1, len(sample.live))
        self.total = self._of(sample.final)
        self.steps = {step.id: self._of(step.users) for step in [*sample.rows, *sample.exclude]}
        pending = {side.leaf_id for one in found.pending for side in one.sides}
        self.leaves = {key: self._of(one.users & sample.live) for key, one in sample.leaves.items() if key in pending}

    def _of(self, users: ProfileSet | None) -> int | None:
        return None if users is None else round(len(users) * self._scale)


def _total(found: Evaluation, guess: _Guess | None, reach: Reach | None) -> dict[str, Any]:
    total = len(found.final) if found.final is not None else guess and guess.total
    return {"total": total, "exact": guess is None, "channels": _channels(found.final, reach)}


def _step(step: Step, guess: _Guess | None, reach: Reach | None) -> dict[str, Any]:
    if step.users is None and guess is not None:
        return {"users": guess.steps[step.id], "exact": False, "channels": None}
    users = None if step.users is None else len(step.users)
    return {"users": users, "exact": True, "channels": _channels(step.users, reach)}


def _channels(users: ProfileSet | None, reach: Reach | None) -> dict[str, int] | None:
    return None if users is None or reach is None else reach.of(users)


def _problems(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [one.to_json() for one in problems]
