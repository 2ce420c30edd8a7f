"""What the builder asks while one edits: definitions, history, a look at the users. All of it as JSON.

Its numbers are in ``segments.funnels``.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from profiles.models import Profile
from profiles.search import search
from profiles.sets import ProfileSet
from segments.engine import evaluate
from segments.filters.base import Filter, Option
from segments.filters.registry import filter_of, filters_in
from segments.filters.subjects import About
from segments.models import Segment, SegmentChange
from segments.screens import moment_json
from segments.tree import Tree, parse
from segments.words import Words, tree_of
from workspaces.models import Workspace

SEARCH_LIMIT = 50
PREVIEW_LIMIT = 100
HISTORY_LIMIT = 50


# --- What there is to choose from ------------------------------------------------------------------------------------


def editor_data(workspace: Workspace, tree: Tree) -> dict[str, Any]:
    """What the filter editor (static/segments/filters.js) needs to draw ``tree`` and whatever may be added to it."""
    return {
        "filters": definitions(workspace),
        "labels": labels(workspace, [tree]),
        "lists": reverse("admin:segments_segment_lists"),
    }


def definitions(workspace: Workspace) -> list[dict[str, Any]]:
    """All filters of the workspace, for the builder to draw."""
    return [_definition(one) for one in filters_in(workspace.pk)]


def _definition(one: Filter) -> dict[str, Any]:
    kinds = one.operators_by_kind().items()
    return {
        "key": one.key,
        "name": str(one.name),
        "group": str(one.group),
        "offers": one.offers_values,
        "subject": one.subject.definition() if one.subject else None,
        "operators": {kind: [operator.definition() for operator in operators] for kind, operators in kinds},
    }


def search_values(
    workspace: Workspace, filter_key: str, query: str, member: str = "", subject: About | None = None
) -> list[Option]:
    """Up to 50 values of that filter for what was typed; with ``member``, what its subject can have there.

    ``subject`` is the rest of what the filter is about, as far as it is chosen. None when there is no such filter.
    """
    found = filter_of(filter_key)
    query = query[:200].replace("\x00", "")
    if found is None:
        return []
    if member:
        return found.search_subjects(workspace.pk, query, SEARCH_LIMIT, member, subject)
    return found.search(workspace.pk, query, SEARCH_LIMIT, subject)


def labels(workspace: Workspace, trees: Iterable[Tree]) -> dict[str, dict[str, str]]:
    """By filter and value: how the chosen values of ``trees`` are called; by filter + "/subject": their subjects."""
    return Words(workspace.pk, trees).labels


# --- A look at the users ---------------------------------------------------------------------------------------------


def preview(workspace: Workspace, data: Any, query: str = "") -> dict[str, Any]:
    """The first 100 users of a tree; with ``query``, users whose external id or email begins with it, in or out.

    Raises TreeError when the tree has no set.
    """
    users = evaluate(parse(data), workspace).users
    query = query.strip()[:512].replace("\x00", "")
    rows = users_named(workspace, query) if query else _first_users(users)
    return {
        "total": len(users),
        "users": [
            {
                "pk": profile.pk,
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


def _first_users(users: ProfileSet) -> Iterable[Profile]:
    return Profile.objects.filter(pk__in=users.first(PREVIEW_LIMIT)).order_by("pk")


def users_named(workspace: Workspace, query: str) -> list[Profile]:
    """Users with any name that is ``query`` (see ``profiles.search``), or whose external id or email begins with it.

    What begins with a text follows it in the order of an index, so it takes as long among ten million users as among
    ten.
    """
    found = {one.pk: one for one in search(workspace.pk, query)}
    for column, text in dict.fromkeys([("external_id", query), ("email", query), ("email", query.lower())]):
        following = Profile.objects.filter(workspace=workspace, **{f"{column}__gte": text}).order_by(column)
        found |= {one.pk: one for one in following[:PREVIEW_LIMIT] if getattr(one, column).startswith(text)}
    return [found[pk] for pk in sorted(found)[:PREVIEW_LIMIT]]


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
