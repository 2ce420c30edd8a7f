"""Devices of users, from events that other systems sent."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from currents.log import NewEvent, append_events
from profiles import device_facts
from profiles.models import Device, Profile
from profiles.received import count_received
from profiles.sets import ProfileSet
from profiles.versions import DataChange, Kind
from segments.filters.base import Context, Leaf
from segments.filters.registry import filter_of
from tests.profiles.conftest import Post
from workspaces.models import ApiKey, App, Workspace

pytestmark = pytest.mark.django_db(transaction=True)
SESSION = "users.behaviors.app.SessionStart"
TIME = 1_714_560_000
PHONE = {"platform": "ios", "device_model": "iPhone 15", "os_version": "17.4"}


@pytest.fixture
def user(workspace: Workspace) -> Profile:
    return Profile.objects.create(workspace=workspace, external_id="user-1")


@pytest.fixture
def app(workspace: Workspace) -> App:
    return App.objects.create(workspace=workspace, name="Shop", platform="android")


@pytest.fixture
def seen(workspace: Workspace) -> Callable[..., None]:
    """Somebody's session on a device is received and counted."""

    def receive(user_id: str = "user-1", device: Any = "phone", time: int = TIME, **told: Any) -> None:
        event = NewEvent(SESSION, time, user_id, device_id=device, properties=told)
        append_events(workspace.pk, [event], from_outside=True)
        count_received()

    return receive


def known() -> list[tuple[Any, ...]]:
    rows = Device.objects.order_by("profile_id", "device_id")
    return list(rows.values_list("profile__external_id", "device_id", "platform", "model", "os_version"))


def notes() -> int:
    return DataChange.objects.filter(kind=Kind.DEVICES).count()


def test_it_works(user: Profile, app: App, post: Post) -> None:
    """From the request of a sender to the filters, and to what is exported."""
    other = Profile.objects.create(workspace_id=user.workspace_id, external_id="user-2")
    sent = {
        "event_type": SESSION,
        "id": "e1",
        "time": TIME,
        "user": {"external_user_id": "user-1", "device_id": "phone"},
        "properties": {**PHONE, "app_id": str(app.api_id).upper()},
    }
    _row, key = ApiKey.make(workspace=app.workspace, name="Currents", permissions=["currents.events"])
    answer = post("/currents/events", {"events": [sent]}, Authorization=f"Bearer {key.secret}")
    assert answer.status_code == 200, answer.content
    count_received()
    assert known() == [("user-1", "phone", "ios", "iPhone 15", "17.4")]
    assert Device.objects.get().app == app

    [exported] = post("/users/export/ids", {"external_ids": ["user-1"]}).json()["users"]
    assert exported["devices"] == [{"device_id": "phone", "model": "iPhone 15", "os": "17.4"}]
    [exported] = post("/users/export/ids", {"device_id": "phone"}).json()["users"]
    assert exported["external_id"] == "user-1"
    context = Context(app.workspace_id, ZoneInfo("UTC"), timezone.now())
    for name, operator, value, subject in [
        ("device_count", "exactly", 1, None),
        ("device_model", "is_any_of", ["iPhone 15"], None),
        ("device_os", "is_any_of", ["ios"], None),
        ("device_os_version", "at_least", "17", {"os": "ios"}),
    ]:
        found = filter_of(name)
        assert found
        [users] = found.find([Leaf("1", name, operator, value, subject)], context)
        assert isinstance(users, ProfileSet)
        assert list(users) == [user.pk], name
    assert not other.devices.exists()


def test_the_newest_event_tells(user: Profile, seen: Callable[..., None]) -> None:
    seen(**PHONE)
    seen(time=TIME + 60, os_version="17.5")
    assert known() == [("user-1", "phone", "ios", "iPhone 15", "17.5")]
    seen(time=TIME + 30, device_model="iPhone 9", os_version="9.0")
    assert known() == [("user-1", "phone", "ios", "iPhone 15", "17.5")]


def test_the_newest_event_of_a_batch_tells(user: Profile, workspace: Workspace) -> None:
    told: list[tuple[int, dict[str, str]]] = [
        (TIME, {"os_version": "1"}),
        (TIME + 9, {"os_version": "3"}),
        (TIME + 5, {"os_version": "2", "device_model": "Pixel 9"}),
    ]
    events = [NewEvent(SESSION, time, "user-1", device_id="phone", properties=one) for time, one in told]
    append_events(workspace.pk, events, from_outside=True)
    count_received()
    assert known() == [("user-1", "phone", "", "Pixel 9", "3")]


def test_a_late_event_fills_in_what_nobody_told(user: Profile, seen: Callable[..., None]) -> None:
    seen(platform="iOS")
    seen(time=TIME - 60, **{**PHONE, "platform": "web"})
    assert known() == [("user-1", "phone", "ios", "iPhone 15", "17.4")]


def test_a_device_of_two_users_belongs_to_both(user: Profile, workspace: Workspace, seen: Callable[..., None]) -> None:
    Profile.objects.create(workspace=workspace, external_id="user-2")
    seen(**PHONE)
    seen("user-2", os_version="18")
    assert known() == [("user-1", "phone", "ios", "iPhone 15", "17.4"), ("user-2", "phone", "", "", "18")]


def test_the_app_tells_the_platform_if_the_event_does_not(user: Profile, app: App, seen: Callable[..., None]) -> None:
    seen(app_id=str(app.api_id))
    assert known() == [("user-1", "phone", "android", "", "")]
    elsewhere = Workspace.objects.create(name="Other")
    theirs = App.objects.create(workspace=elsewhere, name="Theirs", platform="web")
    for unknown in (str(theirs.api_id), "nonsense"):
        seen(device="tablet", time=TIME + 1, app_id=unknown)
        seen(time=TIME + 1, app_id=unknown)
    assert known() == [("user-1", "phone", "android", "", ""), ("user-1", "tablet", "", "", "")]
    assert Device.objects.get(device_id="phone").app == app


def test_a_device_that_a_push_token_brought_is_the_same(
    user: Profile, app: App, track: Post, seen: Callable[..., None]
) -> None:
    token = {"app_id": str(app.api_id), "token": "abc", "device_id": "phone"}
    track(attributes=[{"external_id": "user-1", "push_tokens": [token]}])
    seen(device_model="Pixel 9", os_version="15")
    assert known() == [("user-1", "phone", "android", "Pixel 9", "15")]
    assert Device.objects.get().app == app


@pytest.mark.parametrize(
    "event_type", ["users.behaviors.Location", "users.messages.pushnotification.Open", "users.behaviors.Uninstall"]
)
def test_every_type_of_event_tells(user: Profile, workspace: Workspace, event_type: str) -> None:
    append_events(workspace.pk, [NewEvent(event_type, TIME, "user-1", device_id="phone")], from_outside=True)
    count_received()
    assert known() == [("user-1", "phone", "", "", "")]


@pytest.mark.parametrize("device", [None, "", "x" * 513])
def test_what_is_no_device_is_stepped_over(user: Profile, seen: Callable[..., None], device: Any) -> None:
    seen(device=device, **PHONE)
    assert known() == []
    assert notes() == 0


def test_what_is_no_fact_is_left_out(user: Profile, seen: Callable[..., None]) -> None:
    seen(platform=["ios"], device_model="x" * 201, os_version=17)
    assert known() == [("user-1", "phone", "", "", "")]


def test_strangers_and_events_from_here_leave_nothing(user: Profile, workspace: Workspace) -> None:
    stranger = NewEvent(SESSION, TIME, "nobody", device_id="phone", properties=PHONE)
    append_events(workspace.pk, [stranger], from_outside=True)
    append_events(workspace.pk, [NewEvent(SESSION, TIME, "user-1", device_id="test-device")])
    count_received()
    assert known() == []


def test_stored_segments_stay_good_while_nothing_new_is_told(user: Profile, seen: Callable[..., None]) -> None:
    seen(**PHONE)
    assert notes() == 1
    seen(time=TIME + 60, **PHONE)
    seen(time=TIME + 90)
    seen(time=TIME + 30, os_version="16")
    assert notes() == 1
    assert known() == [("user-1", "phone", "ios", "iPhone 15", "17.4")]
    seen(time=TIME + 99, os_version="18")
    assert notes() == 2


def test_one_statement_for_however_many(workspace: Workspace) -> None:
    users = Profile.objects.bulk_create(Profile(workspace=workspace, external_id=f"user-{n}") for n in range(30))
    counts = []
    count_received()
    for some in (users[:1], users):
        events = [
            NewEvent("users.behaviors.Location", TIME, one.external_id, device_id=f"{one.pk}-{n}", properties=PHONE)
            for one in some
            for n in range(3)
        ]
        append_events(workspace.pk, events, from_outside=True)
        with CaptureQueriesContext(connection) as queries:
            assert count_received() == len(events)
        counts.append((len(queries), sum("profiles_device" in one["sql"] for one in queries)))
    assert counts[0] == counts[1]
    assert counts[0][1] == 1
    assert Device.objects.count() == 90
    with CaptureQueriesContext(connection) as queries:
        device_facts.log_devices(workspace.pk, [])
    assert not queries.captured_queries


def test_merging_and_deleting_take_devices_along(
    user: Profile, workspace: Workspace, post: Post, seen: Callable[..., None]
) -> None:
    Profile.objects.create(workspace=workspace, external_id="user-2")
    seen(**PHONE)
    names = {"identifier_to_merge": {"external_id": "user-1"}, "identifier_to_keep": {"external_id": "user-2"}}
    assert post("/users/merge", {"merge_updates": [names]}).status_code == 202
    assert known() == [("user-2", "phone", "ios", "iPhone 15", "17.4")]
    post("/users/delete", {"external_ids": ["user-2"]})
    assert known() == []
