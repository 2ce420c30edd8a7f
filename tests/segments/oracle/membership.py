"""Who is in which segment: two over a cohort each, and two over segments."""

from typing import Any

from hypothesis import strategies as st

from partners.models import Cohort, Integration
from profiles.sets import ProfileSet
from segments.filters.base import Leaf
from segments.models import Segment
from tests.segments.oracle.base import Facet, World, each

SEGMENTS = ["segment-a", "segment-b", "segment-a-not-b", "segment-nested"]


def _leaf(filter_key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"filters": [{"filter": filter_key, "operator": operator, "value": list(values)}]}


def _write(world: World) -> None:
    """Over a partner of the workspace's own, so that no other facet has to be there."""
    own = Integration.objects.create(workspace=world.workspace, partner_slug="own", custom_name="Own")
    for name in ("a", "b"):
        members = ProfileSet(one.id for one in world.users if name in one.parts["segments"])
        Cohort.objects.create(integration=own, cohort_id=name, name=name, members=members)
        _make(world, f"segment-{name}", _leaf("own_cohorts", "includes", name))
    a, b = world.names["segment-a"], world.names["segment-b"]
    member = "segment_membership"
    _make(world, "segment-a-not-b", _leaf(member, "includes", a), _leaf(member, "does_not_include", b))
    _make(world, "segment-nested", _leaf(member, "includes", world.names["segment-a-not-b"], b))


def _make(world: World, name: str, *rows: dict[str, Any]) -> None:
    filters = {"apps": None, "rows": list(rows), "exclude": []}
    made = Segment.objects.create(workspace=world.workspace, name=name, filters=filters)
    world.names[name] = str(made.api_id)


def _is_in(name: str, part: frozenset[str]) -> bool:
    a, b = "a" in part, "b" in part
    return {"segment-a": a, "segment-b": b, "segment-a-not-b": a and not b, "segment-nested": a or b}[name]


def _passes(leaf: Leaf, part: frozenset[str], world: World) -> bool:
    names = {api_id: name for name, api_id in world.names.items()}
    return any(_is_in(names[one], part) for one in leaf.value) == (leaf.operator == "includes")


FACET = Facet(
    key="segments",
    parts=each(st.frozensets(st.sampled_from(["a", "b"]))),
    passes={"segment_membership": _passes},
    write=_write,
    texts={"segment_membership": st.sampled_from(SEGMENTS)},
)
