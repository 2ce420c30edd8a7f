"""The list of segments, and who may do what."""

from collections.abc import Callable

import pytest
from django.test import Client

from segments import editing
from segments.models import Segment
from tests.segments.conftest import House, build_house, in_cohort
from workspaces.models import Membership, User
from workspaces.roles import Role

BASE = "/admin/segments/segment"
pytestmark = pytest.mark.django_db


def listed(client: Client, **query: str) -> str:
    answer = client.get(f"{BASE}/", query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_works(client: Client, house: House) -> None:
    answer = client.post(f"{BASE}/add/", {"name": " Example ", "description": "Why"})
    segment = Segment.objects.get()
    assert answer["Location"] == f"{BASE}/{segment.pk}/change/"
    assert (segment.name, segment.description, segment.created_by) == ("Example", "Why", house.admin)
    assert "Example" in listed(client)
    assert "All users" in listed(client)


def test_an_empty_list_says_what_to_do(client: Client) -> None:
    assert "Create your first segment" in listed(client)


def test_filters_are_said_in_words(client: Client, house: House) -> None:
    tree = house.tree(
        [in_cohort("c1"), {"filter": "last_used_app", "operator": "more_than_days_ago", "value": 1}],
        exclude=[{"rows": [{"filters": [{"filter": "country", "operator": "is_any_of", "value": ["JP"]}]}]}],
    )
    house.segment(filters=tree)
    text = listed(client)
    assert "Mixpanel Cohorts includes “Braze Cohort” OR Last Used App more than 1 day ago" in text
    assert "Leave out: Country is any of “Japan”" in text


def test_a_name_that_is_taken_is_refused_beside_the_field(client: Client, house: House) -> None:
    house.segment("Example")
    answer = client.post(f"{BASE}/add/", {"name": "Example"})
    assert answer.status_code == 400
    assert "There is a segment with this name already" in answer.content.decode()
    assert Segment.objects.count() == 1


def test_archived_segments_are_shown_on_request_and_come_back(client: Client, house: House) -> None:
    segment = house.segment("Example")
    client.post(f"{BASE}/{segment.pk}/archive/", {"archived": "1"})
    assert "No segment found" in listed(client, q="exam")
    assert "No segment found" not in listed(client, q="exam", archived="1")
    client.post(f"{BASE}/{segment.pk}/archive/", {"archived": "0"})
    assert "No segment found" not in listed(client, q="exam")


def test_search_by_name_description_and_tag(client: Client, house: House) -> None:
    house.segment("First", tags=["gold"])
    house.segment("Second", description="those who left")
    assert "First" in listed(client, q="gold")
    assert "Second" not in listed(client, q="gold")
    assert "Second" in listed(client, q="who LEFT")
    assert "No segment found" in listed(client, q="nothing")


def test_sorted_by_any_column_and_paged(client: Client, house: House) -> None:
    for number in range(30):
        house.segment(f"Segment {number:02}", size=number)
    text = listed(client, sort="-size")
    assert text.index("Segment 29") < text.index("Segment 28")
    assert "Segment 00" not in text
    assert "Segment 00" in listed(client, sort="-size", page="2")
    assert "Segment 00" in listed(client, sort="name")


def test_the_size_is_computed_on_request(client: Client, house: House) -> None:
    segment = house.segment(filters=house.tree(in_cohort("c1")))
    assert client.post(f"{BASE}/{segment.pk}/size/").json() == {"size": 3}
    broken = house.segment("Broken", filters=house.tree(in_cohort("c9")))
    answer = client.post(f"{BASE}/{broken.pk}/size/")
    assert (answer.status_code, answer.json()["size"]) == (200, None)
    assert "“c9” does not exist" in answer.json()["problem"]


def test_two_who_duplicate_at_once_get_two_copies(
    client: Client, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = house.segment("Example")
    free, given = editing.copy_name, iter(["Example"])
    monkeypatch.setattr(editing, "copy_name", lambda name, taken: next(given, None) or free(name, taken))
    assert client.post(f"{BASE}/{segment.pk}/duplicate/").status_code == 302
    assert Segment.objects.filter(name="Copy of Example").exists()


def test_a_duplicate_has_the_same_filters(client: Client, house: House) -> None:
    segment = house.segment("Example", filters=house.tree(in_cohort("c1")), tags=["a"])
    for _again in range(2):
        client.post(f"{BASE}/{segment.pk}/duplicate/")
    copies = Segment.objects.exclude(pk=segment.pk).order_by("name")
    assert [copy.name for copy in copies] == ["Copy of Example", "Copy of Example 2"]
    assert copies[0].filters == segment.filters
    assert copies[0].tags == ["a"]


def addresses(segment: Segment) -> list[tuple[str, str]]:
    own = [("get", "change"), ("get", "history"), ("post", "size"), ("post", "save"), ("post", "duplicate")]
    return [(method, f"{BASE}/{segment.pk}/{name}/") for method, name in [*own, ("post", "archive")]]


def test_nobody_sees_another_workspaces_segments(client: Client, house: House) -> None:
    theirs = build_house("Other").segment("Secret")
    assert "Secret" not in listed(client)
    for method, address in addresses(theirs):
        assert getattr(client, method)(address).status_code == 404, address


def test_a_marketer_can_do_all_of_it(house: House, browse: Callable[[User], Client]) -> None:
    marketer = User.objects.create_user("marketer")
    Membership.objects.create(user=marketer, workspace=house.workspace, role=Role.MARKETER)
    theirs = browse(marketer)
    assert theirs.post(f"{BASE}/add/", {"name": "Mine"}).status_code == 302
    segment = Segment.objects.get()
    codes = {address: getattr(theirs, method)(address).status_code for method, address in addresses(segment)}
    assert set(codes.values()) <= {200, 302, 400}


def test_people_outside_see_nothing(house: House, browse: Callable[[User], Client]) -> None:
    stranger = browse(User.objects.create_user("stranger"))
    for address in ("", "values/", f"{house.segment().pk}/change/"):
        assert stranger.get(f"{BASE}/{address}").status_code in (302, 403)
    assert Client().get(f"{BASE}/").status_code == 302
