"""What the engine promises beside being right: exact, never silently everybody or nobody, few queries."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from partners.models import Cohort, Integration
from profiles.live import log_identity
from profiles.models import IdentityChange, Profile
from profiles.sets import ProfileSet
from segments.engine import Evaluation, evaluate
from segments.tree import TreeError, parse, read
from tests.segments.conftest import House, build_house, in_cohort

COUNTRY = {"filter": "country", "operator": "is_any_of", "value": ["JP"]}


def run(house: House, *rows: object, **more: object) -> Evaluation:
    return evaluate(parse(house.tree(*rows, **more)), house.workspace)


def names(house: House, found: Evaluation) -> list[str]:
    return sorted(str(one) for one in Profile.objects.filter(pk__in=list(found.users)))


def test_it_works(house: House) -> None:
    found = run(house, in_cohort("c1"), COUNTRY)
    assert [len(step.users or ()) for step in found.rows] == [3, 1]
    assert names(house, found) == ["user-0"]
    assert len(found.live) == 7


def test_no_filters_is_everybody(house: House) -> None:
    assert len(run(house).users) == 7


def test_a_deleted_user_is_in_nothing(house: House) -> None:
    log_identity(house.workspace.pk, IdentityChange.Kind.DELETED, [house.profiles[0].pk])
    assert len(run(house, in_cohort("c1")).users) == 2
    assert len(run(house, in_cohort("c1", operator="does_not_include")).users) == 4
    assert len(run(house).users) == 6


def test_members_of_several_cohorts(house: House) -> None:
    last = ProfileSet([house.profiles[6].pk])
    Cohort.objects.create(integration=house.integration, cohort_id="c2", name="Second", members=last)
    assert len(run(house, in_cohort("c1", "c2")).users) == 4
    assert len(run(house, in_cohort("c1", "c2", operator="does_not_include")).users) == 3


def test_exclusion_group_leaves_out_who_passes_all_its_rows(house: House) -> None:
    groups = [{"rows": [{"filters": [in_cohort("c1")]}, {"filters": [COUNTRY]}]}]
    found = run(house, exclude=groups)
    assert len(found.users) == 6
    assert "user-0" not in names(house, found)


def assert_unusable(found: Evaluation, message: str) -> None:
    assert message in str(found.problems[0])
    with pytest.raises(TreeError, match="Row 2, filter 1"):
        _ = found.users


def test_an_archived_cohort_matches_neither_all_nor_none(house: House) -> None:
    Cohort.objects.update(archived_at=timezone.now())
    for operator in ("includes", "does_not_include"):
        found = run(house, COUNTRY, in_cohort("c1", operator=operator), COUNTRY)
        assert_unusable(found, "Row 2, filter 1: The cohort “Braze Cohort” is archived.")
        assert [step.users is None for step in found.rows] == [False, True, True]


def test_a_cohort_that_is_gone_has_no_set(house: House) -> None:
    assert_unusable(run(house, COUNTRY, in_cohort("c1", "c9")), "The cohort with the id “c9” does not exist.")


def test_another_workspaces_cohort_does_not_exist(house: House) -> None:
    other = build_house("Other")
    Cohort.objects.create(integration=other.integration, cohort_id="theirs", name="Theirs")
    assert_unusable(run(house, COUNTRY, in_cohort("theirs")), "“theirs” does not exist")


def test_another_partners_cohort_does_not_exist(house: House) -> None:
    segment = Integration.objects.create(workspace=house.workspace, partner_slug="segment")
    Cohort.objects.create(integration=segment, cohort_id="s1", name="Segment's")
    assert_unusable(run(house, COUNTRY, in_cohort("s1")), "“s1” does not exist")


def test_an_attribute_that_nobody_has_has_no_set(house: House) -> None:
    about = {"name": "shoe", "type": "number"}
    leaf = {"filter": "custom_attribute", "subject": about, "operator": "is_blank", "value": None}
    assert_unusable(run(house, COUNTRY, leaf), "No user has ever had the custom attribute “shoe”.")


def test_an_app_that_is_gone_has_no_set(house: House) -> None:
    found = run(house, COUNTRY, apps=["3f2b8a5e-0000-4000-8000-000000000000"])
    assert "Apps Used: The app" in str(found.problems[0])
    assert found.final is None


def test_an_unfinished_filter_leaves_the_rows_before_it_exact(house: House) -> None:
    tree, problems = read(house.tree(COUNTRY, {**COUNTRY, "value": None}))
    found = evaluate(tree, house.workspace, problems=problems)
    assert [step.users and len(step.users) for step in found.rows] == [3, None]


def test_relative_days_count_from_one_moment(house: House) -> None:
    leaf = {"filter": "last_used_app", "operator": "less_than_days_ago", "value": 3}
    assert len(run(house, leaf).users) == 3
    later = timezone.now() + timedelta(days=2)
    assert len(evaluate(parse(house.tree(leaf)), house.workspace, now=later).users) == 1


def test_cohorts_of_a_tree_are_read_together_and_equal_filters_once(house: House) -> None:
    Cohort.objects.bulk_create(
        Cohort(integration=house.integration, cohort_id=f"x{n}", name=f"x{n}") for n in range(20)
    )
    run(house)
    with CaptureQueriesContext(connection) as few:
        run(house, in_cohort("c1"), COUNTRY)
    with CaptureQueriesContext(connection) as many:
        run(house, [in_cohort(f"x{n}") for n in range(20)], in_cohort("c1"), COUNTRY, [COUNTRY, COUNTRY])
    assert len(many) == len(few)
