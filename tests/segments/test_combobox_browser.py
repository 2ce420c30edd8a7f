"""Choosing from a list by typing, quicker than the list arrives: what was typed counts, not what was found before."""

import re
from collections.abc import Iterator
from threading import Event

import pytest
from playwright.sync_api import Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from partners.models import Cohort
from tests.logins import log_in
from tests.segments.conftest import House, build_house

pytestmark = pytest.mark.django_db(transaction=True)

OPTIONS = ".seg-option:visible"


class Gate:
    """Holds back the answers to one search until it is opened."""

    def __init__(self, page: Page, query: str) -> None:
        self.held: list[Route] = []
        self.is_open = Event()
        page.route(f"**/values*q={query}&*", self._hold)
        page.route(f"**/values*q={query}", self._hold)

    def _hold(self, route: Route) -> None:
        if self.is_open.is_set():
            route.continue_()
        else:
            self.held.append(route)

    def open(self) -> None:
        self.is_open.set()
        for route in self.held:
            route.continue_()


@pytest.fixture
def world(transactional_db: None) -> House:
    house = build_house()
    # Before the other one in every list.
    Cohort.objects.create(integration=house.integration, cohort_id="a1", name="A first one")
    return house


@pytest.fixture
def page(page: Page, live_server: LiveServer, world: House) -> Iterator[Page]:
    """The builder with a filter by cohort, its search box in focus and the whole list before it."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    log_in(page, live_server, world.admin)
    page.goto(f"{live_server.url}/admin/segments/segment/{world.segment().pk}/change/")
    page.get_by_label("Add Filter").first.focus()
    page.keyboard.type("Mixpanel Co")
    page.keyboard.press("Enter")
    page.get_by_placeholder("Search for a value").focus()
    expect(page.locator(OPTIONS)).to_have_count(2)
    yield page
    assert errors == []


def test_enter_before_the_list_has_arrived_chooses_what_is_found(page: Page) -> None:
    gate = Gate(page, "braz")
    page.keyboard.type("braz")
    page.keyboard.press("Enter")
    expect(page.locator(".seg-chip")).to_have_count(0)
    gate.open()
    expect(page.locator(".seg-chip")).to_have_text(["Braze Cohort✕"])
    expect(page.locator(".seg-count")).to_contain_text("= 3 (42.86%)")


def test_it_does_so_when_the_box_is_left_meanwhile(page: Page) -> None:
    gate = Gate(page, "braz")
    page.keyboard.type("braz")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Save").focus()
    gate.open()
    expect(page.locator(".seg-chip")).to_have_text(["Braze Cohort✕"])


def test_escape_takes_it_back(page: Page) -> None:
    gate = Gate(page, "braz")
    page.keyboard.type("braz")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    gate.open()
    page.keyboard.press("ArrowDown")
    expect(page.locator(OPTIONS)).to_have_text([re.compile("Braze Cohort")])
    expect(page.locator(".seg-chip")).to_have_count(0)


def test_nothing_is_chosen_where_nothing_is_found(page: Page) -> None:
    page.keyboard.type("no such cohort")
    page.keyboard.press("Enter")
    expect(page.locator(".seg-option-none:visible")).to_have_text("Nothing found")
    expect(page.locator(".seg-chip")).to_have_count(0)


def test_an_empty_box_chooses_nothing(page: Page) -> None:
    page.keyboard.press("Enter")
    page.keyboard.type("braz")
    expect(page.locator(OPTIONS)).to_have_text([re.compile("Braze Cohort")])
    expect(page.locator(".seg-chip")).to_have_count(0)


def test_an_arrow_key_chooses_from_the_list_that_is_seen(page: Page) -> None:
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".seg-chip")).to_have_text(["A first one✕"])
