"""Mixpanel's custom webhook over HTTP: sessions in pages, differences, answers and refusals."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from partners import copies
from partners.models import Cohort, CohortChange, FullCopy, SyncRun
from partners.tasks import fold_stragglers
from tests.partners.conftest import MakeUsers, Partner, connect
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


def test_it_works(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b", "c")
    for action, members in (("members", ["a", "b"]), ("add_members", ["c"]), ("remove_members", ["a"])):
        answer = mixpanel.webhook(action, members, session=action)
        assert (answer.status_code, answer.json()) == (200, {"action": action, "status": "success"})
    assert mixpanel.members("7") == {"b", "c"}
    cohort = mixpanel.cohort("7")
    assert (cohort.name, cohort.description, cohort.source) == ("Webhook cohort", "From Mixpanel", "webhook")


def test_a_full_copy_replaces_the_members_when_every_page_is_there(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b", "c", "d")
    mixpanel.webhook("members", ["a", "d"], session="first")
    assert mixpanel.members("7") == {"a", "d"}
    mixpanel.webhook("members", ["c"], page=3, pages=3)
    mixpanel.webhook("members", ["a"], page=1, pages=3)
    mixpanel.webhook("members", ["a"], page=1, pages=3)
    assert mixpanel.members("7") == {"a", "d"}
    mixpanel.webhook("members", ["b", "nobody"], page=2, pages=3)
    assert mixpanel.members("7") == {"a", "b", "c"}
    run = SyncRun.objects.get(session_id="s1")
    counts = (run.requests, run.received, run.added, run.removed, run.already_there, run.unmatched, run.data_points)
    assert counts == (4, 4, 2, 1, 1, 1, 3)
    assert (run.status, run.size_after) == ("done", 3)
    assert not CohortChange.objects.exists()
    assert not FullCopy.objects.exists()


def test_pages_of_a_finished_session_change_nothing(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b")
    mixpanel.webhook("members", ["a"])
    mixpanel.webhook("add_members", ["b"], session="s2")
    assert mixpanel.members("7") == {"a", "b"}
    assert mixpanel.webhook("members", ["a"]).status_code == 200
    assert mixpanel.members("7") == {"a", "b"}


def test_an_empty_full_copy_empties_the_cohort(mixpanel: Partner, users: MakeUsers) -> None:
    users("a")
    mixpanel.webhook("members", ["a"])
    assert mixpanel.members("7") == {"a"}
    mixpanel.webhook("members", [], session="s2", page_info={"total_pages": 0, "page_count": 1})
    assert mixpanel.members("7") == set()


def test_differences_that_arrive_later_stay_on_top_of_the_copy(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b", "c", "d")
    mixpanel.webhook("members", ["a"], session="first")
    mixpanel.webhook("members", ["a", "b"], page=1, pages=2)
    mixpanel.webhook("add_members", ["c"], session="later")
    mixpanel.webhook("remove_members", ["b"], session="later")
    assert mixpanel.members("7") == {"a", "c"}
    mixpanel.webhook("members", ["d"], page=2, pages=2)
    assert mixpanel.members("7") == {"a", "c", "d"}


def test_differences_before_the_first_page_are_replaced(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b")
    mixpanel.webhook("add_members", ["b"], session="earlier")
    mixpanel.webhook("members", ["a"])
    assert mixpanel.members("7") == {"a"}


def test_a_newer_session_replaces_an_older_incomplete_one(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b")
    mixpanel.webhook("members", ["a"], page=1, pages=2, session="old")
    mixpanel.webhook("members", ["b"], session="new")
    assert mixpanel.webhook("members", ["a"], page=2, pages=2, session="old").status_code == 200
    assert mixpanel.members("7") == {"b"}
    old = SyncRun.objects.get(session_id="old")
    assert (old.status, old.problem, old.received) == ("incomplete", "replaced", 1)


def test_a_session_that_never_completes_changes_nothing_and_is_shown(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b")
    mixpanel.webhook("members", ["a"], session="first")
    mixpanel.webhook("members", ["b"], page=1, pages=2)
    fold_stragglers()
    assert SyncRun.objects.get(session_id="s1").status == "running"
    SyncRun.objects.filter(session_id="s1").update(
        ended_at=timezone.now() - timedelta(seconds=settings.WEBHOOK_SESSION_TIMEOUT + 1)
    )
    fold_stragglers()
    run = SyncRun.objects.get(session_id="s1")
    assert (run.status, run.problem) == ("incomplete", "timed_out")
    assert mixpanel.members("7") == {"a"}
    assert copies.expire_copies() == 0


def test_waiting_ids_follow_the_full_copy(mixpanel: Partner) -> None:
    mixpanel.webhook("add_members", ["old"], session="d1")
    mixpanel.members("7")
    mixpanel.webhook("members", ["x", "y"], page=1, pages=2)
    mixpanel.webhook("remove_members", ["y"], session="d2")
    mixpanel.webhook("add_members", ["z"], session="d3")
    mixpanel.members("7")
    mixpanel.webhook("members", [], page=2, pages=2)
    mixpanel.members("7")
    assert set(mixpanel.cohort("7").unmatched.values_list("value", "cancelled")) == {("x", False), ("z", False)}


def test_the_identifier_that_is_there_decides(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b")
    users("c", "d", email="two@example.com")
    members = [
        {"$braze_external_id": "a", "mixpanel_distinct_id": "b"},
        {"$braze_external_id": "", "mixpanel_distinct_id": None, "email": "two@example.com"},
        {"first_name": "Example"},
    ]
    mixpanel.webhook("add_members", members)
    assert mixpanel.members("7") == {"a", "c", "d"}
    run = SyncRun.objects.get()
    assert (run.received, run.added, run.unmatched) == (3, 3, 1)
    assert not mixpanel.cohort("7").unmatched.exists()


def test_the_order_of_identifiers_is_configurable(mixpanel: Partner, users: MakeUsers) -> None:
    users("a")
    users("b", email="b@example.com")
    mixpanel.integration.identifiers = ["email"]
    mixpanel.integration.save()
    mixpanel.webhook("add_members", [{"mixpanel_distinct_id": "a", "email": "b@example.com"}])
    assert mixpanel.members("7") == {"b"}


def test_numbers_are_taken_as_text(mixpanel: Partner, users: MakeUsers) -> None:
    users("5")
    mixpanel.webhook("add_members", [{"mixpanel_distinct_id": 5}], cohort_id=7)
    assert mixpanel.members("7") == {"5"}


def test_the_name_follows_mixpanel(mixpanel: Partner) -> None:
    mixpanel.webhook("add_members", [])
    mixpanel.webhook("add_members", [], mixpanel_cohort_name="Renamed")
    assert [cohort.name for cohort in Cohort.objects.all()] == ["Renamed"]


@pytest.mark.parametrize("auth", [None, "wrong"])
def test_a_missing_or_wrong_key_is_refused(mixpanel: Partner, auth: str | None) -> None:
    answer = mixpanel.webhook("members", ["a"], auth=auth)
    assert answer.status_code == 401
    assert answer.json()["action"] == "members"
    assert answer.json()["status"] == "failure"
    assert answer.json()["error"]["code"] == 401
    assert answer["WWW-Authenticate"].startswith("Basic")
    assert not Cohort.objects.exists()


@pytest.mark.parametrize("header", ["Bearer x", "Basic", "Basic ???", "Basic /w=="])
def test_broken_credentials_are_refused(mixpanel: Partner, header: str) -> None:
    path = f"/partners/mixpanel/webhook/{mixpanel.integration.api_id}"
    answer = Client().post(path, b"{}", content_type="application/json", headers={"Authorization": header})
    assert answer.status_code == 401


def test_keys_of_another_partner_or_workspace_are_refused(mixpanel: Partner, segment: Partner) -> None:
    other = connect(Workspace.objects.create(name="Other"), "mixpanel")
    for key in (segment.client_secret, other.client_secret):
        assert mixpanel.webhook("members", ["a"], auth=key).status_code == 401
    body = {"action": "members", "parameters": {"mixpanel_cohort_id": "7"}}
    assert mixpanel.post_webhook(body, integration=uuid4()).status_code == 401
    assert mixpanel.post_webhook(body, integration="7").status_code == 401
    assert segment.post_webhook(body).status_code == 401


def test_an_invalidated_key_is_refused(mixpanel: Partner) -> None:
    mixpanel.key.invalidate()
    assert mixpanel.webhook("members", ["a"]).status_code == 401


@pytest.mark.parametrize("action", ["replace", None, 5, ["members"]])
def test_an_unknown_action_is_refused(mixpanel: Partner, action: Any) -> None:
    answer = mixpanel.webhook(action, ["a"])
    assert answer.status_code == 400
    assert answer.json() == {
        "action": action,
        "status": "failure",
        "error": {"message": "`action` must be one of members, add_members, remove_members", "code": 400},
    }


@pytest.mark.parametrize(
    "parameters",
    [
        {"members": "a"},
        {"members": ["a"]},
        {"members": {"mixpanel_distinct_id": "a"}},
        {"mixpanel_cohort_id": None},
        {"mixpanel_cohort_id": ""},
        {"mixpanel_cohort_id": ["7"]},
        {"mixpanel_cohort_id": "x" * 513},
        {"mixpanel_session_id": {}},
        {"mixpanel_session_id": "", "page_info": {"total_pages": 2, "page_count": 1}},
        {"mixpanel_cohort_name": "x" * 513},
        {"members": None},
        {"page_info": None},
        {"page_info": 5},
        {"page_info": {}},
        {"page_info": {"total_pages": 2, "page_count": 0}},
        {"page_info": {"total_pages": 2, "page_count": 3}},
        {"page_info": {"total_pages": True, "page_count": True}},
        {"page_info": {"total_pages": 10**9, "page_count": 1}},
        {"members": [{"mixpanel_distinct_id": "x" * 513}]},
    ],
)
def test_parameters_of_another_form_are_refused(mixpanel: Partner, parameters: dict[str, Any]) -> None:
    answer = mixpanel.webhook("members", ["a"], **parameters)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert not Cohort.objects.exists()
    assert not SyncRun.objects.exists()


@pytest.mark.parametrize("missing", ["members", "page_info"])
def test_a_full_copy_without_its_members_or_pages_empties_nothing(
    mixpanel: Partner, users: MakeUsers, missing: str
) -> None:
    users("a")
    mixpanel.webhook("members", ["a"])
    parameters = {
        "mixpanel_cohort_id": "7",
        "mixpanel_session_id": "s2",
        "page_info": {"total_pages": 1, "page_count": 1},
        "members": [],
    }
    del parameters[missing]
    answer = mixpanel.post_webhook({"action": "members", "parameters": parameters})
    assert (answer.status_code, answer.json()["status"]) == (400, "failure")
    assert f"`{missing}`" in answer.json()["error"]["message"]
    assert mixpanel.members("7") == {"a"}


def test_too_many_members_are_refused(mixpanel: Partner) -> None:
    answer = mixpanel.webhook("members", [{}] * 10_001)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Only 10,000 `members` are allowed per request"


def test_bodies_that_are_no_object_are_refused(mixpanel: Partner) -> None:
    assert mixpanel.post_webhook([]).status_code == 400
    assert mixpanel.post_webhook([], auth="wrong").json()["action"] is None
    assert mixpanel.post_webhook({"action": "members", "parameters": 5}).status_code == 400


def test_pages_that_disagree_about_their_number_are_refused(mixpanel: Partner) -> None:
    mixpanel.webhook("members", ["a"], page=1, pages=3)
    answer = mixpanel.webhook("members", ["a"], page=2, pages=4)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "`total_pages` was 3 on an earlier page of this session"


def test_differences_of_one_session_are_one_run(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b")
    mixpanel.webhook("add_members", ["a"], page=1, pages=2, session="d1")
    mixpanel.webhook("add_members", ["b"], page=2, pages=2, session="d1")
    mixpanel.webhook("remove_members", ["b"], session="d2")
    mixpanel.members("7")
    runs = SyncRun.objects.order_by("pk").values_list("session_id", "requests", "added", "removed")
    assert list(runs) == [("d1", 2, 2, 0), ("d2", 1, 0, 1)]
