"""POST /users/track/bulk. Braze: create and update users (bulk)."""

from typing import Any

import orjson
import pytest
from django.test import Client

from profiles.models import Profile
from tests.profiles.conftest import Post
from tests.profiles.worlds import event
from workspaces.models import ApiKey, Workspace

pytestmark = pytest.mark.django_db
PATH = "/users/track/bulk"


def users(count: int) -> list[dict[str, Any]]:
    return [{"external_id": f"user-{number}", "n": number} for number in range(count)]


def test_it_works(post: Post) -> None:
    answer = post(PATH, {"attributes": users(600), "events": [event(external_id=f"user-{one}") for one in range(400)]})
    assert (answer.status_code, answer.json()) == (
        201,
        {"message": "success", "attributes_processed": 600, "events_processed": 400},
    )
    assert Profile.objects.count() == 600


def test_more_than_1000_objects_together_are_refused(post: Post) -> None:
    answer = post(PATH, {"attributes": users(600), "events": [event(external_id="user-1")] * 401})
    assert answer.status_code == 400
    assert "more than 1000 objects" in answer.json()["message"]
    assert post(PATH, {"attributes": users(1_001)}).status_code == 400
    assert not Profile.objects.exists()


def test_more_than_100_objects_of_one_user_are_refused(post: Post) -> None:
    assert post(PATH, {"events": [event(external_id="user-1")] * 100}).status_code == 201
    answer = post(PATH, {"events": [event(external_id="user-1")] * 101})
    assert answer.status_code == 400
    assert "more than 100 objects of one user" in answer.json()["message"]


def test_more_than_2_megabytes_are_413(post: Post) -> None:
    body = orjson.dumps({"attributes": users(1)}) + b" " * 2 * 1024 * 1024
    assert post(PATH, body).status_code == 413
    assert post("/users/track", body).status_code == 201


def test_it_has_a_permission_of_its_own(workspace: Workspace) -> None:
    _, key = ApiKey.make(workspace=workspace, name="Single", permissions=["users.track"])
    headers = {"Authorization": f"Bearer {key.secret}"}
    answer = Client().post(PATH, orjson.dumps({"attributes": users(1)}), content_type="text/plain", headers=headers)
    assert answer.status_code == 401
