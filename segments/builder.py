"""What the builder asks while one edits: definitions, statistics, history, a look at the users. All of it as JSON."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from profiles.models import Profile
from profiles.sets import ProfileSet
from segments.editing import note_size
from segments.engine import Evaluation, Reach, Step, evaluate
from segments.filters.base import Filter, Operator, Option
from segments.filters.registry import filter_of, filters_in
from segments.models import Segment, SegmentChange
from segments.tree import Problem, Tree, TreeError, parse, read
from segments.words import Words, tree_of
from workspaces.models import Workspace

SEARCH_LIMIT = 50
PREVIEW_LIMIT = 100
HISTORY_LIMIT = 50


def moment_json(moment: datetime) -> dict[str, str]:
    """A time for people in the workspace's zone, with the UTC time to show on hover."""
    return {
        "text": date_format(timezone.localtime(moment), "DATETIME_FORMAT"),
        "utc": f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
    }


# --- What there is to choose from ------------------------------------------------------------------------------------


def definitions(workspace: Workspace) -> list[dict[str, Any]]:
    """All filters of the workspace, for the builder to draw."""
    return [_definition(one) for one in filters_in(workspace.pk)]


def _definition(one: Filter) -> dict[str, Any]:
    operators: dict[str, list[dict[str, Any]]] = {}
    for type_, operator in one.all_operators():
        operators.setdefault(type_, []).append(_operator(operator))
    return {
        "key": one.key,
        "name": str(one.name),
        "group": str(one.group),
        "attribute": one.has_attribute,
        "operators": operators,
    }


def _operator(operator: Operator) -> dict[str, Any]:
    return {
        "key": operator.key,
        "name": str(operator.name),
        "widget": operator.value.widget,
        "hint": str(operator.hint),
        "options": [{"value": key, "label": str(name)} for key, name in getattr(operator.value, "options", ())],
    }


def search_values(workspace: Workspace, filter_key: str, query: str) -> list[Option]:
    """Up to 50 values of that filter for what was typed; none when there is no such filter."""
    found = filter_of(filter_key)
    return found.search(workspace.pk, query[:200].replace("\x00", ""), SEARCH_LIMIT) if found else []


def labels(workspace: Workspace, trees: Iterable[Tree]) -> dict[str, dict[str, str]]:
    """By filter and value: how the chosen values of ``trees`` are called."""
    return Words(workspace.pk, trees).labels


# --- Statistics ------------------------------------------------------------------------------------------------------


def statistics(
    workspace: Workspace, data: Any, *, channels: bool = False, segment: Segment | None = None
) -> dict[str, Any]:
    """The funnel of a tree that is being edited, with whatever is wrong or unfinished in it.

    Counts are null from the first row on that has no set. ``channels`` adds the reachable users by channel (costlier).
    When the tree is what ``segment`` has saved, its size is noted for the list.
    """
    try:
        tree, problems = read(data)
    except TreeError as error:
        return {"live": None, "total": None, "rows": {}, "problems": _problems(error.problems)}
    found = evaluate(tree, workspace, problems=problems)
    reach = Reach(workspace.pk) if channels else None
    total = None if found.final is None else len(found.final)
    if segment is not None and total is not None and tree.to_json() == segment.filters:
        note_size(segment, segment.version, total)
    return {
        "live": len(found.live),
        "total": total,
        "channels": _channels(found.final, reach),
        "rows": {step.id: _step(step, reach) for step in found.rows},
        "problems": _problems(found.problems),
        "waiting": _waiting(tree, found, workspace),
        "moment": moment_json(min([found.moment, *(leaf.moment for leaf in found.leaves.values())])),
    }


def _step(step: Step, reach: Reach | None) -> dict[str, Any]:
    users = None if step.users is None else len(step.users)
    return {"users": users, "channels": _channels(step.users, reach)}


def _channels(users: ProfileSet | None, reach: Reach | None) -> dict[str, int] | None:
    return None if users is None or reach is None else reach.of(users)


def _problems(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [one.to_json() for one in problems]


def _waiting(tree: Tree, found: Evaluation, workspace: Workspace) -> int:
    """Changes that have arrived for cohorts of the tree and are too many to be applied while one waits."""
    by_filter: dict[str, list[Any]] = {}
    for leaf in tree.leaves():
        if leaf.id in found.leaves:
            by_filter.setdefault(leaf.filter, []).append(leaf)
    return sum(one.waiting(workspace.pk, leaves) for key, leaves in by_filter.items() if (one := filter_of(key)))


# --- A look at the users ---------------------------------------------------------------------------------------------


def preview(workspace: Workspace, data: Any, query: str = "") -> dict[str, Any]:
    """The first 100 users of a tree; with ``query``, users whose external id or email begins with it, in or out.

    Raises TreeError when the tree has no set.
    """
    users = evaluate(parse(data), workspace).users
    query = query.strip()[:512].replace("\x00", "")
    profiles = _first_users(users) if not query else _users_named(workspace, query)
    rows = profiles.only("external_id", "braze_id", "email", "country", "language", "last_used_at")
    return {
        "total": len(users),
        "users": [
            {
                "name": str(profile),
                "identified": profile.external_id is not None,
                "email": profile.email,
                "country": profile.country,
                "language": profile.language,
                "last_used": moment_json(profile.last_used_at) if profile.last_used_at else None,
                "inside": profile.pk in users,
            }
            for profile in rows
        ],
    }


def _first_users(users: ProfileSet) -> QuerySet[Profile]:
    return Profile.objects.filter(pk__in=users.first(PREVIEW_LIMIT)).order_by("pk")


def _users_named(workspace: Workspace, query: str) -> QuerySet[Profile]:
    named = Q(external_id__startswith=query) | Q(email__istartswith=query) | Q(braze_id=query)
    return Profile.objects.filter(named, workspace=workspace).order_by("pk")[:PREVIEW_LIMIT]


# --- History ---------------------------------------------------------------------------------------------------------


def history(segment: Segment, changes: Sequence[SegmentChange]) -> dict[str, Any]:
    """Saved versions, newest first, each with who, when, what it changed, and its content to restore.

    ``changes`` are consecutive and newest first; the last one is described against nothing if it is version 1.
    """
    trees = [tree_of(change.filters) for change in changes]
    words = Words(segment.workspace_id, trees)
    found = []
    for number, change in enumerate(changes[:HISTORY_LIMIT]):
        before = changes[number + 1] if number + 1 < len(changes) else None
        found.append(
            {
                "version": change.version,
                "who": str(change.made_by or _("somebody")),
                "when": moment_json(change.made_at),
                "what": _difference(words, change, before),
                "name": change.name,
                "description": change.description,
                "tags": change.tags,
                "filters": trees[number].to_json(),
            }
        )
    return {"changes": found, "labels": words.labels}


def _difference(words: Words, change: SegmentChange, before: SegmentChange | None) -> list[str]:
    """What ``change`` changed, one line each."""
    if before is None:
        return [_("Created")] if change.version == 1 else []
    said = []
    if change.name != before.name:
        said.append(_("Renamed from “%(old)s” to “%(new)s”") % {"old": before.name, "new": change.name})
    if change.description != before.description:
        said.append(_("Description changed"))
    if change.tags != before.tags:
        said.append(_("Tags: %(tags)s") % {"tags": ", ".join(change.tags) or "–"})
    now, then = words.lines(tree_of(change.filters)), words.lines(tree_of(before.filters))
    said += [_("Added: %(filter)s") % {"filter": line} for line in now if line not in then]
    said += [_("Removed: %(filter)s") % {"filter": line} for line in then if line not in now]
    if now != then and sorted(now) == sorted(then):
        said.append(_("Order of the filters changed"))
    return said or [_("Saved without changes")]
