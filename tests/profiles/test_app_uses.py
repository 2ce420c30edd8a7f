"""Which apps users used: sessions and versions, from events that other systems sent."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from currents.log import NewEvent, append_events
from profiles.app_uses import Use, log_app_uses, move
from profiles.models import AppUse, Profile
from profiles.received import count_received
from profiles.stores import AppVersion
from workspaces.models import App, Workspace

pytestmark = pytest.mark.django_db
FIRST, SECOND, THIRD = (datetime(2024, 5, day, tzinfo=UTC) for day in (1, 2, 3))


@pytest.fixture
def app(workspace: Workspace) -> App:
    return App.objects.create(workspace=workspace, name="Shop", platform="ios")


@pytest.fixture
def use(workspace: Workspace, app: App) -> Callable[..., None]:
    def note(profile: Profile, *uses: tuple[Any, ...]) -> None:
        log_app_uses(workspace.pk, [Use(profile.pk, str(app.api_id), *one) for one in uses])

    return note


@pytest.fixture
def user(workspace: Workspace) -> Profile:
    return Profile.objects.create(workspace=workspace, external_id="user-1")


def told(profile: Profile) -> tuple[Any, ...]:
    one = AppUse.objects.get(profile=profile)
    return one.sessions, one.first_version, one.last_version, one.first_used_at, one.last_used_at


def test_it_works(user: Profile, use: Callable[..., None]) -> None:
    use(user, (SECOND, True, "1.1"), (SECOND, False))
    use(user, (FIRST, True, "1.0"))
    use(user, (THIRD, True, "2.0"), (FIRST, True, "0.9"))
    assert told(user) == (4, "1.0", "2.0", FIRST, THIRD)
    assert sorted(AppVersion.objects.values_list("version", flat=True)) == ["0.9", "1.0", "1.1", "2.0"]


def test_a_use_without_a_version_keeps_what_was_told(user: Profile, use: Callable[..., None]) -> None:
    use(user, (FIRST, True))
    assert told(user) == (1, "", "", FIRST, FIRST)
    use(user, (SECOND, True, "1.0"))
    use(user, (THIRD, True), (THIRD, True, "x" * 101))
    assert told(user) == (4, "1.0", "1.0", FIRST, THIRD)


def test_versions_of_one_moment(user: Profile, use: Callable[..., None]) -> None:
    use(user, (FIRST, True, "1.0"))
    use(user, (FIRST, True, "2.0"))
    assert told(user)[1:3] == ("1.0", "2.0")


def test_an_unknown_app_is_ignored(user: Profile, workspace: Workspace) -> None:
    theirs = App.objects.create(workspace=Workspace.objects.create(name="Other"), name="Theirs", platform="web")
    log_app_uses(workspace.pk, [Use(user.pk, one, FIRST, True, "1.0") for one in ("nonsense", str(theirs.api_id))])
    assert not AppUse.objects.exists()
    assert not AppVersion.objects.exists()


def test_a_merge_adds_up(workspace: Workspace, user: Profile, use: Callable[..., None]) -> None:
    stays = Profile.objects.create(workspace=workspace)
    use(user, (FIRST, True, "1.0"), (THIRD, True))
    use(stays, (SECOND, True, "2.0"))
    move([user.pk], [stays.pk])
    assert told(stays) == (3, "1.0", "2.0", FIRST, THIRD)


def test_a_merge_into_one_who_never_used_it(workspace: Workspace, user: Profile, use: Callable[..., None]) -> None:
    stays = Profile.objects.create(workspace=workspace)
    use(user, (FIRST, True, "1.0"), (SECOND, False, "2.0"))
    move([user.pk], [stays.pk])
    assert told(stays) == (1, "1.0", "2.0", FIRST, SECOND)


@pytest.mark.django_db(transaction=True)
def test_events_of_other_systems_tell_of_apps(workspace: Workspace, user: Profile, app: App) -> None:
    properties = {"app_id": str(app.api_id), "app_version": "3.2"}
    events = [
        NewEvent("users.behaviors.app.SessionStart", int(FIRST.timestamp()), "user-1", properties=properties),
        NewEvent(
            "users.behaviors.CustomEvent",
            int(SECOND.timestamp()),
            "user-1",
            properties={"name": "song", "app_id": str(app.api_id), "app_version": 5},
        ),
    ]
    append_events(workspace.pk, events, from_outside=True)
    count_received()
    assert told(user) == (1, "3.2", "3.2", FIRST, SECOND)
