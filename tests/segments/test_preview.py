"""``POST /segments/preview``: a filter tree in, counts out."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.test import Client

from partners.models import Cohort
from segments.models import Segment
from tests.segments.conftest import House, build_house, in_cohort
from workspaces.models import ApiKey

Post = Callable[..., Any]
JAPAN = {"id": "l1", "filter": "country", "operator": "is_any_of", "value": ["JP"]}


@pytest.fixture
def post(house: House) -> Post:
    """Posts a body with a key that may preview."""
    _row, key = ApiKey.make(workspace=house.workspace, name="test", permissions=["segments.preview"])

    def send(body: Any, **headers: str) -> Any:
        headers = {"Authorization": f"Bearer {key.secret}", **headers}
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return Client().post("/segments/preview", content, content_type="application/json", headers=headers)

    return send


def row(row_id: str, *leaves: Any) -> dict[str, Any]:
    return {"id": row_id, "filters": list(leaves)}


def test_it_works(house: House, post: Post) -> None:
    group = {"id": "g", "rows": [row("r3", {"filter": "language", "operator": "is_any_of", "value": ["en"]})]}
    tree = {"rows": [row("r1", in_cohort("c1")), row("r2", JAPAN)], "exclude": [group]}
    answer = post({"filters": tree})
    assert answer.status_code == 200
    found = answer.json()
    assert found.pop("calculated_at").endswith("+00:00")
    assert found == {
        "message": "success",
        "live": 7,
        "total": 0,
        "channels": None,
        "rows": [{"id": "r1", "users": 3, "channels": None}, {"id": "r2", "users": 1, "channels": None}],
        "exclude": [{"id": "g", "users": 0, "channels": None}],
        "problems": [],
        "waiting": 0,
    }


def test_counts_by_channel(post: Post) -> None:
    found = post({"filters": {"rows": [row("r1", in_cohort("c1"))]}, "channels": True, "fresh": True}).json()
    reached = {"email": 2, "sms": 0, "web_push": 0, "ios_push": 0, "android_push": 0}
    assert found["channels"] == found["rows"][0]["channels"] == reached


def test_no_filters_are_everybody(post: Post) -> None:
    assert post({"filters": {}}).json()["total"] == 7


def test_nothing_is_saved(post: Post) -> None:
    post({"filters": {"rows": [row("r1", in_cohort("c1"))]}})
    assert not Segment.objects.exists()


def test_a_filter_on_something_gone_is_a_problem_and_matches_neither_everybody_nor_nobody(post: Post) -> None:
    Cohort.objects.all().delete()
    found = post({"filters": {"rows": [row("r1", JAPAN), row("r2", {**in_cohort("c1"), "id": "l2"})]}}).json()
    assert found["total"] is None
    assert [one["users"] for one in found["rows"]] == [3, None]
    assert found["problems"] == [
        {
            "place": "Row 2, filter 1",
            "filter_id": "l2",
            "message": "The cohort with the id “c1” does not exist. Choose another one or remove it.",
        }
    ]


def test_malformed_filters_are_named(post: Post) -> None:
    wrong = {"id": "l2", "filter": "country", "operator": "is_any_of", "value": 7}
    tree = {"rows": [row("r1", JAPAN), row("r2", JAPAN | {"id": "l3", "operator": "x"}, wrong)]}
    answer = post({"filters": tree}, **{"Accept-Language": "ja"})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Row 2, filter 1: This filter has no comparison “x”.")
    assert [(one["place"], one["filter_id"]) for one in answer.json()["problems"]] == [
        ("Row 2, filter 1", "l3"),
        ("Row 2, filter 2", "l2"),
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "filters is required"),
        ([], "filters is required"),
        ({"filters": []}, "The filters are not a JSON object."),
        ({"filters": {"rows": [{}]}}, "Row 1: "),
        ({"filters": {}, "channels": 1}, "channels must be true or false"),
        ({"filters": {}, "fresh": "yes"}, "fresh must be true or false"),
        ({"filters": {"rows": [{"filters": [{"filter": "country"}] * 201}]}}, "holds more than 200 items"),
        (b"{", ""),
    ],
    ids=["nothing", "array", "no tree", "empty row", "channels", "fresh", "too many", "no json"],
)
def test_it_refuses(post: Post, body: Any, message: str) -> None:
    answer = post(body)
    assert answer.status_code == 400
    assert message in answer.json()["message"]


def test_nesting_is_bounded(post: Post) -> None:
    deep: Any = {"rows": []}
    for _level in range(50):
        deep = {"rows": [{"filters": [deep]}]}
    assert post({"filters": deep}).status_code == 400


def test_only_with_the_permission_and_for_the_own_workspace(house: House, post: Post) -> None:
    _row, key = ApiKey.make(workspace=build_house("Other").workspace, name="x", permissions=["segments.list"])
    assert post({"filters": {}}, Authorization=f"Bearer {key.secret}").status_code == 401
    assert post({"filters": {}}).json()["live"] == 7
