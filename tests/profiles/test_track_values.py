"""What becomes of the values that POST /users/track sends. Braze: user attributes object, event object."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from currents.models import Event
from profiles.models import AppUse, CustomEvent, Profile
from tests.profiles.conftest import Post
from tests.profiles.test_track import EVENT, errors
from workspaces.models import App, Workspace

pytestmark = pytest.mark.django_db


def test_every_default_attribute(track: Post) -> None:
    answer = track(
        attributes=[
            {
                "external_id": "user-1",
                "country": "de",
                "date_of_first_session": "2020-01-02",
                "date_of_last_session": "2021-02-03T04:05:06+01:00",
                "dob": "1980-12-21",
                "email": "user-1@example.com",
                "email_subscribe": "opted_in",
                "first_name": "One",
                "gender": "F",
                "home_city": "Berlin",
                "language": "de-AT",
                "last_name": "Example",
                "phone": "+15550100",
                "push_subscribe": "unsubscribed",
                "time_zone": "Europe/Berlin",
                "twitter": {"id": 7},
                "current_location": {"longitude": 13.4, "latitude": 52.5},
            }
        ]
    )
    assert answer.status_code == 201, answer.content
    profile = Profile.objects.get()
    assert {
        name: getattr(profile, name) for name in ("country", "language", "gender", "email", "phone", "home_city")
    } == {
        "country": "DE",
        "language": "de",
        "gender": "F",
        "email": "user-1@example.com",
        "phone": "+15550100",
        "home_city": "Berlin",
    }
    assert (profile.email_subscribe, profile.push_subscribe) == ("opted_in", "unsubscribed")
    assert (profile.date_of_birth, profile.time_zone) == (date(1980, 12, 21), "Europe/Berlin")
    assert profile.first_used_at == datetime(2020, 1, 2, tzinfo=UTC)
    assert profile.last_used_at == datetime(2021, 2, 3, 3, 5, 6, tzinfo=UTC)
    assert profile.other_fields == {"twitter": {"id": 7}, "current_location": {"longitude": 13.4, "latitude": 52.5}}
    assert profile.custom_attributes == {}


@pytest.mark.parametrize(
    ("sent", "column", "stored"),
    [
        ({"country": "Atlantis"}, "country", ""),
        ({"country": "USA"}, "country", "US"),
        ({"country": "Germany"}, "country", "DE"),
        ({"country": None}, "country", ""),
        ({"language": "klingon"}, "language", "fr"),
        ({"language": None}, "language", ""),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "Asia/Tokyo"),
        ({"time_zone": "utc"}, "time_zone", "UTC"),
        ({"gender": "male"}, "gender", "M"),
        ({"first_name": 7}, "first_name", "7"),
        ({"email_subscribe": None}, "email_subscribe", "subscribed"),
        ({"dob": "2024-01-01T23:00:00-05:00"}, "date_of_birth", date(2024, 1, 1)),
        ({"dob": "2024-01-01T01:00:00+09:00"}, "date_of_birth", date(2024, 1, 1)),
    ],
)
def test_default_attributes_are_coerced_as_braze_does(
    track: Post, workspace: Workspace, sent: Any, column: str, stored: str | date
) -> None:
    Profile.objects.create(
        workspace=workspace,
        external_id="user-1",
        country="FR",
        language="fr",
        time_zone="Asia/Tokyo",
        email_subscribe="unsubscribed",
    )
    assert track(attributes=[{"external_id": "user-1", **sent}]).status_code == 201
    assert getattr(Profile.objects.get(), column) == stored


def test_null_removes_a_custom_attribute_and_others_stay(track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "plan": "gold", "visits": 3}])
    track(attributes=[{"external_id": "user-1", "plan": None}])
    assert Profile.objects.get().custom_attributes == {"visits": 3}


def test_later_objects_about_one_user_win(track: Post, workspace: Workspace) -> None:
    profile = Profile.objects.create(workspace=workspace, external_id="user-1")
    track(
        attributes=[
            {"external_id": "user-1", "plan": "gold", "visits": {"inc": 1}},
            {"braze_id": profile.braze_id, "plan": "silver", "visits": {"inc": 2}},
        ]
    )
    profile.refresh_from_db()
    assert profile.custom_attributes == {"plan": "silver", "visits": 3}


def test_texts_of_the_world_are_stored_exactly(track: Post) -> None:
    values = {"emoji": "👩‍👩‍👧‍👦", "right_to_left": "שלום \u202e", "long": "x" * 10_000, "big": 2**53 + 1, "half": 0.1}
    track(attributes=[{"external_id": "ü 1", **values}])
    assert Profile.objects.get(external_id="ü 1").custom_attributes == values


@pytest.mark.parametrize(
    "body", [rb'{"attributes": [{"external_id": "a\u0000"}]}', rb'{"attributes": [{"external_id": "\ud800"}]}']
)
def test_what_cannot_be_stored_is_refused(post: Post, body: bytes) -> None:
    assert post("/users/track", body).status_code == 400
    assert not Profile.objects.exists()


@pytest.mark.parametrize(
    "attribute", [{"$plan": 1}, {"": 1}, {"x" * 256: 1}, {"list": [[1]]}, {"list": [None]}, {"nested": {"a": None}}]
)
def test_a_custom_attribute_that_cannot_be_stored_is_refused(track: Post, attribute: Any) -> None:
    assert track(attributes=[{"external_id": "user-1", **attribute}]).status_code == 400


def test_events_of_the_future_happen_now(track: Post) -> None:
    before = int(datetime.now(UTC).timestamp())
    track(events=[{**EVENT, "time": "2999-01-01T00:00:00Z"}])
    assert before <= Event.objects.get().time <= before + 60


def test_the_same_event_twice_is_two_events(track: Post) -> None:
    track(events=[EVENT, EVENT])
    assert Event.objects.values("event_id").distinct().count() == 2
    assert CustomEvent.objects.get().count == 2


def test_properties_have_limits(track: Post) -> None:
    bad = [{"$a": 1}, {"": 1}, [1], {"a": ["x" * 110_000]}]
    answer = track(events=[{**EVENT, "properties": properties} for properties in bad])
    assert [one[2] for one in errors(answer)] == ["'properties' is not valid"] * 3 + [
        "'properties' must be at most 100 KB"
    ]


@pytest.mark.parametrize("key", ["time", "event_name"])
def test_reserved_property_names_are_refused_in_events_only(track: Post, key: str) -> None:
    answer = track(events=[{**EVENT, "properties": {key: 1}}])
    assert answer.json()["errors"][0]["type"] == f"'properties' may not hold the reserved key '{key}'"
    purchase = {"external_id": "user-1", "product_id": "hat", "currency": "USD", "price": 1, "time": "2024-01-01"}
    assert track(purchases=[{**purchase, "properties": {key: 1}}]).status_code == 201


def test_the_use_of_an_app_is_noted(track: Post, workspace: Workspace) -> None:
    app = App.objects.create(workspace=workspace, name="Web", platform="web")
    track(
        events=[
            {**EVENT, "app_id": str(app.api_id)},
            {**EVENT, "app_id": str(app.api_id).upper(), "time": "2020-01-01"},
        ]
    )
    use = AppUse.objects.get()
    assert (use.app_id, use.first_used_at.year, use.last_used_at.year) == (app.pk, 2020, 2024)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("current_location", {"longitude": -180, "latitude": 90.0, "altitude": 5}, ["x", {}, {"longitude": 1}]),
        ("current_location", {"longitude": 0, "latitude": 0}, [{"longitude": 500, "latitude": 500}]),
        ("current_location", {"longitude": 1, "latitude": 2}, [{"longitude": True, "latitude": "2"}]),
        ("email_open_tracking_disabled", True, ["nope", 1]),
        ("email_click_tracking_disabled", True, ["nope", 0]),
        ("facebook", {"id": "1", "likes": ["a"]}, ["str", 5]),
        ("twitter", {"id": 1}, ["str", ["a"]]),
        ("image_url", "https://example.com/a.png", [5, {}]),
        ("marked_email_as_spam_at", "2024-01-01", [5, "soon"]),
    ],
)
def test_a_field_that_is_only_kept_takes_no_wrong_value(track: Post, name: str, good: Any, bad: list[Any]) -> None:
    assert track(attributes=[{"external_id": "user-1", name: good}]).status_code == 201
    for value in bad:
        answer = track(attributes=[{"external_id": "user-1", name: value}])
        assert (answer.status_code, errors(answer)) == (400, [("attributes", 0, f"'{name}' is not valid")])
    assert Profile.objects.get().other_fields == {name: good}
    track(attributes=[{"external_id": "user-1", name: None}])
    assert Profile.objects.get().other_fields == {}


@pytest.mark.parametrize("name", [" ", "\t\n", "\u3000"])
def test_an_event_is_called_something(track: Post, name: str) -> None:
    answer = track(events=[{**EVENT, "name": name}])
    assert (answer.status_code, errors(answer)) == (400, [("events", 0, "'name' is required")])
