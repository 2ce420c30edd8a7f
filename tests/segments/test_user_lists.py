"""User Is In List: what can be pasted and uploaded, who may, and whom it matches."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from profiles.live import log_identity
from profiles.models import IdentityChange, Profile
from segments.engine import evaluate
from segments.lists.stores import UserList
from segments.lists.taking import ListError, take
from segments.tree import parse
from segments.words import Words
from tests.segments.conftest import House, build_house
from workspaces.models import User

URL = "/admin/segments/segment/lists/"
pytestmark = pytest.mark.django_db


def upload(client: Client, content: str | bytes, name: str = "") -> Any:
    data = content if isinstance(content, bytes) else content.encode()
    return client.post(URL, {"ids": SimpleUploadedFile(name or "blob", data), "name": name})


def leaf(list_id: object, operator: str = "is_in") -> dict[str, Any]:
    return {"filter": "user_is_in_list", "operator": operator, "value": str(list_id)}


def taken(house: House, content: str, name: str = "") -> list[str]:
    return take(house.workspace, house.admin, content.encode(), name).ids


def count(house: House, *leaves: Any) -> int:
    return len(evaluate(parse(house.tree(*leaves)), house.workspace).users)


def test_it_works(client: Client, house: House) -> None:
    answer = upload(client, "external_id,name\nuser-1,A\nuser-2,B\nnobody,C\n", "vip.csv").json()
    assert answer["label"] == "vip.csv (3 ids)"
    assert count(house, leaf(answer["id"])) == 2
    assert count(house, leaf(answer["id"], "is_not_in")) == 5
    tree = parse(house.tree(leaf(answer["id"])))
    assert Words(house.workspace.pk, [tree]).sentence(tree) == "User Is In List is in “vip.csv (3 ids)”"


def test_an_id_that_comes_later_is_found_when_it_appears(client: Client, house: House) -> None:
    made = upload(client, "user-1\nlater").json()["id"]
    assert count(house, leaf(made)) == 1
    profile = Profile.objects.create(workspace=house.workspace, external_id="later")
    log_identity(house.workspace.pk, IdentityChange.Kind.CREATED, [profile.pk])
    assert evaluate(parse(house.tree(leaf(made))), house.workspace, fresh=True).users.first(9)[-1] == profile.pk


@pytest.mark.parametrize(
    ("content", "name", "ids"),
    [
        ("a\nb\r\nc", "", ["a", "b", "c"]),
        ("a, b;c\td", "", ["a", "b", "c", "d"]),
        (" a \n\n a\nb", "", ["a", "b"]),
        ("a\nb\n", "x.csv", ["a", "b"]),
        ("a", "x.csv", ["a"]),
        ("name,External ID\nA,1\nB,2\n", "x.csv", ["1", "2"]),
        ("\ufeffuser_id;name\n1;A\n2;B\n", "x.csv", ["1", "2"]),
        ('external_id\n"a,b"\n"c ""d"""\n', "x.csv", ["a,b", 'c "d"']),
        ("name,external_id\nA\nB,2\n", "x.csv", ["2"]),
        ("日本\n", "x.csv", ["日本"]),
        ("T001,T002,T003", "", ["T001", "T002", "T003"]),
        ("T001,\nT002,,T003;\n", "", ["T001", "T002", "T003"]),
    ],
)
def test_forms_of_lists(house: House, content: str, name: str, ids: list[str]) -> None:
    assert taken(house, content, name) == ids


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "", "There is no id in it."),
        (b"external_id\n", "x.csv", "There is no id in it."),
        (b"\xff\xfe", "x.csv", "not encoded in UTF-8"),
        (b"a\x00b", "x.csv", "the character NUL"),
        (b"ok\n" + b"x" * 513, "", "Line 2: an external id has at most 512 characters."),
        (b"ok\n" + b"x" * 200_000, "x.csv", "Line 2 cannot be read as CSV"),
        (b"a\nT001 T002", "", "Line 2: “T001 T002” holds a space."),
        (b"a\n,T002", "", "Line 2 begins with a separator: its first id is missing."),
        (b"a,b\n,T002\n", "x.csv", "Line 2 begins with a separator: its first id is missing."),
    ],
    ids=[
        "empty",
        "header only",
        "not UTF-8",
        "NUL",
        "a long id",
        "a field without end",
        "spaces between ids",
        "a comma first",
        "a comma first in a file",
    ],
)
def test_what_is_no_list_is_refused(house: House, content: bytes, name: str, message: str) -> None:
    with pytest.raises(ListError, match=message):
        take(house.workspace, house.admin, content, name)


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("a\nb\n", ""),
        ("external_id\na\n", ""),
        ("a,x,y\n", "The file has no column external_id or user_id: the ids in its first column were taken."),
        ("name,external_id\nA,1\n", "The ids in the column “external_id” were taken."),
        (
            "external_id,name\n1,A\n,B\n\n",
            "The ids in the column “external_id” were taken. 1 line has no id in it.",
        ),
    ],
)
def test_what_was_taken_of_a_file_is_said(client: Client, content: str, note: str) -> None:
    assert upload(client, content, "x.csv").json()["note"] == note


def test_a_refusal_is_said_where_it_was_uploaded(client: Client, house: House) -> None:
    answer = upload(client, b"\xff", "x.csv")
    assert (answer.status_code, answer.json()["errors"][""]) == (
        400,
        "The file is not encoded in UTF-8. Save it as CSV in UTF-8.",
    )
    assert client.post(URL, {"name": "x"}).status_code == 400
    assert client.get(URL).status_code == 405


def test_the_same_ids_are_one_list(house: House) -> None:
    assert take(house.workspace, house.admin, b"a\nb").pk == take(house.workspace, house.admin, b"b\na\nb").pk


def test_a_million_ids(house: House) -> None:
    ids = "\n".join(f"user-{number}" for number in range(1_000_000))
    made = take(house.workspace, house.admin, ids.encode(), "million.csv")
    assert made.count == 1_000_000
    assert count(house, leaf(made.api_id)) == 7
    with pytest.raises(ListError, match="at most 1,000,000 ids"):
        take(house.workspace, house.admin, f"{ids}\nmore".encode(), "million.csv")


def test_a_list_that_is_gone_has_no_set(house: House) -> None:
    made = take(house.workspace, house.admin, b"user-1").api_id
    UserList.objects.all().delete()
    found = evaluate(parse(house.tree(leaf(made))), house.workspace)
    assert "Row 1, filter 1: The list of ids does not exist any more." in str(found.problems[0])
    assert found.final is None


def test_another_workspaces_list_does_not_exist(house: House) -> None:
    other = build_house("Other")
    made = take(other.workspace, other.admin, b"user-1").api_id
    assert evaluate(parse(house.tree(leaf(made))), house.workspace).final is None


def test_who_has_no_role_may_not_upload(house: House, browse: Callable[[User], Client]) -> None:
    stranger = User.objects.create_user("stranger")
    assert upload(browse(stranger), "a").status_code in (302, 403)
    assert not UserList.objects.exists()
