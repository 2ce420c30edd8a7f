"""The builder in a real browser, by the names that the public how-to uses."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Dialog, Page, expect
from pytest_django.live_server_helper import LiveServer

from partners.models import Cohort
from segments.models import Segment
from tests.logins import log_in
from tests.segments.conftest import House, build_house, in_cohort
from workspaces.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(transactional_db: None) -> House:
    return build_house()


@pytest.fixture
def enter(live_server: LiveServer, world: House) -> Callable[..., Page]:
    """Opens an address of the dashboard as the house's admin."""

    def open_as_admin(page: Page, path: str, user: User = world.admin) -> Page:
        log_in(page, live_server, user)
        page.goto(f"{live_server.url}/admin/segments/segment/{path}")
        return page

    return open_as_admin


@pytest.fixture
def builder(enter: Callable[..., Page], page: Page, world: House) -> Iterator[Page]:
    """The builder of a segment without filters. A script error fails the test."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield enter(page, f"{world.segment().pk}/change/")
    assert errors == []


def add_filter(page: Page, typed: str, name: str, block: int = 0) -> None:
    page.get_by_label("Add Filter").nth(block).click()
    page.keyboard.type(typed)
    page.get_by_role("option", name=name, exact=True).click()
    # What is typed next goes into the new filter.
    expect(page.locator("[id^=leaf-] :focus")).to_have_count(1)


def choose(page: Page, typed: str, name: str, place: int = 0) -> None:
    page.get_by_placeholder("Search for a value").nth(place).fill(typed)
    page.get_by_role("option", name=name).click()


def add_cohort(page: Page) -> None:
    add_filter(page, "Mixpa", "Mixpanel Cohorts")
    choose(page, "braz", "Braze Cohort")


def expect_totals(page: Page, *totals: str) -> None:
    expect(page.locator(".seg-count")).to_have_text([re.compile(re.escape(one)) for one in totals])


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()


def test_it_works(enter: Callable[..., Page], page: Page, world: House) -> None:
    enter(page, "")
    page.get_by_role("button", name="Create Segment", exact=True).click()
    page.get_by_label("Segment Name").fill("My segment")
    page.get_by_role("dialog").get_by_role("button", name="Create Segment").click()
    add_cohort(page)
    expect(page.get_by_label("Comparison")).to_have_value("includes")
    expect_totals(page, "Total Reachable Users = 3 (42.86%)")
    expect(page.get_by_text("Exact Statistics Calculated")).to_be_visible()
    save(page)
    leaf = Segment.objects.get().filters["rows"][0]["filters"][0]
    assert (leaf["filter"], leaf["operator"], leaf["value"]) == ("mixpanel_cohorts", "includes", ["c1"])
    page.reload()
    expect_totals(page, "Total Reachable Users = 3 (42.86%)")
    expect(page.locator(".seg-chip")).to_contain_text("Braze Cohort")


def test_numbers_follow_while_editing(builder: Page, world: House) -> None:
    add_cohort(builder)
    expect_totals(builder, "= 3 (42.86%)")
    builder.get_by_label("Comparison").select_option("does_not_include")
    expect_totals(builder, "= 4 (57.14%)")
    builder.get_by_label("Remove the filter Mixpanel Cohorts").click()
    expect(builder.get_by_text("You have not yet defined filters")).to_be_visible()
    expect(builder.locator(".seg-final")).to_have_text(re.compile(r"= 7\s+\(100\.00%\)"))


def test_or_widens_and_and_narrows(builder: Page, world: House) -> None:
    add_cohort(builder)
    builder.get_by_role("button", name="OR", exact=True).click()
    expect(builder.locator(".seg-or-add :focus")).to_have_count(1)
    builder.keyboard.type("Custom")
    builder.get_by_role("option", name="Custom Attributes", exact=True).click()
    builder.get_by_label("Search for an attribute").fill("ag")
    builder.get_by_role("option", name="age").click()
    builder.get_by_label("Comparison").nth(1).select_option("at_least")
    builder.get_by_role("spinbutton", name="Number").fill("6")
    expect_totals(builder, "= 4 (57.14%)")
    add_filter(builder, "count", "Country")
    choose(builder, "japan", "Japan", 1)
    expect_totals(builder, "= 4 (57.14%)", "= 2 (28.57%)")
    save(builder)
    assert [len(row["filters"]) for row in Segment.objects.get().filters["rows"]] == [2, 1]


def test_an_exclusion_group_takes_away(builder: Page, world: House) -> None:
    builder.get_by_role("button", name="Add Exclusion Group").click()
    add_filter(builder, "Mixpa", "Mixpanel Cohorts", block=1)
    choose(builder, "braz", "Braze Cohort")
    expect_totals(builder, "= 4 (57.14%)")
    save(builder)
    builder.get_by_label("Remove exclusion group 1").click()
    expect(builder.locator(".seg-final")).to_have_text(re.compile("= 7"))


def test_an_unfinished_filter_says_so(builder: Page, world: House) -> None:
    add_filter(builder, "Mixpa", "Mixpanel Cohorts")
    expect(builder.get_by_text("Choose a value.")).to_be_visible()
    expect_totals(builder, "Total Reachable Users = –")
    builder.get_by_role("button", name="Save").click()
    expect(builder.get_by_text("Not saved: complete or remove the marked filters first.")).to_be_visible()
    expect(builder.get_by_role("alert").filter(has_text="Choose a value.")).to_be_visible()
    assert Segment.objects.get().version == 1


def test_an_archived_cohort_is_named(enter: Callable[..., Page], page: Page, world: House) -> None:
    segment = world.segment(filters=world.tree(in_cohort("c1")))
    Cohort.objects.update(archived_at="2024-01-01T00:00Z")
    enter(page, f"{segment.pk}/change/")
    expect(page.get_by_role("alert").get_by_text("is archived")).to_be_visible()
    expect_totals(page, "Total Reachable Users = –")


def test_revert_asks_and_takes_everything_back(builder: Page, world: House) -> None:
    revert = builder.get_by_role("button", name="Revert")
    expect(revert).to_be_disabled()
    add_cohort(builder)
    builder.get_by_label("Edit name and description").click()
    builder.get_by_label("Segment Name").fill("Other")
    revert.click()
    builder.get_by_role("button", name="Discard changes").click()
    expect(builder.get_by_role("heading", name="Example")).to_be_visible()
    expect(builder.locator(".seg-count")).to_have_count(0)
    expect(revert).to_be_disabled()
    add_cohort(builder)
    expect_totals(builder, "= 3 (42.86%)")


def test_leaving_with_unsaved_changes_asks(builder: Page, world: House) -> None:
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    builder.on("dialog", stay)
    add_cohort(builder)
    expect_totals(builder, "= 3 (42.86%)")
    with builder.expect_event("dialog"):
        builder.get_by_role("navigation", name="Where you are").get_by_role("link", name="Segments").click()
    expect_totals(builder, "= 3 (42.86%)")
    assert asked == ["beforeunload"]
    save(builder)
    builder.get_by_role("navigation", name="Where you are").get_by_role("link", name="Segments").click()
    builder.wait_for_url("**/segment/")
    assert asked == ["beforeunload"]


def test_the_second_of_two_tabs_is_told(builder: Page, world: House, enter: Callable[..., Page]) -> None:
    segment = Segment.objects.get()
    other = enter(builder.context.new_page(), f"{segment.pk}/change/")
    add_cohort(other)
    save(other)
    add_filter(builder, "lang", "Language")
    choose(builder, "engl", "English")
    builder.get_by_role("button", name="Save").click()
    expect(builder.get_by_text("has saved this segment since you opened it")).to_be_visible()
    builder.get_by_role("button", name="Save mine").click()
    expect(builder.get_by_text("Saved.")).to_be_visible()
    segment.refresh_from_db()
    assert (segment.version, segment.filters["rows"][0]["filters"][0]["filter"]) == (3, "language")


def test_an_old_version_is_restored_from_the_history(builder: Page, world: House) -> None:
    add_cohort(builder)
    save(builder)
    builder.get_by_label("Remove the filter Mixpanel Cohorts").click()
    save(builder)
    builder.get_by_role("button", name="Changes Since Last Viewed").click()
    builder.get_by_role("button", name="Restore version 2").click()
    expect_totals(builder, "= 3 (42.86%)")
    save(builder)
    assert Segment.objects.get().version == 4


def test_rows_are_moved_with_the_keyboard_and_by_dragging(builder: Page, world: House) -> None:
    add_cohort(builder)
    add_filter(builder, "lang", "Language")
    choose(builder, "engl", "English", 1)
    names = builder.locator(".seg-name")
    expect(names).to_have_text(["Mixpanel Cohorts", "Language"])
    builder.get_by_label("Move row 2").focus()
    builder.keyboard.press("ArrowUp")
    expect(names).to_have_text(["Language", "Mixpanel Cohorts"])
    expect_totals(builder, "= 7 (100.00%)", "= 3 (42.86%)")
    expect(builder.get_by_label("Move row 1")).to_be_focused()
    builder.get_by_label("Move row 1").drag_to(builder.locator(".seg-row").nth(1))
    expect(names).to_have_text(["Mixpanel Cohorts", "Language"])


def test_an_older_answer_never_overwrites_a_newer_one(builder: Page, world: House) -> None:
    expect(builder.locator(".seg-final")).to_have_text(re.compile("= 7"))
    builder.evaluate(
        """() => {
            const send = window.fetch;
            window.fetch = async (url, options) => {
                const answer = await send(url, options);
                if (!String(url).includes("statistics") || window.isHeld) return answer;
                window.isHeld = true;
                await new Promise((done) => (window.letGo = done));
                const read = answer.json.bind(answer);
                answer.json = () => read().finally(() => (window.isRead = true));
                return answer;
            };
        }"""
    )
    add_filter(builder, "Mixpa", "Mixpanel Cohorts")
    builder.wait_for_function("window.isHeld")
    choose(builder, "braz", "Braze Cohort")
    expect_totals(builder, "= 3 (42.86%)")
    builder.evaluate("window.letGo()")
    builder.wait_for_function("window.isRead")
    expect_totals(builder, "= 3 (42.86%)")


def test_among_5000_cohorts_one_is_found_by_typing(builder: Page, world: House) -> None:
    Cohort.objects.bulk_create(
        Cohort(integration=world.integration, cohort_id=f"n{n}", name=f"Cohort {n:04}") for n in range(5000)
    )
    add_filter(builder, "Mixpa", "Mixpanel Cohorts")
    box = builder.get_by_placeholder("Search for a value")
    box.fill("4321")
    expect(builder.get_by_role("option", name="Cohort 4321")).to_be_visible()
    box.press("Enter")
    expect(builder.locator(".seg-chip")).to_have_text(re.compile("Cohort 4321"))
    expect_totals(builder, "= 0 (0.00%)")


def test_users_are_previewed_and_looked_up(builder: Page, world: House) -> None:
    add_cohort(builder)
    builder.get_by_text("User Data").click()
    builder.get_by_role("button", name="User Preview").click()
    expect(builder.get_by_role("dialog").get_by_role("row")).to_have_count(4)
    builder.get_by_label("Search users").fill("user-5")
    expect(builder.get_by_role("cell", name="Not in the segment")).to_be_visible()


def test_tags_and_expanded_statistics(builder: Page, world: House) -> None:
    builder.locator("summary", has_text="Tags").click()
    builder.get_by_label("New tag").fill("vip")
    builder.get_by_label("New tag").press("Enter")
    add_cohort(builder)
    builder.get_by_role("button", name="Expand extra funnel statistics").click()
    expect(builder.get_by_text("Email: 2")).to_be_visible()
    save(builder)
    assert Segment.objects.get().tags == ["vip"]
