"""POST /users/alias/new and /users/alias/update. Braze: create new user alias; update user alias."""

from typing import Any

import pytest

from profiles.models import Alias, Profile
from tests.profiles.conftest import Post
from tests.profiles.worlds import alias, aliases, check_live, last_change, of_alias, user
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
NEW, UPDATE = "/users/alias/new", "/users/alias/update"


def rename(old: str, new: str, label: str = "shop") -> dict[str, str]:
    return {"alias_label": label, "old_alias_name": old, "new_alias_name": new}


def test_it_works(post: Post, track: Post, workspace: Workspace) -> None:
    track(attributes=[{"external_id": "external_identifier"}])
    body = {
        "user_aliases": [
            {"external_id": "external_identifier", "alias_name": "example_name", "alias_label": "example_label"}
        ]
    }
    answer = post(NEW, body)
    assert (answer.status_code, answer.json()) == (201, {"aliases_processed": 1, "message": "success"})
    profile = user("external_identifier")
    assert aliases(profile) == {"example_label: example_name"}
    assert last_change("aliased") == ([profile.pk], None)
    assert post(NEW, body).status_code == 201, "repeating it is harmless"
    assert Profile.objects.count() == 1
    check_live(workspace)


def test_without_an_external_id_a_user_is_made(post: Post, workspace: Workspace) -> None:
    for _ in range(2):
        assert post(NEW, {"user_aliases": [alias("a"), alias("b")]}).json()["aliases_processed"] == 2
    assert Profile.objects.filter(external_id=None).count() == 2
    check_live(workspace)


def test_for_a_user_who_does_not_exist_nothing_is_added(post: Post) -> None:
    assert post(NEW, {"user_aliases": [{**alias("a"), "external_id": "nobody"}]}).status_code == 201
    assert not Alias.objects.exists()
    assert not Profile.objects.exists()


def test_a_user_has_one_alias_for_a_label(post: Post, track: Post) -> None:
    track(attributes=[{"external_id": "user-1"}])
    mine = [
        {**alias(name, label), "external_id": "user-1"} for name, label in [("a", "shop"), ("b", "web"), ("c", "web")]
    ]
    post(NEW, {"user_aliases": mine})
    post(NEW, {"user_aliases": [{**alias("d"), "external_id": "user-1"}]})
    assert aliases(user("user-1")) == {"shop: a", "web: b"}


def test_an_alias_that_somebody_has_stays_theirs(post: Post, track: Post) -> None:
    track(attributes=[{"external_id": "user-1"}, of_alias("a")])
    post(NEW, {"user_aliases": [{**alias("a"), "external_id": "user-1"}]})
    assert aliases(user("user-1")) == set()


def test_an_alias_is_renamed(post: Post, track: Post) -> None:
    track(attributes=[of_alias("example_old_alias_name")])
    answer = post(UPDATE, {"alias_updates": [rename("example_old_alias_name", "example_new_alias_name")]})
    assert (answer.status_code, answer.json()) == (201, {"aliases_processed": 1, "message": "success"})
    assert aliases(Profile.objects.get()) == {"shop: example_new_alias_name"}
    track(attributes=[{"user_alias": alias("example_new_alias_name"), "plan": "gold"}])
    assert Profile.objects.get().custom_attributes == {"plan": "gold"}


def test_what_cannot_be_renamed_stays(post: Post, track: Post) -> None:
    track(attributes=[of_alias("a"), of_alias("b")])
    updates = [rename("a", "b"), rename("nobody", "c"), rename("a", "d", "other")]
    assert post(UPDATE, {"alias_updates": updates}).status_code == 201
    assert set(map(str, Alias.objects.all())) == {"shop: a", "shop: b"}


@pytest.mark.parametrize(("path", "name"), [(NEW, "user_aliases"), (UPDATE, "alias_updates")])
@pytest.mark.parametrize("value", [None, [], {}, "a", [1], [{"alias_label": "shop"}], [{"alias_name": ["a"]}]])
def test_nothing_usable_is_400(post: Post, path: str, name: str, value: Any) -> None:
    answer = post(path, {name: value})
    assert answer.status_code == 400
    assert set(answer.json()) == {"message"}


def test_more_than_50_are_400(post: Post) -> None:
    answer = post(NEW, {"user_aliases": [alias(str(one)) for one in range(51)]})
    assert (answer.status_code, answer.json()) == (
        400,
        {"message": "a single request may not contain more than 50 user aliases"},
    )
    assert not Profile.objects.exists()


def test_a_bad_object_is_named_and_the_rest_is_used(post: Post) -> None:
    answer = post(NEW, {"user_aliases": [alias("a"), {"alias_label": "shop"}, alias("b" * 513)]})
    assert answer.status_code == 201
    assert answer.json() == {
        "aliases_processed": 1,
        "message": "success",
        "errors": [
            {"type": "'alias_name' must be a non-empty string", "input_array": "user_aliases", "index": 1},
            {"type": "'alias_name' must be at most 512 characters", "input_array": "user_aliases", "index": 2},
        ],
    }
