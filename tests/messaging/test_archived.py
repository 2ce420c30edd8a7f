"""A filter over an archived campaign or Canvas, or over a part of one, says so and has no number."""

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from messaging import editing
from messaging.models import Campaign, Canvas, Engagement
from messaging.usage import uses_of
from profiles.engagement import Source, Touch, record
from profiles.versions import Kind, bump
from tests.messaging.conftest import House, build_house, in_cohort
from tests.messaging.test_filters import offered
from tests.messaging.test_screens import page, save

pytestmark = pytest.mark.django_db
SEGMENTS = "/admin/segments/segment"
KINDS = [pytest.param(Campaign, id="campaign"), pytest.param(Canvas, id="canvas")]
#: Parts by their kind: the model of what they are a part of, and a filter over them.
PARTS = [
    pytest.param(
        Canvas, "step", "received_canvas_step", "The Canvas of the step “Spring: First” is archived.", id="step"
    ),
    pytest.param(
        Canvas,
        "variation",
        "entered_canvas_variation",
        "The Canvas of the variation “Spring: First” is archived.",
        id="variation",
    ),
    pytest.param(
        Campaign,
        "variant",
        "received_campaign_variant",
        "The campaign of the variant “Spring: First” is archived.",
        id="variant",
    ),
]


def made(house: House, model: type[Engagement], name: str = "Spring") -> Any:
    return editing.create(model, house.workspace, house.admin, name, "")


def over(one: Engagement, operator: str = "has") -> dict[str, Any]:
    """A filter over who received it."""
    kind = str(one._meta.model_name)
    return {"filter": f"received_{kind}", "subject": {kind: str(one.api_id)}, "operator": operator, "value": None}


def touch(house: House, one: Engagement, part: str) -> dict[str, Any]:
    """The first user received "First", which is that part of it; returns a subject that names the part."""
    whole = Source(str(one._meta.model_name), str(one.api_id))
    parts = {Source(part, "p-1", whole): "First"}
    action = "entered" if part == "variation" else "received"
    record(
        house.workspace.pk,
        [Touch(house.profiles[0].pk, action, "email", timezone.now(), whole, one.name, parts)],
    )
    bump(house.workspace.pk, [Kind.ENGAGEMENT])
    return {part: "p-1"}


def numbers(client: Client, *leaves: dict[str, Any], house: House) -> Any:
    """What the builder shows of a tree."""
    body = json.dumps({"filters": house.tree(*leaves)}, default=str)
    return client.post(f"{SEGMENTS}/statistics/", body, content_type="application/json").json()


def archive(client: Client, one: Engagement, archived: str = "1") -> None:
    path = f"/admin/messaging/{one._meta.model_name}/{one.pk}/archive/"
    assert client.post(path, {"archived": archived}).status_code == 302


# --- It says so ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", ["has", "has_not"])
@pytest.mark.parametrize("model", KINDS)
def test_it_works(client: Client, house: House, model: type[Engagement], operator: str) -> None:
    one = made(house, model)
    expected = {"has": 0, "has_not": 7}[operator]
    assert numbers(client, over(one, operator), house=house)["total"] == expected
    archive(client, one)
    found = numbers(client, over(one, operator), house=house)
    assert found["total"] is None
    [problem] = found["problems"]
    name = "campaign" if model is Campaign else "Canvas"
    assert problem["text"] == (
        f"Row 1, filter 1: The {name} “Spring” is archived. Choose another one or remove the filter."
    )
    archive(client, one, "0")
    assert numbers(client, over(one, operator), house=house)["total"] == expected


@pytest.mark.parametrize(("model", "part", "key", "said"), PARTS)
def test_a_part_is_archived_with_the_whole(
    client: Client, house: House, model: type[Engagement], part: str, key: str, said: str
) -> None:
    one = made(house, model)
    leaf = {"filter": key, "subject": touch(house, one, part), "operator": "has", "value": None}
    assert numbers(client, leaf, house=house)["total"] == 1
    assert [value for value, _label in offered(client, key, part)] == ["p-1"]
    archive(client, one)
    found = numbers(client, leaf, house=house)
    assert found["total"] is None
    assert said in found["problems"][0]["text"]
    assert offered(client, key, part) == []


def test_what_is_archived_is_not_offered(client: Client, house: House) -> None:
    spring, _summer = made(house, Campaign), made(house, Campaign, "Summer")
    archive(client, spring)
    assert [label for _value, label in offered(client, "received_campaign", "campaign")] == ["Summer"]


def test_a_change_of_what_is_archived_leaves_it_archived(client: Client, house: House) -> None:
    one = made(house, Campaign)
    archive(client, one)
    assert save(client, one, name="Autumn").status_code == 200
    assert "“Autumn” is archived" in numbers(client, over(one), house=house)["problems"][0]["text"]


def test_a_copy_of_what_is_archived_is_not(client: Client, house: House) -> None:
    one = made(house, Campaign)
    archive(client, one)
    copy = editing.duplicate(one, house.admin)
    assert numbers(client, over(copy), house=house)["total"] == 0


def test_a_filter_by_tag_counts_what_is_archived(client: Client, house: House) -> None:
    one = made(house, Campaign)
    save(client, one, tags=["gold"])
    touch(house, one, "variant")
    archive(client, one)
    leaf = {"filter": "received_with_tag", "subject": {"tag": "gold"}, "operator": "has", "value": None}
    assert numbers(client, leaf, house=house)["total"] == 1


def test_a_new_filter_over_it_is_refused_and_one_that_was_there_is_not(client: Client, house: House) -> None:
    one = made(house, Campaign)
    segment = house.segment("Readers", filters=house.tree(over(one)))
    archive(client, one)
    address, body = f"{SEGMENTS}/{segment.pk}/save/", {"version": 1, "name": "Still readers"}
    assert client.post(address, json.dumps(body), content_type="application/json").status_code == 200
    body = {"version": 2, "filters": house.tree(in_cohort("c1"), over(one, "has_not"))}
    answer = client.post(address, json.dumps(body), content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["text"].startswith("Row 2, filter 1: The campaign “Spring” is archived.")


def test_the_list_shows_no_number_from_before(client: Client, house: House) -> None:
    one = made(house, Campaign)
    segment = house.segment("Readers", filters=house.tree(over(one)), size=4321, size_at=timezone.now())
    copy = house.segment("Others", filters=house.tree(in_cohort("c1")), size=1234, size_at=timezone.now())
    house.segment("Unreadable", filters={"rows": 7}, size=5678, size_at=timezone.now())
    assert "4,321" in client.get(f"{SEGMENTS}/").content.decode()
    archive(client, one)
    shown = client.get(f"{SEGMENTS}/").content.decode()
    assert ("4,321" in shown, "5,678" in shown, "1,234" in shown) == (False, False, True)
    assert f'data-size="{SEGMENTS}/{segment.pk}/size/"' in shown
    assert f'data-size="{SEGMENTS}/{copy.pk}/size/"' not in shown


def test_a_user_s_explanation_says_so(client: Client, house: House) -> None:
    one = made(house, Campaign)
    archive(client, one)
    body = json.dumps({"filters": house.tree(over(one)), "user": house.profiles[0].pk})
    said = client.post(f"{SEGMENTS}/explain/", body, content_type="application/json").content.decode()
    assert "The campaign “Spring” is archived." in said
    assert "Nobody can tell" in said


# --- What uses it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", KINDS)
def test_archiving_it_warns_and_its_page_and_the_list_say_what_uses_it(
    client: Client, house: House, model: type[Engagement]
) -> None:
    one, welcome = made(house, model), made(house, Canvas, "Welcome")
    segment = house.segment("Readers", filters=house.tree(exclude=[{"rows": [{"filters": [over(one)]}]}]))
    save(client, welcome, filters=house.tree(over(one, "has_not")))
    kind = one._meta.model_name
    uses = [(str(use.kind), use.name) for use in uses_of([one])[one.pk]]
    assert uses == [("Segment", "Readers"), ("Canvas", "Welcome")]
    for path in (f"{kind}/", f"{kind}/{one.pk}/change/"):
        shown = page(client, path)
        assert "It is used by the following." in shown
        assert shown.count(f"{SEGMENTS}/{segment.pk}/change/") == 2
        assert "Used By" in shown


@pytest.mark.parametrize(("model", "part", "key", "said"), PARTS)
def test_a_filter_over_a_part_uses_the_whole(
    house: House, model: type[Engagement], part: str, key: str, said: str
) -> None:
    one, other = made(house, model), made(house, model, "Other")
    leaf = {"filter": key, "subject": touch(house, one, part), "operator": "has", "value": None}
    house.segment("Readers", filters=house.tree(leaf))
    found = uses_of([one, other])
    assert [use.name for use in found[one.pk]] == ["Readers"]
    assert found[other.pk] == []


def test_some_uses_do_not_count(client: Client, house: House) -> None:
    one = made(house, Campaign)
    save(client, one, filters=house.tree(over(one, "has_not")))
    house.segment("Archived", filters=house.tree(over(one)), archived_at=timezone.now())
    build_house("Other").segment("Theirs", filters=house.tree(over(one)))
    assert uses_of([one])[one.pk] == []


def test_it_takes_four_queries_for_any_number(house: House, django_assert_num_queries: Any) -> None:
    found = [made(house, Campaign, f"C{number}") for number in range(20)]
    for one in found:
        house.segment(f"S{one.name}", filters=house.tree(over(one)))
    with django_assert_num_queries(4):
        uses = uses_of(found)
    assert all(len(one) == 1 for one in uses.values())


def test_a_page_of_a_segment_says_what_uses_it(client: Client, house: House) -> None:
    segment, other = house.segment("Gold"), house.segment("Other")
    save(client, made(house, Campaign), include=[segment.api_id])
    shown = client.get(f"{SEGMENTS}/{segment.pk}/change/").content.decode()
    assert 'id="used-by"' in shown
    assert 'id="used-by"' not in client.get(f"{SEGMENTS}/{other.pk}/change/").content.decode()
