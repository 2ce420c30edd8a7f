"""On a phone, 390 px wide: what one can press is within the screen, and no page is wider than it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from currents.models import DeadLetter, DeliveryRequest, Replay
from partners.models import DataImportKey, Integration
from profiles.models import Profile
from profiles.objects import attributes_object, event_object
from profiles.tracking import Batch, track
from tests.currents.conftest import make_current
from tests.currents.pages import shoot
from tests.logins import log_in
from workspaces.models import ApiKey, User, Workspace

pytestmark = pytest.mark.django_db(transaction=True)

WIDTH = 390
#: What one would have to push sideways to read it.
_SCROLLING = """
[...document.querySelectorAll("#content *")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === "auto")
  .map((one) => one.className)
"""


@pytest.fixture
def open_narrow(page: Page, live_server: LiveServer) -> Callable[[str], Page]:
    """Opens an address as a superuser."""
    log_in(page, live_server, User.objects.create_superuser("root", password="password"))
    page.set_viewport_size({"width": WIDTH, "height": 844})

    def open_address(address: str) -> Page:
        page.goto(live_server.url + address)
        return page

    return open_address


@pytest.fixture
def full() -> Workspace:
    """Something of everything that has buttons in a table."""
    workspace = Workspace.objects.create(name="Example")
    integration = Integration.objects.create(workspace=workspace, partner_slug="mixpanel")
    DataImportKey.make(integration=integration)
    ApiKey.make(workspace=workspace, name="A key", permissions=["users.track"])
    long = "x" * 255
    attributes = [attributes_object({"external_id": long, "first_name": "F" * 9_000, long: long})]
    events = [event_object({"external_id": long, "name": long, "time": "2026-01-01", "properties": {long: long}})]
    track(workspace.pk, Batch(attributes, events))
    current = make_current(workspace)
    now = timezone.now()
    Replay.objects.create(
        current=current,
        from_time=now - timedelta(days=9),
        to_time=now,
        end_xid=0,
        event_types=["users.messages.email.Open"],
        expected=1_000_000,
        state=Replay.State.DONE,
    )
    DeliveryRequest.objects.create(
        current=current, shard=0, started_at=now, milliseconds=1_500, events=2_000, status=503, error="Overloaded"
    )
    DeadLetter.objects.create(
        current=current,
        event_id="00000000-0000-4000-8000-000000000001",
        event_type="users.messages.pushnotification.Open",
        reason="'properties.distinct_id' is invalid: must not be the string 'anonymous'",
        field="properties.distinct_id",
        payload={"event": "x"},
        source={},
    )
    return workspace


@pytest.mark.parametrize(
    ("address", "buttons"),
    [
        ("partners/integration/mixpanel/", ["Invalidate"]),
        ("workspaces/apikey/", ["Invalidate"]),
        ("currents/current/", ["Save"]),
        ("profiles/profile/{user}/", ["Export (JSON)", "Delete User"]),
        ("profiles/profile/", ["Search"]),
        ("profiles/customevent/", []),
        ("currents/current/{current}/", ["Retry", "Discard", "Retry All", "Discard All"]),
        ("django_celery_beat/periodictask/", []),
        ("", ["Technology Partners", "Segments"]),
    ],
    ids=["data import keys", "API keys", "Currents", "a user", "users", "events", "a Current", "schedules", "home"],
)
def test_it_works(open_narrow: Callable[[str], Page], full: Workspace, address: str, buttons: list[str]) -> None:
    page = open_narrow("/admin/" + address.format(current=full.currents.get().pk, user=Profile.objects.get().pk))
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH
    assert page.evaluate(_SCROLLING) == []
    for text in buttons:
        found = page.locator("#content button, #content a.ui-button, button").get_by_text(text, exact=True)
        box = found.first.bounding_box()
        assert box is not None, text
        assert box["x"] >= 0, text
        assert box["x"] + box["width"] <= WIDTH, text
    for row in page.locator(".ui-table--stack tbody tr td:first-child").all()[:3]:
        box = row.bounding_box()
        assert box is not None
        assert box["width"] > WIDTH / 2
    shoot(page, f"narrow-{address.split('/')[0]}")
