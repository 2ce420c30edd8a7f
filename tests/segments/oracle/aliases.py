"""Aliases: users' names under some labels."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from profiles.models import Alias
from segments.filters.base import Leaf
from tests.segments.oracle.base import Facet, World, in_text

LABELS = ["crm", "shop", "none of theirs"]
NAMES = ["gold", "5", "a'b%_\\", "日本"]
Names = list[tuple[str, str]]


def parts(count: int) -> st.SearchStrategy[Sequence[Names]]:
    """So many users with their (label, name); no name is two users'."""
    one = st.lists(st.tuples(st.sampled_from(LABELS[:2]), st.sampled_from(NAMES)), max_size=3, unique=True)
    drawn = st.lists(one, min_size=count, max_size=count)
    return drawn.map(lambda users: [[(label, f"{name}{n}") for label, name in names] for n, names in enumerate(users)])


def _write(world: World) -> None:
    Alias.objects.bulk_create(
        Alias(workspace=world.workspace, profile_id=user.id, label=label, name=name)
        for user in world.users
        for label, name in user.parts["aliases"]
    )


_OPPOSITES = {
    "does_not_equal": "equals",
    "is_none_of": "is_any_of",
    "does_not_contain": "contains",
    "contains_none_of": "contains_any_of",
}


def _passes(leaf: Leaf, part: Names, world: World) -> bool:
    names: list[Any] = [name for label, name in part if label == (leaf.subject or {})["label"]]
    if leaf.operator in ("is_blank", "is_not_blank"):
        return (not names) == (leaf.operator == "is_blank")
    if leaf.operator in _OPPOSITES:
        return not any(in_text(_OPPOSITES[leaf.operator], leaf.value, name) for name in names)
    return any(in_text(leaf.operator, leaf.value, name) for name in names)


FACET = Facet(
    key="aliases",
    parts=parts,
    passes={"user_alias": _passes},
    write=_write,
    subjects={"user_alias": lambda kind: st.fixed_dictionaries({"label": st.sampled_from(LABELS)})},
    texts={"user_alias": st.sampled_from([*NAMES, "gold0", "51", "日本0"])},
)
