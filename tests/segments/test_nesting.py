"""Segments inside segments: never in a circle, never too deep, and never silently nobody."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from segments.engine import evaluate
from segments.filters.membership import MAX_DEPTH
from segments.models import Segment
from segments.tree import parse
from segments.where_used import uses_of
from tests.segments.conftest import House, build_house, in_cohort

pytestmark = pytest.mark.django_db
ADDRESS = "/admin/segments/segment/"


def inside(*segments: Segment, operator: str = "includes") -> dict[str, Any]:
    ids = [str(one.api_id) for one in segments]
    return {"filter": "segment_membership", "operator": operator, "value": ids}


def save(client: Client, segment: Segment, *rows: Any, house: House) -> Any:
    data = {"version": segment.version, "filters": house.tree(*rows)}
    answer = client.post(f"{ADDRESS}{segment.pk}/save/", data, content_type="application/json")
    segment.refresh_from_db()
    return answer


def refusal(answer: Any) -> str:
    assert answer.status_code == 400
    return " ".join(one["text"] for one in answer.json()["problems"])


def chain(house: House, length: int) -> list[Segment]:
    """Segments each of which contains the one before it; the first contains none."""
    made = [house.segment("link 0", filters=house.tree(in_cohort("c1")))]
    for number in range(1, length):
        made.append(house.segment(f"link {number}", filters=house.tree(inside(made[-1]))))
    return made


def test_it_works(house: House, client: Client) -> None:
    cohort = house.segment("Cohort", filters=house.tree(in_cohort("c1")))
    japan = house.segment("Japan", filters=house.tree({"filter": "country", "operator": "is_any_of", "value": ["JP"]}))
    outer = house.segment("Outer")
    assert (
        save(client, outer, inside(cohort), inside(japan, operator="does_not_include"), house=house).status_code == 200
    )
    users = evaluate(parse(outer.filters), house.workspace).users
    assert [n for n, one in enumerate(house.profiles) if one.pk in users] == [1, 2]
    either = house.tree(inside(cohort, japan))
    assert len(evaluate(parse(either), house.workspace).users) == 5


def test_what_a_segment_contains_is_live(house: House) -> None:
    cohort = house.segment("Cohort", filters=house.tree(in_cohort("c1")))
    tree = parse(house.tree(inside(cohort)))
    assert len(evaluate(tree, house.workspace).users) == 3
    Segment.objects.update(filters=house.tree())
    assert len(evaluate(tree, house.workspace).users) == 7


def test_a_segment_cannot_contain_itself(house: House, client: Client) -> None:
    own = house.segment("Own")
    said = refusal(save(client, own, in_cohort("c1"), inside(own), house=house))
    assert said == "Row 2, filter 1: The segment would contain itself. Choose another one or remove it."


def test_nor_by_way_of_others(house: House, client: Client) -> None:
    links = chain(house, 3)
    assert "Row 1, filter 1: The segment would contain itself." in refusal(
        save(client, links[0], inside(links[2]), house=house)
    )
    exclusion = {"version": 1, "filters": house.tree(exclude=[house.tree(inside(links[1]))])}
    del exclusion["filters"]["exclude"][0]["apps"], exclusion["filters"]["exclude"][0]["exclude"]
    answer = client.post(f"{ADDRESS}{links[0].pk}/save/", exclusion, content_type="application/json")
    assert "Exclusion group 1, row 1, filter 1: The segment would contain itself." in refusal(answer)


def test_while_one_edits_it_is_said_at_once(house: House, client: Client) -> None:
    own = house.segment("Own")
    asked = {"segment": own.pk, "filters": house.tree(inside(own))}
    answer = client.post(f"{ADDRESS}statistics/", asked, content_type="application/json").json()
    assert "The segment would contain itself." in answer["problems"][0]["text"]
    assert answer["total"] is None


def test_depth_is_bounded_from_below_and_from_above(house: House, client: Client) -> None:
    links = chain(house, MAX_DEPTH)
    deepest = house.segment("Deepest")
    assert save(client, deepest, inside(links[-1]), house=house).status_code == 200
    assert evaluate(parse(deepest.filters), house.workspace).problems == []
    deeper = house.segment("Deeper")
    message = "Row 1, filter 1: Segments can be inside each other 5 deep, and here they would be deeper."
    assert refusal(save(client, deeper, inside(deepest), house=house)) == message
    # The lowest of them, too, has five around it already.
    assert refusal(save(client, links[0], inside(deeper), house=house)) == message


@pytest.mark.parametrize("operator", ["includes", "does_not_include"])
def test_a_circle_that_has_come_about_has_no_set(house: House, operator: str) -> None:
    one, other = house.segment("One"), house.segment("Other")
    Segment.objects.filter(pk=one.pk).update(filters=house.tree(inside(other, operator=operator)))
    Segment.objects.filter(pk=other.pk).update(filters=house.tree(inside(one, operator=operator)))
    found = evaluate(parse(house.tree(inside(one))), house.workspace)
    assert found.final is None
    assert "The segment “One” contains itself." in str(found.problems[0])


def test_what_lies_too_deep_has_no_set(house: House) -> None:
    links = chain(house, MAX_DEPTH + 2)
    assert evaluate(parse(house.tree(inside(links[-2]))), house.workspace).problems == []
    found = evaluate(parse(house.tree(inside(links[-1]))), house.workspace)
    assert "Segments can be inside each other 5 deep, and “link 0” lies deeper." in str(found.problems[0])


@pytest.mark.parametrize("operator", ["includes", "does_not_include"])
def test_an_archived_segment_matches_neither_all_nor_none(house: House, operator: str) -> None:
    gone = house.segment("Gone", archived_at=timezone.now())
    found = evaluate(parse(house.tree(inside(gone, operator=operator))), house.workspace)
    assert found.final is None
    assert str(found.problems[0]) == (
        "Row 1, filter 1: The segment “Gone” is archived. Choose another one or remove it."
    )


def test_a_segment_of_another_workspace_does_not_exist(house: House, client: Client) -> None:
    theirs = build_house("Other").segment("Theirs")
    answer = save(client, house.segment("Own"), inside(theirs), house=house)
    assert "Row 1, filter 1: The segment with the id" in refusal(answer)
    found = client.get(f"{ADDRESS}values/", {"filter": "segment_membership", "q": ""}).json()["values"]
    assert [one["label"] for one in found] == ["Own"]


@pytest.mark.parametrize("value", [["x"], ["00000000-0000-4000-8000-000000000000"]])
def test_what_is_no_segment_does_not_exist(house: House, value: list[str]) -> None:
    leaf = {"filter": "segment_membership", "operator": "includes", "value": value}
    found = evaluate(parse(house.tree(leaf)), house.workspace)
    assert f"The segment with the id “{value[0]}” does not exist." in str(found.problems[0])


def test_a_broken_segment_is_named(house: House) -> None:
    broken = house.segment("Broken", filters=house.tree(in_cohort("nowhere")))
    found = evaluate(parse(house.tree(inside(broken))), house.workspace)
    assert "Correct the segment “Broken” first. Row 1, filter 1: The cohort" in str(found.problems[0])


def test_where_a_segment_is_used(house: House, client: Client) -> None:
    inner, unused = house.segment("Inner"), house.segment("Unused")
    outer = house.segment("Outer", filters=house.tree(in_cohort("c1"), [in_cohort("c1"), inside(inner)]))
    house.segment("Old", filters=house.tree(inside(inner)), archived_at=timezone.now())
    found = uses_of([inner, unused])
    [use] = found[inner.pk]
    assert (str(use.kind), use.name, use.address) == ("Segment", "Outer", f"{ADDRESS}{outer.pk}/change/")
    assert found[unused.pk] == []
    page = client.get(ADDRESS).content.decode()
    assert f'href="{ADDRESS}{outer.pk}/change/"' in page
