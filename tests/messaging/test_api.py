"""``/campaigns/list``, ``/campaigns/details``, ``/canvas/list`` and ``/canvas/details`` as Braze documents them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from messaging.models import Campaign, Canvas, Engagement
from tests.messaging.conftest import House, build_house, make
from workspaces.models import ApiKey

pytestmark = pytest.mark.django_db
PERMISSIONS = ["campaigns.list", "campaigns.details", "canvas.list", "canvas.details"]
KINDS = [
    pytest.param(Campaign, "campaigns", "campaigns", id="campaign"),
    pytest.param(Canvas, "canvas", "canvases", id="canvas"),
]
FIRST, SECOND = "3f2b8a5e-0000-4000-8000-000000000001", "3f2b8a5e-0000-4000-8000-000000000002"
MESSAGES = [
    {"id": FIRST, "name": "Hello", "channel": "sms", "parts": {"body": "Hi"}},
    {"id": SECOND, "name": "Again", "channel": "ios_push", "parts": {"title": "You", "alert": "Come back"}},
]


@pytest.fixture
def key(house: House) -> str:
    _row, made = ApiKey.make(workspace=house.workspace, name="test", permissions=PERMISSIONS)
    return made.secret


def get(key: str, path: str, query: dict[str, Any] | None = None) -> Any:
    return Client().get(f"/{path}", query, headers={"Authorization": f"Bearer {key}", "Accept-Language": "ja"})


def names(answer: Any, listed: str) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [one["name"] for one in answer.json()[listed]]


def test_it_works(house: House, key: str) -> None:
    edited = datetime(2024, 5, 12, 18, 47, 12, 345000, UTC)
    campaign = make(house, name="Spring", tags=["gold"], edited_at=edited)
    assert get(key, "campaigns/list").json() == {
        "message": "success",
        "campaigns": [
            {
                "id": str(campaign.api_id),
                "name": "Spring",
                "last_edited": "2024-05-12T18:47:12.345+00:00",
                "is_api_campaign": False,
                "tags": ["gold"],
            }
        ],
    }


def test_details_of_a_campaign(house: House, key: str) -> None:
    campaign = make(house, name="Spring", description="Why", messages=MESSAGES)
    found = get(key, "campaigns/details/", {"campaign_id": campaign.api_id}).json()
    assert found.pop("created_at").endswith("+00:00")
    assert found.pop("updated_at").endswith("+00:00")
    assert found == {
        "message": "success",
        "name": "Spring",
        "description": "Why",
        "archived": False,
        "draft": True,
        "enabled": False,
        "has_post_launch_draft": False,
        "schedule_type": None,
        "channels": ["sms", "ios_push"],
        "first_sent": None,
        "last_sent": None,
        "tags": [],
        "teams": [],
        "messages": {
            FIRST: {"channel": "sms", "name": "Hello", "body": "Hi"},
            SECOND: {"channel": "ios_push", "name": "Again", "title": "You", "alert": "Come back"},
        },
        "conversion_behaviors": [],
    }


def test_details_of_a_canvas(house: House, key: str) -> None:
    canvas = make(house, Canvas, messages=MESSAGES, archived_at=timezone.now())
    found = get(key, "canvas/details", {"canvas_id": canvas.api_id, "post_launch_draft_version": "true"}).json()
    assert (found["archived"], found["first_entry"], found["last_entry"]) == (True, None, None)
    [variant] = found["variants"]
    assert (variant["first_step_ids"], variant["first_step_id"]) == ([FIRST], FIRST)
    first, second = found["steps"]
    assert (first["id"], first["next_step_ids"]) == (FIRST, [SECOND])
    assert first["next_paths"] == [{"name": None, "next_step_id": SECOND}]
    assert list(first["messages"].values()) == [{"channel": "sms", "name": "Hello", "body": "Hi"}]
    assert (second["id"], second["next_step_ids"], second["next_paths"]) == (SECOND, [], [])
    assert get(key, "canvas/details", {"canvas_id": canvas.api_id}).json() == found, "ids are the same every time"


def test_a_canvas_without_steps(house: House, key: str) -> None:
    found = get(key, "canvas/details", {"canvas_id": make(house, Canvas).api_id}).json()
    assert (found["steps"], found["channels"], found["variants"][0]["first_step_ids"]) == ([], [], [])


@pytest.mark.parametrize(("model", "path", "listed"), KINDS)
def test_a_hundred_a_page_in_order_of_creation(
    house: House, key: str, model: type[Engagement], path: str, listed: str
) -> None:
    for number in range(101):
        make(house, model, f"C{number:03}")
    make(build_house("Other"), model, "Theirs")
    found = names(get(key, f"{path}/list"), listed)
    assert (len(found), found[0]) == (100, "C000")
    assert names(get(key, f"{path}/list/", {"page": 1}), listed) == ["C100"]
    assert names(get(key, f"{path}/list", {"sort_direction": "desc"}), listed)[0] == "C100"


@pytest.mark.parametrize(("model", "path", "listed"), KINDS)
def test_archived_ones_on_request(house: House, key: str, model: type[Engagement], path: str, listed: str) -> None:
    make(house, model, "Gone", archived_at=timezone.now())
    assert names(get(key, f"{path}/list"), listed) == []
    assert names(get(key, f"{path}/list", {"include_archived": "false"}), listed) == []
    assert names(get(key, f"{path}/list", {"include_archived": "true"}), listed) == ["Gone"]


@pytest.mark.parametrize(
    ("since", "found"),
    [
        ("2024-05-12T18:47:12", []),
        ("2024-05-12T18:47:11", ["Spring"]),
        ("2024-05-12T18:47:11Z", ["Spring"]),
        ("2024-05-12T18:47:11.999", ["Spring"]),
        ("2024-05-12T13:47:11-5:00", ["Spring"]),
        ("2024-05-12T13:47:13-05:00", []),
        ("2024-05-13T03:47:11+09:00", ["Spring"]),
        ("2024-05-13T03:47:13 0900", []),
    ],
)
def test_only_those_edited_since(house: House, key: str, since: str, found: list[str]) -> None:
    make(house, name="Spring", edited_at=datetime(2024, 5, 12, 18, 47, 12, tzinfo=UTC))
    assert names(get(key, "campaigns/list", {"last_edit.time[gt]": since}), "campaigns") == found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page", "x"),
        ("page", "-1"),
        ("page", "9" * 30),
        ("sort_direction", "up"),
        ("include_archived", "perhaps"),
        ("last_edit.time[gt]", "yesterday"),
        ("last_edit.time[gt]", "2024-13-12T18:47:12"),
        ("last_edit.time[gt]", "0001-01-01T00:00:00+14:00"),
        ("last_edit.time[gt]", "2024-05-12T18:47:12+99:00"),
    ],
)
def test_a_wrong_query_is_refused_by_name(key: str, name: str, value: str) -> None:
    for path in ("campaigns/list", "canvas/list"):
        answer = get(key, path, {name: value})
        assert answer.status_code == 400
        assert name in answer.json()["message"]


@pytest.mark.parametrize(("model", "path", "listed"), KINDS)
def test_one_that_is_not_there_is_refused(
    house: House, key: str, model: type[Engagement], path: str, listed: str
) -> None:
    name = f"{model._meta.model_name}_id"
    theirs = make(build_house("Other"), model, "Theirs")
    for given in ("", "x", "3f2b8a5e-0000-4000-8000-000000000000", str(theirs.api_id)):
        answer = get(key, f"{path}/details", {name: given})
        assert answer.status_code == 400
        assert name in answer.json()["message"]


def test_a_key_without_the_permission_is_refused(house: House) -> None:
    _row, made = ApiKey.make(workspace=house.workspace, name="other", permissions=["campaigns.list"])
    for path in ("campaigns/details", "canvas/list", "canvas/details"):
        assert get(made.secret, path).status_code == 401
