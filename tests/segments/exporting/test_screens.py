"""CSV exports from a segment's page."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from profiles.models import Alias, CustomAttribute, Profile
from segments.models import Segment
from segments.stores import SegmentExport
from tests.segments.conftest import House, build_house
from tests.segments.exporting.conftest import Ask, work
from workspaces.models import Activity, Membership, User
from workspaces.roles import PERMISSIONS, Action, Role
from workspaces.sayings import said

BASE = "/admin/segments/segmentexport"
pytestmark = pytest.mark.django_db(transaction=True)
State = SegmentExport.State


@pytest.fixture
def begin(client: Client, segment: Segment) -> Ask:
    def post(*fields: Any) -> Any:
        return client.post(f"{BASE}/of/{segment.pk}/start/", {"fields": list(fields)}, content_type="application/json")

    return post


def panel(client: Client, segment: Segment) -> str:
    answer = client.get(f"{BASE}/of/{segment.pk}/")
    assert answer.status_code == 200
    return answer.content.decode()


def downloaded(client: Client) -> list[list[str]]:
    answer: Any = client.get(f"{BASE}/{SegmentExport.objects.latest('pk').pk}/file/")
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:], newline="")))


def test_it_works(client: Client, begin: Ask, segment: Segment, house: House) -> None:
    assert "Nobody has exported" in panel(client, segment)
    assert begin("email", "external_id", "custom_attributes.age").status_code == 200
    text = panel(client, segment)
    assert "The users are being found…" in text
    assert "data-working" in text
    assert work().state == State.DONE
    text = panel(client, segment)
    assert "3 of 3 users" in text
    assert "Download" in text
    assert house.admin.username in text
    assert downloaded(client) == [
        ["external_id", "email", "age"],
        ["user-0", "", "0"],
        ["user-1", "user-1@example.com", "1"],
        ["user-2", "user-2@example.com", "2"],
    ]


def test_every_field_has_its_form(client: Client, begin: Ask, house: House) -> None:
    first = house.profiles[0]
    Profile.objects.filter(pk=first.pk).update(
        first_name="=HYPERLINK(1)",
        last_name='a "quoted"\nname',
        phone="+81301234",
        custom_attributes={"vip": True, "n": -1.5},
    )
    Alias.objects.create(workspace=house.workspace, profile=first, name="a", label="shop")
    CustomAttribute.objects.create(workspace=house.workspace, name="vip", type="boolean")
    CustomAttribute.objects.create(workspace=house.workspace, name="n", type="number")
    names = ["first_name", "last_name", "phone", "user_aliases", "custom_attributes.vip", "custom_attributes.n"]
    begin(*names)
    work()
    header, row, *others = downloaded(client)
    assert header == ["first_name", "last_name", "phone", "user_aliases", "vip", "n"]
    assert row == [
        "'=HYPERLINK(1)",
        'a "quoted"\nname',
        "'+81301234",
        '[{"alias_name":"a","alias_label":"shop"}]',
        "true",
        "-1.5",
    ]
    assert others == [[""] * 6] * 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([], "Choose at least one field."),
        (["password"], "“password” is not a field that can be exported."),
        (["custom_attributes.shoes"], "“custom_attributes.shoes” is not a field"),
        (["custom_attributes.\x00"], "is not a field that can be exported."),
        ([1], "“fields” is not a list of texts."),
        ([f"custom_attributes.{n}" for n in range(501)], "Choose at most 500 fields."),
    ],
    ids=["none", "unknown", "unknown attribute", "nul", "no text", "too many"],
)
def test_refusals(begin: Ask, fields: list[Any], said: str) -> None:
    answer = begin(*fields)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_a_second_one_waits_for_the_first(begin: Ask, ask: Ask) -> None:
    assert begin("email").status_code == 200
    assert "An export of this segment is under way" in begin("email").json()["error"]
    # What a program waits for is another matter.
    assert ask().status_code == 201


def test_cancelled(client: Client, begin: Ask, segment: Segment) -> None:
    begin("email")
    export = SegmentExport.objects.get()
    assert client.post(f"{BASE}/{export.pk}/cancel/").json() == {"cancelled": True}
    assert client.post(f"{BASE}/{export.pk}/cancel/").json() == {"cancelled": False}
    assert "Cancelled" in panel(client, segment)
    assert client.get(f"{BASE}/{export.pk}/file/").status_code == 404
    assert begin("email").status_code == 200


def test_what_went_wrong_is_said(client: Client, begin: Ask, segment: Segment) -> None:
    begin("email")
    Segment.objects.update(archived_at=timezone.now())
    work()
    assert "The segment has been archived." in panel(client, segment)
    assert "The segment is archived." in begin("email").json()["error"]


def test_a_file_goes_after_some_hours(client: Client, begin: Ask, segment: Segment) -> None:
    begin("email")
    work()
    SegmentExport.objects.update(expires_at=timezone.now())
    assert "The file is deleted" in panel(client, segment)
    assert client.get(f"{BASE}/{SegmentExport.objects.get().pk}/file/").status_code == 404


def test_the_choice_of_fields(client: Client, segment: Segment) -> None:
    text = client.get(f"{BASE}/of/{segment.pk}/fields/").content.decode()
    assert 'value="external_id" checked' in text
    assert 'value="custom_attributes.age"' in text


def test_who_exported_is_in_the_activity_log(client: Client, begin: Ask, house: House, ask: Ask) -> None:
    begin("email", "external_id")
    work()
    downloaded(client)
    told = [(one.person_name, one.object_name, said(one.said)) for one in Activity.objects.order_by("pk")]
    assert told == [
        (house.admin.username, "Example", "Exported the users as CSV: external_id, email."),
        (house.admin.username, "Example", "Downloaded an export of the users."),
    ]
    assert LogEntry.objects.count() == 2
    ask()
    latest = Activity.objects.latest("pk")
    assert latest.person_name == "API key “Nightly”"
    assert said(latest.said).startswith("Exported the users by REST: ")


def addresses(segment: Segment, export: SegmentExport) -> list[tuple[str, str]]:
    of = [("get", ""), ("get", "fields/"), ("post", "start/")]
    own = [("post", "cancel/"), ("get", "file/")]
    return [
        *((method, f"{BASE}/of/{segment.pk}/{name}") for method, name in of),
        *((method, f"{BASE}/{export.pk}/{name}") for method, name in own),
    ]


def test_nobody_sees_another_workspaces_exports(client: Client, browse: Callable[[User], Client]) -> None:
    theirs = build_house("Other")
    segment = theirs.segment("Secret")
    browse(theirs.admin).post(f"{BASE}/of/{segment.pk}/start/", {"fields": ["email"]}, content_type="application/json")
    work()
    for method, address in addresses(segment, SegmentExport.objects.get()):
        assert getattr(client, method)(address).status_code == 404, address


def test_it_takes_the_permission(
    segment: Segment, house: House, browse: Callable[[User], Client], begin: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin("email")
    marketer = User.objects.create_user("marketer")
    Membership.objects.create(user=marketer, workspace=house.workspace, role=Role.MARKETER)
    theirs = browse(marketer)
    allowed = {**PERMISSIONS, Role.MARKETER: PERMISSIONS[Role.MARKETER] - {Action.EXPORT_USERS}}
    monkeypatch.setattr("workspaces.roles.PERMISSIONS", allowed)
    for method, address in addresses(segment, SegmentExport.objects.get()):
        assert getattr(theirs, method)(address).status_code == 403, address
    page = theirs.get(f"/admin/segments/segment/{segment.pk}/change/").content.decode()
    assert "data-exports" not in page
    assert "CSV Export" not in page
