"""A file sets what users chose for subscription groups. Braze: CSV import, updating subscription group status."""

from typing import Any

import pytest
from django.test import Client

from currents.models import Event
from profiles.importing import parts
from profiles.models import CustomAttribute, Profile, SubscriptionGroup, SubscriptionState
from profiles.stores import UserImport
from tests.profiles.conftest import Post
from tests.profiles.importing.conftest import Load, Upload, counts, start
from workspaces.models import DataPoints, Workspace

pytestmark = pytest.mark.django_db
HEADER = "external_id,subscription_group_id,subscription_state\n"


def states(group: SubscriptionGroup) -> dict[str, bool]:
    return dict(SubscriptionState.objects.filter(group=group).values_list("profile__external_id", "is_subscribed"))


def events() -> list[tuple[str | None, dict[str, Any], dict[str, Any]]]:
    """External id, user and properties of each."""
    found = Event.objects.filter(event_type="users.behaviors.subscriptiongroup.StateChange").order_by("id")
    return [(one.external_user_id, one.payload["user"], one.payload["properties"]) for one in found]


def test_it_works(load: Load, track: Post, news: SubscriptionGroup, texts: SubscriptionGroup) -> None:
    track(attributes=[{"external_id": "known"}])
    one = load(
        f"{HEADER}known,{news.api_id},unsubscribed\nnew,{texts.api_id},subscribed\nplain,,\nblank,{news.api_id},\n"
    )
    assert counts(one) == (3, 1, 0, 0)
    assert (states(news), states(texts)) == ({"known": False}, {"new": True})
    assert not CustomAttribute.objects.exists()
    assert not DataPoints.objects.filter(source="imports").exists()


def test_the_events_are_those_of_users_track(
    load: Load, track: Post, news: SubscriptionGroup, texts: SubscriptionGroup
) -> None:
    """A new address and number are told, and a user with the same address follows in a group for email."""
    user = {"external_id": "1", "email": "same@example.com", "phone": "+12223334444", "time_zone": "Asia/Tokyo"}
    group = {"subscription_group_id": str(news.api_id), "subscription_state": "subscribed"}
    text = {"subscription_group_id": str(texts.api_id), "subscription_state": "unsubscribed"}
    track(attributes=[{"external_id": "1"}, {"external_id": "2", "email": "same@example.com"}])
    track(attributes=[{**user, "subscription_groups": [group, text]}])
    by_track = events()
    SubscriptionState.objects.all().delete()
    Event.objects.all().delete()
    Profile.objects.filter(external_id="1").update(email="", phone="", time_zone="")
    header = f"{','.join(user)},subscription_group_id,subscription_state\n"
    row = ",".join(user.values())
    load(f"{header}{row},{news.api_id},subscribed\n{row},{texts.api_id},unsubscribed\n")
    by_import = events()
    assert {one.pop("state_change_source") for *_, one in by_import} == {"CSV import"}
    assert {one.pop("state_change_source") for *_, one in by_track} == {"REST API"}
    assert by_import == by_track
    assert [user.get("timezone") for _, user, _ in by_import] == ["Asia/Tokyo", "Asia/Tokyo", None]
    assert states(news) == {"1": True, "2": True}


def test_a_state_that_a_user_has_is_no_event(load: Load, news: SubscriptionGroup) -> None:
    for _ in range(2):
        load(f"{HEADER}user-1,{news.api_id},subscribed\n")
    assert len(events()) == 1


def test_each_group_has_the_last_state_of_the_file(
    load: Load, news: SubscriptionGroup, texts: SubscriptionGroup
) -> None:
    rows = [(news, "subscribed"), (texts, "subscribed"), (news, "unsubscribed")]
    load(HEADER + "".join(f"user-1,{group.api_id},{state}\n" for group, state in rows))
    assert (states(news), states(texts)) == ({"user-1": False}, {"user-1": True})


def test_groups_are_known_to_every_part_of_the_file(
    load: Load, news: SubscriptionGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "CHUNK_ROWS", 2)
    one = load(HEADER + "".join(f"user-{n},{news.api_id},subscribed\n" for n in range(7)))
    assert counts(one) == (7, 0, 0, 0)
    assert len(states(news)) == 7


def test_a_dry_run_sets_nothing(load: Load, news: SubscriptionGroup) -> None:
    one = load(f"{HEADER}user-1,{news.api_id},subscribed\nuser-2,nonsense,subscribed\n", do="check")
    assert counts(one) == (1, 0, 0, 1)
    assert states(news) == {}


def test_users_who_are_left_out_choose_nothing(load: Load, news: SubscriptionGroup) -> None:
    one = load(f"{HEADER}user-1,{news.api_id},subscribed\n", update_only="1")
    assert counts(one) == (0, 0, 1, 0)
    assert not Profile.objects.exists()


def test_rows_without_such_a_group_or_state_are_refused(load: Load, news: SubscriptionGroup) -> None:
    other = SubscriptionGroup.objects.create(workspace=Workspace.objects.create(name="Other"), name="News")
    one = load(
        f"{HEADER}1,nonsense,subscribed\n2,{other.api_id},subscribed\n3,,unsubscribed\n"
        f"4,{news.api_id},opted_in\n5,{news.api_id},subscribed\n"
    )
    assert counts(one) == (1, 0, 0, 4)
    unknown = "No subscription group of this workspace has this ID."
    assert [
        (row.line, row.column, row.value, row.get_reason_display()) for row in one.refused_rows.order_by("line")
    ] == [
        (2, "subscription_group_id", "nonsense", unknown),
        (3, "subscription_group_id", str(other.api_id), unknown),
        (4, "subscription_group_id", "", unknown),
        (5, "subscription_state", "opted_in", "This is neither subscribed nor unsubscribed."),
    ]
    assert states(news) == {"5": True}


@pytest.mark.parametrize("column", [1, 2])
def test_a_group_needs_two_columns(client: Client, upload: Upload, news: SubscriptionGroup, column: int) -> None:
    upload(f"{HEADER}user-1,{news.api_id},subscribed\n")
    answer = start(client, UserImport.objects.get(), **{f"target_{column}": "ignore"})
    assert answer.status_code == 400
    assert "A subscription group needs two columns" in answer.content.decode()
