"""A workspace with a launched Current, and the Mixpanel sandbox on a real socket as its destination."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Page

from currents import lifecycle, marks
from currents.catalogue import offered
from currents.log import NewEvent, append_events
from currents.models import Current, Cursor
from sandbox.config import Settings
from tests.logins import client_of, log_in, person_of
from tests.sandbox.running import RunningSandbox
from workspaces.models import Workspace
from workspaces.roles import Role

TIME = 1_700_000_000


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[RunningSandbox]:
    """One sandbox for all tests: starting a server takes longer than most of them."""
    shared = RunningSandbox(Settings(), None)
    yield shared
    shared.stop()


@pytest.fixture
def mixpanel(shared_sandbox: RunningSandbox, settings: Any) -> RunningSandbox:
    """The sandbox, empty and well-behaved, as Mixpanel's region "Sandbox"; no retry waits, and nobody is impatient."""
    shared_sandbox.empty()
    settings.MIXPANEL_SANDBOX_URL = shared_sandbox.url
    settings.CURRENTS_REQUEST_TIMEOUT = 30.0
    settings.CURRENTS_LEASE_SECONDS = 60.0
    settings.CURRENTS_BACKOFF_BASE = 0.0
    settings.CURRENTS_BACKOFF_MAX = 0.0
    settings.CURRENTS_BACKOFF_JITTER = [0.0, 0.0]
    settings.CURRENTS_PROBE_SECONDS = [0.0, 0.0]
    settings.CURRENTS_FLUSH_INTERVAL = 0.0
    return shared_sandbox


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Example")


def make_current(workspace: Workspace, **changes: Any) -> Current:
    """A draft that exports every type to the sandbox."""
    fields: dict[str, Any] = {
        "name": "To Mixpanel",
        "contact_email": "contact@example.com",
        "destination": "mixpanel",
        "options": {"region": "sandbox"},
        "secrets": {"api_secret": "sandbox-api-secret", "token": "sandbox-project-token"},
        "event_types": sorted(offered()),
    }
    made = Current.objects.create(workspace=workspace, **{**fields, **changes})
    made.refresh_from_db()
    return made


@pytest.fixture
def current(workspace: Workspace, mixpanel: RunningSandbox) -> Current:
    """A launched Current."""
    made = make_current(workspace)
    lifecycle.launch(made)
    return made


def event(number: int = 1, user: str | None = "user-1", **changes: Any) -> NewEvent:
    """An event that can be delivered."""
    fields: dict[str, Any] = {
        "event_type": "users.messages.email.Open",
        "time": TIME + number,
        "external_user_id": user,
        "user_id": "braze-1",
        "event_id": f"00000000-0000-4000-8000-{number:012d}",
        "properties": {"campaign_id": "campaign-1"},
    }
    return NewEvent(**{**fields, **changes})


def log_events(workspace: Workspace, *events: NewEvent) -> None:
    """Append events, committed."""
    append_events(workspace.pk, events)


def arrived(mixpanel: RunningSandbox) -> list[dict[str, Any]]:
    """What the sandbox has ingested, in order of arrival."""
    found = mixpanel.call("GET", "/sandbox/events?limit=10000&offset=0").json
    assert found["total"] == len(found["events"])
    return list(found["events"])


def arrived_ids(mixpanel: RunningSandbox) -> list[str]:
    """The $insert_ids that the sandbox has, in order of arrival."""
    return [one["properties"]["$insert_id"] for one in arrived(mixpanel)]


def counts(current: Current) -> dict[str, int]:
    """The Current's counts by outcome."""
    found: dict[str, int] = {}
    for row in current.counts.all():
        found[row.outcome] = found.get(row.outcome, 0) + row.count
    return found


def cursor_of(current: Current, shard: int) -> Cursor:
    """The cursor of one shard, as it stands."""
    return Cursor.objects.get(current=current, shard=shard)


@pytest.fixture
def remembered_marks(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log's marks, which a process reads once a minute: never while a test counts statements."""
    monkeypatch.setattr(marks, "_loaded", marks.load())
    monkeypatch.setattr(marks, "_loaded_at", float("inf"))


@pytest.fixture
def admin(workspace: Workspace) -> Client:
    return client_of(workspace, Role.ADMIN)


@pytest.fixture
def marketer(workspace: Workspace) -> Client:
    return client_of(workspace, Role.MARKETER)


@pytest.fixture
def open_page(page: Page, live_server: Any, workspace: Workspace) -> Callable[[str], Page]:
    """Opens an address of the dashboard as a logged-in admin."""
    log_in(page, live_server, person_of(workspace, Role.ADMIN))

    def open_address(address: str) -> Page:
        page.goto(live_server.url + address)
        return page

    return open_address
