"""Every way to misbehave, seen from the client's end of the socket."""

import contextlib
import time

import orjson
import pytest
import urllib3

from tests.sandbox.running import RunningSandbox, event, wait_until


@pytest.mark.parametrize("kind", ["400", "401", "403", "413", "429", "500", "502", "503"])
def test_it_works(sandbox: RunningSandbox, kind: str) -> None:
    sandbox.misbehave(kind, times=1, retry_after=7)
    answer = sandbox.send([event()])
    assert answer.status == int(kind)
    assert answer.json["code"] == int(kind)
    assert answer.headers["Retry-After"] == "7"
    assert sandbox.total() == 0
    assert sandbox.send([event()]).status == 200


@pytest.mark.parametrize("kind", ["500", "reset", "truncated", "garbage", "timeout"])
def test_a_lost_acknowledgement(sandbox: RunningSandbox, kind: str) -> None:
    sandbox.misbehave(kind, times=1, delay=0.05, ingest_first=True)
    with contextlib.suppress(urllib3.exceptions.HTTPError, orjson.JSONDecodeError):
        sandbox.send([event()])
    assert sandbox.total() == 1
    assert sandbox.send([event()]).status == 200
    assert sandbox.total() == 1, "sent again, counted once"


def test_reset(sandbox: RunningSandbox) -> None:
    sandbox.misbehave("reset", times=1)
    with pytest.raises(urllib3.exceptions.ProtocolError, match="reset"):
        sandbox.send([event()])
    assert sandbox.total() == 0


def test_truncated(sandbox: RunningSandbox) -> None:
    sandbox.misbehave("truncated", times=1)
    with pytest.raises(urllib3.exceptions.HTTPError, match="IncompleteRead"):
        sandbox.send([event()])


def test_garbage(sandbox: RunningSandbox) -> None:
    sandbox.misbehave("garbage", times=1)
    with pytest.raises(orjson.JSONDecodeError):
        sandbox.send([event()])


def test_timeout_breaks_after_the_delay(sandbox: RunningSandbox) -> None:
    sandbox.misbehave("timeout", times=1, delay=0.3)
    started = time.monotonic()
    with pytest.raises(urllib3.exceptions.ProtocolError):
        sandbox.send([event()])
    assert time.monotonic() - started >= 0.3


def test_timeout_outlasts_an_impatient_client(sandbox: RunningSandbox) -> None:
    sandbox.misbehave("timeout", times=1, delay=60)
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        sandbox.http.request("POST", f"{sandbox.url}/import", body=b"[]", timeout=0.3)
    assert sandbox.call("GET", "/healthz").status == 200


def test_slow(sandbox: RunningSandbox) -> None:
    sandbox.misbehave("slow", times=1, delay=0.3)
    started = time.monotonic()
    assert sandbox.send([event()]).status == 200
    assert time.monotonic() - started >= 0.3
    assert sandbox.total() == 1


def test_slow_after_ingesting(sandbox: RunningSandbox) -> None:
    sandbox.misbehave("slow", times=1, delay=30, ingest_first=True)
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        sandbox.http.request(
            "POST",
            f"{sandbox.url}/import",
            json=[event()],
            headers={"Authorization": "Basic c2FuZGJveC1hcGktc2VjcmV0Og=="},
            timeout=0.3,
        )
    assert wait_until(lambda: sandbox.total() == 1)


def test_rules_apply_in_order(sandbox: RunningSandbox) -> None:
    sandbox.misbehave("429", times=2)
    sandbox.misbehave("503", times=1)
    assert [sandbox.send([event()]).status for _ in range(4)] == [429, 429, 503, 200]
    rules = sandbox.call("GET", "/sandbox/misbehave").json
    assert [(rule["kind"], rule["hits"]) for rule in rules] == [("429", 2), ("503", 1)]


def test_until_told_to_behave(sandbox: RunningSandbox) -> None:
    sandbox.misbehave("500")
    assert {sandbox.send([event()]).status for _ in range(5)} == {500}
    sandbox.call("DELETE", "/sandbox/misbehave")
    assert sandbox.send([event()]).status == 200


def test_probability(sandbox: RunningSandbox) -> None:
    sandbox.misbehave("500", probability=0.5)
    statuses = [sandbox.send([event()]).status for _ in range(60)]
    assert {200, 500} == set(statuses)
    sandbox.empty()
    sandbox.misbehave("500", probability=0)
    assert sandbox.send([event()]).status == 200


def test_only_one_api(sandbox: RunningSandbox) -> None:
    sandbox.misbehave("500", path="/api/query")
    assert sandbox.send([event()]).status == 200
    assert sandbox.query("cohorts/list").status == 500
    assert sandbox.query("cohorts/list", prefix="/api/2.0").status == 500
    assert sandbox.call("GET", "/sandbox/cohorts").status == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "418"}, "kind"),
        ({"kind": "500", "times": 0}, "times"),
        ({"kind": "500", "times": 1.5}, "times"),
        ({"kind": "500", "probability": 2}, "probability"),
        ({"kind": "500", "delay": -1}, "delay"),
        ({"kind": "500", "retry_after": "soon"}, "retry_after"),
        ({"kind": "500", "path": "/other"}, "path"),
        ({"kind": "500", "ingest_first": "yes"}, "ingest_first"),
        ({"kind": "500", "tims": 1}, "tims"),
    ],
)
def test_refused_rules(sandbox: RunningSandbox, body: dict[str, object], field: str) -> None:
    answer = sandbox.call("POST", "/sandbox/misbehave", body)
    assert answer.status == 400
    assert answer.json["field"] == field
    assert answer.json["error"]
    assert sandbox.call("GET", "/sandbox/misbehave").json == []


def test_the_kind_may_be_a_number(sandbox: RunningSandbox) -> None:
    assert sandbox.call("POST", "/sandbox/misbehave", {"kind": 429}).status == 201
