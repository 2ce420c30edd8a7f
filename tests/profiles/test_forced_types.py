"""Attributes that an admin has forced to a type. Braze: manage custom data, "Forcing data type comparisons"."""

from typing import Any

from django.utils import timezone

from profiles.models import CustomAttribute, Profile
from tests.logins import client_of, logged_in, person_of
from tests.profiles.conftest import Post
from workspaces.models import Activity, Membership, User, Workspace
from workspaces.roles import Role

LIST = "/admin/profiles/customevent/"


def page_of(name: str) -> str:
    return f"{LIST}attributes/{CustomAttribute.objects.get(name=name).pk}/"


def force(workspace: Workspace, name: str, type_: str) -> None:
    person = User.objects.filter(memberships__workspace=workspace).first() or person_of(workspace, Role.ADMIN)
    answer = logged_in(person).post(f"{page_of(name)}type/", {"type": type_})
    assert (answer.status_code, answer.headers["Location"]) == (302, page_of(name))


def attributes() -> dict[str, Any]:
    return Profile.objects.get().custom_attributes


def test_what_comes_is_made_one_of_the_type_or_ignored_and_named(workspace: Workspace, track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "score": "first", "plan": "gold"}])
    force(workspace, "score", "number")
    assert track(attributes=[{"external_id": "user-1", "score": "100"}]).json() == {
        "message": "success",
        "attributes_processed": 1,
    }
    assert attributes()["score"] == 100
    answer = track(
        attributes=[
            {"external_id": "user-1", "plan": "silver"},
            {"external_id": ""},
            {"external_id": "user-1", "score": "abc", "plan": "platinum"},
            {"external_id": "user-1", "score": {"inc": 1}},
        ]
    )
    assert answer.status_code == 201
    named = [one for one in answer.json()["errors"] if "score" in one["type"]]
    assert named == [
        {
            "type": "'score' is of the type number, and this value cannot be made one",
            "input_array": "attributes",
            "index": 2,
        }
    ]
    assert attributes() == {"score": 101, "plan": "platinum"}


def test_of_a_new_user_too(workspace: Workspace, track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "score": 1}])
    force(workspace, "score", "number")
    Profile.objects.all().delete()
    answer = track(attributes=[{"external_id": "user-2", "score": "abc", "plan": "gold"}])
    assert [one["index"] for one in answer.json()["errors"]] == [0]
    assert attributes() == {"plan": "gold"}


def test_what_no_change_can_be_made_of_is_named(track: Post) -> None:
    """Without a forced type too: the attribute stays as it is."""
    track(attributes=[{"external_id": "user-1", "n": 2**64 - 1, "word": "a", "pets": [{"x": "x" * 60_000}]}])
    before = attributes()
    change = {"n": {"inc": 1}, "word": {"add": ["b"]}, "pets": {"$add": [{"x": "x" * 60_000}]}}
    answer = track(attributes=[{"external_id": "user-1", **change}])
    assert answer.status_code == 201
    assert [(one["index"], one["type"].split("'")[1]) for one in answer.json()["errors"]] == [
        (0, "n"),
        (0, "pets"),
        (0, "word"),
    ]
    assert attributes() == before


def test_automatic_detection_takes_every_type_as_it_comes(workspace: Workspace, track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "score": 1}])
    force(workspace, "score", "number")
    force(workspace, "score", "")
    assert "errors" not in track(attributes=[{"external_id": "user-1", "score": "abc"}]).json()
    assert attributes() == {"score": "abc"}
    said = [one.message for one in Activity.objects.order_by("pk")]
    assert said[-2:] == [
        "“score” is forced to the type number from now on.",
        "The type of “score” is detected automatically from now on.",
    ]


def test_the_screens(workspace: Workspace, track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "score": "first"}])
    browser = client_of(workspace, Role.ADMIN)
    assert page_of("score") in browser.get(LIST).content.decode()
    page = browser.get(page_of("score")).content.decode()
    assert "Detected automatically" in page
    browser.post(f"{page_of('score')}type/", {"type": "boolean"})
    page = browser.get(page_of("score")).content.decode()
    assert '<option value="boolean" selected>' in page
    assert "Forced" in browser.get(LIST).content.decode()
    user = browser.get(f"/admin/profiles/profile/{Profile.objects.get().pk}/").content.decode()
    assert "Another type" in user
    track(attributes=[{"external_id": "user-1", "score": "t"}])
    user = browser.get(f"/admin/profiles/profile/{Profile.objects.get().pk}/").content.decode()
    assert "Another type" not in user


def test_it_takes_an_admin(workspace: Workspace, track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "score": "first"}])
    browser = client_of(workspace, Role.MARKETER)
    page = browser.get(page_of("score"))
    assert page.status_code == 200
    assert "<select" not in page.content.decode().split("type-title")[1]
    assert browser.post(f"{page_of('score')}type/", {"type": "number"}).status_code == 403
    assert not CustomAttribute.objects.get().is_forced


def test_an_unknown_type_and_an_attribute_of_others_are_refused(workspace: Workspace, track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "score": "first"}])
    other = Workspace.objects.create(name="Other")
    theirs = CustomAttribute.objects.create(workspace=other, name="theirs", type="string")
    force(workspace, "score", "word")
    assert not CustomAttribute.objects.get(name="score").is_forced
    third = Workspace.objects.create(name="Third")
    person = User.objects.create_user("somebody else")
    Membership.objects.create(user=person, workspace=third, role=Role.ADMIN)
    browser = logged_in(person)
    for address in (f"{LIST}attributes/{theirs.pk}/", page_of("score")):
        assert browser.get(address).status_code == 404
        assert browser.post(f"{address}type/", {"type": "number"}).status_code == 404


def test_numbers_beyond_64_bits_are_shown_and_exported(workspace: Workspace, track: Post) -> None:
    weighed = {"name": "Weighed", "time": timezone.now().isoformat(), "properties": {"n": 1e22}}
    track(
        attributes=[{"external_id": "user-1", "mass": 1e22, "orbits": [{"km": 1e22}]}],
        events=[{"external_id": "user-1", **weighed}],
    )
    browser = client_of(workspace, Role.ADMIN)
    address = f"/admin/profiles/profile/{Profile.objects.get().pk}/"
    assert "10000000000000000000000" in browser.get(address).content.decode()
    exported = browser.get(f"{address}export.json")
    assert exported.status_code == 200
    assert "10000000000000000000000" in exported.content.decode()
