"""The engine against the oracle: equal sets and equal funnels for random trees over random small worlds."""

from itertools import chain, groupby
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from segments.engine import evaluate
from segments.filters.registry import filters
from segments.tree import parse
from tests.segments.oracle.base import NOW, User, World
from tests.segments.oracle.worlds import (
    COMPARISONS,
    FACET_OF,
    FACETS,
    Comparison,
    build,
    filled,
    funnel,
    leaves,
    populations,
    trees,
)

pytestmark = pytest.mark.django_db
SETTINGS = settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
BY_FILTER = {
    "-".join(filter(None, about)): list(found) for about, found in groupby(COMPARISONS, key=lambda one: one[:2])
}
app_choices = st.none() | st.lists(st.sampled_from([0, 1]), min_size=1, max_size=2, unique=True)


def check(data: dict[str, Any], world: World, apps: list[int] | None = None) -> None:
    used = apps and [str(world.apps[one].api_id) for one in apps]
    tree = parse(filled({**data, "apps": used}, world.names))
    found = evaluate(tree, world.workspace, now=NOW)
    assert found.problems == []
    users, steps = funnel(tree, world)
    assert set(found.users) == users
    assert [set(step.users or ()) for step in found.rows] == steps
    assert set(found.live) == {one.id for one in world.users if not one.gone}


@SETTINGS
@given(data=trees, population=populations(), apps=app_choices)
def test_it_works(data: dict[str, Any], population: list[User], apps: list[int] | None) -> None:
    check(data, build(population), apps)


@pytest.mark.parametrize("comparisons", BY_FILTER.values(), ids=BY_FILTER)
def test_every_comparison(comparisons: list[Comparison]) -> None:
    """Each filter with each operator alone, so that none hides behind luck: all of a filter's over the same worlds."""
    facet = FACET_OF[comparisons[0].filter]

    @settings(SETTINGS, max_examples=6)
    @given(
        asked=st.tuples(*(st.lists(leaves(one), min_size=1, max_size=3) for one in comparisons)),
        population=populations([facet]),
    )
    def against_oracle(asked: tuple[list[dict[str, Any]], ...], population: list[User]) -> None:
        world = build(population)
        for leaf in chain.from_iterable(asked):
            note(f"asked: {leaf}")
            check({"rows": [{"filters": [leaf]}]}, world)

    against_oracle()


def test_the_oracle_knows_every_filter() -> None:
    assert sorted(key for facet in FACETS for key in facet.passes) == sorted(one.key for one in filters())
    assert {key for facet in FACETS for key in facet.subjects} == {one.key for one in filters() if one.subject}
