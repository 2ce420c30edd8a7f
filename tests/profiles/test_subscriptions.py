"""Subscription groups over REST. Braze: subscription groups endpoints; users/track, "Set subscription groups"."""

from typing import Any

import pytest

from currents.models import Event
from profiles.models import SubscriptionGroup, SubscriptionState
from tests.profiles.conftest import Post
from tests.profiles.worlds import user
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
SET, SET_V2 = "/subscription/status/set", "/v2/subscription/status/set"
GET, USER = "/subscription/status/get", "/subscription/user/status"
NOT_BOTH = "Either an email address or a phone number should be provided, but not both."


@pytest.fixture(autouse=True)
def _users(track: Post) -> None:
    track(
        attributes=[
            {"external_id": "1", "email": "shared@example.com", "phone": "+12223334444"},
            {"external_id": "2", "email": "shared@example.com"},
            {"external_id": "3", "email": "own@example.com", "phone": "+12223334444"},
        ]
    )


def change(group: SubscriptionGroup, state: str, **who: Any) -> dict[str, Any]:
    return {"subscription_group_id": str(group.api_id), "subscription_state": state, **who}


def states(group: SubscriptionGroup) -> dict[str, bool]:
    return dict(SubscriptionState.objects.filter(group=group).values_list("profile__external_id", "is_subscribed"))


def test_it_works(post: Post, get: Post, news: SubscriptionGroup) -> None:
    answer = post(SET, change(news, "unsubscribed", external_id="3"))
    assert (answer.status_code, answer.json()) == (201, {"message": "success"})
    post(SET, change(news, "subscribed", external_id=["2"]))
    query = {"subscription_group_id": str(news.api_id), "external_id[]": ["1", "2", "3", "4"]}
    answer = get(GET, query)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "status": {"1": "Unknown", "2": "Subscribed", "3": "Unsubscribed", "4": "Unknown"},
            "message": "success",
        },
    )


def test_every_user_with_the_address_is_changed(post: Post, get: Post, news: SubscriptionGroup) -> None:
    post(SET, change(news, "subscribed", email="shared@example.com"))
    assert states(news) == {"1": True, "2": True}
    query = {"subscription_group_id": str(news.api_id), "email": "shared@example.com"}
    assert get(GET, query).json()["status"] == {"1": "Subscribed", "2": "Subscribed"}


def test_every_user_with_the_number_is_changed(post: Post, get: Post, texts: SubscriptionGroup) -> None:
    post(SET, change(texts, "subscribed", phone=["+12223334444", "+19999999999"]))
    assert states(texts) == {"1": True, "3": True}
    query = {"subscription_group_id": str(texts.api_id), "phone": "+12223334444"}
    assert get(GET, query).json()["status"] == {"1": "Subscribed", "3": "Subscribed"}


def test_several_groups_at_once(post: Post, news: SubscriptionGroup, texts: SubscriptionGroup) -> None:
    changes = [
        change(news, "subscribed", external_ids=["1", "3"]),
        change(news, "unsubscribed", emails=["own@example.com"]),
        change(texts, "subscribed", external_ids=["1", "3"]),
    ]
    answer = post(SET_V2, {"subscription_groups": changes})
    assert (answer.status_code, answer.json()) == (201, {"message": "success"})
    assert states(news) == {"1": True, "3": False}, "2 shares the address of 1, but was not named by it"
    assert states(texts) == {"1": True, "3": True}


def test_addresses_and_numbers_come_in_requests_of_their_own(
    post: Post, news: SubscriptionGroup, texts: SubscriptionGroup
) -> None:
    changes = [
        change(news, "subscribed", emails=["own@example.com"]),
        change(texts, "subscribed", phones=["+12223334444"]),
    ]
    answer = post(SET_V2, {"subscription_groups": changes})
    assert (answer.status_code, answer.json()) == (400, {"message": NOT_BOTH})
    assert not SubscriptionState.objects.exists()


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
@pytest.mark.parametrize("more", [{}, {"external_id": "1"}], ids=["alone", "beside an id"])
def test_groups_that_send_to_numbers_accept_no_address(
    post: Post, texts: SubscriptionGroup, channel: str, more: dict[str, str]
) -> None:
    SubscriptionGroup.objects.update(channel=channel)
    says = f"'{texts.api_id}' is a subscription group for {channel}, which accepts "
    answer = post(SET, change(texts, "subscribed", email="own@example.com", **more))
    words = says + "'external_id' or 'phone' only: leave out 'email'"
    assert (answer.status_code, answer.json()) == (400, {"message": words})
    several = {f"{name}s": [value] for name, value in {**more, "email": "own@example.com"}.items()}
    answer = post(SET_V2, {"subscription_groups": [change(texts, "subscribed", **several)]})
    words = says + "'external_ids' or 'phones' only: leave out 'emails'"
    assert (answer.status_code, answer.json()) == (400, {"message": words})
    assert not SubscriptionState.objects.exists()
    assert post(SET, change(texts, "subscribed", phone="+12223334444", **more)).status_code == 201


def test_groups_for_email_need_an_id_or_an_address(post: Post, news: SubscriptionGroup) -> None:
    answer = post(SET, change(news, "subscribed", phone="+12223334444"))
    words = f"'{news.api_id}' is a subscription group for email: 'external_id' or 'email' is required"
    assert (answer.status_code, answer.json()) == (400, {"message": words})
    answer = post(SET_V2, {"subscription_groups": [change(news, "subscribed", phones=["+12223334444"])]})
    assert "'external_ids' or 'emails' is required" in answer.json()["message"]
    assert not SubscriptionState.objects.exists()
    assert post(SET, change(news, "subscribed", external_id="2", phone="+12223334444")).status_code == 201


def test_users_are_found_by_the_ids_that_they_had(
    post: Post, get: Post, news: SubscriptionGroup, django_assert_max_num_queries: Any
) -> None:
    renames = [{"current_external_id": one, "new_external_id": f"new-{one}"} for one in ("1", "2", "3")]
    assert post("/users/external_ids/rename", {"external_id_renames": renames}).json()["rename_errors"] == []
    post(SET, change(news, "subscribed", external_id="1"))
    query = {"subscription_group_id": str(news.api_id), "external_id[]": ["1", "new-1", "2", "4"]}
    with django_assert_max_num_queries(8):
        status = get(GET, query).json()["status"]
    assert status == {"1": "Subscribed", "new-1": "Subscribed", "2": "Unknown", "4": "Unknown"}
    with django_assert_max_num_queries(8):
        answer = get(USER, {"external_id[]": ["1", "new-1", "2", "4"]}).json()
    assert [one["external_id"] for one in answer["users"]] == ["new-1", "new-2"]
    assert (answer["total_count"], len(answer["subscription_groups"])) == (2, 1)
    post("/users/external_ids/remove", {"external_ids": ["1"]})
    assert get(GET, {**query, "external_id[]": ["1"]}).json()["status"] == {"1": "Unknown"}
    assert get(USER, {"external_id": "1"}).json()["users"] == []


def test_a_change_is_an_event_once(post: Post, news: SubscriptionGroup) -> None:
    for _ in range(2):
        post(SET, change(news, "unsubscribed", external_id="3"))
    properties = Event.objects.get(event_type="users.behaviors.subscriptiongroup.StateChange").payload["properties"]
    assert properties == {
        "subscription_group_id": str(news.api_id),
        "channel": "email",
        "subscription_status": "Unsubscribed",
        "state_change_source": "REST API",
        "email_address": "own@example.com",
        "channel_identifier": "own@example.com",
    }


def test_by_users_track_those_with_the_same_address_follow(track: Post, news: SubscriptionGroup) -> None:
    answer = track(
        attributes=[
            {"external_id": "new", "email": "shared@example.com", "subscription_groups": [change(news, "subscribed")]},
        ]
    )
    assert answer.status_code == 201
    assert states(news) == {"1": True, "2": True, "new": True}
    track(attributes=[{"external_id": "2", "subscription_groups": [change(news, "unsubscribed")]}])
    assert states(news) == {"1": False, "2": False, "new": False}


def test_an_unknown_group_in_users_track_is_named_and_the_rest_is_used(track: Post, news: SubscriptionGroup) -> None:
    elsewhere = SubscriptionGroup.objects.create(workspace=Workspace.objects.create(name="Other"), name="News")
    answer = track(
        attributes=[
            {"external_id": ""},
            {"external_id": "1", "first_name": "One", "subscription_groups": [change(news, "subscribed")]},
            {
                "external_id": "3",
                "first_name": "Three",
                "subscription_groups": [change(elsewhere, "subscribed"), change(news, "unsubscribed")],
            },
        ]
    )
    assert (answer.status_code, answer.json()["attributes_processed"]) == (201, 2)
    assert answer.json()["errors"][1:] == [
        {
            "type": f"'{elsewhere.api_id}' is no subscription group of this workspace",
            "input_array": "attributes",
            "index": 2,
        }
    ]
    assert user("3").first_name == "Three"
    assert states(news) == {"1": True, "2": True, "3": False}
    assert states(elsewhere) == {}


@pytest.mark.parametrize(
    "value", ["subscribed", [1], [{}], [{"subscription_group_id": "x", "subscription_state": "subscribed"}]]
)
def test_a_bad_value_in_users_track_is_named(track: Post, value: Any) -> None:
    answer = track(attributes=[{"external_id": "1", "subscription_groups": value}, {"external_id": "2"}])
    assert answer.json()["errors"] == [
        {"type": "'subscription_groups' is not valid", "input_array": "attributes", "index": 0}
    ]


def test_the_groups_of_users(post: Post, get: Post, news: SubscriptionGroup, texts: SubscriptionGroup) -> None:
    post(SET, change(news, "subscribed", external_id="3"))
    post(SET, change(texts, "unsubscribed", external_id="3"))
    answer = get(USER, {"external_id": "3"}).json()
    assert answer["success"] is True
    assert answer["subscription_groups"] == [
        {"subscription_group_id": str(news.api_id), "subscription_status": "subscribed"},
        {"subscription_group_id": str(texts.api_id), "subscription_status": "unsubscribed"},
    ]
    assert answer["users"][0]["subscription_groups"][0] == {
        "id": str(news.api_id),
        "name": "News",
        "channel": "email",
        "status": "Subscribed",
    }
    both = get(USER, {"email": "shared@example.com"}).json()
    assert [one["external_id"] for one in both["users"]] == ["1", "2"]
    page = get(USER, {"email": "shared@example.com", "limit": 1, "offset": 1}).json()
    assert ([one["external_id"] for one in page["users"]], page["total_count"]) == (["2"], 2)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "is required"),
        ({"email": "a@example.com", "phone": "+12223334444"}, NOT_BOTH),
        ({"external_id": 7}, "must be a string or an array of strings"),
        ({"external_id": ["1"] * 51}, "may hold at most 50"),
        ({"external_id": "1", "subscription_state": "opted_in"}, "'subscribed' or 'unsubscribed'"),
        ({"external_id": "1", "subscription_group_id": "x"}, "is not the id of a subscription group"),
        (
            {"external_id": "1", "subscription_group_id": "3f2b8a5e-0000-4000-8000-000000000000"},
            "names no subscription",
        ),
    ],
)
def test_setting_refuses(post: Post, news: SubscriptionGroup, more: dict[str, Any], words: str) -> None:
    answer = post(SET, {**change(news, "subscribed"), **more})
    assert answer.status_code == 400
    assert words in answer.json()["message"]
    assert not SubscriptionState.objects.exists()


def test_one_bad_group_and_nothing_is_set(post: Post, news: SubscriptionGroup) -> None:
    good, bad = change(news, "subscribed", external_ids=["1"]), change(news, "perhaps", external_ids=["1"])
    for value in ([good, bad], [good] * 51, [], "x", [1]):
        assert post(SET_V2, {"subscription_groups": value}).status_code == 400
    assert not SubscriptionState.objects.exists()


def test_another_workspace_has_its_own_groups(post: Post, get: Post) -> None:
    theirs = SubscriptionGroup.objects.create(workspace=Workspace.objects.create(name="Other"), name="News")
    assert post(SET, change(theirs, "subscribed", external_id="1")).status_code == 400
    assert get(GET, {"subscription_group_id": str(theirs.api_id), "external_id": "1"}).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"external_id": "a\x00b"},
        {"external_id": [str(one) for one in range(51)]},
        {"email": "a@example.com", "phone": "+12223334444"},
        {"external_id": "1", "limit": "x"},
        {"external_id": "1", "offset": "-1"},
    ],
)
def test_asking_refuses(get: Post, query: dict[str, Any]) -> None:
    assert get(USER, query).status_code == 400


def test_asking_for_no_group_is_refused(get: Post) -> None:
    assert get(GET, {"external_id": "1"}).status_code == 400


def test_users_stay_as_they_are(post: Post, news: SubscriptionGroup) -> None:
    before = user("3").updated_at
    post(SET, change(news, "subscribed", external_id="3"))
    assert user("3").updated_at == before
