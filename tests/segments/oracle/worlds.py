"""Drawing worlds and trees over all facets, writing them, and what the engine must answer for them."""

from collections.abc import Collection, Mapping
from itertools import count
from typing import Any, NamedTuple

from hypothesis import strategies as st

from profiles.live import log_identity
from profiles.models import IdentityChange, Profile
from segments.filters.base import Leaf, Operator
from segments.filters.registry import filters
from segments.tree import Row, Tree
from tests.segments.oracle import (
    aliases,
    apps,
    attributes,
    behaviours,
    channels,
    cohorts,
    columns,
    devices,
    engagement,
    imports,
    membership,
    places,
)
from tests.segments.oracle.base import ZONE, Facet, User, World, value_of
from workspaces.models import App, Workspace


class Comparison(NamedTuple):
    """A filter, the kind of its subject ("" where it has none), and one of its operators."""

    filter: str
    kind: str
    operator: str


#: Every side of users that filters ask about. A new group of filters adds a module and a line here.
FACETS: tuple[Facet, ...] = (
    apps.FACET,
    columns.FACET,
    aliases.FACET,
    channels.FACET,
    devices.FACET,
    places.FACET,
    attributes.FACET,
    cohorts.FACET,
    behaviours.FACET,
    engagement.FACET,
    imports.FACET,
    membership.FACET,
)
FACET_OF = {key: facet for facet in FACETS for key in facet.passes}
_OPERATORS: dict[Comparison, Operator] = {
    Comparison(one.key, kind, operator.key): operator for one in filters() for kind, operator in one.all_operators()
}
#: Every comparison that there is.
COMPARISONS = [*_OPERATORS]
_numbers = count()


@st.composite
def populations(draw: st.DrawFn, facets: Collection[Facet] = FACETS, most: int = 10) -> list[User]:
    """Some users with parts of these facets."""
    size = draw(st.integers(1, most))
    gone = draw(st.lists(st.sampled_from([False, False, False, True]), min_size=size, max_size=size))
    parts = {facet.key: draw(facet.parts(size)) for facet in facets}
    return [User({key: found[n] for key, found in parts.items()}, gone[n]) for n in range(size)]


@st.composite
def leaves(draw: st.DrawFn, comparison: Comparison | None = None) -> dict[str, Any]:
    """A finished filter of the given comparison, or of any."""
    key, kind, operator_key = found = comparison or draw(st.sampled_from(COMPARISONS))
    facet = FACET_OF[key]
    value = draw(value_of(facet, key, _OPERATORS[found], kind))
    subject = {"subject": draw(facet.subjects[key](kind))} if key in facet.subjects else {}
    return {"filter": key, **subject, "operator": operator_key, "value": value}


_rows = st.fixed_dictionaries({"filters": st.lists(leaves(), min_size=1, max_size=3)})
_groups = st.fixed_dictionaries({"rows": st.lists(_rows, min_size=1, max_size=2)})
trees = st.fixed_dictionaries({"rows": st.lists(_rows, max_size=4), "exclude": st.lists(_groups, max_size=2)})


def build(population: list[User]) -> World:
    """Write the users, with the facets that they have, into a workspace of their own."""
    workspace = Workspace.objects.create(name=f"world {next(_numbers)}", time_zone=ZONE)
    made = [App.objects.create(workspace=workspace, name=f"app {n}", platform=("web", "ios")[n]) for n in (0, 1)]
    world = World(population, workspace, made)
    facets = [facet for facet in FACETS if facet.key in population[0].parts]
    for facet in facets:
        facet.prepare(world)
    rows = Profile.objects.bulk_create(Profile(workspace=workspace, **_columns(one, facets)) for one in population)
    for one, row in zip(population, rows, strict=True):
        one.id = row.pk
    log_identity(workspace.pk, IdentityChange.Kind.CREATED, [one.id for one in population])
    log_identity(workspace.pk, IdentityChange.Kind.DELETED, [one.id for one in population if one.gone])
    for facet in facets:
        facet.write(world)
    return world


def _columns(user: User, facets: Collection[Facet]) -> dict[str, Any]:
    """The columns of all facets; several may know something of one that holds an object."""
    found: dict[str, Any] = {}
    for facet in facets:
        for name, value in facet.columns(user.parts[facet.key]).items():
            found[name] = {**found[name], **value} if name in found else value
    return found


def filled(data: Any, names: Mapping[str, str]) -> Any:
    """``data`` with what the names of a world stand for in their places."""
    if isinstance(data, dict):
        return {key: filled(value, names) for key, value in data.items()}
    if isinstance(data, list):
        return [filled(one, names) for one in data]
    return names.get(data, data) if isinstance(data, str) else data


def passes(leaf: Leaf, user: User, world: World) -> bool:
    """Whether ``user`` passes the filter."""
    facet = FACET_OF[leaf.filter]
    return facet.passes[leaf.filter](leaf, user.parts[facet.key], world)


def funnel(tree: Tree, world: World) -> tuple[set[int], list[set[int]]]:
    """The users of the tree, and who is left after each row, as the engine reports them."""
    api_ids = {str(app.api_id): number for number, app in enumerate(world.apps)}
    left = [one for one in world.users if not one.gone]
    if tree.apps is not None:
        left = [one for one in left if set(one.parts["apps"].uses) & {api_ids[api_id] for api_id in tree.apps}]
    steps = []

    def row_passes(row: Row, user: User) -> bool:
        return any(passes(leaf, user, world) for leaf in row.leaves)

    for row in tree.rows:
        left = [one for one in left if row_passes(row, one)]
        steps.append({one.id for one in left})
    for group in tree.exclude:
        before = left
        for length in range(1, len(group.rows) + 1):
            left = [one for one in before if not all(row_passes(row, one) for row in group.rows[:length])]
            steps.append({one.id for one in left})
    return {one.id for one in left}, steps
