"""Exporting cohorts: the requests that leave, differences, retries, pauses and what is remembered."""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.config import Settings
from tests.sandbox.conftest import FAST
from tests.sandbox.running import Destination, Received, RunningSandbox, wait_until


def connect(sandbox: RunningSandbox, destination: Destination, via: str = "partner", **fields: Any) -> None:
    body = {"via": via, "data_import_key": "import-key", "endpoint": destination.url + "/", **fields}
    body["webhook_url"] = destination.url + "/hook"
    answer = sandbox.call("POST", "/sandbox/connection", body)
    assert answer.status == 200, answer.json


def create(sandbox: RunningSandbox, members: list[Any], name: str = "Power users") -> int:
    return int(sandbox.call("POST", "/sandbox/cohorts", {"name": name, "members": members}).json["id"])


def export(sandbox: RunningSandbox, cohort_id: int, **body: Any) -> dict[str, Any]:
    answer = sandbox.call("POST", f"/sandbox/cohorts/{cohort_id}/export", {"type": "dynamic", "wait": True, **body})
    assert answer.status == 200, answer.json
    return dict(answer.json)


def sync(sandbox: RunningSandbox, cohort_id: int) -> dict[str, Any]:
    return dict(sandbox.call("POST", f"/sandbox/cohorts/{cohort_id}/sync", {"wait": True}).json)


def change(sandbox: RunningSandbox, cohort_id: int, **body: Any) -> None:
    assert sandbox.call("PATCH", f"/sandbox/cohorts/{cohort_id}", body).status == 200


def users(count: int) -> list[str]:
    return [f"user-{number}" for number in range(count)]


def test_it_works(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination)
    cohort_id = create(sandbox, ["user-1", {"distinct_id": "d-2", "$braze_external_id": "user-2"}])
    result = export(sandbox, cohort_id, type="one_time")
    naming, adding = destination.requests
    assert naming.path == "/partners/mixpanel/cohorts"
    created = naming.body.pop("created_at")
    assert created.endswith("Z")
    keys = {
        "partner_api_key": "sandbox-partner-api-key",
        "client_secret": "import-key",
        "cohort_id": str(cohort_id),
    }
    assert naming.body == {**keys, "name": "Power users"}
    assert adding.path == "/partners/mixpanel/cohorts/users"
    assert adding.body == {**keys, "cohort_changes": [{"user_ids": ["user-1", "user-2"], "should_remove": False}]}
    assert adding.headers["Content-Type"] == "application/json"
    assert (result["status"], result["error"], result["pushed"]) == ("done", None, 2)
    assert (result["last"]["added"], result["last"]["requests"], result["last"]["ok"]) == (2, 2, True)


def test_later_syncs_send_only_differences(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination)
    cohort_id = create(sandbox, ["a", "b", "c"])
    export(sandbox, cohort_id)
    destination.requests.clear()
    change(sandbox, cohort_id, add_members=["d"], remove_members=["a", "b"])
    result = sync(sandbox, cohort_id)
    (request,) = destination.requests
    assert request.body["cohort_changes"] == [
        {"user_ids": ["d"], "should_remove": False},
        {"user_ids": ["a", "b"], "should_remove": True},
    ]
    assert (result["last"]["added"], result["last"]["removed"], result["status"]) == (1, 2, "active")
    destination.requests.clear()
    sync(sandbox, cohort_id)
    assert destination.requests == []


def test_a_new_name_is_told(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination)
    cohort_id = create(sandbox, ["a"])
    export(sandbox, cohort_id)
    destination.requests.clear()
    change(sandbox, cohort_id, name="Renamed")
    sync(sandbox, cohort_id)
    (request,) = destination.requests
    assert (request.path, request.body["name"]) == ("/partners/mixpanel/cohorts", "Renamed")


def test_at_most_a_thousand_identifiers_a_request(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination)
    cohort_id = create(sandbox, users(2_500))
    export(sandbox, cohort_id)
    sizes = [
        sum(len(part["user_ids"]) for part in request.body["cohort_changes"]) for request in destination.requests[1:]
    ]
    assert sizes == [1_000, 1_000, 500]


def test_dynamic_sync_repeats_by_itself(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination)
    cohort_id = create(sandbox, ["a"])
    export(sandbox, cohort_id, every=0.2)
    change(sandbox, cohort_id, add_members=["b"])
    wait_until(lambda: len(destination.requests) == 3)
    stopped = sandbox.call("DELETE", f"/sandbox/cohorts/{cohort_id}/export").json
    assert (stopped["status"], stopped["next_sync"]) == ("stopped", None)


def test_only_what_is_acknowledged_counts(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination)
    cohort_id = create(sandbox, users(2_500))
    destination.answer = lambda request: (500, {}) if len(destination.requests) > 2 else None
    result = export(sandbox, cohort_id)
    assert (result["pushed"], result["status"], result["last"]["ok"]) == (1_000, "active", False)
    destination.answer = lambda request: None
    destination.requests.clear()
    assert sync(sandbox, cohort_id)["pushed"] == 2_500


def test_five_retries_of_what_may_pass(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination)
    cohort_id = create(sandbox, ["a"])
    destination.answer = lambda request: (429, {}) if len(destination.requests) < 6 else None
    result = export(sandbox, cohort_id)
    assert (result["error"], result["last"]["requests"]) == (None, 7)


def test_after_five_retries_it_waits_for_the_next_sync(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination)
    cohort_id = create(sandbox, ["a"])
    destination.answer = lambda request: (503, {"message": "down"})
    result = export(sandbox, cohort_id)
    assert len(destination.requests) == 6
    assert result["status"] == "active"
    assert result["error"] == "The destination answered 503: down"
    assert result["next_sync"]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusals_pause(sandbox: RunningSandbox, destination: Destination, status: int) -> None:
    connect(sandbox, destination)
    cohort_id = create(sandbox, ["a"])
    destination.answer = lambda request: (status, {"message": "Invalid client secret"})
    result = export(sandbox, cohort_id, every=0.1)
    assert result["status"] == "paused"
    assert "Invalid client secret" in result["error"]
    assert len(destination.requests) == 1
    destination.answer = lambda request: None
    connect(sandbox, destination, data_import_key="new-key")
    path = f"/sandbox/cohorts/{cohort_id}/export"
    wait_until(lambda: sandbox.call("GET", path).json["pushed"] == 1)
    assert destination.requests[-1].body["client_secret"] == "new-key"


def test_a_refused_one_time_export_has_failed(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination)
    destination.answer = lambda request: (401, b"no json")
    result = export(sandbox, create(sandbox, ["a"]), type="one_time")
    assert (result["status"], result["error"]) == ("failed", "The destination answered 401.")


def test_nobody_there(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination)
    destination.stop()
    result = export(sandbox, create(sandbox, ["a"]), type="one_time")
    assert result["status"] == "failed"
    assert "No answer" in result["error"]


def test_another_destination_gets_everything(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination)
    cohort_id = create(sandbox, ["a", "b"])
    export(sandbox, cohort_id)
    other = Destination()
    connect(sandbox, other)
    sync(sandbox, cohort_id)
    other.stop()
    assert [request.path for request in other.requests] == [
        "/partners/mixpanel/cohorts",
        "/partners/mixpanel/cohorts/users",
    ]


def test_after_three_days_of_failure_a_full_copy(
    start: Callable[..., RunningSandbox], destination: Destination
) -> None:
    sandbox = start(replace(FAST, snapshot_days=0.0))
    connect(sandbox, destination)
    cohort_id = create(sandbox, ["a", "b"])
    export(sandbox, cohort_id)
    destination.requests.clear()
    assert sync(sandbox, cohort_id)["last"]["full"] is True
    assert destination.requests[0].body["cohort_changes"][0]["user_ids"] == ["a", "b"]


def actions(requests: list[Received]) -> list[tuple[str, int, int, int]]:
    return [
        (
            request.body["action"],
            request.body["parameters"]["page_info"]["page_count"],
            request.body["parameters"]["page_info"]["total_pages"],
            len(request.body["parameters"]["members"]),
        )
        for request in requests
    ]


def test_webhook_full_copy_in_pages(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination, "webhook")
    profile = {
        "distinct_id": "d-1",
        "$email": "user-1@example.com",
        "$first_name": "User",
        "$last_name": "One",
        "$phone": "+100",
        "$braze_external_id": "user-1",
        "plan": "free",
    }
    cohort_id = create(sandbox, [profile, *users(2_000)])
    result = export(sandbox, cohort_id)
    assert actions(destination.requests) == [
        ("members", 1, 3, 1_000),
        ("members", 2, 3, 1_000),
        ("members", 3, 3, 1),
    ]
    first = destination.requests[0]
    assert first.path == "/hook"
    assert base64.b64decode(first.headers["Authorization"].split()[1]) == b"mixpanel:import-key"
    parameters = first.body["parameters"]
    assert parameters["mixpanel_project_id"] == "1"
    assert parameters["mixpanel_cohort_id"] == str(cohort_id)
    assert parameters["mixpanel_cohort_name"] == "Power users"
    assert parameters["mixpanel_cohort_description"] == ""
    assert len({request.body["parameters"]["mixpanel_session_id"] for request in destination.requests}) == 1
    assert parameters["members"][0] == {
        "mixpanel_distinct_id": "d-1",
        "email": "user-1@example.com",
        "first_name": "User",
        "last_name": "One",
        "phone_number": "+100",
        "$braze_external_id": "user-1",
    }
    assert result["pushed"] == 2_001


def test_webhook_differences(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination, "webhook")
    cohort_id = create(sandbox, ["a", {"distinct_id": "b", "$email": "b@example.com"}])
    export(sandbox, cohort_id)
    destination.requests.clear()
    change(sandbox, cohort_id, add_members=["c"], remove_members=["b"])
    assert sync(sandbox, cohort_id)["pushed"] == 2
    assert actions(destination.requests) == [("add_members", 1, 1, 1), ("remove_members", 1, 1, 1)]
    (gone,) = destination.requests[1].body["parameters"]["members"]
    assert gone == {"mixpanel_distinct_id": "b", "email": "b@example.com"}
    destination.requests.clear()
    sync(sandbox, cohort_id)
    assert actions(destination.requests) == [("add_members", 1, 1, 0), ("remove_members", 1, 1, 0)]


def test_webhook_of_an_empty_cohort(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination, "webhook")
    export(sandbox, create(sandbox, []))
    assert actions(destination.requests) == [("members", 1, 1, 0)]


def test_an_unfinished_full_copy_counts_for_nothing(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination, "webhook")
    cohort_id = create(sandbox, users(1_500))
    destination.answer = lambda request: (500, {}) if len(destination.requests) > 1 else None
    assert export(sandbox, cohort_id)["pushed"] == 0
    destination.answer = lambda request: None
    destination.requests.clear()
    assert sync(sandbox, cohort_id)["pushed"] == 1_500
    assert actions(destination.requests) == [("members", 1, 2, 1_000), ("members", 2, 2, 500)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        {"action": "add_members", "status": "success"},
        {"action": "members", "status": "failure", "error": {"message": "no", "code": 400}},
    ],
)
def test_the_webhook_must_say_success(sandbox: RunningSandbox, destination: Destination, content: object) -> None:
    connect(sandbox, destination, "webhook")
    destination.answer = lambda request: (200, content)
    result = export(sandbox, create(sandbox, ["a"]))
    assert result["status"] == "paused"
    assert '"status": "success"' in result["error"]


def test_the_webhooks_own_words_are_shown(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination, "webhook")
    failure = {"action": "members", "status": "failure", "error": {"message": "unknown list", "code": 404}}
    destination.answer = lambda request: (404, failure)
    assert "unknown list" in export(sandbox, create(sandbox, ["a"]))["error"]


def test_no_export_without_a_connection(sandbox: RunningSandbox) -> None:
    cohort_id = create(sandbox, ["a"])
    answer = sandbox.call("POST", f"/sandbox/cohorts/{cohort_id}/export", {"type": "one_time"})
    assert answer.status == 409
    assert sandbox.call("GET", f"/sandbox/cohorts/{cohort_id}/export").status == 404


@pytest.mark.parametrize(
    "body", [{}, {"type": "daily"}, {"type": "dynamic", "every": 0}, {"type": "dynamic", "wait": 1}]
)
def test_refused_exports(sandbox: RunningSandbox, destination: Destination, body: dict[str, Any]) -> None:
    connect(sandbox, destination)
    cohort_id = create(sandbox, ["a"])
    assert sandbox.call("POST", f"/sandbox/cohorts/{cohort_id}/export", body).status == 400
    assert destination.requests == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "data_import_key"),
        ({"data_import_key": "k"}, "endpoint"),
        ({"data_import_key": "k", "endpoint": "127.0.0.1:8000"}, "endpoint"),
        ({"data_import_key": "k", "endpoint": "ftp://127.0.0.1"}, "endpoint"),
        ({"data_import_key": "k", "endpoint": "http://user:secret@127.0.0.1"}, "endpoint"),
        ({"data_import_key": "k", "endpoint": "http://127.0.0.1:99999"}, "endpoint"),
        ({"data_import_key": "k", "via": "webhook"}, "webhook_url"),
        ({"data_import_key": "k", "via": "mail"}, "via"),
        ({"data_import_key": 7}, "data_import_key"),
        ({"key": "k"}, "key"),
    ],
)
def test_refused_connections(sandbox: RunningSandbox, body: dict[str, Any], field: str) -> None:
    answer = sandbox.call("POST", "/sandbox/connection", body)
    assert (answer.status, answer.json["field"]) == (400, field)
    assert sandbox.call("GET", "/sandbox/connection").json is None


def test_the_connection_hides_its_keys(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination, partner_api_key="partner-key")
    shown = sandbox.call("GET", "/sandbox/connection").json
    assert shown == {
        "via": "partner",
        "endpoint": destination.url,
        "webhook_url": destination.url + "/hook",
        "has_data_import_key": True,
        "has_partner_api_key": True,
    }
    page = sandbox.call("GET", "/").json.decode()
    assert "import-key" not in page.replace("data-import-key", "")
    assert "partner-key" not in page


def test_a_key_left_empty_stays(sandbox: RunningSandbox, destination: Destination) -> None:
    connect(sandbox, destination, partner_api_key="partner-key")
    body = {"endpoint": destination.url, "data_import_key": "", "partner_api_key": ""}
    assert sandbox.call("POST", "/sandbox/connection", body).status == 200
    export(sandbox, create(sandbox, ["a"]))
    assert destination.requests[0].body["client_secret"] == "import-key"
    assert destination.requests[0].body["partner_api_key"] == "partner-key"


def test_a_restart_goes_on_where_it_was(
    start: Callable[..., RunningSandbox], destination: Destination, tmp_path: Path
) -> None:
    sandbox = start(FAST, tmp_path)
    connect(sandbox, destination)
    cohort_id = create(sandbox, ["a", "b"])
    export(sandbox, cohort_id, every=3600)
    change(sandbox, cohort_id, add_members=["c"])
    sandbox.stop()
    destination.requests.clear()
    start(Settings(), tmp_path)
    wait_until(lambda: destination.requests)
    (request,) = destination.requests
    assert request.body["cohort_changes"] == [{"user_ids": ["c"], "should_remove": False}]
