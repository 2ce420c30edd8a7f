"""A cohort's page can say which segments use it."""

from django.utils import timezone

from partners.usage import uses_of
from tests.segments.conftest import House, in_cohort


def test_it_works(house: House) -> None:
    house.segment("Other")
    segment = house.segment("Example", filters=house.tree(in_cohort("c1")))
    [use] = uses_of(house.cohort)
    assert (str(use.kind), use.name) == ("Segment", "Example")
    assert use.address == f"/admin/segments/segment/{segment.pk}/change/"


def test_exclusion_groups_count_too(house: House) -> None:
    house.segment("Example", filters=house.tree(exclude=[{"rows": [{"filters": [in_cohort("c1")]}]}]))
    assert len(uses_of(house.cohort)) == 1


def test_archived_segments_do_not_count(house: House) -> None:
    house.segment("Example", filters=house.tree(in_cohort("c1")), archived_at=timezone.now())
    assert uses_of(house.cohort) == []
