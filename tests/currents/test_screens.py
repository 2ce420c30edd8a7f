"""Screens 5 and 6 as a person uses them, in a real browser; what each role may do, over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from currents import delivery, lifecycle, wakeup
from currents.models import Current, DeadLetter
from tests.currents.conftest import arrived_ids, event, log_events, make_current
from tests.currents.pages import click, shoot
from tests.sandbox.running import RunningSandbox
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delivery is done by hand here."""
    monkeypatch.setattr(wakeup, "send", lambda *_arguments: None)


FORM = {
    "name": "To Mixpanel",
    "contact_email": "contact@example.com",
    "api_secret": "sandbox-api-secret",
    "token": "sandbox-project-token",
    "region": "sandbox",
    "events": ["users.messages.email.Open", "users.behaviors.CustomEvent"],
}
CREATE = "/admin/currents/current/create/mixpanel/"


def _errors(answer: Any) -> str:
    return " ".join(str(one) for errors in answer.context["form"].errors.values() for one in errors)


# --- over HTTP


def test_it_works(admin: Client, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    answer = admin.post(CREATE, {**FORM, "wish": "launch"})

    made = Current.objects.get()
    assert answer.headers["Location"] == f"/admin/currents/current/{made.pk}/"
    assert (made.workspace, made.status) == (workspace, Current.Status.ACTIVE)
    assert made.secrets["api_secret"] == "sandbox-api-secret"
    log_events(workspace, event(1))
    delivery.deliver(made.pk)
    assert mixpanel.total() == 1
    page = admin.get(f"/admin/currents/current/{made.pk}/").content.decode()
    assert "Email Open" in page
    assert "sandbox-api-secret" not in page


def test_a_draft_needs_a_name_only_and_can_be_launched_later(admin: Client, mixpanel: RunningSandbox) -> None:
    admin.post(CREATE, {"name": "Later", "region": "us", "wish": "draft"})
    draft = Current.objects.get()
    assert draft.status == Current.Status.DRAFT

    admin.post(f"/admin/currents/current/{draft.pk}/act/", {"action": "launch"})
    draft.refresh_from_db()
    assert draft.status == Current.Status.DRAFT

    admin.post(f"/admin/currents/current/{draft.pk}/change/", {**FORM, "wish": "launch"})
    draft.refresh_from_db()
    assert draft.status == Current.Status.ACTIVE


@pytest.mark.parametrize("missing", ["name", "contact_email", "api_secret", "token", "region", "events"])
def test_a_launch_names_what_is_missing(admin: Client, mixpanel: RunningSandbox, missing: str) -> None:
    answer = admin.post(CREATE, {"wish": "launch", **{name: value for name, value in FORM.items() if name != missing}})

    assert answer.status_code == 400
    assert list(answer.context["form"].errors) == [missing]
    assert not Current.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("contact_email", "no address"),
        ("region", "moon"),
        ("events", ["users.messages.line.Send"]),
        ("name", "x" * 101),
    ],
)
def test_a_wrong_value_is_refused_beside_its_field(
    admin: Client, mixpanel: RunningSandbox, field: str, value: Any
) -> None:
    answer = admin.post(CREATE, {**FORM, "wish": "draft", field: value})
    assert (answer.status_code, list(answer.context["form"].errors)) == (400, [field])


def test_the_sandbox_is_offered_only_where_there_is_one(admin: Client, settings: Any) -> None:
    settings.MIXPANEL_SANDBOX_URL = ""
    assert b"Sandbox" not in admin.get(CREATE).content


def test_secrets_are_never_shown_and_kept_when_left_empty(admin: Client, current: Current) -> None:
    address = f"/admin/currents/current/{current.pk}/change/"
    assert b"sandbox-api-secret" not in admin.get(address).content

    admin.post(address, {**FORM, "api_secret": "", "token": "", "name": "Renamed", "wish": "save"})

    current.refresh_from_db()
    assert (current.name, current.secrets["api_secret"]) == ("Renamed", "sandbox-api-secret")


def test_new_credentials_replace_the_old_and_are_tried_at_once(
    admin: Client, current: Current, workspace: Workspace, settings: Any, mixpanel: RunningSandbox
) -> None:
    settings.CURRENTS_PROBE_SECONDS = [300.0, 300.0]
    Current.objects.filter(pk=current.pk).update(secrets={"api_secret": "old", "token": "sandbox-project-token"})
    log_events(workspace, event(1))
    delivery.deliver(current.pk)
    assert mixpanel.total() == 0

    admin.post(f"/admin/currents/current/{current.pk}/change/", {**FORM, "wish": "save"})
    delivery.deliver(current.pk)

    assert mixpanel.total() == 1


def test_test_events_from_the_form(admin: Client, mixpanel: RunningSandbox) -> None:
    answer = admin.post(CREATE, {**FORM, "wish": "test"}, follow=True)

    assert b"2 of 2 accepted" in answer.content
    assert b"of 2 accepted" not in admin.get(answer.wsgi_request.path).content
    assert Current.objects.get().status == Current.Status.DRAFT
    assert mixpanel.total() == 2


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    "path", ["create/mixpanel/", "{pk}/change/", "{pk}/act/", "{pk}/delete/", "{pk}/dead-letters/"]
)
def test_a_marketer_manages_nothing(marketer: Client, current: Current, path: str, method: str) -> None:
    answer = getattr(marketer, method)("/admin/currents/current/" + path.format(pk=current.pk), {"action": "stop"})

    assert answer.status_code in (403, 405)
    current.refresh_from_db()
    assert current.status == Current.Status.ACTIVE


def test_a_marketer_sees_list_and_status_without_secrets_or_payloads(
    marketer: Client, current: Current, workspace: Workspace
) -> None:
    log_events(workspace, event(1, time=4_000_000_000))
    delivery.deliver(current.pk)

    for path in ("", f"{current.pk}/"):
        page = marketer.get(f"/admin/currents/current/{path}").content.decode()
        assert current.name in page
        for hidden in ("sandbox-api-secret", "sandbox-project-token", "Pause", "Create Current", "Dead letters"):
            assert hidden not in page, hidden


def test_nobody_sees_another_workspaces_current(admin: Client, mixpanel: RunningSandbox) -> None:
    foreign = make_current(Workspace.objects.create(name="Other"), name="Foreign")
    assert b"Foreign" not in admin.get("/admin/currents/current/").content
    for path in ("", "change/"):
        assert admin.get(f"/admin/currents/current/{foreign.pk}/{path}").status_code == 404
    assert admin.post(f"/admin/currents/current/{foreign.pk}/act/", {"action": "launch"}).status_code == 404


def test_only_a_stopped_current_or_a_draft_is_deleted(admin: Client, current: Current) -> None:
    address = f"/admin/currents/current/{current.pk}/"
    admin.post(address + "delete/")
    assert Current.objects.exists()

    admin.post(address + "act/", {"action": "stop"})
    admin.post(address + "delete/")
    assert not Current.objects.exists()


def test_an_unknown_action_or_destination_is_not_found(admin: Client, current: Current) -> None:
    assert admin.post(f"/admin/currents/current/{current.pk}/act/", {"action": "explode"}).status_code == 404
    assert admin.get("/admin/currents/current/create/nowhere/").status_code == 404


def test_the_list_costs_a_fixed_number_of_statements(
    admin: Client, workspace: Workspace, mixpanel: RunningSandbox, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        lifecycle.launch(make_current(workspace, name=f"Current {number}"))
    with django_assert_max_num_queries(15):
        admin.get("/admin/currents/current/")


def test_a_form_that_is_refused_says_which_secrets_to_type_again(admin: Client, workspace: Workspace) -> None:
    page = admin.post(CREATE, {**FORM, "contact_email": "", "wish": "launch"}).content.decode()
    assert page.count("Type it again") == 2
    assert "sandbox-api-secret" not in page
    assert "Type it again" not in admin.get(CREATE).content.decode()


def letter(current: Current, pk: int) -> DeadLetter:
    return DeadLetter.objects.create(
        pk=pk, current=current, event_id=f"event-{pk}", event_type="x", reason="no", payload={}, source={}
    )


def test_one_dead_letter_of_many_is_discarded_as_the_page_says_it(admin: Client, workspace: Workspace) -> None:
    current = make_current(workspace, status=Current.Status.ACTIVE)
    letter(current, 1_234_567)
    letter(current, 1_234_568)
    address = f"/admin/currents/current/{current.pk}/"

    page = admin.get(address).content.decode()

    assert 'name="letter" value="1234567"' in page
    assert 'data-dialog="discard-1234567"' in page
    admin.post(f"{address}dead-letters/", {"letter": "1234567", "action": "discard"})
    assert [one.pk for one in DeadLetter.objects.all()] == [1_234_568]


def test_our_own_reasons_are_in_the_readers_language(admin: Client, workspace: Workspace) -> None:
    current = make_current(workspace, status=Current.Status.ACTIVE)
    letter(current, 5)
    DeadLetter.objects.update(reason="The event must have fewer than 255 properties.")
    current.requests.create(
        shard=0,
        started_at=timezone.now(),
        events=1,
        milliseconds=5,
        error="api.example.com: no answer within the time limit",
    )

    page = admin.get(f"/admin/currents/current/{current.pk}/", headers={"accept-language": "ja"}).content.decode()

    assert "イベントのプロパティは255個未満でなければなりません。" in page
    assert "api.example.com: 制限時間内に応答がありませんでした" in page


@pytest.mark.parametrize("data", [{}, {"action": ""}, {"action": "delete"}, {"letter": "5"}])
def test_dead_letters_stay_without_a_known_action(admin: Client, workspace: Workspace, data: dict[str, str]) -> None:
    current = make_current(workspace, status=Current.Status.ACTIVE)
    letter(current, 5)
    assert admin.post(f"/admin/currents/current/{current.pk}/dead-letters/", data).status_code == 400
    assert DeadLetter.objects.filter(retry_at=None).count() == 1


# --- in a browser


def test_create_a_mixpanel_export_and_watch_it(
    open_page: Callable[[str], Page], workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    page = open_page("/admin/currents/current/")
    shoot(page, "empty")
    page.locator("summary", has_text="Create Current").click()
    page.get_by_role("link", name="Create Mixpanel Export").click()
    page.get_by_label("Integration Name").fill("Engagement to Mixpanel")
    page.get_by_label("Contact Email").fill("contact@example.com")
    page.get_by_label("API Secret").fill("sandbox-api-secret")
    page.get_by_label("Token").fill("sandbox-project-token")
    page.get_by_label("Region").select_option("sandbox")
    page.get_by_label("Message Engagement Events").check()
    page.get_by_label("WhatsApp", exact=True).uncheck()
    page.get_by_label("Search events").fill("custom")
    expect(page.get_by_label("Email Open")).to_be_hidden()
    page.get_by_label("Custom Event").check()
    page.get_by_label("Search events").fill("")
    expect(page.get_by_text("46 of 58 selected")).to_be_visible()
    shoot(page, "form")
    click(page, "Send Test Events")
    expect(page.get_by_text("46 of 46 accepted")).to_be_visible()
    shoot(page, "tested")
    click(page, "Launch Current")
    expect(page.get_by_text("Launched. Events from now on are delivered.")).to_be_visible()

    made = Current.objects.get()
    log_events(workspace, *(event(number, f"user-{number}") for number in range(40)), event(99, user=None))
    log_events(workspace, event(100, time=4_000_000_000), event(101, event_type="users.messages.whatsapp.Read"))
    delivery.deliver(made.pk)
    page.reload()
    expect(page.get_by_role("row", name="User without an external id 1")).to_be_visible()
    expect(page.get_by_role("row", name="Event type not selected at the time 1")).to_be_visible()
    shoot(page, "page")
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    shoot(page, "page-390")
    page.set_viewport_size({"width": 1280, "height": 900})

    page.get_by_text("Payload", exact=True).click()
    expect(page.locator("pre")).to_contain_text("Email Open")
    page.get_by_role("button", name="Retry 00000000").click()
    expect(page.get_by_text("To be sent again: 1.")).to_be_visible()
    expect(page.get_by_text("Waits to be sent")).to_be_visible()
    delivery.deliver(made.pk)
    page.reload()
    page.get_by_role("button", name="Discard 00000000").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.get_by_text("Discarded: 1.")).to_be_visible()
    assert not DeadLetter.objects.exists()


def test_pause_resume_edit_stop(
    open_page: Callable[[str], Page], current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    page = open_page(f"/admin/currents/current/{current.pk}/")
    click(page, "Pause")
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    log_events(workspace, event(1))
    page.reload()
    expect(page.get_by_text("1 event", exact=False).first).to_be_visible()
    click(page, "Resume")
    expect(page.get_by_text("Active", exact=True)).to_be_visible()

    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_text("A change counts for events from now on")).to_be_visible()
    page.get_by_label("Email Send").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("57 event types")).to_be_visible()
    log_events(workspace, event(2, event_type="users.messages.email.Send"))
    delivery.deliver(current.pk)
    assert arrived_ids(mixpanel) == [event(1).event_id]

    click(page, "Stop")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    click(page, "Stop")
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
    page = open_page("/admin/currents/current/")
    expect(page.get_by_role("row", name="To Mixpanel Stopped Mixpanel")).to_be_visible()
    shoot(page, "list")
