"""What every REST endpoint shares: keys, bodies, errors. Tried at /users/track."""

import gzip
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.test import Client, RequestFactory
from pytest_django import Settings
from rest_framework import exceptions

from workspaces.keys import describe_key, new_key
from workspaces.models import ApiKey, Workspace
from workspaces.rest import read_json

BODY = {"events": [{"external_id": "user-1", "name": "opened", "time": "2024-01-01"}]}


@pytest.fixture
def key(workspace: Workspace) -> str:
    return str(ApiKey.make(workspace=workspace, name="All", permissions=["users.track"])[1].secret)


def post(key: str | None, body: bytes, content_type: str = "application/json", **headers: str) -> Any:
    sent = {"Authorization": f"Bearer {key}"} if key is not None else {}
    return Client().post("/users/track", body, content_type=content_type, headers={**sent, **headers})


def test_it_works(key: str) -> None:
    answer = post(key, orjson.dumps(BODY))
    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_the_content_type_does_not_matter(key: str, content_type: str) -> None:
    assert post(key, orjson.dumps(BODY), content_type).status_code == 201


def test_gzip_is_accepted(key: str) -> None:
    assert post(key, gzip.compress(orjson.dumps(BODY)), **{"Content-Encoding": "gzip"}).status_code == 201


def test_gzip_of_several_members_is_one_body(key: str) -> None:
    body = orjson.dumps(BODY)
    members = gzip.compress(body[:9]) + gzip.compress(b"") + gzip.compress(body[9:])
    assert post(key, members, **{"Content-Encoding": "gzip"}).status_code == 201


def test_several_members_are_together_within_the_limit(key: str, settings: Settings) -> None:
    settings.REST_BODY_LIMIT = 10_000
    answer = post(key, gzip.compress(b" " * 6_000) * 2, **{"Content-Encoding": "gzip"})
    assert answer.status_code == 413


def test_chunks_that_the_server_does_not_decode_are_411(key: str) -> None:
    answer = post(key, orjson.dumps(BODY), **{"Transfer-Encoding": "chunked"})
    assert answer.status_code == 411
    assert "Content-Length" in answer.json()["message"]


@pytest.mark.parametrize(
    "body",
    [b"not gzip", gzip.compress(b"{}" * 1000)[:-20], zlib.compress(b"{}"), gzip.compress(b"{}") + b"more"],
    ids=["no gzip", "cut off", "zlib", "more behind it"],
)
def test_broken_gzip_is_400(key: str, body: bytes) -> None:
    answer = post(key, body, **{"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()) == (400, {"message": "The request body is not valid gzip."})


def test_an_unknown_encoding_is_415(key: str) -> None:
    answer = post(key, b"{}", **{"Content-Encoding": "br"})
    assert answer.status_code == 415
    assert "gzip" in answer.json()["message"]


def test_too_large_a_body_is_413_also_when_it_was_small_on_the_wire(key: str, settings: Settings) -> None:
    settings.REST_BODY_LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000
    assert post(key, b" " * 10_001).status_code == 413
    bomb = gzip.compress(b" " * 10_000_000)
    assert len(bomb) < 10_000
    answer = post(key, bomb, **{"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()) == (413, {"message": "The request body is too large."})


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (rb'{"a": "\x"}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a": -1e999}', "'a' is not a number, or larger than a number can be."),
        (b'{"a": [1, NaN]}', "'a[1]' is not a number, or larger than a number can be."),
        (rb'{"a": [{}, {"b": "\ud800"}]}', r"'a[1].b' holds half a surrogate pair (\ud800), which is no character."),
        (rb'{"a": {"\udfff": 1}}', r"A name in 'a' holds half a surrogate pair (\udfff)"),
        (rb'{"a": "\u0000"}', r"'a' holds the character NUL (\u0000), which cannot be stored."),
        (rb'["b", "\u0000"]', "'[1]' holds the character NUL"),
        (rb'{"\u0000": 1}', "A name in the body holds the character NUL"),
        (b'{"a": 1, "b": {"c": -9223372036854775809}}', "'b.c' is a number beyond 64 bits. Send it as a string."),
        (b'{"a": {"' + b"n" * 300 + b'": ' + b"1" * 5000 + b"}}", f"'a.{'n' * 198}…' is a number beyond 64 bits."),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64"),
    ],
)
def test_a_body_that_cannot_be_used_is_400_and_says_why(key: str, body: bytes, word: str) -> None:
    answer = post(key, body)
    assert answer.status_code == 400
    assert word in answer.json()["message"]


def _nested(levels: int, inside: str = "") -> bytes:
    """Objects and arrays in turns, so deep, the innermost around ``inside``."""
    opened = ['{"a":' if level % 2 else "[" for level in range(levels)]
    closed = ["}" if level % 2 else "]" for level in range(levels)]
    return ("".join(opened) + (inside or ("1" if levels % 2 == 0 else "")) + "".join(reversed(closed))).encode()


@pytest.mark.parametrize("inside", ["", '"]}"', '"[{"', '"{}[]"'])
def test_nesting_is_counted_whatever_stands_in_texts(inside: str) -> None:
    for levels in (2, 40, 63, 64):
        assert read_json(RequestFactory().generic("POST", "/", _nested(levels, inside)))
    for levels in (65, 66, 128, 500):
        with pytest.raises(exceptions.ParseError, match="nested deeper than 64 levels"):
            read_json(RequestFactory().generic("POST", "/", _nested(levels, inside)))


def test_a_backslash_before_the_letters_of_nul_is_no_nul(key: str) -> None:
    assert post(key, rb'{"attributes": [{"external_id": "user-1", "a": "\\u0000"}]}').status_code == 201


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer wrong", "Bearer \xff", "Bearer a b"])
def test_no_valid_key_is_401(workspace: Workspace, header: str) -> None:
    answer = Client().post(
        "/users/track", b"{}", content_type="application/json", HTTP_AUTHORIZATION=header.encode().decode("latin-1")
    )
    assert answer.status_code == 401
    assert answer.json() == {"message": "Invalid API key"}


def test_a_key_is_looked_for_before_the_body_is_read(workspace: Workspace) -> None:
    assert post("wrong", b"{").status_code == 401


REST_PATHS = [
    "/users/track",
    "/users/track/bulk",
    "/users/export/ids",
    "/events/list",
    "/subscription/status/get",
    "/currents/events",
    "/currents/list",
    "/metrics",
    "/segments/list",
    "/partners/mixpanel/cohorts",
    "/partners/mixpanel/cohorts/users",
    "/partners/mixpanel/webhook/1",
]


@pytest.mark.parametrize("path", REST_PATHS)
def test_no_accept_header_is_refused_and_refusals_are_in_english(workspace: Workspace, path: str) -> None:
    headers = {"Accept": "text/plain", "Accept-Language": "ja"}
    statuses = []
    for method in ("GET", "POST", "PUT"):
        answer = Client().generic(method, path, b"{}", content_type="application/json", headers=headers)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.content.isascii(), answer.content
        statuses.append(answer.status_code)
    assert set(statuses) <= {400, 401, 404, 405}
    assert statuses[2] in (401, 405)


def test_a_wrong_method_with_a_key_is_refused_in_english(key: str) -> None:
    answer = Client().get("/users/track", headers={"Authorization": f"Bearer {key}", "Accept-Language": "ja"})
    assert (answer.status_code, answer.json()) == (405, {"message": 'Method "GET" not allowed.'})


@pytest.mark.parametrize("debug", [False, True])
def test_an_address_that_is_not_there_answers_in_json(settings: Any, debug: bool) -> None:
    """Programs send no token of our forms."""
    settings.DEBUG = debug
    answer = Client(enforce_csrf_checks=True).post("/users/nothing", b"{}", content_type="application/json")
    assert (answer.status_code, answer.json()) == (404, {"message": "There is no such endpoint."})


@pytest.mark.parametrize("host", ["fF%=", "elsewhere.example"])
def test_a_host_that_is_none_of_ours_is_refused_in_json(settings: Any, host: str) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    answer = Client().get("/events/list", headers={"Host": host})
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/json")
    assert answer.json() == {"message": "The request is malformed: check its address and its headers."}
    assert Client().get("/admin/login/", headers={"Host": host}).headers["Content-Type"].startswith("text/html")


# --- Keys ---


def test_a_key_has_256_bits_and_is_stored_as_a_digest(workspace: Workspace) -> None:
    row, key = ApiKey.make(workspace=workspace, name="All")
    assert len(bytes.fromhex(key.secret)) == 32
    assert bytes(row.digest) == key.digest
    assert key.secret.startswith(row.prefix)
    assert len(row.prefix) == 8
    assert new_key().secret != new_key().secret
    assert describe_key(key.secret) == key


def test_the_last_use_is_noted_at_most_once_a_minute(key: str) -> None:
    post(key, orjson.dumps(BODY))
    row = ApiKey.objects.get()
    assert row.last_used_at
    assert datetime.now(UTC) - row.last_used_at < timedelta(minutes=1)
    post(key, orjson.dumps(BODY))
    assert ApiKey.objects.get().last_used_at == row.last_used_at


def test_invalidating_twice_keeps_the_first_moment(key: str) -> None:
    row = ApiKey.objects.get()
    row.invalidate()
    first = row.invalidated_at
    row.invalidate()
    assert row.invalidated_at == first
