"""The screens of Partner Integrations over HTTP, as an admin and as a marketer."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from partners import usage
from partners.copies import open_copy
from partners.mixpanel.pull import pull_due
from partners.models import Cohort, DataImportKey, Integration, PullConnection, RunSets, SyncRun
from profiles.sets import ProfileSet
from tests.logins import client_of
from tests.partners.conftest import MakeUsers, Partner, connect
from tests.sandbox.running import RunningSandbox
from workspaces.models import Workspace
from workspaces.roles import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(workspace: Workspace) -> Client:
    return client_of(workspace, Role.ADMIN)


@pytest.fixture
def marketer(workspace: Workspace) -> Client:
    return client_of(workspace, Role.MARKETER)


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:partners_{name}", args=args)


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer
    return str(answer.content.decode())


def secret_in(answer: Any) -> str:
    found = re.search(r'id="new-key">([0-9a-f]{64})<', text_of(answer))
    assert found
    return found.group(1)


def test_it_works(admin: Client, workspace: Workspace, settings: LazySettings) -> None:
    settings.PUBLIC_URL = "https://hub.example.com"
    cards = text_of(admin.get(page("integration_changelist")))
    assert "Mixpanel" in cards
    assert "Segment" in cards
    assert "Not connected" in cards
    shown = text_of(admin.get(page("integration_partner", "mixpanel")))
    assert "https://hub.example.com" in shown
    made = admin.post(page("integration_generate_key", "mixpanel"))
    secret = secret_in(made)
    assert "no-store" in made["Cache-Control"]
    key = DataImportKey.find(secret)
    assert key is not None
    assert (key.integration.workspace, key.made_by.username) == (workspace, "admin")
    assert ">Connected<" in text_of(admin.get(page("integration_changelist")))


def test_a_secret_is_on_no_later_page(admin: Client) -> None:
    secret = secret_in(admin.post(page("integration_generate_key", "mixpanel")))
    partner_secret = secret_in(admin.post(page("integration_generate_partner_key", "mixpanel")))
    shown = text_of(admin.get(page("integration_partner", "mixpanel")))
    assert secret not in shown
    assert partner_secret not in shown
    assert f"{secret[:8]}…" in shown
    assert admin.get(page("integration_generate_key", "mixpanel")).status_code == 302
    assert DataImportKey.objects.count() == 1


def test_invalidating_the_last_key_disconnects(admin: Client, mixpanel: Partner) -> None:
    assert admin.post(page("integration_invalidate_key", "mixpanel", mixpanel.key.pk)).status_code == 302
    assert mixpanel.change().status_code == 401
    shown = text_of(admin.get(page("integration_partner", "mixpanel")))
    assert "Invalidated" in shown
    assert ">Connected<" not in shown


def test_resetting_the_partner_key_lets_the_next_one_in(admin: Client, mixpanel: Partner) -> None:
    assert mixpanel.change(partner_api_key="another").status_code == 401
    admin.post(page("integration_reset_partner_key", "mixpanel"))
    assert mixpanel.change(partner_api_key="another").status_code == 201


def test_unknown_partners_are_not_found(admin: Client) -> None:
    assert admin.get(page("integration_partner", "nobody")).status_code == 404
    assert admin.post(page("integration_generate_key", "nobody")).status_code == 404
    assert admin.post(page("integration_reset_partner_key", "segment")).status_code == 404


def test_segment_has_neither_webhook_nor_pull(admin: Client, segment: Partner) -> None:
    shown = text_of(admin.get(page("integration_partner", "segment")))
    assert "Custom webhook" not in shown
    assert "Pull from" not in shown


def test_the_page_shows_how_to_connect_the_webhook(admin: Client, mixpanel: Partner) -> None:
    shown = text_of(admin.get(page("integration_partner", "mixpanel")))
    assert f"/partners/mixpanel/webhook/{mixpanel.integration.api_id}" in shown


def test_a_marketer_sees_cohorts_but_makes_no_keys(marketer: Client, mixpanel: Partner, users: MakeUsers) -> None:
    users("a")
    mixpanel.name()
    mixpanel.add("a")
    shown = text_of(marketer.get(page("integration_partner", "mixpanel")))
    assert "Cohort 1" in shown
    for action in ("/keys/", "/partner-key/", "/connection/", "/matching/"):
        assert action not in shown
    cohort = mixpanel.cohort()
    shown = text_of(marketer.get(page("cohort_cohort", cohort.pk)))
    assert "Archive" not in shown
    refused = [
        page("integration_generate_key", "mixpanel"),
        page("integration_invalidate_key", "mixpanel", mixpanel.key.pk),
        page("integration_generate_partner_key", "mixpanel"),
        page("integration_reset_partner_key", "mixpanel"),
        page("integration_mixpanel_connection"),
        page("integration_mixpanel_disconnect"),
        page("integration_mixpanel_load_cohorts"),
        page("integration_mixpanel_choose_cohorts"),
        page("integration_mixpanel_matching"),
        page("cohort_archive", cohort.pk),
        page("cohort_unarchive", cohort.pk),
        page("cohort_sync", cohort.pk),
    ]
    assert [marketer.post(address).status_code for address in refused] == [403] * len(refused)


def test_another_workspace_is_not_seen(admin: Client, users: MakeUsers) -> None:
    other = connect(Workspace.objects.create(name="Other"), "mixpanel")
    other.name(name="Secret cohort")
    other.add("a")
    other.members()
    assert "Secret cohort" not in text_of(admin.get(page("integration_partner", "mixpanel")))
    pk = other.cohort().pk
    assert admin.get(page("cohort_cohort", pk)).status_code == 404
    assert admin.get(page("cohort_unmatched", pk)).status_code == 404
    assert admin.post(page("cohort_archive", pk)).status_code == 404
    assert admin.post(page("integration_invalidate_key", "mixpanel", other.key.pk)).status_code == 404
    assert other.change().status_code == 201


def test_writes_need_post(admin: Client, mixpanel: Partner) -> None:
    mixpanel.name()
    for address in (
        page("integration_invalidate_key", "mixpanel", mixpanel.key.pk),
        page("cohort_archive", mixpanel.cohort().pk),
        page("integration_mixpanel_disconnect"),
    ):
        assert admin.get(address).status_code == 405


def test_the_cohort_page_folds_and_shows_everything(admin: Client, mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b")
    mixpanel.name()
    mixpanel.add("a", "b", "nobody")
    shown = text_of(admin.get(page("cohort_cohort", mixpanel.cohort().pk)))
    assert "Cohort 1" in shown
    assert "Up to date" in shown
    assert "1 identifier that the partner added belongs to no user" in shown
    assert SyncRun.objects.count() == 1


def test_is_this_user_in_it_and_why(admin: Client, mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b", "c")
    mixpanel.add("a", "b", "ghost")
    mixpanel.members()
    mixpanel.remove("b")
    address = page("cohort_cohort", mixpanel.cohort().pk)
    added, removed = "Added by the run of", "Removed by the run of"
    expected = {
        "a": ("In the cohort", added),
        "b": ("Not in the cohort", removed),
        "c": ("Not in the cohort", "No run of"),
    }
    for user, (state, reason) in expected.items():
        shown = text_of(admin.get(address, {"user": user}))
        assert state in shown
        assert reason in shown
    assert "has been waiting since" in text_of(admin.get(address, {"user": "ghost"}))
    assert "There is no user “who”" in text_of(admin.get(address, {"user": "who"}))
    assert "There is no user “who”" in text_of(admin.get(address, {"user": "w\0ho"}))


def test_unmatched_ids_as_csv(admin: Client, mixpanel: Partner) -> None:
    alias = {"alias_label": "crm", "alias_name": 'say "hi", you'}
    mixpanel.change({"user_ids": ["ghost", "=1+1"], "aliases": [alias]})
    mixpanel.members()
    answer = admin.get(page("cohort_unmatched", mixpanel.cohort().pk))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    lines = b"".join(answer).decode("utf-8-sig").splitlines()
    assert lines[0] == "Kind,Alias label,Identifier,Since"
    assert {line.rsplit(",", 1)[0] for line in lines[1:]} == {
        "external id,,ghost",
        "external id,,'=1+1",
        'alias,crm,"say ""hi"", you"',
    }


def test_archiving_warns_where_the_cohort_is_used(
    admin: Client, mixpanel: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixpanel.name()
    cohort = mixpanel.cohort()
    monkeypatch.setattr(usage, "_finders", [lambda cohort: [usage.Use("Segment", "Big spenders", "/admin/somewhere/")]])
    assert "Big spenders" in text_of(admin.get(page("cohort_cohort", cohort.pk)))
    admin.post(page("cohort_archive", cohort.pk))
    shown = text_of(admin.get(page("integration_partner", "mixpanel")))
    assert page("cohort_cohort", cohort.pk) not in shown.split("Last runs")[0]
    shown = text_of(admin.get(page("integration_partner", "mixpanel"), {"archived": ""}))
    assert page("cohort_cohort", cohort.pk) in shown
    admin.post(page("cohort_unarchive", cohort.pk))
    assert Cohort.objects.get().archived_at is None


def test_pull_is_set_up_in_the_browser(
    admin: Client,
    mixpanel: Partner,
    sandbox: RunningSandbox,
    settings: LazySettings,
) -> None:
    settings.MIXPANEL_SANDBOX_URL = sandbox.url
    cohort_id = sandbox.call("POST", "/sandbox/cohorts", {"name": "Power users", "members": ["a"]}).json["id"]
    fields = {
        "project_id": "1",
        "region": "sandbox",
        "service_account": "sandbox-service-account",
        "service_secret": "sandbox-service-secret",
    }
    answer = admin.post(page("integration_mixpanel_connection"), fields, follow=True)
    shown = text_of(answer)
    assert "Mixpanel lists 1 cohort." in shown
    assert "Power users" in shown
    assert "sandbox-service-secret" not in shown
    assert "sandbox-service-secret" not in text_of(admin.get(page("integration_mixpanel_connection")))
    admin.post(page("integration_mixpanel_choose_cohorts"), {f"sync-{cohort_id}": "dynamic"})
    cohort = Cohort.objects.get()
    assert (cohort.sync, cohort.source, cohort.next_pull_at is not None) == ("dynamic", "pull", True)
    Cohort.objects.update(next_pull_at=None)
    admin.post(page("cohort_sync", cohort.pk))
    cohort.refresh_from_db()
    assert cohort.next_pull_at is not None
    # An empty secret keeps the stored one.
    admin.post(page("integration_mixpanel_connection"), {**fields, "service_secret": ""})
    assert PullConnection.objects.get().secrets["service_secret"] == "sandbox-service-secret"
    admin.post(page("integration_mixpanel_disconnect"))
    cohort.refresh_from_db()
    assert (PullConnection.objects.count(), cohort.sync) == (0, "")


@pytest.mark.parametrize(
    ("field", "value"),
    [("project_id", "x"), ("project_id", ""), ("region", "mars"), ("service_account", ""), ("service_secret", "")],
)
def test_a_connection_with_errors_is_not_stored(admin: Client, field: str, value: str) -> None:
    fields = {"project_id": "1", "region": "us", "service_account": "a", "service_secret": "s", field: value}
    assert 'role="alert"' in text_of(admin.post(page("integration_mixpanel_connection"), fields))
    assert not PullConnection.objects.exists()


def test_a_refused_account_is_told(
    admin: Client,
    sandbox: RunningSandbox,
    settings: LazySettings,
) -> None:
    settings.MIXPANEL_SANDBOX_URL = sandbox.url
    fields = {"project_id": "1", "region": "sandbox", "service_account": "a", "service_secret": "wrong-one"}
    shown = text_of(admin.post(page("integration_mixpanel_connection"), fields, follow=True))
    assert "refused the service account" in shown
    assert "wrong-one" not in shown


def test_matching_is_chosen(admin: Client, mixpanel: Partner) -> None:
    admin.post(page("integration_mixpanel_matching"), {"by": "email"})
    assert Integration.objects.get().identifiers == ["email"]
    assert admin.post(page("integration_mixpanel_matching"), {"by": "phone"}).status_code == 404
    admin.post(page("integration_mixpanel_matching"), {"by": ""})
    assert Integration.objects.get().identifiers == []


@pytest.mark.parametrize(
    ("fields", "run", "word"),
    [
        ({}, None, "Waiting for users"),
        ({"last_sync_at": timezone.now()}, None, "Up to date"),
        ({"sync": "dynamic", "last_sync_at": timezone.now() - timedelta(hours=1)}, None, "Late"),
        ({"last_sync_at": timezone.now() - timedelta(days=1)}, None, "Up to date"),
        ({"sync": "dynamic"}, {"status": "failed", "problem": "unauthorized"}, "Failing"),
        ({}, {"status": "incomplete", "problem": "timed_out"}, "Incomplete"),
        ({"archived_at": timezone.now()}, None, "Archived"),
        ({"sync": "dynamic", "paused_at": timezone.now()}, {"status": "failed"}, "Paused"),
        ({"sync": "dynamic", "last_sync_at": timezone.now() - timedelta(minutes=15)}, None, "Up to date"),
    ],
)
def test_health(
    admin: Client, mixpanel: Partner, fields: dict[str, Any], run: dict[str, str] | None, word: str
) -> None:
    cohort = Cohort.objects.create(integration=mixpanel.integration, cohort_id="c", name="C", **fields)
    if run:
        SyncRun.objects.create(cohort=cohort, source="pull", **run)
    assert word in text_of(admin.get(page("integration_partner", "mixpanel"), {"archived": ""}))
    assert word in text_of(admin.get(page("cohort_cohort", cohort.pk)))


def test_without_a_valid_key_nothing_can_arrive(admin: Client, mixpanel: Partner, users: MakeUsers) -> None:
    users("a")
    mixpanel.add("a")
    mixpanel.members()
    mixpanel.key.invalidate()
    for address in (page("integration_partner", "mixpanel"), page("cohort_cohort", mixpanel.cohort().pk)):
        shown = text_of(admin.get(address))
        assert ">Paused<" in shown
        assert "nothing can arrive" in shown
    DataImportKey.make(integration=mixpanel.integration)
    assert ">Paused<" not in text_of(admin.get(page("integration_partner", "mixpanel")))


def test_a_late_match_does_not_hide_that_syncs_fail(admin: Client, mixpanel: Partner) -> None:
    cohort = Cohort.objects.create(integration=mixpanel.integration, cohort_id="c", name="C", sync="dynamic")
    earlier = timezone.now() - timedelta(minutes=1)
    SyncRun.objects.create(cohort=cohort, source="pull", status="failed", problem="unauthorized", started_at=earlier)
    SyncRun.objects.create(cohort=cohort, source="late", status="done")
    shown = text_of(admin.get(page("integration_partner", "mixpanel")))
    assert "Failing" in shown
    assert "Late match" in text_of(admin.get(page("cohort_cohort", cohort.pk)))


def test_pausing_stops_the_pulls_and_resuming_pulls_at_once(admin: Client, mixpanel: Partner) -> None:
    now = timezone.now()
    cohort = Cohort.objects.create(
        integration=mixpanel.integration, cohort_id="1", name="C", sync="dynamic", source="pull", next_pull_at=now
    )
    PullConnection.objects.create(integration=mixpanel.integration)
    run = open_copy(cohort.pk, Cohort.Source.PULL)
    assert page("cohort_pause", cohort.pk) in text_of(admin.get(page("cohort_cohort", cohort.pk)))
    admin.post(page("cohort_pause", cohort.pk))
    cohort.refresh_from_db()
    run.refresh_from_db()
    assert (cohort.next_pull_at, run.problem) == (None, "stopped")
    shown = text_of(admin.get(page("cohort_cohort", cohort.pk)))
    assert ">Paused<" in shown
    assert page("cohort_sync", cohort.pk) not in shown
    assert admin.post(page("cohort_sync", cohort.pk)).status_code == 404
    Cohort.objects.update(next_pull_at=now)
    assert pull_due() == 0
    admin.post(page("cohort_resume", cohort.pk))
    cohort.refresh_from_db()
    assert (cohort.paused_at, cohort.next_pull_at is not None) == (None, True)
    assert pull_due() == 1


def test_archiving_gives_up_a_pull_that_is_under_way(admin: Client, mixpanel: Partner) -> None:
    cohort = Cohort.objects.create(
        integration=mixpanel.integration, cohort_id="1", name="C", sync="dynamic", next_pull_at=timezone.now()
    )
    PullConnection.objects.create(integration=mixpanel.integration)
    run = open_copy(cohort.pk, Cohort.Source.PULL)
    admin.post(page("cohort_archive", cohort.pk))
    run.refresh_from_db()
    assert (run.status, run.problem) == ("failed", "stopped")
    assert pull_due() == 0
    admin.post(page("cohort_unarchive", cohort.pk))
    assert pull_due() == 1


def test_only_a_dynamic_pull_can_be_paused(admin: Client, marketer: Client, mixpanel: Partner) -> None:
    mixpanel.name()
    pk = mixpanel.cohort().pk
    assert admin.post(page("cohort_pause", pk)).status_code == 404
    assert admin.post(page("cohort_resume", pk)).status_code == 404
    assert admin.get(page("cohort_pause", pk)).status_code == 405
    assert marketer.post(page("cohort_pause", pk)).status_code == 403
    assert marketer.post(page("cohort_resume", pk)).status_code == 403


def test_a_run_shows_all_that_it_did(admin: Client, mixpanel: Partner, users: MakeUsers) -> None:
    users("a", "b", "c")
    mixpanel.add("a", "b")
    mixpanel.add("b", "ghost")
    mixpanel.remove("a", "c")
    shown = text_of(admin.get(page("cohort_cohort", mixpanel.cohort().pk)))
    row = shown[shown.index('id="runs"') :]
    numbers = re.findall(r'<td class="ui-number"[^>]*>(\d+)</td>', row)
    # requests, received, added, removed, already there, unmatched, data points
    assert numbers == ["3", "6", "2", "1", "2", "1", "3"]
    assert "until" in row


def test_the_chart_shows_size_over_time(admin: Client, mixpanel: Partner) -> None:
    mixpanel.name()
    cohort = mixpanel.cohort()
    for day, size in enumerate((400, 100, 200)):
        moment = timezone.now() - timedelta(days=3 - day)
        SyncRun.objects.create(
            cohort=cohort, source="push", status="done", started_at=moment, ended_at=moment, size_after=size
        )
    shown = text_of(admin.get(page("cohort_cohort", cohort.pk)))
    assert re.findall(r'style="height: (\d+)%"', shown) == ["100", "25", "50"]
    assert "--bars: 3" in shown


@pytest.fixture
def crowd(mixpanel: Partner) -> list[Cohort]:
    """200 cohorts, 10,000 runs."""
    cohorts = Cohort.objects.bulk_create(
        Cohort(integration=mixpanel.integration, cohort_id=f"c{number}", name=f"C {number}") for number in range(200)
    )
    now = timezone.now()
    runs = SyncRun.objects.bulk_create(
        SyncRun(
            cohort=cohort, source="push", status="done", started_at=moment, ended_at=moment, size_after=number, added=1
        )
        for cohort in cohorts
        for number in range(50)
        for moment in [now - timedelta(minutes=15 * number)]
    )
    RunSets.objects.bulk_create(RunSets(run=run, added=ProfileSet([run.pk])) for run in runs)
    return cohorts


def test_screens_cost_the_same_with_200_cohorts_and_10000_runs(
    admin: Client, mixpanel: Partner, crowd: list[Cohort], users: MakeUsers, django_assert_max_num_queries: Any
) -> None:
    users("a")
    addresses = {
        page("integration_changelist"): 12,
        page("integration_partner", "mixpanel"): 22,
        page("cohort_cohort", crowd[7].pk): 30,
        page("cohort_cohort", crowd[7].pk) + "?user=a": 36,
    }
    for address, most in addresses.items():
        text_of(admin.get(address))
        with django_assert_max_num_queries(most):
            begun = time.perf_counter()
            text_of(admin.get(address))
            print(f"{1000 * (time.perf_counter() - begun):.0f} ms {address}")  # noqa: T201 - seen with -s


def test_lists_never_load_members(admin: Client, mixpanel: Partner) -> None:
    mixpanel.name()
    with CaptureQueriesContext(connection) as captured:
        text_of(admin.get(page("integration_partner", "mixpanel")))
        text_of(admin.get(page("integration_changelist")))
    assert not any('"members"' in query["sql"] for query in captured.captured_queries if "cohort" in query["sql"])
