"""Requests that are sent again after a time-out: what carries an id of its own is counted once."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from currents.models import Event, ReceivedEventId
from profiles.models import CustomEvent, Profile
from profiles.objects import event_object
from profiles.stores import DailyCount
from profiles.tracking import Batch
from profiles.tracking import track as apply
from tests.profiles.conftest import Post
from tests.profiles.test_track_concurrency import in_threads
from tests.profiles.worlds import alias, event, of_alias, purchase
from workspaces.models import DataPoints, Workspace

ONE = {"external_id": "user-1"}


def counted() -> dict[str, int]:
    return dict(DailyCount.objects.values_list("name", "count"))


@pytest.mark.django_db
def test_it_works(track: Post) -> None:
    body: dict[str, Any] = {
        "attributes": [{**ONE, "plan": "gold"}],
        "events": [event(**ONE, id="e-1"), event(**ONE)],
        "purchases": [purchase(**ONE, id="p-1", quantity=3)],
    }
    first, second = track(**body), track(**body)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json(), "the sender notices no difference"
    assert counted() == {"rented_movie": 3, "backpack": 3}, "only what has no id came twice"
    assert CustomEvent.objects.get().count == 3
    assert Event.objects.count() == Event.objects.values("event_id").distinct().count() == 6
    assert dict(DataPoints.objects.values_list("source", "count")) == {"attributes": 2, "events": 3, "purchases": 3}


@pytest.mark.django_db
def test_a_repeated_event_says_nothing_of_the_last_use(track: Post) -> None:
    track(events=[event(**ONE, id="e-1")])
    track(events=[{**event(**ONE, id="e-1"), "time": "2026-01-01"}])
    assert Profile.objects.get().last_used_at.year == 2024  # type: ignore[union-attr]


@pytest.mark.django_db
def test_twice_in_one_request_is_once(track: Post) -> None:
    answer = track(events=[event(**ONE, id=7), event(**ONE, id="7")])
    assert answer.json()["events_processed"] == 2
    assert counted() == {"rented_movie": 1}


@pytest.mark.django_db
def test_an_id_is_of_one_user_and_one_name(track: Post) -> None:
    others = [event(external_id="user-2", id="1"), event("walked", **ONE, id="1"), event(**of_alias("a"), id="1")]
    track(events=[event(**ONE, id="1"), *others], purchases=[purchase(**ONE, id="1")])
    assert Event.objects.count() == 5
    track(events=others[::-1])
    assert Event.objects.count() == 5


@pytest.mark.django_db
def test_another_workspace_has_ids_of_its_own(track: Post) -> None:
    track(events=[event(**ONE, id="1")])
    apply(Workspace.objects.create(name="Other").pk, Batch(events=[event_object(event(**ONE, id="1"))]))
    assert Event.objects.values("event_id").distinct().count() == 2


@pytest.mark.django_db
def test_what_was_ignored_counts_when_its_user_is_there(track: Post) -> None:
    late = event(user_alias=alias("late"), id="1")
    track(events=[late])
    assert not ReceivedEventId.objects.exists()
    track(events=[event(**of_alias("late"))])
    track(events=[late])
    assert counted() == {"rented_movie": 2}


@pytest.mark.django_db
@pytest.mark.parametrize("bad", [True, 1.5, [], {}, "x" * 201], ids=["true", "float", "array", "object", "long"])
def test_an_id_that_cannot_be_one_is_refused(track: Post, bad: Any) -> None:
    answer = track(events=[event(**ONE, id=bad)])
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["type"] == "'id' must be a string of at most 200 characters"


@pytest.mark.django_db
@pytest.mark.parametrize("none", [None, ""], ids=["null", "empty"])
def test_no_id_is_no_id(track: Post, none: Any) -> None:
    track(events=[event(**ONE, id=none)] * 2)
    assert counted() == {"rented_movie": 2}


@pytest.mark.django_db
def test_the_number_of_statements_does_not_grow(track: Post) -> None:
    def statements(number: int) -> int:
        with CaptureQueriesContext(connection) as queries:
            track(events=[event(external_id=f"user-{number}", id=str(one)) for one in range(number)])
        return len(queries)

    statements(2)
    assert statements(10) == statements(75)


@pytest.mark.django_db(transaction=True)
def test_clients_that_repeat_at_the_same_moment_count_once() -> None:
    workspace = Workspace.objects.create(name="Example")
    events = [event(external_id=f"user-{number % 5}", id=str(number)) for number in range(40)]

    def client(number: int) -> None:
        mine = events[number:] + events[:number]
        apply(workspace.pk, Batch(events=[event_object(one) for one in mine]))

    in_threads(client, 8)
    assert Event.objects.count() == 40
    assert CustomEvent.objects.get().count == 40
