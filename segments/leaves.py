"""The leaves of a tree as questions: equal ones are one question, and those of a filter without kept sets are found
together.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple

from django.utils import timezone

from profiles.sets import ProfileSet
from profiles.versions import NOTED, Kind
from segments.filters.base import Context, Filter, Leaf, UnusableError
from segments.filters.registry import filter_of
from segments.finding import Answer
from segments.leaf_cache import LeafSet, Question
from segments.tree import Tree
from workspaces.models import App


class Side(NamedTuple):
    """A leaf that asks a question; ``negated``: it has the live users who are not in the answer."""

    leaf_id: str
    negated: bool


@dataclass(frozen=True)
class Asked:
    """A question with the leaves that ask it."""

    question: Question
    sides: Sequence[Side]


@dataclass
class Questions:
    """What the leaves of a tree come to: ``asked`` is to be found, ``answered`` is known."""

    asked: list[Asked] = field(default_factory=list)
    answered: list[tuple[Sequence[Side], Answer]] = field(default_factory=list)


def questions_of(tree: Tree, bad: set[str], context: Context) -> Questions:
    """The questions of all leaves of ``tree`` but those whose ids are in ``bad``.

    Answered are those that point to something gone or archived, whatever may be kept of them, and those of filters
    whose sets are never kept.
    """
    found = Questions()
    for key, leaves in by_filter(leaf for leaf in tree.leaves() if leaf.id not in bad).items():
        one = filter_of(key)
        assert one is not None  # noqa: S101 - the tree was checked
        alike = _alike(one, leaves)
        kinds = kinds_of(one)
        if kinds:
            _ask(found, one, kinds, alike, context)
        else:
            found.answered += _found_directly(one, alike, context)
    return found


def by_filter(leaves: Iterable[Leaf]) -> dict[str, list[Leaf]]:
    """Leaves by the key of their filter."""
    found: dict[str, list[Leaf]] = defaultdict(list)
    for leaf in leaves:
        found[leaf.filter].append(leaf)
    return found


def kinds_of(one: Filter) -> frozenset[Kind]:
    """The data that the filter's sets are made from, if they may be kept; else none. New users concern all of them."""
    known = frozenset(kind for kind in NOTED if kind in one.depends_on)
    return known | {Kind.IDENTITY} if known and len(known) == len(one.depends_on) else frozenset()


def _alike(one: Filter, leaves: Iterable[Leaf]) -> list[tuple[Leaf, list[Side]]]:
    """What is to be found, each with all leaves that ask for it."""
    found: dict[tuple[str, ...], tuple[Leaf, list[Side]]] = {}
    for leaf in leaves:
        asked, negated = one.positive(leaf)
        found.setdefault(asked.question(), (asked, []))[1].append(Side(leaf.id, negated))
    return list(found.values())


def _ask(
    found: Questions, one: Filter, kinds: frozenset[Kind], alike: list[tuple[Leaf, list[Side]]], context: Context
) -> None:
    broken = one.unusable(context.workspace_id, [leaf for leaf, _ in alike])
    apps = _apps(context.workspace_id) if Kind.DEVICES in kinds else ()
    for leaf, sides in alike:
        if leaf.id in broken:
            found.answered.append((sides, broken[leaf.id]))
        else:
            question = Question((*leaf.question(), *apps), kinds, partial(_find, one, leaf))
            found.asked.append(Asked(question, sides))


def _apps(workspace_id: int) -> tuple[str, ...]:
    """The workspace's apps and their platforms: who changes or removes one notes nothing, so it is another question."""
    apps = App.objects.filter(workspace=workspace_id).order_by("pk").values_list("pk", "platform")
    return tuple(f"{pk} {platform}" for pk, platform in apps)


def _find(one: Filter, leaf: Leaf, context: Context) -> ProfileSet | UnusableError:
    return one.find([leaf], context)[0]


def _found_directly(
    one: Filter, alike: list[tuple[Leaf, list[Side]]], context: Context
) -> list[tuple[Sequence[Side], Answer]]:
    sets = one.find([leaf for leaf, _ in alike], context)
    moment = min([timezone.now(), *context.moments])
    return [(sides, _answer(users, moment)) for (_, sides), users in zip(alike, sets, strict=True)]


def _answer(users: ProfileSet | UnusableError, moment: datetime) -> Answer:
    return users if isinstance(users, UnusableError) else LeafSet(users, moment)
