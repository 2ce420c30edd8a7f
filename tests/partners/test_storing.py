"""How a cohort's members are stored: changes beside a large base, and a new base when they have grown."""

import pytest

from partners.models import Cohort
from partners.models.cohorts import stored_members
from partners.storing import SMALL_BASE, store_members
from profiles.sets import ProfileSet
from tests.partners.conftest import Partner

pytestmark = pytest.mark.django_db

#: Every second id: a bitmap that does not compress, well above SMALL_BASE.
LARGE = ProfileSet(range(0, 4_000_000, 2))


def cohort_of(partner: Partner, members: ProfileSet) -> Cohort:
    made = Cohort.objects.create(integration=partner.integration, cohort_id="c1", name="c1", members=members)
    return Cohort.objects.select_related("integration").get(pk=made.pk)


def store(partner: Partner, members: ProfileSet) -> None:
    store_members(partner.cohort(), members, None)


def test_it_works(mixpanel: Partner) -> None:
    cohort_of(mixpanel, ProfileSet([1, 2]))
    store(mixpanel, ProfileSet([2, 3]))
    cohort = mixpanel.cohort()
    assert (set(cohort.members), cohort.version) == ({2, 3}, 1)
    assert set(cohort.base_members) == {2, 3}, "a small base is written anew"


def test_few_changes_leave_a_large_base_alone(mixpanel: Partner) -> None:
    assert LARGE.stored_size() > SMALL_BASE
    cohort_of(mixpanel, LARGE)
    store(mixpanel, (LARGE - ProfileSet([2, 4])) | ProfileSet([1, 3]))
    store(mixpanel, (LARGE - ProfileSet([4])) | ProfileSet([3, 5]))
    base, joined, left = stored_members([mixpanel.cohort().pk])[mixpanel.cohort().pk]
    assert (base == LARGE, set(joined), set(left)) == (True, {3, 5}, {4})
    assert mixpanel.cohort().members == (LARGE - ProfileSet([4])) | ProfileSet([3, 5])
    assert mixpanel.cohort().version == 2


def test_many_changes_become_a_new_base(mixpanel: Partner) -> None:
    cohort_of(mixpanel, LARGE)
    many = LARGE | ProfileSet(range(1, 1_000_000, 2))
    store(mixpanel, many | ProfileSet([3_999_999]))
    base, joined, left = mixpanel.cohort().stored
    assert base == many | ProfileSet([3_999_999])
    assert not joined
    assert not left


def test_what_is_as_it_was_is_not_written(mixpanel: Partner) -> None:
    cohort_of(mixpanel, LARGE)
    store(mixpanel, LARGE)
    assert mixpanel.cohort().version == 0


def test_a_cohort_read_anew_has_its_new_members(mixpanel: Partner) -> None:
    cohort = cohort_of(mixpanel, ProfileSet([1]))
    assert set(cohort.members) == {1}
    store(mixpanel, ProfileSet([2]))
    cohort.refresh_from_db()
    assert set(cohort.members) == {2}
