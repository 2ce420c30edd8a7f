"""GET /events/list, /events and /custom_attributes. Braze: export custom events, custom attributes."""

import re
from typing import Any

import pytest

from profiles.models import CustomAttribute, CustomEvent
from tests.profiles.conftest import Post
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


def test_it_works(get: Post, track: Post) -> None:
    when = {"external_id": "user-1", "time": "2024-01-01"}
    track(attributes=[{"external_id": "user-1", "plan": "gold", "tags": ["a"]}], events=[{**when, "name": "opened"}])
    assert get("/events/list").json() == {"message": "success", "events": ["opened"]}
    assert get("/events").json() == {
        "message": "success",
        "events": [
            {
                "name": "opened",
                "description": None,
                "included_in_analytics_report": False,
                "status": "Active",
                "tag_names": [],
            }
        ],
    }
    attributes = get("/custom_attributes/").json()["attributes"]
    assert [(one["name"], one["data_type"], one["array_length"]) for one in attributes] == [
        ("plan", "String", None),
        ("tags", "Array", 500),
    ]


def test_250_names_a_page(get: Post, workspace: Workspace) -> None:
    CustomEvent.objects.bulk_create(CustomEvent(workspace=workspace, name=f"e{one:03}") for one in range(251))
    assert len(get("/events/list").json()["events"]) == 250
    assert get("/events/list", {"page": 1}).json()["events"] == ["e250"]
    assert get("/events/list", {"page": 2}).json()["events"] == []


@pytest.mark.parametrize(("path", "name"), [("/events", "events"), ("/custom_attributes", "attributes")])
def test_50_a_page_with_links(get: Post, workspace: Workspace, path: str, name: str) -> None:
    names = [f"n{one:03}" for one in range(120)]
    CustomEvent.objects.bulk_create(CustomEvent(workspace=workspace, name=one) for one in names)
    CustomAttribute.objects.bulk_create(CustomAttribute(workspace=workspace, name=one, type="date") for one in names)
    seen: list[str] = []
    address, answer = path, None
    while address:
        answer = get(address)
        seen += [one["name"] for one in answer.json()[name]]
        found = re.search(r'<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
        address = found[1] if found else ""
    assert seen == names
    assert 'rel="prev"' in answer.headers["Link"]


def test_a_cursor_without_its_padding(get: Post, workspace: Workspace) -> None:
    CustomEvent.objects.bulk_create(CustomEvent(workspace=workspace, name=f"n{one:03}") for one in range(51))
    for cursor in ("c2tpcDo1MA==", "c2tpcDo1MA"):
        assert [one["name"] for one in get("/events", {"cursor": cursor}).json()["events"]] == ["n050"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/events/list", {"page": "x"}),
        ("/events/list", {"page": "-1"}),
        ("/events", {"cursor": "x"}),
        ("/custom_attributes", {"cursor": "c2tpcDoxeA=="}),
        ("/custom_attributes", {"cursor": "é\x00"}),
    ],
)
def test_a_wrong_query_is_400(get: Post, path: str, query: dict[str, Any]) -> None:
    assert get(path, query).status_code == 400


def test_workspaces_do_not_mix(get: Post) -> None:
    other = Workspace.objects.create(name="Other")
    CustomEvent.objects.create(workspace=other, name="theirs")
    CustomAttribute.objects.create(workspace=other, name="theirs", type="string")
    assert get("/events/list").json()["events"] == []
    assert get("/custom_attributes").json()["attributes"] == []
