"""POST /import as a client sees it: what is accepted, every refusal, deduplication and size limits."""

import gzip
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from sandbox.validation import FORBIDDEN_IDS
from tests.sandbox.running import SERVICE, RunningSandbox, event, zipped

NOW = int(time.time())


def failed(sandbox: RunningSandbox, record: Any) -> dict[str, Any]:
    """Send a bad event between two good ones, and return its entry in failed_records."""
    answer = sandbox.send([event(1), record, event(2)])
    assert answer.status == 400
    assert answer.json["code"] == 400
    assert answer.json["status"] == "Bad Request"
    assert answer.json["error"]
    assert answer.json["num_records_imported"] == 2
    (entry,) = answer.json["failed_records"]
    assert set(entry) == {"index", "insert_id", "field", "message"}
    assert entry["index"] == 1
    assert sandbox.total() == 2
    return dict(entry)


def test_it_works(sandbox: RunningSandbox) -> None:
    answer = sandbox.send([event(1), event(2)])
    assert answer.status == 200
    assert answer.json == {"code": 200, "num_records_imported": 2, "status": "OK"}
    events = sandbox.call("GET", "/sandbox/events").json
    assert [item["properties"]["distinct_id"] for item in events["events"]] == ["user-1", "user-2"]


def test_gzip(sandbox: RunningSandbox) -> None:
    assert sandbox.send(zipped([event()]), Content_Encoding="gzip").status == 200
    assert sandbox.total() == 1


def test_newline_delimited_json(sandbox: RunningSandbox) -> None:
    lines = b"\n".join(orjson.dumps(event(number)) for number in (1, 2)) + b"\n"
    assert sandbox.send(lines, Content_Type="application/x-ndjson").json["num_records_imported"] == 2


def test_a_malformed_line_fails_alone(sandbox: RunningSandbox) -> None:
    answer = sandbox.send(orjson.dumps(event()) + b"\n{oops\n", Content_Type="application/x-ndjson")
    assert answer.status == 400
    assert [entry["index"] for entry in answer.json["failed_records"]] == [1]
    assert answer.json["num_records_imported"] == 1


def test_service_account_with_project(sandbox: RunningSandbox) -> None:
    assert sandbox.send([event()], "?strict=1&project_id=1", SERVICE).status == 200


def test_project_secret_with_project(sandbox: RunningSandbox) -> None:
    assert sandbox.send([event()], "?strict=1&project_id=1").status == 200


@pytest.mark.parametrize(
    "auth",
    [
        None,
        ("wrong", ""),
        ("sandbox-api-secret", "password"),
        ("sandbox-project-token", ""),
        ("sandbox-service-account", "wrong"),
    ],
)
def test_wrong_credentials(sandbox: RunningSandbox, auth: tuple[str, str] | None) -> None:
    answer = sandbox.send([event()], auth=auth)
    assert answer.status == 401
    assert answer.json["code"] == 401
    assert answer.json["status"] == "Unauthorized"
    assert sandbox.total() == 0


def test_credentials_that_are_not_base64(sandbox: RunningSandbox) -> None:
    assert sandbox.send([event()], auth=None, Authorization="Basic %%%").status == 401


def test_service_account_needs_the_project(sandbox: RunningSandbox) -> None:
    assert sandbox.send([event()], auth=SERVICE).status == 400


def test_another_project(sandbox: RunningSandbox) -> None:
    assert sandbox.send([event()], "?project_id=2", SERVICE).status == 403


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{oops", "application/json"),
        (b'{"event": "x"}', "application/json"),
        (b"[]", "application/json"),
        (b"", "application/json"),
        (b"[{}]", "text/plain"),
    ],
)
def test_malformed(sandbox: RunningSandbox, body: bytes, kind: str) -> None:
    answer = sandbox.send(body, Content_Type=kind)
    assert answer.status == 400
    assert "failed_records" not in answer.json


def test_strict_is_0_or_1(sandbox: RunningSandbox) -> None:
    assert sandbox.send([event()], "?strict=yes").status == 400


def test_broken_gzip(sandbox: RunningSandbox) -> None:
    assert sandbox.send(b"not gzip", Content_Encoding="gzip").status == 400
    assert sandbox.send(zipped([event()])[:-5], Content_Encoding="gzip").status == 400
    assert sandbox.send(b"[]", Content_Encoding="br").status == 400


def test_too_many_events(sandbox: RunningSandbox) -> None:
    answer = sandbox.send([event(number) for number in range(2001)])
    assert answer.status == 413
    assert answer.json["status"] == "Request Entity Too Large"
    assert sandbox.total() == 0


def test_the_most_events(sandbox: RunningSandbox) -> None:
    batch = zipped([event(number, page="x" * 200) for number in range(2000)])
    started = time.process_time()
    assert sandbox.send(batch, Content_Encoding="gzip").status == 200
    assert time.process_time() - started < 5, "a full batch should take tens of milliseconds"


def test_too_many_bytes(sandbox: RunningSandbox) -> None:
    big = [event(number, text="x" * 1_000_000) for number in range(11)]
    assert sandbox.send(big).status == 413
    assert sandbox.send(zipped(big), Content_Encoding="gzip").status == 413


def test_a_gzip_bomb_is_refused(sandbox: RunningSandbox) -> None:
    squeeze = zlib.compressobj(9, wbits=31)
    bomb = b"".join(squeeze.compress(b" " * 1_000_000) for _ in range(500)) + squeeze.flush()
    assert len(bomb) < 1_000_000
    assert sandbox.send(bomb, Content_Encoding="gzip").status == 413


def test_duplicates_are_kept_once(sandbox: RunningSandbox) -> None:
    for _ in range(3):
        assert sandbox.send([event(1), event(1), event(2)]).json["num_records_imported"] == 3
    summary = sandbox.call("GET", "/sandbox/events/summary").json
    assert (summary["total"], summary["duplicates"]) == (2, 7)


def test_of_duplicates_the_latest_counts(sandbox: RunningSandbox) -> None:
    sandbox.send([event(1, plan="free"), event(2)])
    sandbox.send([event(1, plan="premium")])
    kept = sandbox.call("GET", "/sandbox/events").json["events"]
    assert [one["properties"].get("plan") for one in kept] == ["premium", None]


@pytest.mark.parametrize(
    "other",
    [
        event(1, name="Other"),
        event(1, time=NOW - 3_000),
        event(1, distinct_id="someone-else"),
        event(1, **{"$insert_id": "another"}),
    ],
)
def test_what_makes_events_different(sandbox: RunningSandbox, other: dict[str, Any]) -> None:
    sandbox.send([event(1, time=NOW - 2_000), other])
    assert sandbox.total() == 2


def test_seconds_and_milliseconds_are_the_same_time(sandbox: RunningSandbox) -> None:
    sandbox.send([event(1, time=NOW), event(1, time=NOW * 1000)])
    assert sandbox.total() == 1


@pytest.mark.parametrize("record", [None, 7, "text", []])
def test_a_record_must_be_an_object(sandbox: RunningSandbox, record: Any) -> None:
    assert failed(sandbox, record)["field"] == "event"


@pytest.mark.parametrize("name", [None, 7, ""])
def test_the_event_name(sandbox: RunningSandbox, name: Any) -> None:
    assert failed(sandbox, {**event(9), "event": name})["field"] == "event"


def test_properties_must_be_an_object(sandbox: RunningSandbox) -> None:
    assert failed(sandbox, {"event": "x", "properties": []})["field"] == "properties"


def test_nothing_beside_event_and_properties(sandbox: RunningSandbox) -> None:
    assert failed(sandbox, {**event(9), "extra": 1})["field"] == "extra"


# Workers of pytest-xdist must name a test alike, so a name holds no present time.
@pytest.mark.parametrize(
    "moment",
    [
        *(..., None, True, "1700000000", 1700000000.5, 0, -5, 31_535_999, 10**17),
        # Later than anything may run that was collected now.
        pytest.param(NOW + 30 * 86_400, id="in a month"),
        pytest.param((NOW + 30 * 86_400) * 1000, id="in a month, in milliseconds"),
    ],
)
def test_bad_times(sandbox: RunningSandbox, moment: Any) -> None:
    assert failed(sandbox, event(9, time=moment))["field"] == "properties.time"


@pytest.mark.parametrize(
    "moment",
    [
        *(31_536_000, 31_536_000_000),
        pytest.param(NOW, id="now"),
        pytest.param(NOW * 1000, id="now, in milliseconds"),
        pytest.param(NOW + 1_800, id="in half an hour"),
    ],
)
def test_good_times(sandbox: RunningSandbox, moment: int) -> None:
    assert sandbox.send([event(time=moment)]).status == 200


def test_a_time_in_the_near_future_becomes_now(sandbox: RunningSandbox) -> None:
    ahead = int(time.time()) + 3_000
    sandbox.send([event(time=ahead)])
    (stored,) = sandbox.call("GET", "/sandbox/events").json["events"]
    assert stored["properties"]["time"] < ahead


@pytest.mark.parametrize("value", [..., None, 7, [], *sorted(FORBIDDEN_IDS), "NULL"])
def test_bad_distinct_ids(sandbox: RunningSandbox, value: Any) -> None:
    assert failed(sandbox, event(9, distinct_id=value))["field"] == "properties.distinct_id"


def test_an_empty_distinct_id_is_allowed(sandbox: RunningSandbox) -> None:
    assert sandbox.send([event(distinct_id="")]).status == 200


@pytest.mark.parametrize("value", [..., None, 7, "", "x" * 37, "a_b", "a b", "é", "a\n", "none", "0"])
def test_bad_insert_ids(sandbox: RunningSandbox, value: Any) -> None:
    entry = failed(sandbox, event(9, **{"$insert_id": value}))
    assert entry["field"] == "properties.$insert_id"
    assert entry["insert_id"] == (value if isinstance(value, str) else "")


def test_another_projects_token(sandbox: RunningSandbox) -> None:
    assert failed(sandbox, event(9, token="other"))["field"] == "properties.token"


def test_the_token_may_be_left_out(sandbox: RunningSandbox) -> None:
    assert sandbox.send([event(token=...)]).status == 200


def test_too_many_properties(sandbox: RunningSandbox) -> None:
    many = {f"p{number}": number for number in range(251)}
    assert failed(sandbox, event(9, **many))["field"] == "properties"
    del many["p0"]
    assert sandbox.send([event(9, **many)]).status == 200


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"leaf": 1}
    for _ in range(levels - 1):
        value = {"deeper": value}
    return value


@pytest.mark.parametrize(
    "value",
    [nested(4), [[[[1]]]], list(range(255)), {f"k{n}": n for n in range(255)}, {"inner": list(range(255))}],
)
def test_too_deep_or_too_wide(sandbox: RunningSandbox, value: Any) -> None:
    assert failed(sandbox, event(9, big=value))["field"] == "properties.big"


@pytest.mark.parametrize(
    "value", [nested(3), [[[1]]], list(range(254)), {f"k{n}": n for n in range(254)}, None, "x" * 300]
)
def test_just_within_the_limits(sandbox: RunningSandbox, value: Any) -> None:
    assert sandbox.send([event(big=value)]).status == 200


def test_an_event_over_a_megabyte(sandbox: RunningSandbox) -> None:
    assert failed(sandbox, event(9, text="x" * 1_048_576))["field"] == "event"


def test_not_strict_drops_silently_and_repairs(sandbox: RunningSandbox) -> None:
    batch = [
        event(1),
        event(2, time=...),
        event(3, distinct_id=...),
        event(4, **{"$insert_id": ...}),
        event(5, distinct_id="null"),
    ]
    answer = sandbox.send(batch, "?strict=0")
    assert answer.json == {"code": 200, "num_records_imported": 4, "status": "OK"}
    assert sandbox.send(batch, "?strict=0").status == 200
    assert sandbox.total() == 4, "what is made up for a missing id is the same each time"


def test_many_clients_at_once(sandbox: RunningSandbox) -> None:
    sandbox.misbehave("slow", delay=0.3)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: sandbox.send([event(number)]).status, range(6)))
    assert answers == [200] * 6
    assert sandbox.call("GET", "/sandbox/events/summary").json["max_in_flight"] >= 2


def test_gzip_with_something_behind_it(sandbox: RunningSandbox) -> None:
    assert sandbox.send(gzip.compress(b"[]") + b"junk", Content_Encoding="gzip").status == 400
