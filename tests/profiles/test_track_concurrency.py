"""Many clients tracking the same users at once: nobody waits for ever, nothing is lost, nobody exists twice."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections

from currents.models import Event
from profiles.live import live_users
from profiles.models import Alias, CustomEvent, Profile
from profiles.objects import attributes_object, event_object
from profiles.sets import ProfileSet
from profiles.tracking import Batch, track
from workspaces.models import DataPoints, Workspace

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS, REQUESTS, USERS = 32, 2, 100


def batch_of(users: list[int]) -> Batch:
    """One increment by external id, one by alias and one event for each of ``users``, in their order."""
    by_id = [{"external_id": f"user-{user}", "visits": {"inc": 1}, f"tag-{user % 5}": True} for user in users]
    by_alias = [
        {
            "user_alias": {"alias_label": "shop", "alias_name": f"shopper-{user}"},
            "_update_existing_only": False,
            "visits": {"inc": 1},
        }
        for user in users
    ]
    events = [
        {"external_id": f"user-{user}", "name": f"event-{user % 3}", "time": "2024-01-01", "app_id": "x"}
        for user in users
    ]
    return Batch([*map(attributes_object, by_id), *map(attributes_object, by_alias)], [*map(event_object, events)])


def in_threads(work: Callable[[int], Any], count: int) -> None:
    def run(number: int) -> None:
        try:
            work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(run, number) for number in range(count)]:
            done.result(timeout=120)


def test_no_increment_is_lost_and_nobody_exists_twice() -> None:
    workspace = Workspace.objects.create(name="Example")

    def client(number: int) -> None:
        chance = random.Random(number)
        for _ in range(REQUESTS):
            users = list(range(USERS))
            chance.shuffle(users)
            track(workspace.pk, batch_of(users))

    in_threads(client, CLIENTS)

    expected = CLIENTS * REQUESTS
    assert Profile.objects.filter(external_id__isnull=False).count() == USERS
    assert Profile.objects.count() == 2 * USERS
    assert Alias.objects.count() == USERS
    assert {one.custom_attributes["visits"] for one in Profile.objects.all()} == {expected}
    assert Event.objects.count() == expected * USERS
    assert sum(CustomEvent.objects.values_list("count", flat=True)) == expected * USERS
    assert DataPoints.objects.get(source="events").count == expected * USERS
    assert live_users(workspace.pk) == ProfileSet(Profile.objects.values_list("pk", flat=True))


def test_a_failure_midway_leaves_nothing_half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace.objects.create(name="Example")

    def break_off(*_: Any) -> None:
        raise RuntimeError("broken off")

    monkeypatch.setattr("profiles.tracking.log_data_points_of", break_off)
    with pytest.raises(RuntimeError):
        track(workspace.pk, batch_of([1, 2, 3]))
    assert not Profile.objects.exists()
    assert not Event.objects.exists()
    assert not CustomEvent.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM profiles_identitychange")
        assert cursor.fetchone() == (0,)
