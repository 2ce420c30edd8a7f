"""What stands around the filters of a segment, in a real browser: exports, sizes, why a user is in it, the list."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from partners.models import Cohort
from partners.usage import Use
from profiles.models import CustomAttribute, Profile
from segments import editing, sizes, where_used
from segments.exporting import running, starting
from segments.models import Segment
from segments.stores import SegmentExport, SegmentSize
from tests.segments.conftest import House, build_house, in_cohort
from tests.segments.test_builder_browser import add_cohort, builder, enter, expect_totals, save, world
from workspaces.models import Membership, User
from workspaces.roles import Role

__all__ = ["builder", "enter", "world"]
pytestmark = pytest.mark.django_db(transaction=True)
Enter = Callable[..., Page]


@pytest.fixture
def woken(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The exports that a worker was told of: the test is the worker."""
    settings.EXPORT_DIR = tmp_path / "exports"
    calls: list[int] = []
    monkeypatch.setattr(starting, "wake_up", lambda task, pk: calls.append(pk))
    return calls


@pytest.fixture
def segment(world: House) -> Segment:
    return world.segment(filters=world.tree(in_cohort("c1")))


@pytest.fixture
def segment_page(enter: Enter, page: Page, segment: Segment) -> Page:
    return enter(page, f"{segment.pk}/change/")


# --- Exports ---


def open_export(page: Page) -> None:
    page.get_by_text("User Data").click()
    page.get_by_role("button", name="CSV Export").first.click()
    expect(page.get_by_role("dialog", name="CSV Export").get_by_label("External ID")).to_be_checked()


def test_users_are_exported(segment_page: Page, woken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHUNK_USERS", 1)
    page = segment_page
    expect(page.get_by_text("Nobody has exported the users of this segment yet.")).to_be_visible()
    open_export(page)
    dialog = page.get_by_role("dialog", name="CSV Export")
    for name in ("First name", "Last name", "Country", "Language"):
        dialog.get_by_label(name, exact=True).uncheck()
    dialog.get_by_label("age", exact=True).check()
    dialog.get_by_role("button", name="Start Export").click()
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "0")
    (export_id,) = woken
    running.step(export_id)
    running.step(export_id)
    expect(bar).to_have_attribute("aria-valuenow", "33")
    expect(page.get_by_text("1 of 3 users")).to_be_visible()
    running.work(export_id)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert re.fullmatch(r"example-\d{4}-\d\d-\d\d\.csv", download.value.suggested_filename)
    rows = list(csv.reader(Path(download.value.path()).read_text("utf-8-sig").splitlines()))
    assert rows[:2] == [["external_id", "email", "age"], ["user-0", "", "0"]]
    assert len(rows) == 4


def test_an_export_is_cancelled(segment_page: Page, woken: list[int]) -> None:
    open_export(segment_page)
    segment_page.get_by_role("button", name="Start Export").click()
    segment_page.locator("#exports").get_by_role("button", name="Cancel").click()
    expect(segment_page.get_by_text("Cancelled", exact=True)).to_be_visible()
    assert not running.step(woken[0])


def test_what_is_refused_is_said_in_the_dialog(segment_page: Page, woken: list[int]) -> None:
    open_export(segment_page)
    dialog = segment_page.get_by_role("dialog", name="CSV Export")
    chosen = dialog.locator("input:checked")
    while chosen.count():
        chosen.first.uncheck()
    dialog.get_by_role("button", name="Start Export").click()
    expect(dialog.get_by_role("alert")).to_have_text("Choose at least one field.")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert not SegmentExport.objects.exists()


def test_one_of_2000_custom_attributes_is_found_to_export(
    enter: Enter, page: Page, world: House, woken: list[int]
) -> None:
    CustomAttribute.objects.bulk_create(
        CustomAttribute(workspace=world.workspace, name=f"attribute {n:04}", type="string") for n in range(2000)
    )
    enter(page, f"{world.segment().pk}/change/")
    open_export(page)
    dialog = page.get_by_role("dialog", name="CSV Export")
    dialog.get_by_label("Search custom attributes").fill("1234")
    expect(dialog.locator(".seg-attributes label:visible")).to_have_count(1)
    dialog.get_by_label("attribute 1234").check()
    dialog.get_by_role("button", name="Start Export").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    assert "custom_attributes.attribute 1234" in SegmentExport.objects.get().fields


def test_a_failed_export_says_why(segment_page: Page, woken: list[int]) -> None:
    open_export(segment_page)
    Cohort.objects.update(archived_at=timezone.now())
    segment_page.get_by_role("button", name="Start Export").click()
    expect(segment_page.get_by_role("dialog").get_by_role("alert")).to_contain_text("is archived")
    Cohort.objects.update(archived_at=None)
    segment_page.get_by_role("button", name="Start Export").click()
    expect(segment_page.get_by_role("progressbar")).to_be_visible()
    Cohort.objects.update(archived_at=timezone.now())
    running.work(woken[0])
    expect(segment_page.locator("#exports")).to_contain_text("Correct the filters of the segment and export it again.")


# --- Size over time, why ---


def test_the_size_over_time_is_drawn(enter: Enter, page: Page, segment: Segment) -> None:
    enter(page, f"{segment.pk}/change/")
    expect(page.get_by_text("Every segment is counted once a day.")).to_be_visible()
    today = sizes.day_in(segment.workspace)
    for ago, size in ((2, 10), (0, 5)):
        SegmentSize.objects.create(segment=segment, day=today - sizes.timedelta(days=ago), size=size)
    page.reload()
    bars = page.locator(".ui-chart > div")
    expect(bars).to_have_count(3)
    expect(bars.nth(1)).to_have_attribute("title", re.compile("not counted"))
    assert bars.nth(0).locator("span").evaluate("bar => bar.style.height") == "100%"


def test_the_preview_says_why(segment_page: Page, world: House) -> None:
    page = segment_page
    page.get_by_text("User Data").click()
    page.get_by_role("button", name="User Preview").click()
    page.get_by_label("Search users").fill("user-5")
    page.get_by_role("button", name="Why is user-5 in the segment, or not?").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("“Row 1” decides: the user passes none of its filters.")).to_be_visible()
    expect(dialog.get_by_text("Not in the cohort “Braze Cohort”.")).to_be_visible()
    page.get_by_role("button", name="Why is user-5 in the segment, or not?").click()
    expect(dialog.get_by_text("“Row 1” decides")).to_be_hidden()


def test_the_users_page_says_why(enter: Enter, page: Page, segment: Segment, world: House) -> None:
    world.segment("Nobody", filters=world.tree({"filter": "external_user_id", "operator": "equals", "value": "x"}))
    enter(page, f"../../profiles/profile/{world.profiles[0].pk}/")
    page.get_by_label("Why: Example").click()
    expect(page.get_by_text("In the cohort “Braze Cohort”.")).to_be_visible()
    page.get_by_text("1 segment that the user is not in").click()
    page.get_by_label("Why: Nobody").click()
    expect(page.get_by_text("The user's value: “user-0”")).to_be_visible()
    page.get_by_role("link", name="Why?").click()
    expect(page.get_by_role("heading", name="Is this user in it, and why?")).to_be_visible()
    expect(page.get_by_label("External ID, alias, device ID or email")).to_have_value("user-0")


# --- The builder, whole ---


def test_all_of_it_with_the_keyboard(builder: Page, world: House) -> None:
    page = builder
    page.get_by_label("Add Filter").first.focus()
    page.keyboard.type("Mixpanel Co")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Comparison")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("braz")
    expect(page.get_by_role("option", name="Braze Cohort")).to_be_visible()
    page.keyboard.press("Enter")
    expect_totals(page, "Total Reachable Users = 3 (42.86%)")
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_label("Remove the filter Mixpanel Cohorts").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("You have not yet defined filters")).to_be_visible()
    page.get_by_role("button", name="Revert").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Discard changes").focus()
    page.keyboard.press("Enter")
    expect_totals(page, "Total Reachable Users = 3 (42.86%)")


def test_the_focus_goes_where_one_types_next(builder: Page, world: House) -> None:
    Profile.objects.filter(external_id="user-1").update(custom_attributes={"age": 1})
    page = builder
    page.get_by_role("button", name="Add Exclusion Group").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Add Filter").nth(1)).to_be_focused()
    page.keyboard.type("Custom Attr")
    expect(page.get_by_role("option", name="Custom Attributes", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Search for an attribute")).to_be_focused()
    page.keyboard.type("age")
    expect(page.get_by_role("option", name="age")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Comparison")).to_be_focused()


@pytest.mark.parametrize(
    ("leaf", "button", "box"),
    [
        (in_cohort("c1"), ".seg-or-button", ".seg-or-add input"),
        (in_cohort("c1"), ".seg-naming button", "#draft-name"),
        ({"filter": "user_is_in_list", "operator": "is_in", "value": "gone"}, ".seg-ids button", ".seg-ids textarea"),
    ],
)
def test_the_focus_is_not_sent_to_what_is_hidden_yet(
    enter: Enter, page: Page, world: House, leaf: dict[str, Any], button: str, box: str
) -> None:
    enter(page, f"{world.segment(filters=world.tree(leaf)).pk}/change/")
    # A busy page: what something else does at the next tick is still to come when one clicks.
    page.evaluate(
        "(button) => { Alpine.nextTick(() => {}); document.querySelector(button).click() }",
        f"{button}:not([style*='display: none'])",
    )
    expect(page.locator(box)).to_be_focused()


def test_what_keeps_a_segment_from_being_saved_is_scrolled_to(enter: Enter, page: Page, world: House) -> None:
    rows = [{"filter": "country", "operator": "is_any_of", "value": ["JP"]}] * 12
    enter(page, f"{world.segment(filters=world.tree(*rows)).pk}/change/")
    page.get_by_label("Remove Japan").first.click()
    # A slow screen: what is to be shown is shown well after all else has happened.
    page.evaluate("window.requestAnimationFrame = (callback) => setTimeout(() => callback(performance.now()), 300)")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").filter(has_text="Choose a value.")).to_be_in_viewport()


def test_what_keeps_a_segment_from_being_saved_stays_marked_when_it_is_counted(
    enter: Enter, page: Page, world: House
) -> None:
    enter(page, f"{world.segment(filters=world.tree(in_cohort('c1'))).pk}/change/")
    expect_totals(page, "Total Reachable Users = 3 (42.86%)")
    held: list[Route] = []
    page.route("**/statistics/**", lambda route: held.append(route))
    with page.expect_request("**/statistics/**"):
        page.get_by_label("Remove Braze Cohort").click()
    page.get_by_role("button", name="Save").click()
    mark = page.get_by_role("alert").filter(has_text="Choose a value.")
    expect(mark).to_be_visible()
    with page.expect_response("**/statistics/**"):
        held[0].continue_()
    expect_totals(page, "Total Reachable Users = – ")
    expect(page.locator(".seg-busy")).to_have_count(0)
    expect(mark).to_be_visible()


def test_a_broken_segment_says_why_it_has_no_size(enter: Enter, page: Page, world: House) -> None:
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    world.segment("Broken", filters=world.tree(in_cohort("c9")))
    enter(page, "")
    cell = page.locator("td[data-label=Size]")
    expect(cell.get_by_role("img", name="“c9” does not exist")).to_be_visible()
    expect(cell).to_contain_text("–")
    assert errors == []


def test_rows_are_moved_with_a_finger(enter: Enter, new_page: Callable[..., Page], world: House) -> None:
    language = {"filter": "language", "operator": "is_any_of", "value": ["en"]}
    segment = world.segment(filters=world.tree(in_cohort("c1"), language))
    page = enter(new_page(has_touch=True, viewport={"width": 390, "height": 844}), f"{segment.pk}/change/")
    names = page.locator(".seg-name")
    expect(names).to_have_text(["Mixpanel Cohorts", "Language"])
    handle, other = page.get_by_label("Move row 1"), page.locator(".seg-row").nth(1)
    other.scroll_into_view_if_needed()
    boxes = [box for one in (handle, other) if (box := one.bounding_box())]
    start, end = [{"x": box["x"] + 15, "y": box["y"] + box["height"] / 2} for box in boxes]
    finger = page.context.new_cdp_session(page)
    for kind, points in (("touchStart", [start]), ("touchMove", [end]), ("touchEnd", [])):
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect(names).to_have_text(["Language", "Mixpanel Cohorts"])


def test_among_2000_attributes_one_is_found_by_typing(builder: Page, world: House) -> None:
    CustomAttribute.objects.bulk_create(
        CustomAttribute(workspace=world.workspace, name=f"attribute {n:04}", type="string") for n in range(2000)
    )
    Profile.objects.filter(external_id="user-1").update(custom_attributes={"attribute 1234": "gold"})
    builder.get_by_label("Add Filter").first.click()
    builder.keyboard.type("Custom Attr")
    builder.get_by_role("option", name="Custom Attributes", exact=True).click()
    box = builder.get_by_label("Search for an attribute")
    box.fill("1234")
    expect(builder.get_by_role("option", name="attribute 1234")).to_be_visible()
    box.press("Enter")
    expect(builder.locator(".seg-chip")).to_have_text(re.compile("attribute 1234"))
    builder.get_by_label("Comparison").select_option("is_not_blank")
    expect_totals(builder, "= 1 (14.29%)")


def test_changes_since_last_viewed_are_marked(
    enter: Enter, page: Page, new_page: Callable[..., Page], world: House
) -> None:
    segment = editing.create(world.workspace, world.admin, "Example")
    enter(page, f"{segment.pk}/change/")
    colleague = User.objects.create_user("colleague")
    Membership.objects.create(user=colleague, workspace=world.workspace, role=Role.MARKETER)
    theirs = enter(new_page(), f"{segment.pk}/change/", colleague)
    add_cohort(theirs)
    save(theirs)
    page.reload()
    page.get_by_role("button", name="1 Change Since Last Viewed").click()
    history = page.get_by_role("dialog", name="History")
    expect(history.get_by_text("colleague")).to_be_visible()
    expect(history.get_by_text("Added: Mixpanel Cohorts includes “Braze Cohort”")).to_be_visible()
    expect(history.get_by_text("New", exact=True).locator("visible=true")).to_have_count(1)


# --- The list ---


def test_archiving_tells_what_uses_the_segment(
    enter: Enter, page: Page, world: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finder(segments: Any) -> Any:
        return [(one.pk, Use("Campaign", "Spring sale", "/admin/")) for one in segments]

    monkeypatch.setattr(where_used._usage, "_finders", [finder])
    world.segment()
    enter(page, "")
    expect(page.get_by_role("cell", name="Campaign Spring sale")).to_be_visible()
    page.get_by_label("Actions for Example").click()
    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_role("dialog").get_by_text("Spring sale")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Archive").click()
    expect(page.get_by_text("“Example” has been archived.")).to_be_visible()
    page.get_by_label("Include archived segments").check()
    expect(page.get_by_role("link", name="Example")).to_be_visible()


def test_the_list_is_searched_sorted_and_duplicated(enter: Enter, page: Page, world: House) -> None:
    for name, size in (("Alpha", 2), ("Beta", 1)):
        world.segment(name, size=size, size_at=timezone.now())
    enter(page, "")
    names = page.locator("tbody tr td:first-child a")
    page.get_by_role("link", name="Segment Name").click()
    expect(names).to_have_text(["Beta", "Alpha"])
    page.get_by_role("link", name="Size").click()
    expect(names).to_have_text(["Alpha", "Beta"])
    page.get_by_label("Search segments").fill("bet")
    page.keyboard.press("Enter")
    expect(names).to_have_text(["Beta"])
    page.get_by_label("Actions for Beta").click()
    page.get_by_role("button", name="Duplicate").click()
    expect(page.get_by_role("heading", name="Copy of Beta")).to_be_visible()


def test_a_marketer_of_another_workspace_sees_nothing(enter: Enter, page: Page, world: House, segment: Segment) -> None:
    theirs = build_house("Other")
    stranger = User.objects.create_user("stranger")
    Membership.objects.create(user=stranger, workspace=theirs.workspace, role=Role.MARKETER)
    enter(page, "", stranger)
    expect(page.get_by_text("Create your first segment")).to_be_visible()
    assert page.goto(f"{page.url}{segment.pk}/change/").status == 404  # type: ignore[union-attr]
    expect(page.get_by_text("Example")).to_have_count(0)
