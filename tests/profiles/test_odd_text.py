"""Odd text and odd numbers are stored exactly, or refused by name."""

from typing import Any

import orjson
import pytest

from currents.models import Event
from profiles.models import Profile
from tests.profiles.conftest import Post
from tests.profiles.worlds import alias, event, of_alias, user

pytestmark = pytest.mark.django_db

ODD = [
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "שלום \u202eabc\u202c مرحبا",
    "e\u0301 ≠ é, ﬁ, K",
    "\ufeff\u200b\u2028\u0001\x7f",
    "\\u0000 %s {} '\"; DROP TABLE",
    "\U0010ffff",
    "名" * 10_000,
    " ",
    "null",
]


@pytest.mark.parametrize("text", ODD)
def test_text_is_stored_exactly_wherever_it_comes(track: Post, post: Post, text: str) -> None:
    answer = track(
        attributes=[{"external_id": "user-1", "first_name": text, "note": text, "tags": [text], "deep": {"a": text}}],
        events=[event(external_id="user-1", properties={"note": text})],
    )
    assert (answer.status_code, "errors" in answer.json()) == (201, False)
    profile = user("user-1")
    assert profile.first_name == text
    assert profile.custom_attributes == {"note": text, "tags": [text], "deep": {"a": text}}
    assert Event.objects.get().payload["properties"]["custom_properties"] == {"note": text}
    (exported,) = post("/users/export/ids", {"external_ids": ["user-1"]}).json()["users"]
    assert exported["custom_attributes"]["note"] == text


@pytest.mark.parametrize("text", [one[:120] for one in ODD if one.strip()])
def test_text_is_kept_exactly_in_every_name(track: Post, post: Post, text: str) -> None:
    answer = track(
        attributes=[{"external_id": text, text: 1}, of_alias(text, text)], events=[event(text, external_id=text)]
    )
    assert (answer.status_code, "errors" in answer.json()) == (201, False)
    assert user(text).custom_attributes == {text: 1}
    body = {"external_ids": [text], "user_aliases": [alias(text, text)], "fields_to_export": ["external_id"]}
    assert "invalid_user_ids" not in post("/users/export/ids", body).json()


@pytest.mark.parametrize(
    ("name", "text"), [("email", "名" * 400 + "@example.com"), ("phone", "1" * 101), ("first_name", "a" * 10_001)]
)
def test_what_a_default_attribute_cannot_hold_is_refused_by_name(track: Post, name: str, text: str) -> None:
    (error,) = track(attributes=[{"external_id": "user-1", name: text}]).json()["errors"]
    assert f"'{name}'" in error["type"]


@pytest.mark.parametrize(
    ("json", "words"),
    [
        (rb'"\u0000"', "'attributes[0].value' holds the character NUL"),
        (rb'"a\u0000b"', "'attributes[0].value' holds the character NUL"),
        (b'"\x00"', "control character"),
        (rb'"\ud800"', "'attributes[0].value' holds half a surrogate pair"),
        (rb'"\udc00\ud800"', "'attributes[0].value' holds half a surrogate pair"),
        (b'"\xed\xa0\x80"', "UTF-8"),
        (b"18446744073709551616", "'attributes[0].value' is a number beyond 64 bits"),
        (b"-9223372036854775809", "'attributes[0].value' is a number beyond 64 bits"),
        (b"[1, 100000000000000000000000000000]", "'attributes[0].value[1]' is a number beyond 64 bits"),
        (b"9" * 5_000, "'attributes[0].value' is a number beyond 64 bits"),
        (b"1e999", "'attributes[0].value' is not a number, or larger than a number can be"),
        (b"NaN", "'attributes[0].value' is not a number"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(post: Post, json: bytes, words: str) -> None:
    answer = post("/users/track", b'{"attributes": [{"external_id": "user-1", "value": ' + json + b"}]}")
    assert answer.status_code == 400
    assert words in answer.json()["message"]
    assert not Profile.objects.exists()


@pytest.mark.parametrize(
    "number",
    [
        0,
        -0.0,
        2**63 - 1,
        2**63,
        2**64 - 1,
        -(2**63),
        0.1,
        1.7976931348623157e308,
        5e-324,
        123456789012345678,
        1e22,
    ],
)
def test_numbers_within_64_bits_are_stored_exactly(post: Post, track: Post, number: Any) -> None:
    track(
        attributes=[{"external_id": "user-1", "value": number}],
        events=[event(external_id="user-1", properties={"value": number})],
    )
    body = {"external_ids": ["user-1"]}
    (exported,) = post("/users/export/ids", body).json()["users"]
    # 1e308 may be written with all its digits: it is the same number.
    assert type(number)(exported["custom_attributes"]["value"]) == number
    payload = orjson.loads(orjson.dumps(Event.objects.get().payload))
    assert payload["properties"]["custom_properties"] == {"value": number}


def test_long_numbers_in_strings_are_text(track: Post) -> None:
    digits = "123456789012345678901234567890"
    assert track(attributes=[{"external_id": digits, "note": f"[{digits}, {digits}]"}]).status_code == 201
    assert user(digits).custom_attributes == {"note": f"[{digits}, {digits}]"}


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2024-05-12", "2024-05-12T00:00:00.000Z"),
        ("2024-05-12T18:47:12", "2024-05-12T18:47:12.000Z"),
        ("2024-05-12 18:47:12", "2024-05-12T18:47:12.000Z"),
        ("2024-05-12T18:47:12Z", "2024-05-12T18:47:12.000Z"),
        ("2024-05-12T18:47:12.5Z", "2024-05-12T18:47:12.500Z"),
        ("2024-05-12T18:47:12:123+0900", "2024-05-12T09:47:12.123Z"),
        ("2024-05-12T18:47:12+09:00", "2024-05-12T09:47:12.000Z"),
        ("2024-05-12T18:47-08", "2024-05-13T02:47:00.000Z"),
        ("05/12/2024", "2024-05-12T00:00:00.000Z"),
        ("Sun 05 12 18:47:12.Z 2024", "2024-05-12T18:47:12.000Z"),
    ],
)
def test_dates_in_every_form(track: Post, text: str, stored: str) -> None:
    answer = track(
        attributes=[{"external_id": "user-1", "seen": text, "dob": text[:10] if text[0] == "2" else text}],
        events=[event(external_id="user-1", time=text)],
    )
    assert (answer.status_code, "errors" in answer.json()) == (201, False)
    assert user("user-1").custom_attributes == {"seen": stored}
    assert user("user-1").last_used_at


@pytest.mark.parametrize("text", ["2024-13-01", "2024-02-30", "9999-12-31T23:59:59-23:59"])
def test_what_is_no_date_is_text_as_an_attribute_and_refused_as_a_time(track: Post, text: str) -> None:
    answer = track(
        attributes=[{"external_id": "user-1", "seen": text}], events=[event(external_id="user-1", time=text)]
    )
    assert user("user-1").custom_attributes == {"seen": text}
    assert [one["type"] for one in answer.json()["errors"]] == ["'time' is not valid"]


@pytest.mark.parametrize("text", ["2999-01-01", "3001-01-01"])
def test_a_time_in_the_future_is_now(track: Post, text: str) -> None:
    track(events=[event(external_id="user-1", time=text)])
    profile = user("user-1")
    assert profile.last_used_at
    assert (profile.last_used_at - profile.created_at).total_seconds() < 5


@pytest.mark.parametrize("body", [{"external_ids": ["\ud800"]}])
def test_a_lone_surrogate_never_gets_this_far(post: Post, body: Any) -> None:
    import json

    answer = post("/users/export/ids", json.dumps(body).encode())
    assert answer.status_code == 400
    assert "surrogate" in answer.json()["message"]
