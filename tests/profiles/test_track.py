"""POST /users/track, as a client sees it. Braze: Track users, user attributes object, event object, purchase object."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from currents.models import Event
from profiles.models import Alias, CustomAttribute, CustomEvent, IdentityChange, Profile
from tests.profiles.conftest import Post
from workspaces.models import ApiKey, DataPoints, Workspace

pytestmark = pytest.mark.django_db

WHEN = "2024-05-12T18:47:12Z"
EVENT = {"external_id": "user-1", "name": "rented_movie", "time": WHEN}
PURCHASE = {"external_id": "user-1", "product_id": "backpack", "currency": "USD", "price": 12.5, "time": WHEN}


def errors(answer: Any) -> list[tuple[str, int, str]]:
    return [(one["input_array"], one["index"], one["type"]) for one in answer.json()["errors"]]


def payloads(event_type: str) -> list[dict[str, Any]]:
    return [one.payload for one in Event.objects.filter(event_type=event_type).order_by("id")]


def test_it_works(track: Post, workspace: Workspace) -> None:
    answer = track(
        attributes=[{"external_id": "user-1", "first_name": "One", "country": "Japan", "plan": "gold", "visits": 3}],
        events=[{**EVENT, "app_id": "app-1", "properties": {"title": "Rain"}}],
        purchases=[{**PURCHASE, "quantity": 2, "properties": {"color": "red"}}],
    )

    assert answer.status_code == 201
    assert answer.json() == {
        "message": "success",
        "attributes_processed": 1,
        "events_processed": 1,
        "purchases_processed": 1,
    }
    profile = Profile.objects.get(workspace=workspace, external_id="user-1")
    assert (profile.first_name, profile.country) == ("One", "JP")
    assert profile.custom_attributes == {"plan": "gold", "visits": 3}
    assert profile.last_used_at == datetime(2024, 5, 12, 18, 47, 12, tzinfo=UTC)
    assert payloads("users.behaviors.CustomEvent") == [
        {
            "user": {"user_id": profile.braze_id},
            "properties": {"name": "rented_movie", "custom_properties": {"title": "Rain"}, "app_id": "app-1"},
        }
    ]
    purchase = {
        "user": {"user_id": profile.braze_id},
        "properties": {
            "product_id": "backpack",
            "currency": "USD",
            "price": 12.5,
            "purchase_properties": {"color": "red"},
        },
    }
    assert payloads("users.behaviors.Purchase") == [purchase, purchase]
    assert set(Event.objects.values_list("external_user_id", "time")) == {("user-1", 1715539632)}
    assert dict(DataPoints.objects.values_list("source", "count")) == {"attributes": 4, "events": 1, "purchases": 2}
    assert dict(CustomEvent.objects.values_list("name", "count")) == {"rented_movie": 1}
    assert dict(CustomAttribute.objects.values_list("name", "type")) == {"plan": "string", "visits": "number"}
    created = IdentityChange.objects.get()
    assert (created.kind, created.profile_ids) == ("created", [profile.pk])


def test_counts_are_only_of_arrays_that_were_sent(track: Post) -> None:
    assert track(events=[EVENT]).json() == {"message": "success", "events_processed": 1}


def test_a_trailing_slash_is_the_same_address(post: Post) -> None:
    assert post("/users/track/", {"events": [EVENT]}).status_code == 201


@pytest.mark.parametrize("path", ["/users/track", "/users/track/"])
def test_only_post_is_allowed(post: Post, path: str) -> None:
    assert Client().get(path).status_code in (401, 405)


def test_without_a_key_it_is_401() -> None:
    answer = Client().post("/users/track", b"{}", content_type="application/json")
    assert (answer.status_code, answer.json()) == (401, {"message": "Invalid API key"})


def test_a_key_without_the_permission_is_401(workspace: Workspace) -> None:
    _, key = ApiKey.make(workspace=workspace, name="None", permissions=["segments.list"])
    headers = {"Authorization": f"Bearer {key.secret}"}
    answer = Client().post("/users/track", b"{}", content_type="application/json", headers=headers)
    assert answer.status_code == 401
    assert key.secret not in answer.content.decode()


def test_an_invalidated_key_is_401_from_the_next_request_on(workspace: Workspace) -> None:
    row, key = ApiKey.make(workspace=workspace, name="Old", permissions=["users.track"])
    send = {"content_type": "application/json", "headers": {"Authorization": f"Bearer {key.secret}"}}
    assert Client().post("/users/track", orjson.dumps({"events": [EVENT]}), **send).status_code == 201
    row.invalidate()
    assert Client().post("/users/track", orjson.dumps({"events": [EVENT]}), **send).status_code == 401


@pytest.mark.parametrize("body", [{}, {"attributes": []}, {"attributes": [], "events": [], "purchases": []}])
def test_nothing_at_all_is_400(post: Post, body: Any) -> None:
    answer = post("/users/track", body)
    assert answer.status_code == 400
    assert answer.json() == {
        "message": "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
    }


def test_nothing_usable_is_400_with_the_reasons(track: Post) -> None:
    answer = track(attributes=[{"first_name": "One"}])
    assert answer.status_code == 400
    assert answer.json() == {
        "message": "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields.",
        "errors": [
            {
                "type": "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required",
                "input_array": "attributes",
                "index": 0,
            }
        ],
    }
    assert not Profile.objects.exists()


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"{", b'{"attributes": {}}', b'{"events": "none"}'])
def test_a_body_of_another_form_is_400(post: Post, body: bytes) -> None:
    answer = post("/users/track", body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"message"}


@pytest.mark.parametrize("array", ["attributes", "events", "purchases"])
def test_more_than_75_objects_of_a_kind_are_refused_and_none_is_stored(track: Post, array: str) -> None:
    source = {"attributes": {"external_id": "user-1"}, "events": EVENT, "purchases": PURCHASE}[array]
    answer = track(**{array: [source] * 76})
    assert answer.status_code == 400
    assert "75" in answer.json()["message"]
    assert not Profile.objects.exists()


def test_a_bad_object_is_named_and_the_rest_is_used(track: Post) -> None:
    answer = track(
        attributes=[
            {"external_id": "user-1", "first_name": "One"},
            {"external_id": "user-2", "email_subscribe": "perhaps"},
            {"external_id": "user-3", "push_subscribe": 1},
            {"external_id": "user-4", "braze_id": "0" * 24},
            {"external_id": "user-5", "email": "nobody"},
        ],
        events=[EVENT, {**EVENT, "name": ""}, {**EVENT, "time": "yesterday"}, "event"],
        purchases=[
            {**PURCHASE, "quantity": 101},
            {**PURCHASE, "currency": "XXXX"},
            {**PURCHASE, "price": "12"},
            {**PURCHASE, "product_id": None},
        ],
    )
    assert answer.status_code == 201
    assert answer.json()["attributes_processed"] == 1
    assert answer.json()["events_processed"] == 1
    assert answer.json()["purchases_processed"] == 0
    assert errors(answer) == [
        ("attributes", 1, "'email_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'"),
        ("attributes", 2, "'push_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'"),
        ("attributes", 3, "You must specify only one of 'external_id', 'user_alias' or 'braze_id'"),
        ("attributes", 4, "The value provided for the 'email' field is not a valid email."),
        ("events", 1, "'name' is required"),
        ("events", 2, "'time' is not valid"),
        ("events", 3, "must be an object"),
        ("purchases", 0, "'quantity' is not valid"),
        ("purchases", 1, "'currency' is not valid"),
        ("purchases", 2, "'price' is not valid"),
        ("purchases", 3, "'product_id' is required"),
    ]
    assert list(Profile.objects.values_list("external_id", flat=True)) == ["user-1"]


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({"external_id": ""}, "'external_id' must be a non-empty string"),
        ({"external_id": "x" * 513}, "'external_id' must be at most 512 characters"),
        ({"external_id": ["user-1"]}, "'external_id' must be a non-empty string"),
        ({"user_alias": "name"}, "'user_alias' must be an object with 'alias_name' and 'alias_label'"),
        ({"user_alias": {"alias_name": "name"}}, "'alias_label' must be a non-empty string"),
        ({"email": "nobody"}, "The value provided for the 'email' field is not a valid email."),
        ({"phone": "home"}, "The value provided for the 'phone' field is not a valid phone number."),
        (
            {"user_alias": {"alias_name": "名" * 500, "alias_label": "札" * 500}},
            "The alias name and label must be at most 2500 bytes together",
        ),
        ({"external_id": "user-1", "_update_existing_only": "no"}, "'_update_existing_only' must be true or false"),
    ],
)
def test_an_identity_that_cannot_be_used_is_refused(track: Post, identity: Any, message: str) -> None:
    (error,) = errors(track(attributes=[{**identity, "plan": "gold"}]))
    assert error[2] == message


# --- Who is created and who is not ---


def test_update_only_makes_nobody(track: Post) -> None:
    body = {"external_id": "user-1", "_update_existing_only": True, "plan": "gold"}
    assert track(attributes=[body], events=[{**EVENT, "_update_existing_only": True}]).status_code == 201
    assert not Profile.objects.exists()
    assert not Event.objects.exists()
    assert not DataPoints.objects.exists()


def test_an_alias_makes_a_user_only_when_told_to(track: Post) -> None:
    alias = {"alias_name": "device123", "alias_label": "device"}
    track(attributes=[{"user_alias": alias, "plan": "gold"}])
    assert not Profile.objects.exists()

    track(attributes=[{"user_alias": alias, "_update_existing_only": False, "plan": "gold"}])
    profile = Profile.objects.get()
    assert (profile.external_id, profile.custom_attributes) == (None, {"plan": "gold"})
    assert str(Alias.objects.get(profile=profile)) == "device: device123"

    track(
        attributes=[{"user_alias": alias, "plan": "silver"}],
        events=[{**EVENT, "external_id": None, "user_alias": alias}],
    )
    profile.refresh_from_db()
    assert profile.custom_attributes == {"plan": "silver"}
    assert Event.objects.get().external_user_id is None


def test_a_braze_id_finds_a_user_and_never_makes_one(track: Post, workspace: Workspace) -> None:
    known = Profile.objects.create(workspace=workspace, external_id="user-1")
    answer = track(attributes=[{"braze_id": known.braze_id, "plan": "gold"}, {"braze_id": "f" * 24, "plan": "gold"}])
    assert answer.json()["attributes_processed"] == 2
    assert Profile.objects.get().custom_attributes == {"plan": "gold"}


def test_another_workspace_has_its_own_users(track: Post, workspace: Workspace) -> None:
    other = Workspace.objects.create(name="Other")
    stranger = Profile.objects.create(workspace=other, external_id="user-1")
    track(attributes=[{"external_id": "user-1", "plan": "gold"}, {"braze_id": stranger.braze_id, "plan": "gold"}])
    stranger.refresh_from_db()
    assert stranger.custom_attributes == {}
    assert Profile.objects.filter(workspace=workspace).count() == 1


def test_ids_are_drawn_for_new_users_only(track: Post) -> None:
    users = [{"external_id": f"user-{number}", "n": number} for number in range(75)]
    for _ in range(3):
        track(attributes=users)
    last = Profile.objects.latest("id").pk
    track(attributes=[{"external_id": "one-more"}])
    assert Profile.objects.latest("id").pk == last + 1
    assert Profile.objects.count() == 76


def test_the_sequence_of_ids_fits_32_bits_and_never_cycles(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max_value, cycle FROM pg_sequences"
            " WHERE schemaname || '.' || sequencename = pg_get_serial_sequence('profiles_profile', 'id')"
        )
        assert cursor.fetchone() == (2**32 - 1, False)


# --- Cost ---


def full_request(prefix: str, size: int) -> dict[str, Any]:
    users = [f"{prefix}-{number}" for number in range(size)]
    return {
        "attributes": [{"external_id": user, "plan": "gold", f"{prefix}-seen": True} for user in users],
        "events": [{**EVENT, "external_id": user, "name": user} for user in users],
        "purchases": [{**PURCHASE, "external_id": user, "quantity": 3} for user in users],
    }


def statements(track: Post, body: dict[str, Any]) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert track(**body).status_code == 201
    return len(queries)


def test_the_number_of_statements_is_the_same_for_one_user_and_for_75(track: Post) -> None:
    statements(track, full_request("warm", 1))
    one, many = statements(track, full_request("a", 1)), statements(track, full_request("b", 75))
    assert one == many <= 18

    def mixed(prefix: str, new: int, known: int) -> dict[str, Any]:
        body = full_request(prefix, new)
        body["attributes"] += [{"external_id": f"b-{n}", "plan": prefix, "b-seen": True} for n in range(known)]
        return body

    # Known users are locked, and those who change are written.
    assert one + 2 == statements(track, mixed("c", 1, 1)) == statements(track, mixed("d", 40, 35))
    assert statements(track, full_request("b", 75)) < one


def test_new_users_are_written_once_and_known_ones_updated(track: Post) -> None:
    def written(body: dict[str, Any]) -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            assert track(**body).status_code == 201
        words = ("INSERT INTO profiles_profile ", "UPDATE profiles_profile ")
        return [word.strip() for one in queries for word in words if word in one["sql"]]

    assert written(full_request("a", 10)) == ["INSERT INTO profiles_profile"]
    body = full_request("a", 10)
    body["attributes"] = [{**one, "first_name": "One"} for one in body["attributes"]]
    assert written(body) == ["UPDATE profiles_profile"]
    assert written(body) == []


def test_a_new_user_has_all_that_the_request_says(track: Post) -> None:
    """Also where several objects are about one user, and where whether a deed counts is known later only."""
    first = {"external_id": "new", "email": "new@example.com", "email_subscribe": "opted_in", "visits": {"inc": 2}}
    track(
        attributes=[
            first,
            {"external_id": "new", "visits": {"inc": 3}, "email_subscribe": "unsubscribed", "dob": "1990-02-03"},
        ],
        events=[EVENT | {"external_id": "new", "id": "mine"}, {**EVENT, "external_id": "late", "id": "other"}],
        purchases=[{**PURCHASE, "external_id": "new", "time": "2023-01-01T00:00:00Z"}],
    )
    profile = Profile.objects.get(external_id="new")
    assert (profile.custom_attributes, profile.email_subscribe) == ({"visits": 5}, "unsubscribed")
    assert profile.email_unsubscribed_at is not None
    assert profile.email_opted_in_at is None
    assert profile.first_used_at == datetime(2023, 1, 1, tzinfo=UTC)
    assert profile.last_used_at == datetime(2024, 5, 12, 18, 47, 12, tzinfo=UTC)
    assert str(profile.date_of_birth) == "1990-02-03"
    assert 0 <= profile.random_bucket < 10_000
    assert len(profile.braze_id) == 24
    assert Profile.objects.get(external_id="late").last_used_at == profile.last_used_at
    [change] = payloads("users.behaviors.subscription.GlobalStateChange")
    assert change["properties"]["subscription_status"] == "Unsubscribed"


def test_no_statement_is_prepared_under_a_name(track: Post) -> None:
    """A pooler such as PgBouncer hands the connection on to others between transactions."""
    for _ in range(8):
        track(**full_request("a", 3))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone() == (0,)
