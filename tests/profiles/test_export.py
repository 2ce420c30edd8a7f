"""POST /users/export/ids. Braze: export user profile by identifier."""

from datetime import UTC, datetime
from typing import Any

import pytest

from profiles.engagement import Source, Touch, record
from profiles.exporting import FIELDS
from profiles.models import PushToken
from tests.profiles.conftest import Post
from tests.profiles.worlds import WHEN, alias, event, of_alias, purchase, user
from workspaces.models import App, Workspace

pytestmark = pytest.mark.django_db
PATH = "/users/export/ids"
#: Attributes that are exported as they came.
KNOWN = {
    "first_name": "One",
    "last_name": "Name",
    "email": "one@example.com",
    "phone": "+15043277269",
    "dob": "1988-02-14",
    "country": "JP",
    "language": "ja",
    "home_city": "東京",
    "gender": "F",
    "time_zone": "Asia/Tokyo",
}


def test_it_works(post: Post, track: Post, workspace: Workspace) -> None:
    app = App.objects.create(workspace=workspace, name="Shop", platform="ios")
    track(
        attributes=[
            {
                "external_id": "user-1",
                **KNOWN,
                "current_location": {"longitude": 139.7, "latitude": 35.7},
                "plan": "gold",
                "push_tokens": [{"app_id": str(app.api_id), "token": "abcd", "device_id": "device-1"}],
            }
        ],
        events=[event(external_id="user-1", app_id=str(app.api_id)), event(external_id="user-1", time="2024-01-01")],
        purchases=[
            purchase(external_id="user-1", quantity=2),
            purchase(external_id="user-1", currency="EUR", price=0.1),
        ],
    )
    post("/users/alias/new", {"user_aliases": [{**alias("a"), "external_id": "user-1"}]})
    profile = user("user-1")
    answer = post(PATH, {"external_ids": ["user-1", "nobody"]})
    assert answer.status_code == 201
    (found,) = answer.json()["users"]
    created, bucket = found.pop("created_at"), found.pop("random_bucket")
    assert created.endswith("Z")
    assert bucket == profile.random_bucket
    assert answer.json()["invalid_user_ids"] == ["nobody"]
    when = WHEN.replace("Z", ".000Z")
    assert found == {
        "external_id": "user-1",
        "braze_id": profile.braze_id,
        **KNOWN,
        "last_coordinates": [139.7, 35.7],
        "push_subscribe": "subscribed",
        "email_subscribe": "subscribed",
        "custom_attributes": {"plan": "gold"},
        "user_aliases": [{"alias_name": "a", "alias_label": "shop"}],
        "apps": [{"name": "Shop", "platform": "iOS", "first_used": when, "last_used": when}],
        "devices": [{"device_id": "device-1"}],
        "push_tokens": [
            {
                "app": "Shop",
                "platform": "iOS",
                "token": "abcd",
                "device_id": "device-1",
                "notifications_enabled": True,
                "provisionally_opted_in": False,
            }
        ],
        "custom_events": [{"name": "rented_movie", "first": "2024-01-01T00:00:00.000Z", "last": when, "count": 2}],
        "purchases": [{"name": "backpack", "first": when, "last": when, "count": 3}],
        "total_revenue": 25.1,
    }


@pytest.mark.parametrize(
    "names",
    [
        {"user_aliases": [alias("a")]},
        {"braze_id": None},
        {"email_address": "one@example.com"},
        {"phone": "15043277269"},
        {"phone": "+15043277269"},
        {"device_id": "device-1"},
    ],
)
def test_by_every_kind_of_name(post: Post, track: Post, workspace: Workspace, names: dict[str, Any]) -> None:
    app = App.objects.create(workspace=workspace, name="Shop", platform="ios")
    token = {"app_id": str(app.api_id), "token": "abcd", "device_id": "device-1"}
    track(
        attributes=[
            {**of_alias("a"), "email": "one@example.com", "phone": "+15043277269", "push_tokens": [token]},
            {"external_id": "user-2"},
        ]
    )
    wanted = user_of_alias().braze_id
    body = {**names, "fields_to_export": ["braze_id", "email", "no_such_field"]}
    if "braze_id" in body:
        body["braze_id"] = wanted
    assert post(PATH, body).json() == {
        "message": "success",
        "users": [{"braze_id": wanted, "email": "one@example.com"}],
    }


def user_of_alias() -> Any:
    from profiles.models import Alias

    return Alias.objects.get().profile


def test_nobody(post: Post) -> None:
    answer = post(PATH, {"external_ids": ["a"], "user_aliases": [alias("b")], "email_address": "c@example.com"})
    assert answer.json() == {"message": "success", "users": [], "invalid_user_ids": ["a", "b", "c@example.com"]}


def test_campaigns_and_canvases(post: Post, track: Post, workspace: Workspace) -> None:
    track(attributes=[{"external_id": f"user-{number}"} for number in (1, 2)])
    campaign = Source("campaign", "c-1")
    canvas = Source("canvas", "v-1")
    variant, variation, step = (
        Source("variant", "a", campaign),
        Source("variation", "b", canvas),
        Source("step", "s", canvas),
    )
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    one, other = user("user-1").pk, user("user-2").pk
    record(
        workspace.pk,
        [
            Touch(one, "received", "email", early, campaign, "Spring", {variant: "Variant A"}),
            Touch(one, "received", "push", late, campaign, "Spring"),
            Touch(one, "machine", "email", late, campaign, "Spring"),
            Touch(one, "clicked", "push", late, campaign, "Spring", {Source("link", "top", campaign): ""}),
            Touch(one, "converted", "", late, campaign, "Spring"),
            Touch(one, "entered", "", early, canvas, "Welcome", {variation: "Variant 1"}),
            Touch(one, "received", "sms", late, canvas, "Welcome", {step: "Hello"}),
            Touch(one, "received", "email", late),
            Touch(other, "control", "", early, campaign, "Spring"),
            Touch(other, "opened", "email", late, canvas, "Welcome"),
        ],
    )
    fields = ["external_id", "campaigns_received", "canvases_received"]
    found = post(PATH, {"external_ids": ["user-1", "user-2"], "fields_to_export": fields}).json()["users"]
    first, last = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"
    assert found == [
        {
            "external_id": "user-1",
            "campaigns_received": [
                {
                    "name": "Spring",
                    "api_campaign_id": "c-1",
                    "last_received": last,
                    "engaged": {"opened_email": True},
                    "converted": True,
                    "in_control": False,
                    "variation_name": "Variant A",
                    "variation_api_id": "a",
                }
            ],
            "canvases_received": [
                {
                    "name": "Welcome",
                    "api_canvas_id": "v-1",
                    "last_received_message": last,
                    "last_entered": first,
                    "variation_name": "Variant 1",
                    "in_control": False,
                    "steps_received": [{"name": "Hello", "api_canvas_step_id": "s", "last_received": last}],
                }
            ],
        },
        {
            "external_id": "user-2",
            "campaigns_received": [
                {"name": "Spring", "api_campaign_id": "c-1", "engaged": {}, "converted": False, "in_control": True}
            ],
        },
    ]


def test_push_tokens_tell_what_becomes_of_messages(post: Post, track: Post, workspace: Workspace) -> None:
    """What is sent to a token may be shown, shown silently (which iOS alone knows), or not at all."""
    for number, platform in enumerate(("ios", "android", "web")):
        app = App.objects.create(workspace=workspace, name=platform, platform=platform)
        token = {"app_id": str(app.api_id), "token": platform, "device_id": "device"}
        track(attributes=[{"external_id": "user-1", "push_tokens": [token]}])
        PushToken.objects.filter(app=app).update(is_foreground=number != 0, is_provisional=number == 0)
    found = post(PATH, {"external_ids": ["user-1"], "fields_to_export": ["push_tokens"]}).json()["users"][0]
    told = {"notifications_enabled", "provisionally_opted_in"}
    assert {one["token"]: {name: one[name] for name in told & one.keys()} for one in found["push_tokens"]} == {
        "ios": {"notifications_enabled": False, "provisionally_opted_in": True},
        "android": {"notifications_enabled": True},
        "web": {"notifications_enabled": True},
    }


@pytest.mark.parametrize("fields", [["email"], list(FIELDS)])
def test_the_number_of_statements_does_not_grow(
    post: Post, track: Post, fields: list[str], django_assert_max_num_queries: Any
) -> None:
    track(attributes=[{"external_id": f"user-{one}", "email": "a@example.com"} for one in range(50)])
    with django_assert_max_num_queries(15) as one:
        post(PATH, {"external_ids": ["user-0"], "fields_to_export": fields})
    with django_assert_max_num_queries(15) as many:
        found = post(PATH, {"external_ids": [f"user-{one}" for one in range(50)], "fields_to_export": fields})
    assert len(found.json()["users"]) == 50
    assert len(one) == len(many)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "is required"),
        ({"external_ids": []}, "is required"),
        ({"external_ids": "a"}, "must be an array"),
        ({"external_ids": [1.5]}, "must be a non-empty string"),
        ({"external_ids": ["a"] * 51}, "The max number of external_ids and aliases per request was exceeded"),
        ({"external_ids": ["a"] * 26, "user_aliases": [alias("a")] * 25}, "The max number of external_ids and aliases"),
        ({"external_ids": ["a"], "fields_to_export": "email"}, "'fields_to_export' must be an array"),
        ({"device_id": ["a"]}, "'device_id' must be a non-empty string"),
    ],
)
def test_what_cannot_be_used_is_400(post: Post, body: dict[str, Any], words: str) -> None:
    answer = post(PATH, body)
    assert answer.status_code == 400
    assert words in answer.json()["message"]
