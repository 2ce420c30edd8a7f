"""Members that a process has read before: never older than the cohort's row, and bounded."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from partners import recent
from partners.models import Cohort, Integration
from partners.recent import recent_members
from profiles.sets import ProfileSet
from workspaces.models import Workspace


@pytest.fixture(autouse=True)
def nothing_read() -> None:
    recent._recent.clear()


def cohort(name: str = "c1", size: int = 10) -> Cohort:
    workspace = Workspace.objects.get_or_create(name="Example")[0]
    integration = Integration.objects.get_or_create(workspace=workspace, partner_slug="mixpanel")[0]
    members = ProfileSet(range(1, size + 1))
    return Cohort.objects.create(integration=integration, cohort_id=name, name=name, members=members)


def members(*cohorts: Cohort) -> list[int]:
    found = recent_members([one.pk for one in cohorts])
    return [len(found[one.pk]) for one in cohorts]


@pytest.mark.django_db
def test_it_works() -> None:
    one, other = cohort("c1", 3), cohort("c2", 5)
    with CaptureQueriesContext(connection) as queries:
        assert members(one, other) == [3, 5]
    assert len(queries) == 1
    first = recent_members([one.pk])[one.pk]
    assert recent_members([one.pk])[one.pk] is first, "the same object: its bytes were not read again"


@pytest.mark.django_db
def test_a_change_is_seen_whoever_made_it() -> None:
    one = cohort()
    assert members(one) == [10]
    for parts, size in ((ProfileSet([1]), 9), (ProfileSet([1, 2]), 8)):
        Cohort.objects.filter(pk=one.pk).update(left_since=parts)
        assert members(one) == [size]


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_rolled_back_is_forgotten() -> None:
    one = cohort()
    assert members(one) == [10]
    with transaction.atomic():
        Cohort.objects.filter(pk=one.pk).update(left_since=ProfileSet([1]))
        assert members(one) == [9]
        transaction.set_rollback(True)
    assert members(one) == [10]


@pytest.mark.django_db
def test_one_that_is_gone_is_absent() -> None:
    one = cohort()
    members(one)
    Cohort.objects.all().delete()
    assert recent_members([one.pk]) == {}


@pytest.mark.django_db
def test_the_least_recently_used_make_room(settings: Settings) -> None:
    cohorts = [cohort(f"c{number}") for number in range(4)]
    size = recent_members([cohorts[0].pk])[cohorts[0].pk].stored_size()
    settings.COHORT_CACHE_BYTES = 3 * size
    members(*cohorts[:3])
    members(cohorts[0])
    members(cohorts[3])
    assert [one.pk in recent._recent for one in cohorts] == [True, False, True, True]
    settings.COHORT_CACHE_BYTES = 0
    assert members(*cohorts) == [10] * 4
    assert not recent._recent or sum(one.size for one in recent._recent.values()) <= 3 * size
