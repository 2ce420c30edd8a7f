"""The whole loop against a running demo, step by step: ``manage.py demo --check``.

Profiles and events go in through the REST API, cohorts come from the sandbox, and what leaves is looked up in the
sandbox: everything that this process does itself is what a person does in the dashboard. Names are new in each run, so
it can be repeated; what would go on working is stopped at the end.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import urllib3

from brazeclone.demo_keys import DemoKeys
from brazeclone.launcher.sandbox import sandbox_credentials
from currents import lifecycle
from currents.models import Current, DeliveryCount, Outcome
from partners.models import Cohort
from partners.reading import cohort_members
from profiles.live import live_users
from segments import editing
from segments.engine import evaluate
from segments.models import Segment
from segments.tree import parse
from workspaces.models import User

STEP_TIMEOUT = 60.0
USERS = [f"check-user-{number}" for number in range(1, 6)]
IN_COHORT = USERS[:3]
JOINS_LATER = USERS[3]
# Mixpanel's names of what is sent in (Braze: Mixpanel partner page, Currents events).
EMAIL_OPEN, PURCHASE = "Email Open", "Purchase"


class CheckError(Exception):
    """A step did not come to its end: the message says what was expected and what was found."""


@dataclass
class Loop:
    """One run: where the demo is, what was made on the way, and a word that makes its names new."""

    keys: DemoKeys
    web: str
    sandbox: str
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    cleaning: ExitStack = field(default_factory=ExitStack)

    def make_profiles(self) -> str:
        """1. Profiles come in through the REST API."""
        attributes = [{"external_id": user, "country": "JP", "check_run": self.run} for user in USERS]
        self.rest("/users/track", {"attributes": attributes}, 201)
        return f"{len(USERS)} user profiles made by POST /users/track"

    def export_cohort(self) -> str:
        """2. The sandbox exports a cohort to our partner API; one of its members is nobody here."""
        self.play("POST", "/sandbox/connection", self._connection())
        members = [*IN_COHORT, f"nobody-{self.run}"]
        self.mixpanel_cohort = self.play("POST", "/sandbox/cohorts", {"name": self.name, "members": members})["id"]
        self.cleaning.callback(self.play, "DELETE", f"/sandbox/cohorts/{self.mixpanel_cohort}")
        export = {"type": "dynamic", "every": 900, "wait": True}
        self._expect_pushed(self.play("POST", f"/sandbox/cohorts/{self.mixpanel_cohort}/export", export))
        return f"the sandbox is connected and has exported the cohort “{self.name}” with dynamic sync"

    def count_cohort(self) -> str:
        """3. The cohort has the members that are known here."""
        self.wait_for("the cohort's size", self._cohort_size, len(IN_COHORT))
        return f"the cohort has {len(IN_COHORT)} of its 4 members: the other is not known here"

    def make_segment(self) -> str:
        """4. A segment on the cohort has the exact size."""
        cohort = Cohort.objects.get(name=self.name, integration__workspace=self.keys.workspace)
        leaf = {"filter": "mixpanel_cohorts", "operator": "includes", "value": [cohort.cohort_id]}
        filters = {"rows": [{"filters": [leaf]}]}
        self.segment = editing.create(self.keys.workspace, self.user, self.name)
        draft = editing.draft_of(self.segment, {"filters": filters})
        editing.save(self.segment, self.user, self.segment.version, draft)
        self.cleaning.callback(editing.archive, self.segment, True)
        self.wait_for("the segment's size", self._segment_size, len(IN_COHORT))
        return f"the segment “Mixpanel Cohorts includes {self.name}” counts {len(IN_COHORT)} users"

    def change_cohort(self) -> str:
        """5. The cohort changes at Mixpanel, the next dynamic sync brings it, the segment follows."""
        path = f"/sandbox/cohorts/{self.mixpanel_cohort}"
        self.play("PATCH", path, {"add_members": [JOINS_LATER]})
        self._expect_pushed(self.play("POST", f"{path}/sync", {"wait": True}))
        self.wait_for("the segment's size", self._segment_size, len(IN_COHORT) + 1)
        return f"a user joined the cohort: the next sync brought the segment to {len(IN_COHORT) + 1} users"

    def launch_current(self) -> str:
        """6. A Current to the sandbox."""
        credentials = sandbox_credentials()
        self.current = Current(
            workspace=self.keys.workspace,
            name=self.name,
            contact_email="admin@example.com",
            destination="mixpanel",
            options={"region": "sandbox"},
            secrets={"api_secret": credentials["api_secret"], "token": credentials["token"]},
            event_types=["users.messages.email.Open", "users.behaviors.CustomEvent", "users.behaviors.Purchase"],
            created_by=self.user,
        )
        self.current.save()
        lifecycle.launch(self.current)
        self.cleaning.callback(lifecycle.stop, self.current)
        return f"the Current “{self.name}” to the sandbox is launched with 3 event types"

    def send_events(self) -> str:
        """7. An email open, a custom event and a purchase come in, and an open of a user without external id."""
        now = int(time.time())
        user = {"user_id": secrets.token_hex(12), "external_user_id": USERS[0]}
        opens = [
            {"event_type": "users.messages.email.Open", "id": f"{self.run}-{number}", "time": now, "user": who}
            for number, who in enumerate((user, {"user_id": secrets.token_hex(12)}))
        ]
        properties = {"campaign_name": self.name, "email_address": "user-1@example.com"}
        self.rest("/currents/events", {"events": [{**one, "properties": properties} for one in opens]}, 200)
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        event = {"external_id": USERS[1], "name": self.name, "time": at, "properties": {"run": self.run}}
        purchase = {"external_id": USERS[2], "product_id": self.run, "currency": "USD", "price": 9.5, "time": at}
        self.rest("/users/track", {"events": [event], "purchases": [purchase]}, 201)
        return "2 email opens sent in by POST /currents/events, a custom event and a purchase by POST /users/track"

    def await_events(self) -> str:
        """8. They are in the sandbox under Mixpanel's names, each for its user; the open of nobody is counted."""
        custom_event = f"[Braze Custom Event] {self.name}"
        expected = [(EMAIL_OPEN, USERS[0]), (PURCHASE, USERS[2]), (custom_event, USERS[1])]
        self.wait_for("the events in the sandbox", self._arrived, expected)
        self.wait_for("the events left out for want of an external id", self._left_out, 1)
        names = ", ".join(name for name, _user in expected)
        return f"the sandbox has {names}, each for its user; 1 event without external id was left out and counted"

    @property
    def name(self) -> str:
        """What everything is called that this run makes."""
        return f"Check {self.run}"

    @property
    def user(self) -> User:
        """Who makes things in the dashboard."""
        return User.objects.get(username=self.keys.username)

    def rest(self, path: str, body: dict[str, Any], status: int) -> None:
        """Call our REST API. Raises CheckError on any other ``status``."""
        headers = {"Authorization": f"Bearer {self.keys.rest_api_key}"}
        answer = urllib3.request("POST", f"{self.web}{path}", json=body, headers=headers, timeout=STEP_TIMEOUT)
        if answer.status != status or (status == 201 and answer.json().get("errors")):
            raise CheckError(f"POST {path} answered {answer.status}: {answer.data.decode('utf-8', 'replace')[:500]}")

    def play(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the sandbox's control API; returns its answer. Raises CheckError on a refusal."""
        answer = urllib3.request(method, f"{self.sandbox}{path}", json=body, timeout=STEP_TIMEOUT)
        if answer.status >= 400:
            raise CheckError(f"The sandbox answered {method} {path} with {answer.status}: {answer.json()['error']}")
        return answer.json()

    def wait_for(self, what: str, look: Callable[[], Any], expected: Any) -> None:
        """Look until it is as expected. Raises CheckError after a while, with what it was instead."""
        deadline = time.monotonic() + STEP_TIMEOUT
        while (found := look()) != expected:
            if time.monotonic() > deadline:
                raise CheckError(f"After {STEP_TIMEOUT:.0f} seconds {what}: {found}, and should be {expected}.")
            time.sleep(0.1)

    def _connection(self) -> dict[str, str]:
        """By the partner cohort API; by the webhook, which needs no partner key, if somebody has changed that one."""
        key = {"data_import_key": self.keys.client_secret}
        if self.keys.partner_api_key:
            return {"via": "partner", "endpoint": self.web, "partner_api_key": self.keys.partner_api_key, **key}
        return {"via": "webhook", "webhook_url": f"{self.web}{self.keys.webhook}", **key}

    def _expect_pushed(self, export: dict[str, Any]) -> None:
        if export["error"]:
            raise CheckError(f"The sandbox could not export the cohort: {export['error']}")

    def _cohort_size(self) -> int | None:
        workspace = self.keys.workspace
        cohort = Cohort.objects.filter(name=self.name, integration__workspace=workspace).first()
        if cohort is None:
            return None
        members = cohort_members(workspace.pk, [cohort.pk])[cohort.pk]
        return len(members & live_users(workspace.pk))

    def _segment_size(self) -> int:
        segment = Segment.objects.get(pk=self.segment.pk)
        return len(evaluate(parse(segment.filters), self.keys.workspace).users)

    def _arrived(self) -> list[tuple[str, str]]:
        """Name and user of this run's events, in order: those that have the run's word somewhere."""
        found = []
        for user in USERS[:3]:
            for event in self.play("GET", f"/sandbox/events?distinct_id={user}")["events"]:
                if self.run in str(event):
                    found.append((event["event"], event["properties"]["distinct_id"]))
        return sorted(found)

    def _left_out(self) -> int:
        rows = DeliveryCount.objects.filter(current=self.current, outcome=Outcome.NO_EXTERNAL_ID)
        return sum(row.count for row in rows)


def run(keys: DemoKeys, web: str, sandbox: str, say: Callable[[str], None]) -> None:
    """Play the loop, telling each step. Raises CheckError, naming the step, if one fails."""
    loop = Loop(keys, web, sandbox)
    steps = (
        loop.make_profiles,
        loop.export_cohort,
        loop.count_cohort,
        loop.make_segment,
        loop.change_cohort,
        loop.launch_current,
        loop.send_events,
        loop.await_events,
    )
    started = time.monotonic()
    with loop.cleaning:
        for step in steps:
            with _timed() as milliseconds:
                done = step()
            say(f"✓ {done} ({milliseconds():,.0f} ms)")
    say(f"The loop is closed: {len(steps)} steps in {time.monotonic() - started:.1f} s.")


@contextmanager
def _timed() -> Iterator[Callable[[], float]]:
    started = time.monotonic()
    yield lambda: (time.monotonic() - started) * 1000
