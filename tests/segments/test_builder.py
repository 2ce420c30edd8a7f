"""The builder's requests: statistics while one edits, saving, conflicts, history, preview."""

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from partners.models import Cohort, CohortChange
from segments.models import Segment
from tests.segments.conftest import House, build_house, in_cohort
from workspaces.models import Membership, User
from workspaces.roles import Role

BASE = "/admin/segments/segment"
pytestmark = pytest.mark.django_db


def post(client: Client, path: str, data: Any) -> Any:
    return client.post(f"{BASE}/{path}", data, content_type="application/json")


def statistics(client: Client, tree: Any, **more: Any) -> dict[str, Any]:
    answer = post(client, "statistics/", {"filters": tree, **more})
    assert answer.status_code == 200
    return answer.json()


def save(client: Client, segment: Segment, version: int, **fields: Any) -> Any:
    return post(client, f"{segment.pk}/save/", {"version": version, **fields})


def opened(client: Client, segment: Segment) -> HttpResponse:
    return client.get(f"{BASE}/{segment.pk}/change/")


def test_it_works(client: Client, house: House) -> None:
    segment = house.segment()
    tree = house.tree(in_cohort("c1"))
    saved = save(client, segment, 1, name="Renamed", description="For the tests", tags=["a", "b"], filters=tree)
    assert saved.status_code == 200
    assert saved.json()["version"] == 2
    segment.refresh_from_db()
    assert (segment.name, segment.tags, segment.version) == ("Renamed", ["a", "b"], 2)
    assert segment.filters["rows"][0]["filters"][0]["value"] == ["c1"]
    assert segment.edited_by == house.admin


def test_statistics_of_an_unsaved_tree(client: Client, house: House) -> None:
    row = {"id": "r1", "filters": [in_cohort("c1")]}
    found = statistics(client, {"rows": [row]}, channels=True)
    assert (found["live"], found["total"]) == (7, 3)
    reached = {"email": 2, "sms": 0, "web_push": 0, "ios_push": 0, "android_push": 0}
    assert found["rows"] == {"r1": {"users": 3, "exact": True, "channels": reached}}
    assert found["exact"] is True
    assert found["problems"] == []
    assert found["moment"]["utc"].endswith("UTC")


def test_statistics_name_what_is_unfinished(client: Client, house: House) -> None:
    unfinished = {"id": "l", "filter": "country", "operator": "is_any_of", "value": None}
    found = statistics(client, {"rows": [{"id": "r", "filters": [unfinished]}]})
    assert found["total"] is None
    assert found["rows"]["r"]["users"] is None
    assert found["problems"] == [
        {"text": "Row 1, filter 1: Choose a value.", "message": "Choose a value.", "leaf": "l", "unfinished": True}
    ]


def test_statistics_of_what_is_no_tree(client: Client, house: House) -> None:
    found = statistics(client, ["x"])
    assert found["total"] is None
    assert found["problems"][0]["text"] == "The filters are not a JSON object."


@pytest.mark.parametrize("path", ["statistics/", "preview/"])
def test_after_a_change_of_workspace_there_are_no_numbers_of_the_other_one(
    client: Client, house: House, path: str
) -> None:
    theirs = build_house("Other").segment("Theirs")
    answer = post(client, path, {"filters": house.tree(), "segment": theirs.pk})
    assert answer.status_code == 400
    assert "another workspace" in answer.json()["errors"][""]
    assert post(client, path, {"filters": house.tree(), "segment": 2**62}).status_code == 400


def test_a_body_that_is_no_json_is_refused(client: Client, house: House) -> None:
    answer = client.post(f"{BASE}/statistics/", "{", content_type="application/json")
    assert answer.status_code == 400


def test_statistics_of_the_saved_tree_note_the_size(client: Client, house: House) -> None:
    segment = house.segment()
    saved = save(client, segment, 1, filters=house.tree(in_cohort("c1"))).json()
    statistics(client, saved["filters"], segment=segment.pk)
    segment.refresh_from_db()
    assert segment.size == 3
    statistics(client, house.tree(), segment=segment.pk)
    segment.refresh_from_db()
    assert segment.size == 3


def test_statistics_say_how_many_changes_wait(client: Client, house: House, settings: Any) -> None:
    settings.FOLD_ON_READ_LIMIT = 0
    CohortChange.objects.create(cohort=house.cohort, source=Cohort.Source.PUSH, identifiers=5, changes=b"[]")
    assert statistics(client, house.tree(in_cohort("c1")))["waiting"] == 5
    assert statistics(client, house.tree())["waiting"] == 0


def test_saving_needs_a_token(house: House) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(house.admin)
    assert save(strict, house.segment(), 1, name="X").status_code == 403


@pytest.mark.parametrize(
    ("fields", "where", "message"),
    [
        ({"name": "  "}, "name", "Give the segment a name."),
        ({"name": "x" * 201}, "name", "Use at most 200 characters."),
        ({"name": 7}, "name", "Give the segment a name."),
        ({"name": "Taken"}, "name", "There is a segment with this name already."),
        ({"description": "x" * 2001}, "description", "Use at most 2000 characters."),
        ({"tags": "a"}, "tags", "Give a list of tags."),
        ({"tags": ["x" * 51]}, "tags", "Use at most 20 tags of at most 50 characters."),
    ],
)
def test_a_field_that_is_wrong_is_refused(
    client: Client, house: House, fields: dict[str, Any], where: str, message: str
) -> None:
    house.segment("Taken")
    segment = house.segment()
    answer = save(client, segment, 1, **fields)
    assert answer.status_code == 400
    assert message in answer.json()["errors"][where]
    segment.refresh_from_db()
    assert segment.version == 1


def test_a_wrong_filter_is_refused_with_its_place(client: Client, house: House) -> None:
    answer = save(client, house.segment(), 1, filters=house.tree(in_cohort("c1"), in_cohort()))
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["text"] == "Row 2, filter 1: Choose a value."


def test_a_filter_on_something_gone_is_refused(client: Client, house: House) -> None:
    answer = save(client, house.segment(), 1, filters=house.tree(in_cohort("c9")))
    assert answer.status_code == 400
    assert "Row 1, filter 1: The cohort with the id “c9” does not exist." in answer.json()["problems"][0]["text"]


def test_a_segment_whose_cohort_was_archived_can_still_be_renamed(client: Client, house: House) -> None:
    segment = house.segment()
    filters = save(client, segment, 1, filters=house.tree(in_cohort("c1"))).json()["filters"]
    Cohort.objects.update(archived_at=timezone.now())
    assert save(client, segment, 2, name="Still here", filters=filters).status_code == 200


def test_the_second_of_two_who_save_is_told(client: Client, house: House, browse: Callable[[User], Client]) -> None:
    segment = house.segment()
    marketer = User.objects.create_user("marketer")
    Membership.objects.create(user=marketer, workspace=house.workspace, role=Role.MARKETER)
    assert save(browse(marketer), segment, 1, name="Theirs").status_code == 200
    answer = save(client, segment, 1, name="Mine")
    assert answer.status_code == 409
    assert answer.json()["conflict"]["version"] == 2
    assert "marketer has saved this segment" in answer.json()["conflict"]["message"]
    assert Segment.objects.get().name == "Theirs"
    assert save(client, segment, 2, name="Mine").status_code == 200


@pytest.mark.parametrize("version", [None, "1", True, 0, -1, 2**40])
def test_saving_without_a_version_is_refused(client: Client, house: House, version: Any) -> None:
    assert save(client, house.segment(), version).status_code == 400


def test_history_says_what_changed_and_restores(client: Client, house: House) -> None:
    client.post(f"{BASE}/add/", {"name": "Example"})
    segment = Segment.objects.get()
    save(client, segment, 1, filters=house.tree(in_cohort("c1")))
    save(client, segment, 2, name="Renamed", filters=house.tree(), tags=["vip"])
    changes = client.get(f"{BASE}/{segment.pk}/history/").json()["changes"]
    assert [change["version"] for change in changes] == [3, 2, 1]
    assert changes[0]["what"] == [
        "Renamed from “Example” to “Renamed”",
        "Tags: vip",
        "Removed: Mixpanel Cohorts includes “Braze Cohort”",
    ]
    assert changes[1]["what"] == ["Added: Mixpanel Cohorts includes “Braze Cohort”"]
    assert changes[2]["what"] == ["Created"]
    restored = {name: changes[1][name] for name in ("name", "filters", "tags")}
    assert save(client, segment, 3, **restored).json()["version"] == 4


def test_changes_since_last_viewed(client: Client, house: House, browse: Callable[[User], Client]) -> None:
    segment = house.segment()
    marketer = User.objects.create_user("marketer")
    Membership.objects.create(user=marketer, workspace=house.workspace, role=Role.MARKETER)
    other = browse(marketer)
    assert b"0 Changes Since Last Viewed" in opened(other, segment).content
    save(client, segment, 1, name="A")
    save(client, segment, 2, name="B")
    assert b"2 Changes Since Last Viewed" in opened(other, segment).content
    assert b"0 Changes Since Last Viewed" in opened(other, segment).content
    assert b"0 Changes Since Last Viewed" in opened(client, segment).content


def preview(client: Client, tree: Any, query: str = "") -> Any:
    return post(client, "preview/", {"filters": tree, "q": query})


def test_preview_shows_users_and_finds_others(client: Client, house: House) -> None:
    tree = house.tree(in_cohort("c1"))
    found = preview(client, tree).json()
    assert found["total"] == 3
    assert [user["name"] for user in found["users"]] == ["user-0", "user-1", "user-2"]
    looked_up = preview(client, tree, "user-5").json()["users"]
    assert [(user["name"], user["inside"]) for user in looked_up] == [("user-5", False)]
    by_email = preview(client, tree, "USER-1@exam").json()["users"]
    assert [(user["name"], user["inside"]) for user in by_email] == [("user-1", True)]


def test_preview_of_a_broken_tree_says_why(client: Client, house: House) -> None:
    answer = preview(client, house.tree(in_cohort("c9")))
    assert answer.status_code == 400
    assert "“c9” does not exist" in answer.json()["problems"][0]["text"]


def test_the_schema_is_published(client: Client) -> None:
    assert client.get(f"{BASE}/schema.json").json()["title"] == "Segment filters"


@pytest.mark.parametrize("path", ["statistics/", "preview/", "{pk}/save/"])
def test_a_form_instead_of_json_is_refused(house: House, path: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(house.admin)
    token = "a" * 32
    strict.cookies["csrftoken"] = token
    answer = strict.post(f"{BASE}/{path.format(pk=house.segment().pk)}", {"csrfmiddlewaretoken": token})
    assert answer.status_code == 400
    assert "The request is not a JSON object." in answer.content.decode()
