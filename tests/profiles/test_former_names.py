"""Events that were accepted under a name that its user lost before they were counted."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from currents.log import NewEvent, append_events
from profiles.former_names import forget_former_names
from profiles.message_stores import DailyEngagement
from profiles.models import Profile
from profiles.received import count_received
from profiles.stores import DailyCount, FormerName
from tests.profiles.conftest import Post
from tests.transactions import held_open
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)
TIME = 1_714_560_000


@pytest.fixture(autouse=True)
def users(workspace: Workspace, track: Post) -> None:
    track(attributes=[{"external_id": f"Q{n}", "country": "JP"} for n in range(1, 5)])


def send(post: Post, **user: str) -> None:
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("users.behaviors.app.SessionStart", {}),
        ("users.messages.email.Send", {"campaign_id": "c-1", "campaign_name": "Spring"}),
    ]
    events = [
        {"event_type": kind, "id": f"{user}-{kind}-{timezone.now()}", "time": TIME, "user": user, "properties": told}
        for kind, told in kinds
    ]
    assert post("/currents/events", {"events": events}).status_code == 200


def merge(post: Post, *pairs: tuple[str, str]) -> None:
    updates = [
        {"identifier_to_merge": {"external_id": goes}, "identifier_to_keep": {"external_id": stays}}
        for goes, stays in pairs
    ]
    assert post("/users/merge", {"merge_updates": updates}).status_code == 202


def rename(post: Post, current: str, new: str) -> None:
    body = {"external_id_renames": [{"current_external_id": current, "new_external_id": new}]}
    assert post("/users/external_ids/rename", body).json()["rename_errors"] == []


def remove(post: Post, name: str) -> None:
    assert post("/users/external_ids/remove", {"external_ids": [name]}).json()["removal_errors"] == []


def counted() -> dict[str, tuple[int, int]]:
    """By external id: sessions and messages received."""
    found: dict[str, tuple[int, int]] = {}
    for one in Profile.objects.all():
        sessions = sum(DailyCount.objects.filter(profile=one, kind="session").values_list("count", flat=True))
        messages = sum(DailyEngagement.objects.filter(profile=one).values_list("count", flat=True))
        if sessions or messages:
            found[one.external_id or ""] = (sessions, messages)
    return found


def test_a_merge_takes_along_what_was_accepted_before(post: Post) -> None:
    braze_id = Profile.objects.get(external_id="Q2").braze_id
    send(post, external_user_id="Q2")
    send(post, user_id=braze_id)
    merge(post, ("Q2", "Q3"))
    count_received()
    assert counted() == {"Q3": (2, 2)}


def test_a_chain_of_merges(post: Post) -> None:
    send(post, external_user_id="Q1")
    merge(post, ("Q1", "Q2"))
    merge(post, ("Q2", "Q3"), ("Q3", "Q4"))
    count_received()
    assert counted() == {"Q4": (1, 1)}


def test_a_merge_in_a_chain_with_renamed_names(post: Post) -> None:
    send(post, external_user_id="Q1")
    rename(post, "Q1", "R1")
    merge(post, ("R1", "Q2"))
    count_received()
    assert counted() == {"Q2": (1, 1)}


@pytest.mark.parametrize(("behavior", "whose"), [("merge", {"Q1": (1, 1)}), ("none", {})], ids=["merge", "none"])
def test_an_alias_only_profile_that_is_identified(post: Post, track: Post, behavior: str, whose: Any) -> None:
    alias = {"alias_name": "one", "alias_label": "shop"}
    track(attributes=[{"user_alias": alias, "_update_existing_only": False, "country": "JP"}])
    send(post, user_id=Profile.objects.get(external_id=None).braze_id)
    body = {"aliases_to_identify": [{"external_id": "Q1", "user_alias": alias}], "merge_behavior": behavior}
    assert post("/users/identify", body).status_code < 300
    count_received()
    assert counted() == whose


def test_a_renamed_user_also_after_the_old_name_is_removed(post: Post) -> None:
    send(post, external_user_id="Q1")
    rename(post, "Q1", "R1")
    send(post, external_user_id="Q1")
    remove(post, "Q1")
    send(post, external_user_id="Q1")
    count_received()
    assert counted() == {"R1": (2, 2)}, "what came in after the name was removed is nobody's"


def test_a_name_that_somebody_has_by_now_is_theirs(post: Post, track: Post) -> None:
    send(post, external_user_id="Q1")
    merge(post, ("Q1", "Q2"))
    track(attributes=[{"external_id": "Q1", "country": "DE"}])
    count_received()
    assert counted() == {"Q1": (1, 1)}


def test_of_several_who_had_a_name_one_is_meant(post: Post, track: Post) -> None:
    send(post, external_user_id="Q1")
    merge(post, ("Q1", "Q2"))
    track(attributes=[{"external_id": "Q1", "country": "DE"}])
    send(post, external_user_id="Q1")
    send(post, external_user_id="Q1")
    merge(post, ("Q1", "Q3"))
    count_received()
    assert counted() == {"Q2": (1, 1), "Q3": (2, 2)}


def test_a_name_goes_with_its_user(post: Post) -> None:
    send(post, external_user_id="Q1")
    merge(post, ("Q1", "Q2"))
    assert FormerName.objects.count() == 2
    post("/users/delete", {"external_ids": ["Q2"]})
    assert not FormerName.objects.exists()
    count_received()
    assert counted() == {}


def test_another_workspace_has_names_of_its_own(post: Post) -> None:
    other = Workspace.objects.create(name="Other")
    append_events(other.pk, [NewEvent("users.behaviors.app.SessionStart", TIME, "Q1")], from_outside=True)
    merge(post, ("Q1", "Q2"))
    count_received()
    assert counted() == {}


def test_an_open_transaction_holds_back_and_loses_nothing(post: Post, workspace: Workspace) -> None:
    with held_open(lambda: Workspace.objects.create(name="Slow")):
        send(post, external_user_id="Q1")
        merge(post, ("Q1", "Q2"))
        assert count_received() == 0
        merge(post, ("Q2", "Q3"))
    assert count_received() == 2
    assert counted() == {"Q3": (1, 1)}


def test_a_merge_under_way_is_waited_for(post: Post, workspace: Workspace) -> None:
    """The reader finds the user, waits for the lock, and finds that they went: it looks again."""
    from profiles.identities import Identity
    from profiles.merging import merge as merge_users

    send(post, external_user_id="Q1")
    pair = (Identity("external_id", "Q1"), Identity("external_id", "Q2"))

    def read() -> None:
        count_received()
        connection.close()

    reader = threading.Thread(target=read)
    with held_open(lambda: merge_users(workspace.pk, [pair])):
        reader.start()
        deadline, waits = time.monotonic() + 20, 0
        while not waits and time.monotonic() < deadline:
            time.sleep(0.01)
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                [waits] = cursor.fetchone()
    reader.join()
    assert waits
    assert counted() == {"Q2": (1, 1)}


def test_only_names_that_nobody_has_cost_a_statement(post: Post) -> None:
    merge(post, ("Q1", "Q2"))
    count_received()
    asked = []
    for names in (["Q2", "Q3"], ["Q2", "Q1", "nobody"], ["Q3", "Q1", "nobody", "neither"]):
        for name in names:
            send(post, external_user_id=name)
        with CaptureQueriesContext(connection) as queries:
            count_received()
        asked.append(sum("profiles_formername" in one["sql"] for one in queries))
    assert asked == [0, 1, 1]


def test_they_are_forgotten_when_no_event_is_kept_so_long(post: Post, settings: Any) -> None:
    merge(post, ("Q1", "Q2"))
    assert forget_former_names() == 0
    FormerName.objects.filter(kind="braze_id").update(
        made_at=timezone.now() - timedelta(days=settings.EVENT_RETENTION_DAYS, minutes=1)
    )
    assert forget_former_names() == 1
    assert FormerName.objects.get().name == "Q1"
