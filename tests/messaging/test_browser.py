"""Campaigns and Canvases in a real browser, by the names that Braze uses."""

import re
from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Dialog, Page, expect
from pytest_django.live_server_helper import LiveServer

from messaging.models import Campaign, Canvas
from segments.models import Segment
from tests.logins import log_in
from tests.messaging.conftest import House, build_house, make, segments_of

pytestmark = pytest.mark.django_db(transaction=True)
Enter = Callable[[Page, str], Page]


@pytest.fixture
def world(transactional_db: None) -> House:
    return build_house()


@pytest.fixture
def segments(world: House) -> tuple[Segment, Segment]:
    return segments_of(world)


@pytest.fixture
def enter(live_server: LiveServer, world: House) -> Iterator[Enter]:
    """Opens an address of the dashboard as the house's admin. A script error fails the test."""
    errors: list[str] = []

    def open_as_admin(page: Page, path: str) -> Page:
        log_in(page, live_server, world.admin)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{live_server.url}/admin/{path}")
        return page

    yield open_as_admin
    assert errors == []


def choose(page: Page, box: str, typed: str, name: str) -> None:
    page.get_by_role("combobox", name=box).fill(typed)
    page.get_by_role("option", name=name).click()


def expect_total(page: Page, text: str) -> None:
    expect(page.locator(".seg-final")).to_have_text(re.compile(re.escape(text)))


def save(page: Page) -> None:
    page.get_by_role("button", name="Save as Draft").click()
    expect(page.get_by_text("Saved.")).to_be_visible()


def test_a_campaign_from_a_segment_by_clicks(
    enter: Enter, page: Page, world: House, segments: tuple[Segment, Segment]
) -> None:
    members, japan = segments
    enter(page, f"segments/segment/{members.pk}/change/")
    page.get_by_role("link", name="Create Campaign").click()
    expect(page.get_by_text("For the users in the segment “Members”.")).to_be_visible()
    page.get_by_label("Campaign Name").fill("Spring")
    page.get_by_role("dialog").get_by_role("button", name="Create Campaign").click()
    expect_total(page, "Total Reachable Users = 3")
    choose(page, "Excluded segments", "jap", "From Japan")
    expect_total(page, "Total Reachable Users = 2 (28.57%)")
    page.get_by_role("button", name="Compose").click()
    page.get_by_role("button", name="Email").click()
    expect(page.get_by_role("textbox", name="From")).to_be_focused()
    page.get_by_label("Subject", exact=True).fill("Hello")
    page.get_by_label("Body", exact=True).fill("<p>Hi</p>")
    save(page)
    campaign = Campaign.objects.get()
    assert (campaign.include, campaign.exclude) == ([members.api_id], [japan.api_id])
    assert campaign.messages[0]["parts"]["subject"] == "Hello"
    page.reload()
    expect(page.get_by_label("Subject", exact=True)).to_have_value("Hello")
    expect(page.get_by_role("button", name="Save as Draft")).to_be_disabled()
    page.get_by_role("navigation", name="Where you are").get_by_role("link", name="Campaigns").click()
    expect(page.get_by_role("row", name=re.compile("Spring.*Draft"))).to_contain_text("In “Members”")


def test_the_numbers_of_target_users_are_live(
    enter: Enter, page: Page, world: House, segments: tuple[Segment, Segment]
) -> None:
    enter(page, f"messaging/campaign/{make(world).pk}/change/#target")
    expect_total(page, "= 7 (100.00%)")
    choose(page, "Target segments", "memb", "Members")
    expect_total(page, "= 3 (42.86%)")
    page.get_by_label("Add Filter").click()
    page.keyboard.type("External")
    page.get_by_role("option", name="External User ID").click()
    expect_total(page, "Total Reachable Users = –")
    page.get_by_label("Comparison").select_option("does_not_equal")
    page.get_by_placeholder("Enter a value").fill("user-1")
    expect_total(page, "= 2 (28.57%)")
    expect(page.locator(".seg-count")).to_have_text([re.compile("= 2")])
    rows = page.get_by_role("table", name="Reachable Users").get_by_role("row")
    expect(rows.filter(has_text="Total")).to_contain_text("2")
    expect(rows.filter(has_text="Email")).to_contain_text("1")
    page.get_by_label("Remove Members").click()
    expect_total(page, "= 6 (85.71%)")


def test_an_archived_segment_is_named_and_has_no_number(
    enter: Enter, page: Page, world: House, segments: tuple[Segment, Segment]
) -> None:
    campaign = make(world, include=[segments[0].api_id])
    Segment.objects.update(archived_at=timezone.now())
    enter(page, f"messaging/campaign/{campaign.pk}/change/")
    page.get_by_role("button", name="Target Users needs your attention").click()
    expect(page.get_by_role("alert").get_by_text("The segment “Members” is archived.")).to_be_visible()
    expect_total(page, "Total Reachable Users = –")


def test_a_canvas_has_steps_in_an_order(enter: Enter, page: Page, world: House) -> None:
    enter(page, "messaging/canvas/")
    page.get_by_role("button", name="Create your first Canvas").click()
    page.get_by_label("Canvas Name").fill("Welcome")
    page.get_by_role("dialog").get_by_role("button", name="Create Canvas").click()
    expect(page.get_by_role("button", name="Entry Audience")).to_have_attribute("aria-current", "step")
    page.get_by_role("button", name="Build").click()
    for channel, name in (("Email", "First"), ("SMS", "Second")):
        page.get_by_role("group", name="Add Message Step").get_by_role("button", name=channel).click()
        page.get_by_role("textbox", name="Name of step").last.fill(name)
    page.get_by_role("button", name="Move Second up").click()
    save(page)
    assert [one["name"] for one in Canvas.objects.get().messages] == ["Second", "First"]
    page.get_by_role("button", name="Remove the message First").click()
    save(page)
    assert [one["name"] for one in Canvas.objects.get().messages] == ["Second"]
    page.evaluate("window.location.hash = 'target'")
    expect(page.get_by_role("button", name="Entry Audience")).to_have_attribute("aria-current", "step")


def test_what_is_wrong_is_shown_beside_the_field(enter: Enter, page: Page, world: House) -> None:
    enter(page, f"messaging/campaign/{make(world).pk}/change/")
    page.get_by_role("button", name="Email").click()
    page.get_by_role("textbox", name="From").fill("nobody")
    page.get_by_role("button", name="Target Users").click()
    page.get_by_role("button", name="Save as Draft").click()
    expect(page.get_by_text("Not saved: correct what is marked first.")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="Enter an email address")).to_be_visible()
    page.get_by_role("textbox", name="From").fill("news@example.com")
    save(page)


def test_the_second_of_two_tabs_is_told(
    enter: Enter, page: Page, world: House, segments: tuple[Segment, Segment]
) -> None:
    campaign = make(world)
    path = f"messaging/campaign/{campaign.pk}/change/#target"
    enter(page, path)
    other = enter(page.context.new_page(), path)
    choose(other, "Target segments", "memb", "Members")
    save(other)
    choose(page, "Target segments", "jap", "From Japan")
    page.get_by_role("button", name="Save as Draft").click()
    expect(page.get_by_text("has saved this campaign since you opened it")).to_be_visible()
    page.get_by_role("button", name="Save mine").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    campaign.refresh_from_db()
    assert (campaign.version, campaign.include) == (3, [segments[1].api_id])


def test_revert_takes_everything_back_and_leaving_asks(enter: Enter, page: Page, world: House) -> None:
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    enter(page, f"messaging/campaign/{make(world).pk}/change/")
    page.get_by_role("button", name="SMS").click()
    page.get_by_role("navigation", name="Where you are").get_by_role("link", name="Campaigns").click()
    expect(page.get_by_label("Message", exact=True)).to_be_visible()
    page.get_by_role("button", name="Revert").click()
    page.get_by_role("button", name="Discard changes").click()
    expect(page.get_by_text("This campaign says nothing yet.")).to_be_visible()
    assert asked == ["beforeunload"]
    page.get_by_role("navigation", name="Where you are").get_by_role("link", name="Campaigns").click()
    page.wait_for_url("**/messaging/campaign/")
    assert asked == ["beforeunload"]


@pytest.mark.parametrize("locale", ["en", "ja"])
def test_both_languages(
    enter: Enter, new_page: Callable[..., Page], world: House, segments: tuple[Segment, Segment], locale: str
) -> None:
    canvas = make(world, Canvas, include=[segments[0].api_id])
    page = enter(
        new_page(locale=locale, viewport={"width": 390, "height": 800}), f"messaging/canvas/{canvas.pk}/change/"
    )
    title = {"en": "Entry Audience", "ja": "エントリーオーディエンス"}[locale]
    expect(page.get_by_role("button", name=title)).to_be_visible()
    expect(page.locator(".seg-final")).to_have_text(re.compile("3"))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
