"""Filters over what users did, built by typing and clicking."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from profiles import engagement
from profiles.counters import Deed, Kind, record
from profiles.engagement import Source, Touch
from profiles.models import CustomEvent
from profiles.stores import Product
from segments.models import Segment
from tests.logins import log_in
from tests.segments.conftest import House, build_house, in_cohort
from tests.segments.test_builder_browser import add_filter, expect_totals, save

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(transactional_db: None) -> House:
    """User 1 sang once, user 2 twice and differently; both received a campaign's message."""
    house = build_house()
    CustomEvent.objects.create(workspace=house.workspace, name="song", keeps_properties=True)
    moment = timezone.now() - timedelta(hours=1)
    sung = [(1, {"genre": "jazz", "length": 3}), (2, {"genre": "jazz", "length": 9}), (2, {"genre": "folk"})]
    record(
        house.workspace.pk,
        [Deed(house.profiles[n].pk, Kind.EVENT, "song", moment, properties=properties) for n, properties in sung],
    )
    source = Source("campaign", "c-1")
    touches = [Touch(house.profiles[n].pk, "received", "email", moment, source, "Spring") for n in (1, 2)]
    engagement.record(house.workspace.pk, touches)
    return house


@pytest.fixture
def builder(live_server: LiveServer, page: Page, world: House) -> Iterator[Page]:
    """The builder of a segment without filters. A script error fails the test."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    log_in(page, live_server, world.admin)
    page.goto(f"{live_server.url}/admin/segments/segment/{world.segment().pk}/change/")
    yield page
    assert errors == []


def pick(page: Page, label: str, typed: str, name: str) -> None:
    page.get_by_role("combobox", name=label).last.fill(typed)
    page.get_by_role("option", name=name, exact=True).click()


def compare(page: Page, name: str, place: int = 0) -> None:
    page.get_by_label("Comparison").nth(place).select_option(label=name)


def test_it_works(builder: Page) -> None:
    add_filter(builder, "custom ev", "X Custom Event In Y Days")
    pick(builder, "Search for a custom event", "so", "song")
    builder.get_by_label("Times").fill("1")
    builder.get_by_label("Days", exact=True).fill("7")
    expect_totals(builder, "Total Reachable Users = 1 (14.29%)")
    compare(builder, "less than")
    builder.get_by_label("Times").fill("2")
    expect_totals(builder, "Total Reachable Users = 6 (85.71%)")
    save(builder)
    stored = Segment.objects.get().filters["rows"][0]["filters"][0]
    assert stored["subject"] == {"name": "song"}
    assert (stored["operator"], stored["value"]) == ("less_than", {"count": 2, "days": 7})
    builder.reload()
    expect(builder.get_by_label("Times")).to_have_value("2")
    expect(builder.get_by_label("Days", exact=True)).to_have_value("7")


def test_conditions_on_properties(builder: Page) -> None:
    add_filter(builder, "custom ev", re.compile("^Custom Event$"))  # type: ignore[arg-type]
    pick(builder, "Search for a custom event", "so", "song")
    expect_totals(builder, "Total Reachable Users = 2")
    builder.get_by_role("button", name="Add property filter").click()
    first = builder.get_by_role("group", name="Property condition 1")
    pick(builder, "Search for a property", "len", "length")
    expect(first.get_by_label("Type")).to_have_value("number")
    first.get_by_label("Comparison").select_option(label="more than")
    first.get_by_label("Number").fill("5")
    expect_totals(builder, "Total Reachable Users = 1 (14.29%)")
    builder.get_by_role("button", name="Add property filter").click()
    second = builder.get_by_role("group", name="Property condition 2")
    # A property that has not come in yet can be typed.
    second.get_by_role("combobox", name="Search for a property").fill("genre")
    builder.keyboard.press("Escape")
    second.get_by_role("combobox", name="Search for a property").press("Enter")
    second.get_by_label("Comparison").select_option(label="is any of")
    second.get_by_placeholder("Enter values").fill("folk")
    builder.keyboard.press("Enter")
    expect_totals(builder, "Total Reachable Users = 0")
    builder.get_by_role("button", name="Remove property condition 2").click()
    expect_totals(builder, "Total Reachable Users = 1 (14.29%)")
    save(builder)
    [condition] = Segment.objects.get().filters["rows"][0]["filters"][0]["subject"]["where"]
    assert condition == {"property": "length", "type": "number", "operator": "more_than", "value": 5}
    builder.reload()
    expect(builder.get_by_role("group", name="Property condition 1").get_by_label("Number")).to_have_value("5")
    expect(builder.get_by_role("button", name="Save")).to_be_visible()


def test_messages_and_segments(builder: Page, world: House) -> None:
    world.segment("Cohort users", filters=world.tree(in_cohort("c1")))
    add_filter(builder, "received", "Received Message from Campaign")
    pick(builder, "Search for a campaign", "spr", "Spring")
    compare(builder, "has received in the last")
    builder.get_by_label("Days", exact=True).fill("3")
    expect_totals(builder, "Total Reachable Users = 2")
    add_filter(builder, "membership", "Segment Membership")
    builder.get_by_placeholder("Search for a value").fill("coh")
    builder.get_by_role("option", name="Cohort users").click()
    compare(builder, "does not include", place=1)
    expect_totals(builder, "Total Reachable Users = 2", "Total Reachable Users = 0")
    save(builder)


def test_a_segment_that_would_contain_itself_says_so(builder: Page) -> None:
    add_filter(builder, "membership", "Segment Membership")
    builder.get_by_placeholder("Search for a value").fill("exam")
    builder.get_by_role("option", name="Example").click()
    expect(builder.get_by_role("alert").filter(has_text="The segment would contain itself.")).to_be_visible()
    builder.get_by_role("button", name="Save").click()
    expect(builder.get_by_text("Not saved: complete or remove the marked filters first.")).to_be_visible()
    assert Segment.objects.get().version == 1


def test_steps_links_and_properties_of_purchases(builder: Page, world: House) -> None:
    moment = timezone.now() - timedelta(hours=1)
    canvas = Source("canvas", "v-1")
    step = Source("step", "s-1", canvas)
    parts = {step: "Hello", Source("link", "buy", step): ""}
    user = world.profiles[1].pk
    engagement.record(world.workspace.pk, [Touch(user, "clicked", "email", moment, canvas, "Welcome", parts)])
    Product.objects.create(workspace=world.workspace, name="hat")
    hats = [("red", 1), ("blue", 2)]
    record(
        world.workspace.pk,
        [Deed(world.profiles[n].pk, Kind.PURCHASE, "hat", moment, 1, "USD", 5, {"color": color}) for color, n in hats],
    )
    add_filter(builder, "alias in canvas", "Clicked Alias in Canvas Step")
    pick(builder, "Search for a Canvas step", "hel", "Welcome: Hello")
    builder.get_by_placeholder("Search for a value").fill("bu")
    builder.get_by_role("option", name="buy").click()
    expect_totals(builder, "Total Reachable Users = 1 (14.29%)")
    add_filter(builder, "purchase property", "X Purchase Property In Y Days")
    pick(builder, "Search for a product", "ha", "hat")
    condition = builder.get_by_role("group", name="Property condition 1")
    pick(builder, "Search for a property", "col", "color")
    condition.get_by_label("Comparison").select_option(label="equals")
    condition.get_by_label("Value").fill("blue")
    builder.get_by_label("Times").last.fill("0")
    builder.get_by_label("Days", exact=True).last.fill("30")
    expect_totals(builder, "Total Reachable Users = 1 (14.29%)", "Total Reachable Users = 0")
    save(builder)
