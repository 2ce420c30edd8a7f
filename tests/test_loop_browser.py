"""The public how-to, followed literally in a browser, in English and in Japanese: the whole loop, on real processes."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import urllib3
from django.utils import translation
from playwright.sync_api import Locator, Page, expect

from brazeclone.bootstrap import Shown, bootstrap
from sandbox import i18n
from tests.stack import Stack

PASSWORD = "only for this test"
MEMBERS = [f"user-{number}" for number in range(1, 6)]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_whole_loop(stack: Stack, new_page: Callable[..., Page], language: str) -> None:
    howto = HowTo(stack, new_page(locale=language), language)
    stack.start_beat()
    howto.make_users()
    howto.log_in()
    first, second = howto.generate_two_keys()
    howto.invalidate(first)
    assert howto.name_a_cohort_with(first) == 401
    howto.connect_the_sandbox(second)
    howto.export_with_dynamic_sync()
    howto.build_the_segment()
    howto.add_a_member_in_mixpanel()
    howto.launch_the_current()
    howto.send_events()
    howto.await_events()


class HowTo:
    """A person who follows the how-to. ``say`` gives a text of the dashboard in their language, ``says`` Mixpanel's."""

    def __init__(self, stack: Stack, page: Page, language: str) -> None:
        self.stack, self.page, self.language = stack, page, language
        self.made: Shown = bootstrap(password=PASSWORD)
        self.says = i18n.translations(language).gettext

    def say(self, text: str) -> str:
        with translation.override(self.language):
            return translation.gettext(text)

    def button(self, text: str, within: Page | Locator | None = None) -> Locator:
        return (within or self.page).get_by_role("button", name=self.say(text), exact=True)

    def go_to(self, text: str) -> None:
        """Follow an entry of the left bar."""
        self.page.locator("#nav-sidebar").get_by_role("link", name=self.say(text), exact=True).click()

    def make_users(self) -> None:
        people = [{"external_id": name, "country": "JP"} for name in (*MEMBERS, "joins-later", "outsider")]
        assert self.rest("/users/track", {"attributes": people}).status == 201

    def log_in(self) -> None:
        self.page.goto(self.stack.web_url)
        self.page.locator("[name=username]").fill(self.made.username)
        self.page.locator("[name=password]").fill(PASSWORD)
        self.page.keyboard.press("Enter")
        expect(self.page.locator("html")).to_have_attribute("lang", self.language)
        expect(self.page.get_by_role("heading", name=self.say("Home"))).to_be_visible()

    def generate_two_keys(self) -> tuple[str, str]:
        """Partner Integrations > Technology Partners > Mixpanel: the endpoint is shown, two keys are generated."""
        self.go_to("Technology Partners")
        self.page.locator("#content").get_by_role("link", name=re.compile("Mixpanel")).click()
        expect(self.page.get_by_text(self.stack.web_url, exact=True)).to_be_visible()
        return self._generate(), self._generate()

    def _generate(self) -> str:
        self.button("Generate").click()
        secret = self.page.locator("#new-key").inner_text()
        self.page.get_by_role("link", name=self.say("I have copied it")).click()
        expect(self.page.get_by_text(secret)).to_have_count(0)
        assert secret not in self.page.content()
        return secret

    def invalidate(self, secret: str) -> None:
        row = self.page.get_by_role("row").filter(has_text=secret[:8])
        row.get_by_role("button").click()
        self.button("Invalidate Key", self.page.get_by_role("dialog")).click()
        expect(row.get_by_text(self.say("Invalidated"), exact=True)).to_be_visible()

    def name_a_cohort_with(self, secret: str) -> int:
        """What the partner cohort API answers to a request with that key."""
        keys = {"partner_api_key": self.made.partners["mixpanel"]["partner_api_key"], "client_secret": secret}
        body = {**keys, "cohort_id": "1", "name": "Refused", "created_at": "2026-01-01T00:00:00Z"}
        return self.rest("/partners/mixpanel/cohorts", body).status

    def connect_the_sandbox(self, secret: str) -> None:
        page = self.page
        page.goto(self.stack.sandbox_url)
        page.get_by_role("button", name=self.says("Set up Braze")).click()
        page.get_by_label(self.says("Data import key")).fill(secret)
        page.get_by_label(self.says("REST endpoint")).fill(self.stack.web_url)
        page.get_by_label(self.says("Partner API key")).fill(str(self.made.partners["mixpanel"]["partner_api_key"]))
        page.get_by_role("button", name=self.says("Continue")).click()
        expect(page.get_by_role("dialog")).to_have_count(0)

    def export_with_dynamic_sync(self) -> None:
        page = self.page
        page.get_by_role("button", name=self.says("Create Cohort")).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label(self.says("Name"), exact=True).fill("Music fans")
        dialog.get_by_label(self.says("Members")).fill("\n".join([*MEMBERS, "nobody-knows-me"]))
        dialog.get_by_role("button", name=self.says("Save")).click()
        self._cohort_menu("Export to…")
        page.get_by_role("menuitem", name="Braze", exact=True).click()
        page.get_by_label(self.says("Dynamic sync")).check()
        page.get_by_label(self.says("Update every (seconds)")).fill("1")
        page.get_by_role("button", name=self.says("Begin Sync")).click()
        expect(page.get_by_role("dialog")).to_have_count(0)

    def _cohort_menu(self, entry: str) -> None:
        actions = self.says("Actions for %(name)s") % {"name": "Music fans"}
        self.page.get_by_role("button", name=actions).click()
        self.page.get_by_role("menuitem", name=self.says(entry), exact=True).click()

    def build_the_segment(self) -> None:
        """Segments > Create Segment, Mixpanel Cohorts includes the cohort found by typing: 5 of 7 users."""
        page = self.page
        self._await_cohort()
        page.goto(self.stack.web_url)
        self.go_to("Segments")
        page.get_by_role("button", name=self.say("Create Segment")).last.click()
        page.get_by_role("dialog").get_by_label(self.say("Segment Name")).fill("Fans of music")
        page.keyboard.press("Enter")
        page.get_by_placeholder(self.say("Select Filter...")).click()
        page.keyboard.type("Mixpa")
        page.get_by_role("option", name="Mixpanel").click()
        operator = page.get_by_role("combobox").filter(has_text=self.say("includes")).first
        expect(operator).to_have_value("includes")
        page.get_by_placeholder(self.say("Search for a value")).click()
        page.keyboard.type("music f")
        page.get_by_role("option", name="Music fans").click()
        expect(self._total()).to_contain_text("5")
        expect(self._total()).to_contain_text("71.43")
        self.button("Save").click()
        expect(self.button("Save")).to_be_disabled()

    def _total(self) -> Locator:
        return self.page.locator(".ui-panel-footer").filter(has=self.page.get_by_role("button", name=self.say("Save")))

    def _await_cohort(self) -> None:
        def arrived() -> bool:
            return any(
                (one["export"]["last"] or {}).get("ok") for one in self._cohorts() if one["name"] == "Music fans"
            )

        self.wait_for(arrived)

    def _cohorts(self) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = urllib3.request("GET", f"{self.stack.sandbox_url}/sandbox/cohorts").json()
        return answer

    def add_a_member_in_mixpanel(self) -> None:
        """The cohort grows at Mixpanel; the dynamic sync brings it, and the segment follows."""
        identifier = next(one["id"] for one in self._cohorts() if one["name"] == "Music fans")
        url = f"{self.stack.sandbox_url}/sandbox/cohorts/{identifier}"
        assert urllib3.request("PATCH", url, json={"add_members": ["joins-later"]}).status == 200

        def follows() -> bool:
            self.page.reload()
            expect(self._total()).to_contain_text("(")
            return "6" in self._total().inner_text()

        self.wait_for(follows)

    def launch_the_current(self) -> None:
        """Currents > + Create Current > Create Mixpanel Export: name, contact, secret, token, events, launch."""
        page = self.page
        self.go_to("Currents")
        page.locator("#content summary").filter(has_text=self.say("Create Current")).first.click()
        page.locator("#content details[open]").get_by_role("link").first.click()
        for label, value in {
            "Integration Name": "To Mixpanel",
            "Contact Email": "someone@example.com",
            "API Secret": "sandbox-api-secret",
            "Token": "sandbox-project-token",
        }.items():
            page.get_by_label(self.say(label), exact=True).fill(value)
        page.get_by_label(self.say("Region"), exact=True).select_option("sandbox")
        for event in ("Email Open", "Email Click", "Custom Event", "Purchase"):
            page.get_by_label(self.say(event), exact=True).check()
        self.button("Launch Current").click()
        expect(page.get_by_text(self.say("Active"), exact=True)).to_be_visible()
        assert "sandbox-api-secret" not in page.content()

    def send_events(self) -> None:
        now = int(time.time())
        nobody = {"user_id": "0123456789abcdef01234567"}
        known = {"user_id": "abcdef0123456789abcdef01", "external_user_id": "user-1"}
        events = [
            {"event_type": f"users.messages.email.{kind}", "id": f"{kind}-{number}", "time": now, "user": who}
            for kind in ("Open", "Click", "Send")
            for number, who in enumerate((known, nobody))
        ]
        assert self.rest("/currents/events", {"events": events}).json() == {
            "message": "success",
            "stored": 6,
            "repeated": 0,
        }
        event = {"external_id": "user-2", "name": "Played", "time": "2026-01-02T03:04:05Z", "properties": {"song": "A"}}
        bought = {
            "external_id": "user-3",
            "product_id": "ticket",
            "currency": "EUR",
            "price": 20,
            "time": event["time"],
        }
        answer = self.rest("/users/track", {"events": [event], "purchases": [{**bought, "properties": {"row": 7}}]})
        assert answer.status == 201

    def await_events(self) -> None:
        """They arrive under Mixpanel's names, for the external id; who has none is left out and counted on the page."""
        self.wait_for(lambda: len(self._received()) >= 4)
        received = {event["event"]: event["properties"] for event in self._received()}
        assert {name: one["distinct_id"] for name, one in received.items()} == {
            "Email Open": "user-1",
            "Email Click": "user-1",
            "[Braze Custom Event] Played": "user-2",
            "Purchase": "user-3",
        }
        assert received["[Braze Custom Event] Played"]["[Custom event property] song"] == "A"
        assert received["Purchase"]["[Purchase property] row"] == 7
        assert received["Email Open"]["$insert_id"] == "Open-0"
        assert received["Email Open"]["$partner_id"] == "braze"
        left_out = self.page.get_by_text(self.say("User without an external id"))

        def counted() -> bool:
            self.page.reload()
            return left_out.count() > 0

        self.wait_for(counted)
        expect(left_out.first.locator("xpath=ancestor::*[self::tr or self::div][1]")).to_contain_text("2")

    def _received(self) -> list[dict[str, Any]]:
        answer: dict[str, Any] = urllib3.request("GET", f"{self.stack.sandbox_url}/sandbox/events").json()
        return answer["events"]

    def rest(self, path: str, body: dict[str, Any]) -> urllib3.BaseHTTPResponse:
        headers = {"Authorization": f"Bearer {self.made.rest_api_key}"}
        return urllib3.request("POST", f"{self.stack.web_url}{path}", json=body, headers=headers)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "it did not happen within 30 seconds"
            time.sleep(0.1)
