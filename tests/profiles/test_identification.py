"""Whom objects of /users/track are about: email, phone, deprecated ids. Braze: track users."""

import pytest

from profiles.models import Profile
from profiles.names import find_or_create
from profiles.rows import newborn
from tests.profiles.conftest import Post
from tests.profiles.worlds import check_live, event, purchase, user
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


def test_it_works(track: Post, workspace: Workspace) -> None:
    """The documented example: by email address, where nobody has it yet."""
    answer = track(
        attributes=[{"email": "test@example.com", "string_attribute": "fruit", "array_attribute": ["banana", "apple"]}],
        events=[event(email="test@example.com", time="2022-12-06T19:20:45+01:00")],
        purchases=[purchase(email="test@example.com", quantity=6)],
    )
    assert answer.status_code == 201
    assert answer.json() == {
        "message": "success",
        "attributes_processed": 1,
        "events_processed": 1,
        "purchases_processed": 1,
    }
    profile = Profile.objects.get()
    assert (profile.external_id, profile.email) == (None, "test@example.com")
    assert profile.custom_attributes == {"string_attribute": "fruit", "array_attribute": ["banana", "apple"]}
    assert not profile.aliases.exists()
    check_live(workspace)


def test_by_phone_number(track: Post) -> None:
    for _ in range(2):
        track(attributes=[{"phone": "+15043277269", "visits": {"inc": 1}}])
    profile = Profile.objects.get()
    assert (profile.phone, profile.custom_attributes) == ("+15043277269", {"visits": 2})


def test_an_address_goes_before_a_number(track: Post) -> None:
    track(attributes=[{"email": "a@example.com", "phone": "+15043277269", "plan": "gold"}])
    track(attributes=[{"email": "a@example.com", "plan": "silver"}])
    assert Profile.objects.get().custom_attributes == {"plan": "silver"}


def test_beside_another_name_an_address_is_an_attribute(track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "email": "a@example.com"}])
    track(attributes=[{"external_id": "user-2", "email": "a@example.com"}])
    assert Profile.objects.filter(email="a@example.com").count() == 2


def test_of_several_users_an_identified_one_is_meant_and_then_the_last_changed(track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "email": "a@example.com"}])
    track(attributes=[{"external_id": "user-2", "email": "a@example.com"}])
    Profile.objects.filter(external_id="user-2").update(updated_at="2020-01-01T00:00Z")
    Profile.objects.create(workspace=user("user-1").workspace, email="a@example.com")
    track(attributes=[{"email": "a@example.com", "plan": "gold"}])
    assert user("user-1").custom_attributes == {"plan": "gold"}


def test_update_only_makes_nobody(track: Post) -> None:
    assert track(attributes=[{"email": "a@example.com", "_update_existing_only": True}]).status_code == 201
    assert not Profile.objects.exists()


def test_a_deprecated_id_names_its_user(track: Post, post: Post) -> None:
    track(attributes=[{"external_id": "old"}])
    rename = {"current_external_id": "old", "new_external_id": "new"}
    post("/users/external_ids/rename", {"external_id_renames": [rename]})
    track(attributes=[{"external_id": "old", "plan": "gold"}], events=[event(external_id="new")])
    assert user("new").custom_attributes == {"plan": "gold"}
    assert Profile.objects.count() == 1


def test_no_names_no_statements(workspace: Workspace, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert find_or_create(workspace.pk, [], [], lambda one: newborn(one.name)) == ({}, {})


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Eastern Time (US & Canada)", "America/New_York"),
        ("eastern time (us & canada)", "America/New_York"),
        ("Tokyo", "Asia/Tokyo"),
        ("Europe/Berlin", "Europe/Berlin"),
        ("Nowhere", ""),
    ],
)
def test_time_zones_by_the_names_of_rails(track: Post, name: str, zone: str) -> None:
    track(attributes=[{"external_id": "user-1", "time_zone": name}])
    assert user("user-1").time_zone == zone
