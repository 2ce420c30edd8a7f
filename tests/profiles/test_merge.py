"""POST /users/merge. Braze: merge users, "Merge behavior"."""

from datetime import UTC, datetime
from typing import Any

import pytest

from profiles.counters import habits
from profiles.models import AppUse, Device, Profile, SubscriptionGroup, SubscriptionState
from tests.profiles.conftest import Post
from tests.profiles.worlds import alias, aliases, check_live, event, last_change, of_alias, purchase, user
from workspaces.models import App, Workspace

pytestmark = pytest.mark.django_db
PATH = "/users/merge"
TYPES = (
    "identifiers must be objects with an 'external_id' property that is a string, 'user_alias' property that is an "
    "object, 'email' property that is a string, or 'phone' property that is a string"
)


def pair(goes: Any, stays: Any) -> dict[str, Any]:
    return {"identifier_to_merge": goes, "identifier_to_keep": stays}


def by_id(goes: str, stays: str) -> dict[str, Any]:
    return pair({"external_id": goes}, {"external_id": stays})


def test_it_works(post: Post, track: Post, workspace: Workspace) -> None:
    """The documented example: by external id, and by alias."""
    track(
        attributes=[
            {"external_id": "old-user1", "first_name": "Old", "country": "JP", "plan": "silver", "visits": 3},
            {"external_id": "current-user1", "first_name": "Current", "plan": "gold"},
            {**of_alias("old-user2@example.com", "email"), "home_city": "Berlin"},
            of_alias("current-user2@example.com", "email"),
        ]
    )
    gone, kept = user("old-user1"), user("current-user1")
    old, new = ({"user_alias": alias(f"{one}-user2@example.com", "email")} for one in ("old", "current"))
    answer = post(PATH, {"merge_updates": [by_id("old-user1", "current-user1"), pair(old, new)]})
    assert (answer.status_code, answer.json()) == (202, {"message": "success"})
    kept.refresh_from_db()
    assert (kept.first_name, kept.country) == ("Current", "JP")
    assert kept.custom_attributes == {"plan": "gold", "visits": 3}
    assert not Profile.objects.filter(pk=gone.pk).exists()
    other = Profile.objects.get(external_id=None)
    assert (other.home_city, aliases(other)) == ("Berlin", {"email: current-user2@example.com"})
    losers, survivors = last_change("merged")
    assert dict(zip(losers, survivors or [], strict=True))[gone.pk] == kept.pk
    check_live(workspace)


def test_everything_that_belongs_to_the_user_moves(post: Post, track: Post, workspace: Workspace) -> None:
    app = App.objects.create(workspace=workspace, name="Shop", platform="ios")
    news, offers = (SubscriptionGroup.objects.create(workspace=workspace, name=name) for name in ("News", "Offers"))

    def states(*chosen: tuple[SubscriptionGroup, str]) -> list[dict[str, str]]:
        return [{"subscription_group_id": str(one.api_id), "subscription_state": state} for one, state in chosen]

    token = {"app_id": str(app.api_id), "token": "t1", "device_id": "d1"}
    track(
        attributes=[
            {
                "external_id": "goes",
                "email": "goes@example.com",
                "email_subscribe": "unsubscribed",
                "push_tokens": [token],
                "subscription_groups": states((news, "unsubscribed"), (offers, "subscribed")),
            },
            {"external_id": "stays", "subscription_groups": states((news, "subscribed"))},
        ],
        events=[
            event(external_id="goes", time="2024-01-01", app_id=str(app.api_id)),
            event(external_id="stays", time="2024-02-01"),
        ],
        purchases=[purchase(external_id="goes", quantity=2)],
    )
    post("/users/alias/new", {"user_aliases": [{**alias("a"), "external_id": "goes"}]})
    post(PATH, {"merge_updates": [by_id("goes", "stays")]})

    profile = user("stays")
    assert (profile.email, profile.email_subscribe) == ("goes@example.com", "unsubscribed")
    assert profile.first_used_at == datetime(2024, 1, 1, tzinfo=UTC)
    assert aliases(profile) == {"shop: a"}
    assert [(one.kind, one.count) for one in habits([profile.pk])[profile.pk]] == [("event", 2), ("purchase", 2)]
    assert AppUse.objects.get().profile == profile
    assert Device.objects.get().profile == profile
    assert profile.push_tokens.get().token == "t1"
    chosen = SubscriptionState.objects.filter(profile=profile).values_list("group__name", "is_subscribed")
    assert dict(chosen) == {"News": True, "Offers": True}
    assert SubscriptionState.objects.count() == 2


def test_a_chain_ends_in_one_user(post: Post, track: Post, workspace: Workspace) -> None:
    track(attributes=[{"external_id": name, name: True} for name in ("a", "b", "c", "d")])
    post(PATH, {"merge_updates": [by_id("a", "b"), by_id("b", "c"), by_id("a", "d"), by_id("d", "d")]})
    assert user("d").custom_attributes == {"a": True, "b": True, "c": True, "d": True}
    assert Profile.objects.count() == 1
    assert last_change("merged")[1] == [user("d").pk] * 3
    check_live(workspace)


def test_the_survivor_keeps_its_alias_of_a_label(post: Post, track: Post) -> None:
    track(attributes=[of_alias("a"), of_alias("b")])
    post(PATH, {"merge_updates": [pair({"user_alias": alias("a")}, {"user_alias": alias("b")})]})
    assert aliases(Profile.objects.get()) == {"shop: b"}


def test_by_email_address(post: Post, track: Post) -> None:
    track(attributes=[{"email": "a@example.com", "x": 1}, {"external_id": "user-1", "email": "a@example.com", "y": 2}])
    goes = {"email": "a@example.com", "prioritization": ["unidentified", "most_recently_updated"]}
    stays = {"email": "a@example.com", "prioritization": ["identified", "most_recently_updated"]}
    Profile.objects.create(workspace=user("user-1").workspace, email="a@example.com", updated_at="2020-01-01T00:00Z")
    post(PATH, {"merge_updates": [pair({**goes, "prioritization": ["unidentified"]}, stays)]})
    assert Profile.objects.count() == 3, "two are meant, so none is merged"
    post(PATH, {"merge_updates": [pair(goes, stays)]})
    assert Profile.objects.count() == 2


def test_users_who_do_not_exist_are_passed_over(post: Post, track: Post) -> None:
    track(attributes=[{"external_id": "user-1"}])
    assert post(PATH, {"merge_updates": [by_id("nobody", "user-1"), by_id("user-1", "nobody")]}).status_code == 202
    assert post(PATH, {"merge_updates": []}).status_code == 202
    assert user("user-1")


@pytest.mark.parametrize(
    ("updates", "message"),
    [
        (None, "'merge_updates' must be an array of objects"),
        ({}, "'merge_updates' must be an array of objects"),
        (["a"], "'merge_updates' must be an array of objects"),
        ([by_id("a", "b")] * 51, "a single request may not contain more than 50 merge updates"),
        ([{"identifier_to_merge": {"external_id": "a"}}], "'merge_updates' must only have 'identifier_to_merge' and"),
        ([{**by_id("a", "b"), "more": 1}], "'merge_updates' must only have 'identifier_to_merge' and"),
        ([pair({}, {"external_id": "a"})], TYPES),
        ([pair("a", {"external_id": "a"})], TYPES),
        ([by_id("a", 7)], TYPES),  # type: ignore[arg-type]
        ([pair({"user_alias": "a"}, {"external_id": "a"})], TYPES),
        ([pair({"email": "a@example.com"}, {"external_id": "a"})], "'prioritization' must be an array"),
        ([pair({"user_alias": {}}, {"external_id": "a"})], "'alias_name' must be a non-empty string"),
    ],
)
def test_documented_errors(post: Post, track: Post, updates: Any, message: str) -> None:
    track(attributes=[{"external_id": "a"}, {"external_id": "b"}])
    answer = post(PATH, {"merge_updates": updates})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(message)
    assert Profile.objects.count() == 2


def test_the_number_of_statements_does_not_grow(post: Post, track: Post, django_assert_max_num_queries: Any) -> None:
    track(attributes=[{"external_id": f"{side}{one}", side: one} for side in "ab" for one in range(37)])
    with django_assert_max_num_queries(50) as one:
        post(PATH, {"merge_updates": [by_id("a0", "b0")]})
    with django_assert_max_num_queries(50) as many:
        post(PATH, {"merge_updates": [by_id(f"a{one}", f"b{one}") for one in range(1, 37)]})
    assert len(one) == len(many)
    assert Profile.objects.count() == 37
