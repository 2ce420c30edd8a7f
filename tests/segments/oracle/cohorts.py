"""Cohorts: who is in which."""

from hypothesis import strategies as st

from partners.models import Cohort, Integration
from partners.registry import partners
from profiles.sets import ProfileSet
from segments.filters.base import Leaf
from tests.segments.oracle.base import Facet, World, each

COHORTS = ["c1", "c2", "c3"]


def _prepare(world: World) -> None:
    for partner in partners():
        Integration.objects.create(workspace=world.workspace, partner_slug=partner.slug)


def _write(world: World) -> None:
    members = {key: ProfileSet(one.id for one in world.users if key in one.parts["cohorts"]) for key in COHORTS}
    Cohort.objects.bulk_create(
        Cohort(integration=integration, cohort_id=key, name=f"Cohort {key}", members=members[key])
        for integration in Integration.objects.filter(workspace=world.workspace)
        for key in COHORTS
    )


def _passes(leaf: Leaf, part: frozenset[str], world: World) -> bool:
    return bool(part & set(leaf.value)) == (leaf.operator == "includes")


FILTERS = [f"{partner.slug}_cohorts" for partner in partners()]
FACET = Facet(
    key="cohorts",
    parts=each(st.frozensets(st.sampled_from(COHORTS))),
    passes=dict.fromkeys(FILTERS, _passes),
    prepare=_prepare,
    write=_write,
    texts=dict.fromkeys(FILTERS, st.sampled_from(COHORTS)),
)
