"""The engine against the oracle: equal sets and equal funnels for random trees over random small worlds."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segments.engine import evaluate
from segments.filters.registry import filter_of, filters
from segments.tree import parse
from tests.segments import worlds

pytestmark = pytest.mark.django_db
COMPARISONS = [(one.key, type_, operator.key) for one in filters() for type_, operator in one.all_operators()]
ATTRIBUTE_OF = {type_: name for name, type_ in worlds.ATTRIBUTES.items()}
NUMBERS: Iterator[int] = count()
SETTINGS = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def leaves(draw: st.DrawFn, comparison: tuple[str, str, str] | None = None) -> dict[str, Any]:
    """A finished filter of the given comparison, or of any."""
    key, type_, operator_key = comparison or draw(st.sampled_from(COMPARISONS))
    found = filter_of(key)
    assert found is not None
    operator = found.operator(operator_key, type_)
    assert operator is not None
    options = [one for one, _name in getattr(operator.value, "options", ())]
    value = draw(worlds.value_for(operator.value.widget, key, options))
    attribute = {"attribute": ATTRIBUTE_OF[type_], "type": type_} if type_ else {}
    return {"filter": key, "operator": operator_key, "value": value, **attribute}


rows = st.fixed_dictionaries({"filters": st.lists(leaves(), min_size=1, max_size=3)})
groups = st.fixed_dictionaries({"rows": st.lists(rows, min_size=1, max_size=2)})
trees = st.fixed_dictionaries({"rows": st.lists(rows, max_size=4), "exclude": st.lists(groups, max_size=2)})
app_choices = st.none() | st.lists(st.sampled_from([0, 1]), min_size=1, max_size=2, unique=True)


def check(data: dict[str, Any], population: list[worlds.User], apps: list[int] | None = None) -> None:
    world = worlds.build(population, next(NUMBERS))
    tree = parse({**data, "apps": apps and [str(world.apps[one].api_id) for one in apps]})
    found = evaluate(tree, world.workspace, now=worlds.NOW)
    assert found.problems == []
    users, steps = worlds.funnel(tree, world)
    assert set(found.users) == users
    assert [set(step.users or ()) for step in found.rows] == steps
    assert set(found.live) == {one.id for one in world.users if not one.gone}


@SETTINGS
@given(data=trees, population=worlds.populations(), apps=app_choices)
def test_it_works(data: dict[str, Any], population: list[worlds.User], apps: list[int] | None) -> None:
    check(data, population, apps)


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda one: "-".join(filter(None, one)))
def test_every_comparison(comparison: tuple[str, str, str]) -> None:
    """Each filter with each operator alone, so that none hides behind luck."""

    @settings(SETTINGS, max_examples=8)
    @given(leaf=leaves(comparison), population=worlds.populations())
    def against_oracle(leaf: dict[str, Any], population: list[worlds.User]) -> None:
        check({"rows": [{"filters": [leaf]}]}, population)

    against_oracle()


def test_the_oracle_knows_every_filter() -> None:
    assert set(worlds.ORACLE) == {one.key for one in filters()}
    assert {type_ for _key, type_, _operator in COMPARISONS} == {"", *worlds.ATTRIBUTES.values()}
