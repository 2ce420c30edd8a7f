"""The builder's fields for values that are more than a text: paths, days of the year, lists, offered values."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from profiles.models import CustomAttribute, Profile
from segments.filters import devices, nested, offering
from segments.models import Segment
from tests.segments.conftest import House
from tests.segments.test_builder_browser import add_filter, enter, expect_totals, save, world

__all__ = ["enter", "world"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are looked for as long as a busy machine takes."""
    monkeypatch.setattr(offering, "SECONDS", 60)
    monkeypatch.setattr(nested, "_LOOK_SECONDS", 60)
    monkeypatch.setattr(devices, "_LOOK_SECONDS", 60)


@pytest.fixture
def builder(enter: Callable[..., Page], page: Page, world: House) -> Iterator[Page]:
    """The builder, in a house where people have orders and plans. A script error fails the test."""
    for name, type_ in {"orders": "array", "plan": "string"}.items():
        CustomAttribute.objects.create(workspace=world.workspace, name=name, type=type_)
    for number in range(3):
        values = {"plan": "gold" if number else "silver", "orders": [{"price": number, "shop": {"name": "North"}}]}
        Profile.objects.filter(external_id=f"user-{number}").update(custom_attributes=values)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield enter(page, f"{world.segment().pk}/change/")
    assert errors == []


def saved_leaf() -> dict[str, object]:
    found: dict[str, object] = Segment.objects.get().filters["rows"][0]["filters"][0]
    return found


def test_a_path_is_offered_with_its_type(builder: Page) -> None:
    add_filter(builder, "nested", "Nested Custom Attributes")
    builder.keyboard.type("ord")
    builder.get_by_role("option", name="orders").click()
    builder.get_by_placeholder("Path, such as").click()
    builder.get_by_role("option", name="[].price").click()
    expect(builder.get_by_label("Type of the value")).to_have_value("number")
    builder.get_by_label("Comparison").select_option("at_least")
    builder.get_by_role("spinbutton", name="Number").fill("1")
    expect_totals(builder, "= 2 (28.57%)")
    save(builder)
    assert saved_leaf()["subject"] == {"name": "orders", "path": "[].price", "type": "number"}
    builder.reload()
    expect(builder.locator(".seg-path .seg-chip")).to_have_text(["orders✕", "[].price✕"])


def test_a_path_can_be_typed_and_is_corrected_beside_the_filter(builder: Page) -> None:
    add_filter(builder, "nested", "Nested Custom Attributes")
    builder.keyboard.type("ord")
    builder.get_by_role("option", name="orders").click()
    path = builder.get_by_placeholder("Path, such as")
    path.fill("[].shop..name")
    path.press("Enter")
    expect(builder.get_by_text("The path is wrong at “.name”.")).to_be_visible()
    path.fill("[].shop.name")
    path.press("Enter")
    builder.get_by_label("Value", exact=True).fill("North")
    expect_totals(builder, "= 3 (42.86%)")


def test_values_are_offered_while_one_types(builder: Page) -> None:
    add_filter(builder, "custom attr", "Custom Attributes")
    builder.keyboard.type("plan")
    builder.get_by_role("option", name="plan").click()
    builder.get_by_label("Value", exact=True).press_sequentially("go")
    offered = "() => document.querySelector('datalist option')?.value === 'gold'"
    builder.wait_for_function(offered)
    builder.get_by_label("Comparison").select_option("is_any_of")
    field = builder.get_by_placeholder("Enter values")
    field.fill("sil")
    builder.get_by_role("option", name="silver").click()
    field.fill("gol")
    expect(builder.get_by_role("option", name="gold")).to_be_visible()
    field.press("Enter")
    expect(builder.locator(".seg-value .seg-chip")).to_have_text(["go✕", "silver✕", "gol✕"])


def test_a_day_of_the_year(builder: Page) -> None:
    add_filter(builder, "birth", "Birthday")
    builder.get_by_label("Month").select_option(label="February")
    expect(builder.get_by_label("Day", exact=True).locator("option")).to_have_count(28)
    builder.get_by_label("Day", exact=True).select_option("28")
    expect_totals(builder, "= 0 (0.00%)")
    builder.get_by_label("Month").select_option(label="December")
    save(builder)
    assert (saved_leaf()["operator"], saved_leaf()["value"]) == ("is_on_day", "12-28")


def test_a_list_is_pasted_and_replaced_by_a_file(builder: Page) -> None:
    add_filter(builder, "list", "User Is In List")
    builder.get_by_label("External ids").fill("user-1\nuser-2, nobody")
    builder.get_by_role("button", name="Use these ids").click()
    expect_totals(builder, "= 2 (28.57%)")
    expect(builder.locator(".seg-ids .seg-chip")).to_have_text("3 ids")
    builder.get_by_role("button", name="Replace").click()
    file = {"name": "vip.csv", "mimeType": "text/csv", "buffer": b"external_id\nuser-6\n"}
    builder.locator("input[type=file]").set_input_files({**file, "buffer": b"\xff"})  # type: ignore[typeddict-item]
    expect(builder.get_by_role("alert").filter(has_text="not encoded in UTF-8")).to_be_visible()
    builder.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    expect(builder.locator(".seg-ids .seg-chip")).to_have_text("vip.csv (1 id)")
    expect_totals(builder, "= 1 (14.29%)")
    save(builder)
    builder.reload()
    expect(builder.locator(".seg-ids .seg-chip")).to_have_text("vip.csv (1 id)")


def test_a_regular_expression_that_is_none_is_named_beside_the_filter(builder: Page) -> None:
    add_filter(builder, "email addr", "Email Address")
    builder.get_by_label("Comparison").select_option("matches_regex")
    builder.get_by_label("Value", exact=True).fill("user-[12")
    expect(builder.get_by_text("The regular expression is not valid: brackets [] not balanced.")).to_be_visible()
    builder.get_by_label("Value", exact=True).fill("user-[12]@")
    expect_totals(builder, "= 2 (28.57%)")
