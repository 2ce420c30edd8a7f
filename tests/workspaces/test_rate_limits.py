"""Requests are counted by key. Braze: API limits, "Monitoring your rate limits". Tried at /events/list."""

import time
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings
from redis import ConnectionError as NoConnection

from workspaces import valkey
from workspaces.endpoints import ENDPOINTS
from workspaces.models import ApiKey, Workspace


@pytest.fixture(autouse=True)
def _fresh(settings: Settings) -> None:
    cache.clear()
    settings.REST_RATE_LIMITS = {"": (3, 3600), "users.track": (1, 3600)}


@pytest.fixture
def key(workspace: Workspace) -> str:
    return str(ApiKey.make(workspace=workspace, name="All", permissions=list(ENDPOINTS))[1].secret)


def get(key: str, path: str = "/events/list") -> Any:
    return Client().get(path, headers={"Authorization": f"Bearer {key}"})


def test_it_works(key: str) -> None:
    for left in (2, 1, 0):
        answer = get(key)
        assert answer.status_code == 200
        assert answer.headers["X-RateLimit-Limit"] == "3"
        assert answer.headers["X-RateLimit-Remaining"] == str(left)
        assert 0 < int(answer.headers["X-RateLimit-Reset"]) - time.time() <= 3600
    answer = get(key)
    assert answer.status_code == 429
    assert set(answer.json()) == {"message"}
    assert "3 requests an hour" in answer.json()["message"]
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert int(answer.headers["X-RateLimit-Reset"]) > time.time()


def test_endpoints_share_a_limit_and_some_have_their_own(key: str) -> None:
    for path in ("/events/list", "/events", "/custom_attributes"):
        assert get(key, path).status_code == 200
    assert get(key, "/events").status_code == 429
    headers = {"Authorization": f"Bearer {key}"}
    send = {"data": b"{}", "content_type": "application/json", "headers": headers}
    assert Client().post("/users/track", **send).status_code == 400
    assert Client().post("/users/track", **send).status_code == 429


def test_keys_are_counted_apart(key: str, workspace: Workspace) -> None:
    for _ in range(4):
        get(key)
    other = ApiKey.make(workspace=workspace, name="Other", permissions=list(ENDPOINTS))[1].secret
    assert get(other).status_code == 200


def test_a_refused_request_tells_the_limit_too(key: str) -> None:
    answer = get(key, "/events/list?page=x")
    assert (answer.status_code, answer.headers["X-RateLimit-Remaining"]) == (400, "2")


def test_without_a_key_nothing_is_counted(db: None) -> None:
    assert "X-RateLimit-Limit" not in get("wrong").headers


def test_a_valkey_that_is_down_refuses_nobody_and_is_asked_once(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[None] = []

    class Down:
        def pipeline(self, **_options: Any) -> Any:
            asked.append(None)
            raise NoConnection

    monkeypatch.setattr(valkey, "valkey", Down)
    monkeypatch.setattr(valkey, "_quiet_until", 0.0)
    assert [get(key).status_code for _ in range(5)] == [200] * 5
    assert len(asked) == 1
