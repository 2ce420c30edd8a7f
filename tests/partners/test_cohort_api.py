"""The partner cohort API over HTTP: every success and every refusal."""

import base64
import gzip
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.test import Client

from partners.models import Cohort, CohortChange, DataImportKey, Integration, SyncRun
from tests.partners.conftest import MakeUsers, Partner, add_alias, add_device, at_once, connect, make_users
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


def message(answer: Any) -> str:
    return str(answer.json()["message"])


def test_it_works(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b", "c")
    named = mixpanel.name()
    assert (named.status_code, named.json()) == (201, {"message": "success"})
    changed = mixpanel.change({"user_ids": ["a", "b"]})
    assert (changed.status_code, changed.json()) == (201, {"message": "success"})
    assert mixpanel.members() == {"a", "b"}
    mixpanel.change({"user_ids": ["b"], "should_remove": True}, {"user_ids": ["c"], "should_remove": False})
    assert mixpanel.members() == {"a", "c"}
    cohort = mixpanel.cohort()
    assert (cohort.name, cohort.size) == ("Cohort 1", 2)
    assert cohort.created_at == datetime(2026, 1, 21, 14, 20, 30, tzinfo=UTC)


def test_segment_is_a_partner_of_its_own(mixpanel: Partner, segment: Partner, users: MakeUsers) -> None:
    users("a", "b")
    mixpanel.add("a")
    segment.add("b")
    assert (mixpanel.members(), segment.members()) == ({"a"}, {"b"})


@pytest.mark.parametrize("path", ["cohorts/", "cohorts"])
def test_a_slash_at_the_end_changes_nothing(mixpanel: Partner, path: str) -> None:
    assert mixpanel.post(path, cohort_id="c1", name="N", created_at="2026-01-01").status_code == 201
    assert mixpanel.post("cohorts/users/", cohort_id="c1", cohort_changes=[]).status_code == 201


def test_bodies_may_be_gzip_encoded(mixpanel: Partner, users: MakeUsers) -> None:
    users("a")
    assert mixpanel.change({"user_ids": ["a"]}, zipped=True).status_code == 201
    assert mixpanel.members() == {"a"}


def test_naming_again_renames(mixpanel: Partner) -> None:
    mixpanel.name()
    assert mixpanel.name().status_code == 201
    assert mixpanel.name(name="Renamed").status_code == 201
    assert [cohort.name for cohort in Cohort.objects.all()] == ["Renamed"]


def test_changes_before_the_name_make_a_cohort_named_by_its_id(mixpanel: Partner, users: MakeUsers) -> None:
    users("a")
    mixpanel.add("a")
    assert mixpanel.cohort().name == "c1"
    mixpanel.name()
    assert mixpanel.cohort().name == "Cohort 1"
    assert mixpanel.members() == {"a"}


@pytest.mark.parametrize("changes", [[], [{"user_ids": []}], [{"user_ids": [], "device_ids": [], "aliases": []}]])
def test_no_changes_for_an_unknown_cohort_succeed_and_create_nothing(mixpanel: Partner, changes: list[Any]) -> None:
    answer = mixpanel.change(*changes, cohort_id="test")
    assert (answer.status_code, answer.json()) == (201, {"message": "success"})
    assert not Cohort.objects.exists()


def test_no_changes_for_a_known_cohort_are_a_sync(mixpanel: Partner) -> None:
    mixpanel.name()
    mixpanel.change()
    assert mixpanel.members() == set()
    assert mixpanel.cohort().last_sync_at is not None


def test_empty_lists_beside_full_ones(mixpanel: Partner, users: MakeUsers) -> None:
    users("a")
    mixpanel.change({"user_ids": ["a"], "device_ids": [], "aliases": []})
    assert mixpanel.members() == {"a"}


def test_aliases_match_by_label_and_name(mixpanel: Partner, users: MakeUsers) -> None:
    first, second = users("a", "b")
    add_alias(first, "crm", "one")
    add_alias(second, "other", "one")
    mixpanel.change({"aliases": [{"alias_name": "one", "alias_label": "crm"}]})
    assert mixpanel.members() == {"a"}


def test_devices_match_anonymous_profiles_only(mixpanel: Partner, users: MakeUsers) -> None:
    identified, anonymous = users("a", None)
    add_device(identified, "phone")
    add_device(anonymous, "phone")
    mixpanel.change({"device_ids": ["phone"]})
    assert mixpanel.members() == {anonymous.braze_id}


def test_ids_are_compared_exactly(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "A", " a")
    mixpanel.add("A")
    assert mixpanel.members() == {"A"}


def test_users_of_another_workspace_are_never_matched(mixpanel: Partner, users: MakeUsers) -> None:
    users("a")
    other = connect(Workspace.objects.create(name="Other"), "mixpanel")
    other.add("a")
    assert other.members() == set()


def test_the_later_object_wins_for_the_same_user(mixpanel: Partner, users: MakeUsers) -> None:
    (user,) = users("a")
    add_alias(user, "crm", "one")
    mixpanel.change(
        {"user_ids": ["a"]}, {"aliases": [{"alias_name": "one", "alias_label": "crm"}], "should_remove": True}
    )
    assert mixpanel.members() == set()
    mixpanel.change({"user_ids": ["a"], "should_remove": True}, {"user_ids": ["a"]})
    assert mixpanel.members() == {"a"}


def test_a_thousand_identifiers_are_taken_and_one_more_refused(mixpanel: Partner) -> None:
    ids = [str(number) for number in range(999)]
    alias = {"alias_name": "n", "alias_label": "l"}
    assert mixpanel.change({"user_ids": ids}, {"aliases": [alias]}).status_code == 201
    answer = mixpanel.change({"user_ids": ids}, {"aliases": [alias], "device_ids": ["d"]})
    assert answer.status_code == 400
    assert message(answer) == "Only 1,000 `user_ids`, `device_ids`, and `aliases` are allowed per request"


@pytest.mark.parametrize("fields", [{"partner_api_key": "wrong"}, {"partner_api_key": ...}, {"partner_api_key": 5}])
def test_a_wrong_partner_key_is_refused(mixpanel: Partner, fields: dict[str, Any]) -> None:
    for answer in (mixpanel.name(**fields), mixpanel.change({"user_ids": ["a"]}, **fields)):
        assert (answer.status_code, message(answer)) == (401, "Invalid Partner API key")
    assert not Cohort.objects.exists()


@pytest.mark.parametrize("secret", ["wrong", ..., 5, None, ""])
def test_a_wrong_client_secret_is_refused(mixpanel: Partner, secret: Any) -> None:
    for answer in (mixpanel.name(client_secret=secret), mixpanel.change({"user_ids": ["a"]}, client_secret=secret)):
        assert (answer.status_code, message(answer)) == (401, "Invalid client secret")
    assert not Cohort.objects.exists()


def test_a_key_of_another_partner_is_refused(mixpanel: Partner, segment: Partner) -> None:
    answer = mixpanel.change({"user_ids": ["a"]}, client_secret=segment.client_secret)
    assert answer.status_code == 401
    assert "Partner not enabled for client" in message(answer)
    assert segment.client_secret not in message(answer)


def test_an_invalidated_key_is_refused_from_the_next_request_on(mixpanel: Partner) -> None:
    assert mixpanel.change({"user_ids": ["a"]}).status_code == 201
    _, second = DataImportKey.make(integration=mixpanel.integration)
    mixpanel.key.invalidate()
    assert mixpanel.change({"user_ids": ["a"]}).status_code == 401
    assert mixpanel.change({"user_ids": ["a"]}, client_secret=second.secret).status_code == 201


def test_an_unknown_partner_is_not_found(mixpanel: Partner) -> None:
    answer = Client().post("/partners/nobody/cohorts/users", b"{}", content_type="application/json")
    assert (answer.status_code, message(answer)) == (404, "There is no partner named nobody")


@pytest.mark.parametrize("slug", ["%00", "a%00b", "x" * 51, "%F0%9F%98%80", "..;", "a%2Fb"])
def test_a_partner_that_nobody_could_name_is_not_found(mixpanel: Partner, slug: str) -> None:
    for path in ("cohorts", "cohorts/users"):
        answer = Client().post(f"/partners/{slug}/{path}", b"{}", content_type="application/json")
        assert answer.status_code == 404


def test_other_methods_are_refused(mixpanel: Partner) -> None:
    assert Client().get("/partners/mixpanel/cohorts").status_code == 405


def test_the_first_partner_key_with_a_valid_secret_is_adopted(mixpanel: Partner) -> None:
    mixpanel.integration.forget_partner_key()
    assert mixpanel.change(partner_api_key="first-key", client_secret="wrong").status_code == 401
    assert mixpanel.change(cohort_id=5, partner_api_key="first-key").status_code == 400
    assert Integration.objects.get(pk=mixpanel.integration.pk).partner_key_digest is None
    assert mixpanel.change(partner_api_key="first-key").status_code == 201
    assert mixpanel.change(partner_api_key="second-key").status_code == 401
    assert mixpanel.change(partner_api_key="first-key").status_code == 201
    assert Integration.objects.get(pk=mixpanel.integration.pk).partner_key_prefix == "fi"


@pytest.mark.parametrize(("key", "shown"), [("x", ""), ("abcd", "a"), ("0123456789" * 10, "01234567")])
def test_of_an_adopted_key_a_quarter_is_shown_at_most(mixpanel: Partner, key: str, shown: str) -> None:
    mixpanel.integration.forget_partner_key()
    assert mixpanel.change(partner_api_key=key).status_code == 201
    assert Integration.objects.get(pk=mixpanel.integration.pk).partner_key_prefix == shown


@pytest.mark.django_db(transaction=True)
def test_of_several_first_partner_keys_at_once_one_is_adopted(mixpanel: Partner) -> None:
    mixpanel.integration.forget_partner_key()
    answers: dict[str, int] = {}

    def call(key: str) -> None:
        answers[key] = mixpanel.change({"user_ids": [key]}, partner_api_key=key).status_code

    at_once(*(partial(call, f"key-{number}") for number in range(6)))
    assert sorted(answers.values()) == [201, 401, 401, 401, 401, 401]
    adopted = next(key for key, status in answers.items() if status == 201)
    assert mixpanel.change(partner_api_key=adopted).status_code == 201
    # Whoever was refused has changed nothing.
    assert CohortChange.objects.filter(identifiers=1).count() == 1


def test_last_use_of_a_key_is_noted(mixpanel: Partner) -> None:
    mixpanel.change(cohort_id=5)
    assert DataImportKey.objects.get().last_used_at is None
    mixpanel.change()
    assert DataImportKey.objects.get().last_used_at is not None


@pytest.mark.parametrize("cohort_id", [5, None, "", ..., ["c"], "x" * 513])
def test_cohort_id_must_be_a_valid_string(mixpanel: Partner, cohort_id: Any) -> None:
    for answer in (mixpanel.name(cohort_id=cohort_id), mixpanel.change(cohort_id=cohort_id)):
        assert answer.status_code == 400
        assert message(answer).startswith("`cohort_id` must be ")


@pytest.mark.parametrize("name", ["", "  ", 5, None, ..., "x" * 513])
def test_name_must_be_a_non_empty_string(mixpanel: Partner, name: Any) -> None:
    answer = mixpanel.name(name=name)
    assert answer.status_code == 400
    assert message(answer).startswith("`name` must be ")
    assert not Cohort.objects.exists()


@pytest.mark.parametrize("moment", ["", "yesterday", 5, None, ..., "2026-13-01", "0001-01-01T00:00:00+14:00"])
def test_created_at_must_be_iso_8601(mixpanel: Partner, moment: Any) -> None:
    answer = mixpanel.name(created_at=moment)
    assert (answer.status_code, message(answer)) == (400, "`created_at` must be a valid time as an ISO-8601 string")


@pytest.mark.parametrize(
    "moment", ["2026-01-21T19:20:30Z", "2026-01-21", "2026-01-21T19:20:30.123+05:00", "20260121T192030Z"]
)
def test_forms_of_iso_8601(mixpanel: Partner, moment: str) -> None:
    assert mixpanel.name(created_at=moment).status_code == 201


@pytest.mark.parametrize(
    "changes",
    [
        "none",
        None,
        ...,
        {"user_ids": ["a"]},
        ["a"],
        [{}],
        [{"should_remove": True}],
        [{"user_ids": "a"}],
        [{"user_ids": [5]}],
        [{"user_ids": [None]}],
        [{"device_ids": [["d"]]}],
        [{"aliases": ["x"]}],
        [{"aliases": [{"alias_name": "n"}]}],
        [{"aliases": [{"alias_name": "n", "alias_label": 5}]}],
        [{"aliases": {"alias_name": "n", "alias_label": "l"}}],
        [{"user_ids": ["a"], "should_remove": "yes"}],
    ],
)
def test_cohort_changes_of_another_form_are_refused(mixpanel: Partner, changes: Any) -> None:
    answer = mixpanel.change(cohort_changes=changes)
    assert answer.status_code == 400
    assert message(answer).startswith("`cohort_changes` must be an array of objects")
    assert not CohortChange.objects.exists()
    assert not Cohort.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"user_ids": ["x" * 513]},
        {"device_ids": ["x" * 513]},
        {"aliases": [{"alias_name": "x" * 513, "alias_label": "l"}]},
        {"aliases": [{"alias_name": "n", "alias_label": "x" * 513}]},
        {"user_ids": ["a\x00b"]},
    ],
)
def test_identifiers_that_cannot_be_kept_are_refused(mixpanel: Partner, change: Any) -> None:
    answer = mixpanel.change({"user_ids": ["a"]}, change)
    assert answer.status_code == 400
    assert "512 characters" in message(answer) or "NUL" in message(answer)
    assert not CohortChange.objects.exists()


def test_the_longest_identifiers_are_kept(mixpanel: Partner) -> None:
    widest = "\U0001f600" * 512
    assert (
        mixpanel.change({"user_ids": [widest], "aliases": [{"alias_name": widest, "alias_label": widest}]}).status_code
        == 201
    )
    assert mixpanel.members() == set()
    assert mixpanel.cohort().unmatched.count() == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b'"text"', 400), (b"\xff", 400), (b"x" * (5 * 1024 * 1024 + 1), 413)],
)
def test_bodies_that_are_no_json_object(mixpanel: Partner, body: bytes, status: int) -> None:
    answer = Client().post("/partners/mixpanel/cohorts/users", body, content_type="application/json")
    assert answer.status_code == status
    assert message(answer)


def test_a_gzip_bomb_is_refused(mixpanel: Partner) -> None:
    bomb = gzip.compress(b" " * (50 * 1024 * 1024))
    answer = Client().post(
        "/partners/mixpanel/cohorts/users", bomb, content_type="application/json", headers={"Content-Encoding": "gzip"}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("way", ["cohorts", "cohorts/users", "webhook"])
def test_no_way_in_takes_bombs_or_deep_nests(mixpanel: Partner, way: str) -> None:
    path = f"/partners/mixpanel/{way}" + (f"/{mixpanel.integration.api_id}" if way == "webhook" else "")
    password = base64.b64encode(f"anyone:{mixpanel.client_secret}".encode()).decode()
    zipped = {"Content-Encoding": "gzip"}
    for body, headers, status in (
        (b" " * (5 * 1024 * 1024 + 1), {}, 413),
        (gzip.compress(b" " * (50 * 1024 * 1024)), zipped, 413),
        (gzip.compress(b"{}")[:-4], zipped, 400),
        (b'{"a":' * 65 + b"1" + b"}" * 65, {}, 400),
        (b"[" * 100_000 + b"]" * 100_000, {}, 400),
    ):
        answer = Client().post(
            path, body, content_type="application/json", headers={"Authorization": f"Basic {password}", **headers}
        )
        assert answer.status_code == status
    assert not CohortChange.objects.exists()


def test_the_same_cohort_id_in_another_workspace_is_another_cohort(mixpanel: Partner, users: MakeUsers) -> None:
    other = connect(Workspace.objects.create(name="Other"), "mixpanel")
    users("a")
    make_users(other.integration.workspace, "a", "b")
    mixpanel.name(name="Ours")
    other.name(name="Theirs")
    mixpanel.add("a")
    other.add("b")
    assert (mixpanel.cohort().name, mixpanel.members()) == ("Ours", {"a"})
    assert (other.cohort().name, other.members()) == ("Theirs", {"b"})


def test_the_run_accounts_for_everybody(mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b", "c")
    mixpanel.add("a", "b", "nobody")
    mixpanel.add("b", "b", "c")
    mixpanel.remove("a", "nobody", "c")
    mixpanel.remove("a")
    assert mixpanel.members() == {"b"}
    (run,) = SyncRun.objects.all()
    counts = (run.requests, run.received, run.added, run.removed, run.already_there, run.unmatched, run.data_points)
    assert counts == (4, 10, 3, 2, 3, 2, 5)
    assert (run.status, run.source, run.size_after) == ("done", "push", 1)
    assert not mixpanel.cohort().unmatched.exists()
