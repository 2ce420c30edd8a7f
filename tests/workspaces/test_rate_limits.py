"""Requests are counted by key. Braze: API limits, "Monitoring your rate limits". Tried at /events/list."""

import time
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings
from redis import ConnectionError as NoConnection

from brazeclone.settings import REST_RATE_LIMITS
from workspaces import valkey
from workspaces.endpoints import ENDPOINTS
from workspaces.models import ApiKey, Workspace
from workspaces.rate_limits import Limit, limit_of


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


# --- Braze's own limits ---

HOUR, MINUTE = 3600, 60
#: What Braze documents; all others: 250,000 an hour together.
OWN = {
    "users.track": (3_000, 3),
    "users.track.bulk": (50, 1),
    "users.delete": (20_000, MINUTE),
    "users.alias.new": (20_000, MINUTE),
    "users.alias.update": (20_000, MINUTE),
    "users.identify": (20_000, MINUTE),
    "users.merge": (20_000, MINUTE),
    "users.external_ids.rename": (1_000, MINUTE),
    "users.external_ids.remove": (1_000, MINUTE),
    "users.export.ids": (250, MINUTE),
    "events.list": (1_000, HOUR),
    "events.get": (1_000, HOUR),
    "custom_attributes.get": (1_000, HOUR),
    "subscription.status.set": (5_000, MINUTE),
}
TOGETHER = [
    ("/users/delete", "/users/alias/new", "/users/alias/update", "/users/identify", "/users/merge"),
    ("/subscription/status/set", "/v2/subscription/status/set"),
]


@pytest.fixture
def as_documented(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults, in a minute that does not end."""
    settings.REST_RATE_LIMITS = REST_RATE_LIMITS
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)


def send(key: str, path: str, body: bytes = b"{}") -> Any:
    headers = {"Authorization": f"Bearer {key}"}
    return Client().post(path, body, content_type="application/json", headers=headers)


def left(answer: Any) -> int:
    return int(answer.headers["X-RateLimit-Remaining"])


@pytest.mark.parametrize("endpoint", list(ENDPOINTS))
def test_the_defaults_are_those_documented(as_documented: None, endpoint: str) -> None:
    limit = limit_of(endpoint)
    assert (limit.requests, limit.seconds) == OWN.get(endpoint, (250_000, HOUR))
    assert (limit == Limit("shared", 250_000, HOUR)) == (endpoint not in OWN)


@pytest.mark.parametrize("endpoint", list(ENDPOINTS))
def test_one_limit_for_all_lifts_every_other(settings: Settings, endpoint: str) -> None:
    settings.REST_RATE_LIMITS = {"": (10_000_000, HOUR)}
    assert limit_of(endpoint) == Limit("shared", 10_000_000, HOUR)


@pytest.mark.parametrize("paths", TOGETHER, ids=lambda paths: paths[0])
def test_some_endpoints_are_counted_together(as_documented: None, key: str, paths: tuple[str, ...]) -> None:
    assert get(key).headers["X-RateLimit-Limit"] == "1000"
    found = [left(send(key, path)) for path in paths]
    assert found == list(range(found[0], found[0] - len(paths), -1))
    assert left(get(key, "/events")) == 998, "what else is sent does not count"
    assert left(get(key, "/custom_attributes")) == 997


def test_renaming_and_removing_ids_are_counted_apart(as_documented: None, key: str) -> None:
    answers = [send(key, f"/users/external_ids/{verb}") for verb in ("rename", "remove")]
    assert [left(one) for one in answers] == [999, 999]


def test_who_names_the_fields_may_export_more(as_documented: None, key: str) -> None:
    def limit(body: bytes, status: int) -> tuple[int, int]:
        answer = send(key, "/users/export/ids", body)
        assert answer.status_code == status
        return int(answer.headers["X-RateLimit-Limit"]), left(answer)

    assert limit(b'{"external_ids": ["a"]}', 201) == (250, 249)
    assert limit(b'{"external_ids": ["a"], "fields_to_export": ["email", "canvases_received"]}', 201) == (250, 248)
    assert limit(b'{"external_ids": ["a"], "fields_to_export": ["email"]}', 201)[0] == 40
    for number, unusable in enumerate([b"{", b"[]", b'{"fields_to_export": "email"}', b'{"fields_to_export": []}']):
        assert limit(unusable, 400) == (250, 247 - number), "a body that cannot be used is a request, too"


def test_a_limit_for_fields_ends(settings: Settings, key: str) -> None:
    settings.REST_RATE_LIMITS = {"": (3, HOUR), "users.export.ids.fields": (1, HOUR)}
    body = b'{"external_ids": ["a"], "fields_to_export": ["email"]}'
    assert [send(key, "/users/export/ids", body).status_code for _ in range(2)] == [201, 429]
    assert send(key, "/users/export/ids", b"{").status_code == 400
    assert [get(key).status_code for _ in range(3)] == [200, 200, 429]
    assert send(key, "/users/export/ids", b"{").status_code == 429, "before what is wrong with the body"
