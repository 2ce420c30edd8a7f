"""Replay, field transformations, dead letters and the keeping of events as a person uses them."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from currents import delivery, replays, retention, wakeup
from currents.models import Current, DeadLetter, EventKeeping, Replay
from currents.retention import Held
from tests.currents.conftest import arrived, arrived_ids, event, log_events, make_current
from tests.currents.pages import click, shoot
from tests.sandbox.running import RunningSandbox
from workspaces.models import Activity, Workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delivery is done by hand here."""
    monkeypatch.setattr(wakeup, "send", lambda *_arguments: None)


@pytest.fixture
def delivered(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> Current:
    """A Current that has delivered three events."""
    log_events(workspace, event(1), event(2), event(3, "user-3"))
    delivery.deliver(current.pk)
    mixpanel.call("DELETE", "/sandbox/events")
    return current


def _address(current: Current, path: str = "") -> str:
    return f"/admin/currents/current/{current.pk}/{path}"


def _moment(**ago: int) -> str:
    return f"{timezone.now() - timedelta(**ago):%Y-%m-%dT%H:%M:%S}"


# --- over HTTP


def test_it_works(admin: Client, delivered: Current, mixpanel: RunningSandbox) -> None:
    given = {"begin": _moment(hours=1), "end": ""}
    page = admin.post(_address(delivered, "replay/"), {**given, "wish": "preview"}).content.decode()
    assert "3 events would be sent again." in page
    assert not Replay.objects.exists()

    answer = admin.post(_address(delivered, "replay/"), {**given, "wish": "start"})

    assert answer.headers["Location"] == _address(delivered) + "#replays"
    made = Replay.objects.get()
    assert (made.expected, made.created_by_id is not None) == (3, True)
    replays.run(made.pk)
    assert mixpanel.total() == 3
    assert "3 of 3" in admin.get(_address(delivered, "replays/")).content.decode()
    assert Activity.objects.get().message == "The replay has begun."


def test_moments_are_those_of_the_workspaces_zone(admin: Client, delivered: Current, workspace: Workspace) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(time_zone="Asia/Tokyo")
    tokyo = timezone.now() + timedelta(hours=9)
    given = {
        "begin": f"{tokyo - timedelta(minutes=5):%Y-%m-%dT%H:%M}",
        "end": f"{tokyo + timedelta(minutes=1):%Y-%m-%dT%H:%M}",
    }
    admin.post(_address(delivered, "replay/"), {**given, "wish": "start"})
    assert Replay.objects.get().expected == 3


@pytest.mark.parametrize(
    ("begin", "end", "field"),
    [
        ("", "", "begin"),
        ("yesterday", "", "begin"),
        (_moment(days=-2), "", "begin"),
        (_moment(hours=2), _moment(hours=3), "end"),
        (_moment(hours=2), "later", "end"),
    ],
    # Two processes that collect this a second apart must find the same names.
    ids=["none", "no moment", "in the future", "ends before it begins", "no end"],
)
@pytest.mark.parametrize("wish", ["preview", "start"])
def test_a_wrong_moment_is_refused_beside_its_field(
    admin: Client, delivered: Current, begin: str, end: str, field: str, wish: str
) -> None:
    answer = admin.post(_address(delivered, "replay/"), {"begin": begin, "end": end, "wish": wish})
    assert (answer.status_code, list(answer.context["form"].errors)) == (400, [field])
    assert not Replay.objects.exists()


def test_a_second_replay_is_refused(admin: Client, delivered: Current) -> None:
    given = {"begin": _moment(hours=1), "wish": "start"}
    admin.post(_address(delivered, "replay/"), given)
    answer = admin.post(_address(delivered, "replay/"), given)
    assert answer.status_code == 400
    assert b"running already" in answer.content


def test_a_marketer_sees_replays_and_starts_none(marketer: Client, delivered: Current) -> None:
    page = marketer.get(_address(delivered)).content.decode()
    assert "Events of the log can be sent once more" in page
    assert "Replay Events" not in page
    assert marketer.get(_address(delivered, "replay/")).status_code == 403
    assert marketer.post("/admin/currents/current/keeping/", {"cap_days": "40"}).status_code == 403


def test_another_workspaces_replays_are_not_shown(admin: Client, mixpanel: RunningSandbox) -> None:
    foreign = make_current(Workspace.objects.create(name="Other"))
    for path in ("replay/", "replays/"):
        assert admin.get(_address(foreign, path)).status_code == 404


def test_how_long_events_are_kept(admin: Client, delivered: Current, workspace: Workspace) -> None:
    assert b'value="90"' in admin.get("/admin/currents/current/").content

    admin.post("/admin/currents/current/keeping/", {"cap_days": "45"})

    assert EventKeeping.objects.get(workspace=workspace).cap_days == 45
    assert b'value="45"' in admin.get("/admin/currents/current/").content
    assert retention.cap_days(Workspace.objects.create(name="Other").pk) == 90


@pytest.mark.parametrize("days", ["", "29", "3651", "many", "-1", "9" * 30])
def test_a_wrong_number_of_days_is_refused(admin: Client, delivered: Current, days: str) -> None:
    page = admin.post("/admin/currents/current/keeping/", {"cap_days": days}, follow=True).content.decode()
    assert "Give a number of days from 30 to 3650." in page
    assert not EventKeeping.objects.exists()


def test_the_page_warns_of_what_is_kept_past_its_time(
    admin: Client, delivered: Current, monkeypatch: pytest.MonkeyPatch
) -> None:
    from currents.partitions import Partition

    old = Held(delivered.pk, delivered.workspace_id, Partition((timezone.now() - timedelta(days=40)).date()))
    monkeypatch.setattr(retention, "held_past_time", lambda current: old)
    assert b"still wait for this Current" in admin.get(_address(delivered)).content


# --- in a browser


def test_replay_in_a_browser(open_page: Callable[[str], Page], delivered: Current, mixpanel: RunningSandbox) -> None:
    page = open_page(_address(delivered))
    page.get_by_role("link", name="Replay Events").click()
    expect(page.get_by_text("Mixpanel counts an event that arrives again only once")).to_be_visible()
    page.get_by_label("Events received from").fill(_moment(hours=1))
    click(page, "Preview")
    expect(page.get_by_text("3 events would be sent again.")).to_be_visible()
    shoot(page, "replay-preview")
    click(page, "Start Replay")
    expect(page.get_by_text("The replay has begun.")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "0")
    shoot(page, "replay-running")

    replays.run(Replay.objects.get().pk)

    # The page finds out by itself.
    expect(page.get_by_text("3 of 3")).to_be_visible()
    expect(page.get_by_text("Done", exact=True)).to_be_visible()
    assert mixpanel.total() == 3
    expect(page.get_by_role("link", name="Replay Events")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_cancel_a_replay_in_a_browser(open_page: Callable[[str], Page], delivered: Current) -> None:
    made = replays.start(delivered, timezone.now() - timedelta(hours=1))
    page = open_page(_address(delivered))
    click(page, "Cancel Replay")
    page.get_by_role("dialog").get_by_role("button", name="Cancel Replay").click()
    expect(page.get_by_text("The replay was cancelled.")).to_be_visible()
    expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
    made.refresh_from_db()
    assert made.state == Replay.State.CANCELLED


def test_transformations_in_a_browser(
    open_page: Callable[[str], Page], current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    page = open_page(_address(current, "change/"))
    page.get_by_label("Field", exact=True).fill("email_address")
    page.get_by_label("What is done to it").select_option("hash")
    click(page, "Add Field")
    page.get_by_label("Field", exact=True).nth(1).fill("token")
    click(page, "Add Field")
    page.get_by_label("Field", exact=True).nth(2).fill("campaign_name")
    page.get_by_label("Longest wait, in seconds").fill("120")
    click(page, "Save")
    expect(page.get_by_text("“token” is what an event is known by")).to_be_visible()
    shoot(page, "transformations")
    page.get_by_role("button", name="Remove this line").nth(1).click()
    click(page, "Save")
    expect(page.get_by_text("email_address: Hash")).to_be_visible()
    expect(page.get_by_text("campaign_name: Remove")).to_be_visible()

    log_events(workspace, event(1, properties={"email_address": "a", "campaign_name": "b"}))
    delivery.deliver(current.pk, flush=True)

    [sent] = arrived(mixpanel)
    assert sent["properties"]["email_address"] == hashlib.sha256(b"a").hexdigest()
    assert sent["properties"]["campaign_name"] == "[REDACTED]"
    current.refresh_from_db()
    assert current.flush_seconds == 120


def test_dead_letters_in_a_browser(
    open_page: Callable[[str], Page], current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    """Retry All after the transformations were edited."""
    deep: dict[str, Any] = {"name": "x", "custom_properties": {"deep": {"a": {"b": {"c": {"d": 1}}}}}}
    custom = "users.behaviors.CustomEvent"
    log_events(workspace, *(event(number, event_type=custom, properties=deep) for number in (1, 2)))
    delivery.deliver(current.pk)
    page = open_page(_address(current))
    expect(page.get_by_text("must not be nested deeper than 3 levels").first).to_be_visible()
    shoot(page, "dead-letters")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Field", exact=True).fill("[Custom event property] deep")
    click(page, "Save")

    click(page, "Retry All")
    expect(page.get_by_text("To be sent again: 2.")).to_be_visible()
    delivery.deliver(current.pk)
    page.reload()

    expect(page.get_by_text("Events that the destination refuses for good are kept here for 30 days")).to_be_visible()
    assert sorted(arrived_ids(mixpanel)) == [event(1).event_id, event(2).event_id]
    assert not DeadLetter.objects.exists()


def test_create_a_custom_http_export_in_a_browser(
    open_page: Callable[[str], Page], current: Current, settings: Any
) -> None:
    page = open_page("/admin/currents/current/")
    expect(page.get_by_text("Keep what waits for at most so many days")).to_be_visible()
    shoot(page, "list-keeping")
    page.locator("summary", has_text="Create Current").click()
    page.get_by_role("link", name="Create Custom HTTP Export").click()
    page.get_by_label("Integration Name").fill("To a receiver")
    page.get_by_label("Contact Email").fill("contact@example.com")
    page.get_by_label("URL").fill("https://10.0.0.1/events")
    page.get_by_label("Bearer Token").fill("receiver-token")
    page.get_by_label("Every type that is not listed here").check()
    click(page, "Launch Current")
    expect(page.get_by_text("The host must be a public one")).to_be_visible()
    page.get_by_label("URL").fill("https://receiver.example.com/events")
    page.get_by_label("Bearer Token").fill("receiver-token")
    shoot(page, "custom-http")
    click(page, "Launch Current")
    expect(page.get_by_text("Launched. Events from now on are delivered.")).to_be_visible()
    assert Current.objects.get(destination="custom-http").event_types == ["*"]
