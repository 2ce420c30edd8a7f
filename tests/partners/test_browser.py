"""The screens of Partner Integrations in a real browser: each can be read on a telephone."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.logins import log_in, person_of
from tests.partners.conftest import MakeUsers, Partner
from workspaces.roles import Role

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("width", "locale", "colors"), [(1280, "en", "light"), (390, "en", "light"), (390, "ja", "dark")]
)
def test_nothing_is_wider_than_the_window(
    new_page: Callable[..., Page],
    live_server: LiveServer,
    mixpanel: Partner,
    users: MakeUsers,
    width: int,
    locale: str,
    colors: str,
) -> None:
    users("u1", "u2")
    mixpanel.name(name="A cohort with quite a long name, as people give them")
    mixpanel.add("u1", "u2", "nobody")
    mixpanel.members()
    mixpanel.webhook("members", ["u1"], pages=2)
    page = new_page(viewport={"width": width, "height": 844}, locale=locale, color_scheme=colors)
    log_in(page, live_server, person_of(mixpanel.integration.workspace, Role.ADMIN))
    for path in (
        reverse("admin:partners_integration_changelist"),
        reverse("admin:partners_integration_partner", args=["mixpanel"]),
        *(reverse("admin:partners_cohort_cohort", args=[mixpanel.cohort(name).pk]) for name in ("c1", "7")),
    ):
        page.goto(live_server.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        wide = page.locator(".ui-panel-body").evaluate_all(
            "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.innerText.slice(0, 60))"
        )
        assert wide == [], path


def test_the_search_leaves_out_cohorts_on_a_telephone_too(
    new_page: Callable[..., Page], live_server: LiveServer, mixpanel: Partner
) -> None:
    mixpanel.name("c1", "First")
    mixpanel.name("c2", "Second")
    page = new_page(viewport={"width": 390, "height": 844})
    log_in(page, live_server, person_of(mixpanel.integration.workspace, Role.ADMIN))
    page.goto(live_server.url + reverse("admin:partners_integration_partner", args=["mixpanel"]))
    page.get_by_role("searchbox", name="Search cohorts").fill("first")
    expect(page.get_by_role("link", name="First")).to_be_visible()
    expect(page.get_by_role("link", name="Second")).to_be_hidden()
