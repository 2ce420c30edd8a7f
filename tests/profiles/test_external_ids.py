"""POST /users/external_ids/rename and /remove. Braze: external ID migration."""

from typing import Any

import pytest

from profiles.models import DeprecatedId, Profile
from tests.profiles.conftest import Post
from tests.profiles.worlds import check_live, last_change, user
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
RENAME, REMOVE = "/users/external_ids/rename", "/users/external_ids/remove"


def renames(*pairs: tuple[Any, Any]) -> dict[str, Any]:
    return {"external_id_renames": [{"current_external_id": one, "new_external_id": new} for one, new in pairs]}


@pytest.fixture(autouse=True)
def _users(track: Post) -> None:
    track(attributes=[{"external_id": f"user-{number}"} for number in (1, 2, 3)])


def test_it_works(post: Post, workspace: Workspace) -> None:
    profile = user("user-1")
    answer = post(RENAME, renames(("user-1", "new-1")))
    assert (answer.status_code, answer.json()) == (
        201,
        {"message": "success", "external_ids": ["new-1"], "rename_errors": []},
    )
    assert user("new-1") == profile
    assert last_change("identified") == ([profile.pk], None)
    check_live(workspace)

    answer = post(REMOVE, {"external_ids": ["user-1"]})
    assert (answer.status_code, answer.json()) == (
        201,
        {"message": "success", "removed_ids": ["user-1"], "removal_errors": []},
    )
    assert not DeprecatedId.objects.exists()
    assert user("new-1") == profile


def test_what_cannot_be_renamed_is_told_by_index(post: Post) -> None:
    post(RENAME, renames(("user-3", "new-3")))
    answer = post(
        RENAME,
        renames(
            ("user-1", "user-2"),
            ("user-1", "user-1"),
            ("nobody", "new-9"),
            ("user-3", "new-4"),
            ("user-2", "user-3"),
            ("user-1", ""),
            ("user-1", "new-1"),
            ("user-2", "new-1"),
        ),
    )
    assert answer.status_code == 201
    assert answer.json()["external_ids"] == ["new-1"]
    assert answer.json()["rename_errors"] == [
        [0, "The external ID 'user-2' is already in use."],
        [1, "'current_external_id' and 'new_external_id' cannot be the same"],
        [2, "The external ID 'nobody' is not the primary external ID of any user."],
        [3, "The external ID 'user-3' is not the primary external ID of any user."],
        [4, "The external ID 'user-3' is already in use."],
        [5, "'new_external_id' must be a non-empty string"],
        [7, "The external ID 'new-1' is already in use."],
    ]
    assert set(Profile.objects.values_list("external_id", flat=True)) == {"new-1", "user-2", "new-3"}


def test_a_user_can_be_renamed_again_and_keeps_all_old_ids(post: Post) -> None:
    profile = user("user-1")
    post(RENAME, renames(("user-1", "a")))
    post(RENAME, renames(("a", "b")))
    assert set(profile.deprecated_ids.values_list("external_id", flat=True)) == {"user-1", "a"}
    assert post(RENAME, renames(("b", "a"))).json()["rename_errors"], "a deprecated id is in use"


def test_a_primary_id_is_not_removed(post: Post) -> None:
    answer = post(REMOVE, {"external_ids": ["user-1", 7]})
    assert answer.status_code == 201
    assert answer.json() == {
        "message": "success",
        "removed_ids": [],
        "removal_errors": [
            [0, "The external ID 'user-1' is not a deprecated external ID."],
            [1, "The external ID '7' is not a deprecated external ID."],
        ],
    }
    assert user("user-1")


@pytest.mark.parametrize(("path", "name"), [(RENAME, "external_id_renames"), (REMOVE, "external_ids")])
def test_an_empty_array_or_more_than_50_are_400(post: Post, path: str, name: str) -> None:
    for value in (None, [], "user-1", ["x"] * 51):
        answer = post(path, {name: value})
        assert answer.status_code == 400
        assert name in answer.json()["message"]
