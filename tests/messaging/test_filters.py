"""Campaigns and Canvases that are kept here can be named by filters over who received or opened them."""

from typing import Any

import pytest
from django.test import Client

from messaging.editing import create, draft_of, duplicate, save
from messaging.models import Campaign, Canvas
from segments.engine import evaluate
from segments.tree import parse
from tests.messaging.conftest import House

pytestmark = pytest.mark.django_db


def offered(client: Client, key: str, member: str) -> list[tuple[str, str]]:
    asked = {"filter": key, "member": member, "q": ""}
    found = client.get("/admin/segments/segment/values/", asked).json()["values"]
    return [(one["value"], one["label"]) for one in found]


def test_it_works(house: House, client: Client) -> None:
    draft = create(Campaign, house.workspace, house.admin, "Spring", "")
    assert offered(client, "received_campaign", "campaign") == [(str(draft.api_id), "Spring")]
    save(draft, house.admin, 1, draft_of(draft, {"name": "Summer"}))
    assert offered(client, "received_campaign", "campaign") == [(str(draft.api_id), "Summer")]
    leaf: dict[str, Any] = {"filter": "received_campaign", "subject": {"campaign": str(draft.api_id)}}
    tree = parse(house.tree({**leaf, "operator": "has_not", "value": None}))
    assert len(evaluate(tree, house.workspace).users) == 7


def test_copies_and_canvases_too(house: House, client: Client) -> None:
    canvas = create(Canvas, house.workspace, house.admin, "Welcome", "")
    copy = duplicate(canvas, house.admin)
    assert offered(client, "received_campaign", "campaign") == []
    assert offered(client, "entered_canvas", "canvas") == [
        (str(copy.api_id), "Copy of Welcome"),
        (str(canvas.api_id), "Welcome"),
    ]
