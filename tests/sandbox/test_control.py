"""The control API: cohorts, events, settings, and who may change them."""

from typing import Any

import pytest

from tests.sandbox.running import RunningSandbox, event


def test_it_works(sandbox: RunningSandbox) -> None:
    body = {"name": "Power users", "description": "Best", "members": ["user-1", {"distinct_id": "user-2"}]}
    created = sandbox.call("POST", "/sandbox/cohorts", body)
    assert created.status == 201
    path = f"/sandbox/cohorts/{created.json['id']}"
    assert sandbox.call("GET", path).json == created.json
    assert created.json["members"] == [{"distinct_id": "user-1"}, {"distinct_id": "user-2"}]
    (listed,) = sandbox.call("GET", "/sandbox/cohorts").json
    assert (listed["name"], listed["count"], listed["export"]) == ("Power users", 2, None)
    assert "members" not in listed
    assert sandbox.call("DELETE", path).status == 200
    assert sandbox.call("GET", path).status == 404


def test_put_replaces_and_patch_changes(sandbox: RunningSandbox) -> None:
    body = {"name": "A", "description": "x", "members": ["user-1"]}
    path = f"/sandbox/cohorts/{sandbox.call('POST', '/sandbox/cohorts', body).json['id']}"
    patched = sandbox.call("PATCH", path, {"add_members": ["user-2"], "remove_members": ["user-1", "other"]}).json
    assert (patched["name"], patched["description"], patched["count"]) == ("A", "x", 1)
    put = sandbox.call("PUT", path, {"name": "B"}).json
    assert (put["name"], put["description"], put["members"]) == ("B", "", [])


def test_the_engage_shape_of_a_member(sandbox: RunningSandbox) -> None:
    member = {"$distinct_id": "user-1", "$properties": {"$email": "user-1@example.com"}}
    created = sandbox.call("POST", "/sandbox/cohorts", {"name": "A", "members": [member]}).json
    assert created["members"] == [{"distinct_id": "user-1", "$email": "user-1@example.com"}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "  "}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "A", "description": 7}, "description"),
        ({"name": "A", "members": "user-1"}, "members"),
        ({"name": "A", "members": [7]}, "members"),
        ({"name": "A", "members": [""]}, "members"),
        ({"name": "A", "members": [{"email": "a@example.com"}]}, "members"),
        ({"name": "A", "members": [{"distinct_id": "a", "$properties": 7}]}, "members"),
        ({"name": "A", "membres": []}, "membres"),
        ([], None),
        ("text", None),
    ],
)
def test_refused_cohorts(sandbox: RunningSandbox, body: Any, field: str | None) -> None:
    answer = sandbox.call("POST", "/sandbox/cohorts", body)
    assert (answer.status, answer.json["field"]) == (400, field)
    assert answer.json["error"]
    assert sandbox.call("GET", "/sandbox/cohorts").json == []


def test_a_refused_change_changes_nothing(sandbox: RunningSandbox) -> None:
    created = sandbox.call("POST", "/sandbox/cohorts", {"name": "A", "members": ["user-1"]}).json
    path = f"/sandbox/cohorts/{created['id']}"
    assert sandbox.call("PATCH", path, {"name": "B", "add_members": [7]}).status == 400
    assert sandbox.call("GET", path).json == created


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_no_such_cohort(sandbox: RunningSandbox, method: str) -> None:
    assert sandbox.call(method, "/sandbox/cohorts/999999", {}).status == 404


def test_events_filtered_and_paged(sandbox: RunningSandbox) -> None:
    sandbox.send([event(number, name="Odd" if number % 2 else "Even") for number in range(10)])

    def ids(query: str) -> list[str]:
        shown = sandbox.call("GET", f"/sandbox/events?{query}").json
        return [item["properties"]["distinct_id"].removeprefix("user-") for item in shown["events"]]

    assert ids("limit=2") == ["8", "9"], "the newest, newest last"
    assert ids("limit=2&offset=0") == ["0", "1"]
    assert ids("event=Odd&limit=2") == ["7", "9"]
    assert ids("distinct_id=user-3") == ["3"]
    assert ids("insert_id=00000000-0000-4000-8000-000000000004") == ["4"]
    assert sandbox.call("GET", "/sandbox/events?event=Odd&limit=0").json["total"] == 5


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "limit=10001", "offset=x"])
def test_refused_paging(sandbox: RunningSandbox, query: str) -> None:
    assert sandbox.call("GET", f"/sandbox/events?{query}").status == 400


def test_summary_and_clearing(sandbox: RunningSandbox) -> None:
    sandbox.send([event(1), event(1), event(2, name="Other"), event(3, time=0)])
    sandbox.send([], auth=None)
    summary = sandbox.call("GET", "/sandbox/events/summary").json
    assert summary["total"] == 2
    assert summary["duplicates"] == 1
    assert summary["rejected"] == 1
    assert summary["by_event"] == {"Signup": 1, "Other": 1}
    assert summary["requests"] == 2
    assert summary["statuses"] == {"400": 1, "401": 1}
    assert summary["max_in_flight"] == 1
    sandbox.call("DELETE", "/sandbox/events")
    summary = sandbox.call("GET", "/sandbox/events/summary").json
    assert (summary["total"], summary["requests"], summary["by_event"]) == (0, 0, {})
    assert sandbox.send([event(1)]).status == 200
    assert sandbox.total() == 1


def test_settings(sandbox: RunningSandbox) -> None:
    assert sandbox.call("GET", "/sandbox/settings").json["queries_per_hour"] == 60
    assert sandbox.call("PATCH", "/sandbox/settings", {"queries_per_hour": 5}).json["queries_per_hour"] == 5


@pytest.mark.parametrize("body", [{"page_size": 0}, {"rate_limit": "no"}, {"api_secret": "x"}])
def test_refused_settings(sandbox: RunningSandbox, body: dict[str, Any]) -> None:
    assert sandbox.call("PATCH", "/sandbox/settings", body).status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://example.com"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/sandbox/cohorts"), ("DELETE", "/sandbox/events"), ("POST", "/")]
)
def test_other_sites_are_refused(sandbox: RunningSandbox, headers: dict[str, str], method: str, path: str) -> None:
    sandbox.send([event()])
    assert sandbox.call(method, path, {"name": "A"}, headers).status == 403
    assert sandbox.total() == 1
    assert sandbox.call("GET", "/sandbox/cohorts").json == []


def test_the_page_itself_may(sandbox: RunningSandbox) -> None:
    headers = {"Origin": sandbox.url, "Sec-Fetch-Site": "same-origin"}
    assert sandbox.call("POST", "/sandbox/cohorts", {"name": "A"}, headers).status == 201


def test_errors_speak_the_readers_language(sandbox: RunningSandbox) -> None:
    answer = sandbox.call("POST", "/sandbox/cohorts", {}, {"Accept-Language": "ja,en;q=0.5"})
    assert answer.json["error"] == "コホートの名前を入力してください。"


def test_health(sandbox: RunningSandbox) -> None:
    assert sandbox.call("GET", "/healthz").json == {"status": "ok"}
