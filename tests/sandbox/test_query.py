"""The Query API: listing cohorts and reading their members, with paging, credentials and rate limit."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.sandbox.running import SERVICE, RunningSandbox


def cohort(sandbox: RunningSandbox, members: list[Any], name: str = "Power users") -> int:
    answer = sandbox.call("POST", "/sandbox/cohorts", {"name": name, "description": "d", "members": members})
    assert answer.status == 201, answer.json
    return int(answer.json["id"])


@pytest.mark.parametrize("prefix", ["/api/query", "/api/2.0"])
def test_it_works(sandbox: RunningSandbox, prefix: str) -> None:
    cohort_id = cohort(sandbox, ["user-1", {"distinct_id": "user-2", "$email": "user-2@example.com"}])
    (listed,) = sandbox.query("cohorts/list", SERVICE, prefix, project_id="1").json
    created = listed.pop("created")
    assert len(created) == len("2019-03-19 23:49:51")
    assert listed == {
        "count": 2,
        "is_visible": 1,
        "description": "d",
        "project_id": 1,
        "id": cohort_id,
        "name": "Power users",
    }
    answer = sandbox.query("engage", SERVICE, prefix, project_id="1", filter_by_cohort=f'{{"id": {cohort_id}}}')
    assert answer.status == 200
    session = answer.json.pop("session_id")
    assert session
    assert answer.json == {
        "page": 0,
        "page_size": 1000,
        "results": [
            {"$distinct_id": "user-1", "$properties": {}},
            {"$distinct_id": "user-2", "$properties": {"$email": "user-2@example.com"}},
        ],
        "status": "ok",
        "total": 2,
    }


def test_paging_reads_one_moment(sandbox: RunningSandbox) -> None:
    cohort_id = cohort(sandbox, [f"user-{number}" for number in range(2_500)])
    choice = f'{{"id": {cohort_id}}}'
    first = sandbox.query("engage", filter_by_cohort=choice).json
    sandbox.call("PUT", f"/sandbox/cohorts/{cohort_id}", {"name": "x", "members": []})
    found = first["results"]
    for page in (1, 2, 3):
        answer = sandbox.query("engage", filter_by_cohort=choice, session_id=first["session_id"], page=str(page))
        assert answer.json["page"] == page
        found += answer.json["results"]
    assert [item["$distinct_id"] for item in found] == [f"user-{number}" for number in range(2_500)]
    assert first["total"] == 2_500


def test_the_page_size_can_be_set(sandbox: RunningSandbox) -> None:
    sandbox.call("PATCH", "/sandbox/settings", {"page_size": 2})
    cohort_id = cohort(sandbox, ["a", "b", "c"])
    answer = sandbox.query("engage", filter_by_cohort=f'{{"id": {cohort_id}}}').json
    assert (answer["page_size"], len(answer["results"])) == (2, 2)


def test_only_users_with_a_profile(sandbox: RunningSandbox) -> None:
    cohort_id = cohort(sandbox, ["user-1", {"distinct_id": "user-2", "$name": "Example"}])
    answer = sandbox.query("engage", filter_by_cohort=f'{{"id": {cohort_id}}}', include_all_users="false")
    assert [item["$distinct_id"] for item in answer.json["results"]] == ["user-2"]


def test_output_properties(sandbox: RunningSandbox) -> None:
    cohort_id = cohort(sandbox, [{"distinct_id": "user-1", "$email": "a@example.com", "plan": "free"}])
    answer = sandbox.query("engage", filter_by_cohort=f'{{"id": "{cohort_id}"}}', output_properties='["plan", "none"]')
    assert answer.json["results"] == [{"$distinct_id": "user-1", "$properties": {"plan": "free"}}]


def test_chosen_users_of_all_cohorts(sandbox: RunningSandbox) -> None:
    cohort(sandbox, [{"distinct_id": f"user-{number}", "$name": "Example"} for number in range(5)])
    answer = sandbox.query("engage", distinct_ids='["user-1", "user-3", "other"]')
    assert [item["$distinct_id"] for item in answer.json["results"]] == ["user-1", "user-3"]
    answer = sandbox.query("engage", distinct_id="user-2")
    assert answer.json["total"] == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"page": "1"},
        {"page": "-1"},
        {"session_id": "unknown"},
        {"filter_by_cohort": "7"},
        {"filter_by_cohort": "{oops"},
        {"filter_by_cohort": '{"id": 999999}'},
        {"filter_by_cohort": '{"id": [1]}'},
        {"output_properties": '"$email"'},
        {"where": 'properties["$email"]'},
        {"behaviors": "[]"},
    ],
)
def test_refused_parameters(sandbox: RunningSandbox, fields: dict[str, str]) -> None:
    answer = sandbox.query("engage", **fields)
    assert answer.status == 400
    assert answer.json["status"] == "error"
    assert answer.json["error"]


@pytest.mark.parametrize(
    ("auth", "fields", "status"),
    [
        (None, {}, 401),
        (("wrong", ""), {}, 401),
        (SERVICE, {}, 400),
        (SERVICE, {"project_id": "2"}, 403),
    ],
)
def test_refused_credentials(
    sandbox: RunningSandbox, auth: tuple[str, str] | None, fields: dict[str, str], status: int
) -> None:
    for path in ("engage", "cohorts/list"):
        assert sandbox.query(path, auth, **fields).status == status


def test_the_project_may_stand_in_the_address(sandbox: RunningSandbox) -> None:
    assert sandbox.query("cohorts/list?project_id=1", SERVICE).status == 200


def test_a_body_that_is_no_form(sandbox: RunningSandbox) -> None:
    answer = sandbox.http.request(
        "POST",
        f"{sandbox.url}/api/query/engage",
        json={},
        headers={"Authorization": "Basic c2FuZGJveC1hcGktc2VjcmV0Og=="},
    )
    assert answer.status == 400


def test_the_hourly_limit(sandbox: RunningSandbox) -> None:
    for _ in range(60):
        assert sandbox.query("cohorts/list").status == 200
    answer = sandbox.query("cohorts/list")
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 3601
    assert sandbox.query("engage").status == 429
    assert sandbox.send([]).status == 400, "the Import API has no part in it"


def test_the_limit_can_be_switched_off(sandbox: RunningSandbox) -> None:
    sandbox.call("PATCH", "/sandbox/settings", {"rate_limit": False, "queries_per_hour": 1})
    for _ in range(5):
        assert sandbox.query("cohorts/list").status == 200


def test_at_most_five_at_once(sandbox: RunningSandbox) -> None:
    sandbox.misbehave("slow", delay=3, path="/api/query")
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda number: sandbox.query("cohorts/list").status, range(8)))
    assert statuses.count(200) == 5
    assert statuses.count(429) == 3
