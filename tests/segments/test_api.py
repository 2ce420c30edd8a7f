"""``/segments/list`` and ``/segments/details`` as Braze documents them."""

import uuid
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from segments.models import Segment
from tests.segments.conftest import House, build_house, in_cohort
from workspaces.models import ApiKey


@pytest.fixture
def key(house: House) -> str:
    _row, made = ApiKey.make(workspace=house.workspace, name="test", permissions=["segments.list", "segments.details"])
    return made.secret


def get(key: str, path: str, **query: Any) -> Any:
    return Client().get(f"/segments/{path}", query, headers={"Authorization": f"Bearer {key}"})


def test_it_works(house: House, key: str) -> None:
    segment = house.segment("Example", tags=["gold"])
    answer = get(key, "list")
    assert answer.status_code == 200
    assert answer.json() == {
        "message": "success",
        "segments": [
            {"id": str(segment.api_id), "name": "Example", "analytics_tracking_enabled": True, "tags": ["gold"]}
        ],
    }


def test_a_hundred_a_page_in_order_of_creation(house: House, key: str) -> None:
    Segment.objects.bulk_create(Segment(workspace=house.workspace, name=f"S{number:03}") for number in range(101))
    house.segment("Gone", archived_at=timezone.now())
    names = [one["name"] for one in get(key, "list").json()["segments"]]
    assert (len(names), names[0]) == (100, "S000")
    assert [one["name"] for one in get(key, "list/", page=1).json()["segments"]] == ["S100"]
    assert get(key, "list", sort_direction="desc").json()["segments"][0]["name"] == "S100"


def test_details(house: House, key: str) -> None:
    segment = house.segment("Example", description="Mine", filters=house.tree(in_cohort("c1")))
    answer = get(key, "details", segment_id=segment.api_id).json()
    assert answer["message"] == "success"
    assert answer["description"] == "Mixpanel Cohorts includes “Braze Cohort”"
    assert answer["text_description"] == "Mine"
    assert answer["created_at"].endswith("+00:00")


def test_an_or_beside_an_and_stands_in_brackets(house: House, key: str) -> None:
    def described(*rows: Any, **more: Any) -> Any:
        segment = house.segment(str(uuid.uuid4()), filters=house.tree(*rows, **more))
        return get(key, "details", segment_id=segment.api_id).json()["description"]

    country = {"filter": "country", "operator": "is_blank", "value": None}
    either = [in_cohort("c1"), country]
    said = "Mixpanel Cohorts includes “Braze Cohort” OR Country is blank"
    assert described(either) == said
    assert described(either, country) == f"({said}) AND Country is blank"
    left_out = [{"rows": [{"filters": either}, {"filters": [country]}]}]
    assert described(either, exclude=left_out) == f"({said}) AND Leave out: ({said}) AND Country is blank"


def test_the_wire_speaks_english(house: House, key: str) -> None:
    segment = house.segment("Example")
    headers = {"Authorization": f"Bearer {key}", "Accept-Language": "ja"}
    answer = Client().get("/segments/details", {"segment_id": segment.api_id}, headers=headers)
    assert answer.json()["description"] == "All users"


@pytest.mark.parametrize("query", [{"page": "x"}, {"page": "-1"}, {"page": "9" * 30}, {"sort_direction": "up"}])
def test_a_wrong_query_is_refused(key: str, query: dict[str, str]) -> None:
    assert get(key, "list", **query).status_code == 400


def test_a_segment_that_is_not_there_is_refused(house: House, key: str) -> None:
    theirs = build_house("Other").segment("Theirs")
    for segment_id in ("", "x", "3f2b8a5e-0000-4000-8000-000000000000", str(theirs.api_id)):
        assert get(key, "details", segment_id=segment_id).status_code == 400


def test_a_key_without_the_permission_is_refused(house: House) -> None:
    _row, made = ApiKey.make(workspace=house.workspace, name="other", permissions=["segments.list"])
    assert get(made.secret, "details", segment_id="x").status_code == 401
    assert get("wrong", "list").status_code == 401
