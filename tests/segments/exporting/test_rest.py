"""``POST /users/export/segment`` as Braze documents it."""

import gzip
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from profiles.models import Profile
from segments.exporting import running, starting
from segments.exporting.links import url_of
from segments.models import Segment
from segments.stores import SegmentExport
from tests.segments.conftest import House, build_house, in_cohort
from tests.segments.exporting.conftest import Ask, fetch, lines_of, unzipped, work
from workspaces.models import ApiKey

pytestmark = pytest.mark.django_db(transaction=True)
State = SegmentExport.State


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_it_works(ask: Ask, woken: list[int]) -> None:
    answer = ask()
    assert answer.status_code == 201
    made = answer.json()
    export = SegmentExport.objects.get()
    assert set(made) == {"message", "object_prefix", "url"}
    assert made["message"] == "success"
    assert made["object_prefix"] == export.prefix
    assert woken == [export.pk]
    early = fetch(made["url"])
    assert (early.status_code, early.json()["message"]) == (
        404,
        "The export is not complete yet. Try again in a moment.",
    )
    assert work().state == State.DONE
    file = fetch(made["url"])
    assert file.status_code == 200
    assert file["Content-Type"] == "application/zip"
    assert file["Content-Disposition"] == f'attachment; filename="{export.prefix}.zip"'
    assert unzipped(body(file)) == [
        [
            {"external_id": "user-0"},
            {"external_id": "user-1", "email": "user-1@example.com"},
            {"external_id": "user-2", "email": "user-2@example.com"},
        ]
    ]


def test_gzip(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHUNK_USERS", 2)
    url = ask(output_format="gzip", fields_to_export=["external_id"]).json()["url"]
    work()
    assert [one["external_id"] for one in lines_of(gzip.decompress(body(fetch(url))))] == ["user-0", "user-1", "user-2"]


def test_a_file_for_each_chunk(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHUNK_USERS", 2)
    url = ask(fields_to_export=["external_id"]).json()["url"]
    assert work().chunks == 2
    assert [len(users) for users in unzipped(body(fetch(url)))] == [2, 1]


@pytest.mark.parametrize("output_format", ["zip", "gzip"])
def test_a_segment_of_nobody_is_an_empty_file(ask: Ask, segment: Segment, output_format: str) -> None:
    tree = {"rows": [{"filters": [{"filter": "external_user_id", "operator": "equals", "value": "nobody"}]}]}
    Segment.objects.update(filters=tree)
    url = ask(output_format=output_format).json()["url"]
    assert work().total == 0
    content = body(fetch(url))
    assert (unzipped(content) == []) if output_format == "zip" else (gzip.decompress(content) == b"")


def test_fields_are_those_of_users_export_ids(ask: Ask, house: House) -> None:
    Profile.objects.update(custom_attributes={"age": 3, "big": 10**30})
    url = ask(fields_to_export=["custom_attributes", "random_bucket", "uninstalled_at"]).json()["url"]
    work()
    ((user, *_others),) = unzipped(body(fetch(url)))
    assert set(user) == {"custom_attributes", "random_bucket"}
    assert user["custom_attributes"]["age"] == 3


@pytest.mark.parametrize("output_format", ["zip", "gzip"])
def test_single_custom_attributes(
    ask: Ask, house: House, output_format: str, monkeypatch: pytest.MonkeyPatch, woken: list[int]
) -> None:
    """What was chosen is stored with the export: whoever goes on with it exports no more and no less."""
    monkeypatch.setattr(running, "CHUNK_USERS", 1)
    values = {"age": 3, "city": None, "a.b": {"age": 1}, "custom_attributes.age": 4, "secret": "x"}
    Profile.objects.filter(external_id="user-0").update(custom_attributes=values)
    Profile.objects.filter(external_id="user-1").update(custom_attributes={"secret": "x"})
    Profile.objects.filter(external_id="user-2").update(custom_attributes={"age": 5, "secret": "x"})
    wanted = ["age", "a.b", "age", "nobody's", "city"]
    url = ask(fields_to_export=["external_id"], custom_attributes_to_export=wanted, output_format=output_format).json()[
        "url"
    ]
    export = SegmentExport.objects.get()
    names = ("age", "a.b", "nobody's", "city")
    assert export.fields == ["external_id", *(f"custom_attributes.{name}" for name in names)]
    running.step(export.pk)
    running.step(export.pk)
    assert work().state == State.DONE
    content = body(fetch(url))
    users = lines_of(gzip.decompress(content)) if output_format == "gzip" else list(chain(*unzipped(content)))
    assert users == [
        {"external_id": "user-0", "custom_attributes": {"age": 3, "city": None, "a.b": {"age": 1}}},
        {"external_id": "user-1"},
        {"external_id": "user-2", "custom_attributes": {"age": 5}},
    ]


@pytest.mark.parametrize("fields", [["custom_attributes"], ["custom_attributes", "external_id"]])
def test_beside_all_custom_attributes_single_ones_change_nothing(ask: Ask, fields: list[str]) -> None:
    Profile.objects.update(custom_attributes={"age": 3, "secret": "x"})
    url = ask(fields_to_export=fields, custom_attributes_to_export=["age"]).json()["url"]
    assert work().fields == fields
    ((user, *_others),) = unzipped(body(fetch(url)))
    assert user["custom_attributes"] == {"age": 3, "secret": "x"}


@pytest.mark.parametrize("named", [[], None])
def test_no_single_custom_attribute_is_none(ask: Ask, named: Any) -> None:
    Profile.objects.update(custom_attributes={"age": 3})
    url = ask(fields_to_export=["external_id"], custom_attributes_to_export=named).json()["url"]
    work()
    ((user, *_others),) = unzipped(body(fetch(url)))
    assert user == {"external_id": "user-0"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"segment_id": ...}, "segment_id is required"),
        ({"segment_id": "x"}, "Invalid segment_id"),
        ({"segment_id": 1}, "'segment_id' must be a string"),
        ({"fields_to_export": ...}, "'fields_to_export' is required"),
        ({"fields_to_export": []}, "'fields_to_export' is required"),
        ({"fields_to_export": "email"}, "'fields_to_export' is required"),
        (
            {"fields_to_export": ["email", "age"]},
            "“age” is not a field that can be exported. Custom attributes are named in “custom_attributes_to_export”",
        ),
        ({"fields_to_export": ["custom_attributes.age"]}, "“custom_attributes.age” is not a field"),
        ({"fields_to_export": ..., "custom_attributes_to_export": ["age"]}, "'fields_to_export' is required"),
        ({"custom_attributes_to_export": "age"}, "must be an array of names of custom attributes"),
        ({"custom_attributes_to_export": {"age": 1}}, "must be an array of names of custom attributes"),
        ({"custom_attributes_to_export": ["age", 1]}, "strings of 1 to 255 characters"),
        ({"custom_attributes_to_export": [None]}, "strings of 1 to 255 characters"),
        ({"custom_attributes_to_export": [""]}, "strings of 1 to 255 characters"),
        ({"custom_attributes_to_export": ["a\x00"]}, "holds the character NUL"),
        ({"custom_attributes_to_export": ["a" * 256]}, "strings of 1 to 255 characters"),
        ({"custom_attributes_to_export": [str(one) for one in range(501)]}, "may hold at most 500 names"),
        ({"output_format": "csv"}, "'output_format' must be"),
        ({"callback_endpoint": "http://example.com/done"}, "must begin with https"),
        ({"callback_endpoint": "https://10.0.0.1/done"}, "must be a public one"),
        ({"callback_endpoint": "nowhere"}, "Enter a whole address"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_refusals(ask: Ask, changes: dict[str, Any], said: str) -> None:
    answer = ask(**changes)
    assert answer.status_code == 400
    assert said in answer.json()["message"]
    assert not SegmentExport.objects.exists()


def test_a_segment_that_cannot_be_evaluated_is_refused(ask: Ask, house: House) -> None:
    Segment.objects.update(filters=house.tree(in_cohort("c9")))
    assert "Row 1, filter 1: The cohort with the id “c9” does not exist" in ask().json()["message"]
    Segment.objects.update(archived_at=timezone.now())
    assert "The segment is archived" in ask().json()["message"]


def test_another_workspaces_segment_is_not_there(ask: Ask) -> None:
    theirs = build_house("Other").segment("Theirs")
    assert ask(segment_id=str(theirs.api_id)).status_code == 400


def test_one_export_of_a_segment_at_a_time(ask: Ask, house: House) -> None:
    ask()
    again = ask()
    assert again.status_code == 400
    assert "An export of this segment is under way" in again.json()["message"]
    other = house.segment("Other")
    assert ask(segment_id=str(other.api_id)).status_code == 201
    for export in SegmentExport.objects.all():
        starting.cancel(export)
    assert ask().status_code == 201


def test_so_many_of_a_workspace_at_a_time(ask: Ask, monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    monkeypatch.setattr(starting, "MOST_AT_ONCE", 1)
    ask()
    other = house.segment("Other")
    assert "1 exports of segments are under way" in ask(segment_id=str(other.api_id)).json()["message"]


def test_the_permission_is_needed(segment: Segment, house: House) -> None:
    _row, made = ApiKey.make(workspace=house.workspace, name="Other", permissions=["segments.list"])
    answer = Client().post("/users/export/segment", headers={"Authorization": f"Bearer {made.secret}"})
    assert answer.status_code == 401


def test_custom_events_of_90_days_and_their_counts_of_all_time(ask: Ask, house: House) -> None:
    from profiles.stores import DailyCount

    now = timezone.now()
    for name, ages in {"old": [100], "recent": [100, 1]}.items():
        for age in ages:
            at = now - timedelta(days=age)
            fields = {"day": at.date(), "count": 2, "first_at": at, "last_at": at}
            DailyCount.objects.create(
                workspace=house.workspace, profile=house.profiles[0], kind="event", name=name, **fields
            )
    url = ask(fields_to_export=["custom_events"]).json()["url"]
    work()
    ((user, *_others),) = unzipped(body(fetch(url)))
    assert [(one["name"], one["count"]) for one in user["custom_events"]] == [("recent", 4)]


def test_messages_of_90_days(ask: Ask, house: House) -> None:
    from profiles.engagement import Source, Touch, record

    now = timezone.now()
    for name, age in (("Old", 100), ("Recent", 1)):
        for kind in ("campaign", "canvas"):
            at, source = now - timedelta(days=age), Source(kind, name)
            record(house.workspace.pk, [Touch(house.profiles[0].pk, "received", "email", at, source, name)])
    url = ask(fields_to_export=["campaigns_received", "canvases_received", "cards_clicked"]).json()["url"]
    work()
    ((user, *_others),) = unzipped(body(fetch(url)))
    assert {field: [one["name"] for one in found] for field, found in user.items()} == {
        "campaigns_received": ["Recent"],
        "canvases_received": ["Recent"],
    }


# --- The link ---


def test_only_who_has_the_link_gets_the_file(ask: Ask) -> None:
    url = ask().json()["url"]
    work()
    address, _question, signature = url.partition("?signature=")
    for wrong in (
        address,
        f"{address}?signature={signature[:-1]}x",
        f"{address.replace('.zip', '.gz')}?signature={signature}",
    ):
        assert fetch(wrong).status_code == 404, wrong


def test_the_link_ends_and_the_file_goes(ask: Ask, folder: Path) -> None:
    url = ask().json()["url"]
    export = work()
    running.purge()
    assert len(list(folder.iterdir())) == 1
    SegmentExport.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert fetch(url).status_code == 410
    for path in folder.iterdir():
        import os

        os.utime(path, (0, 0))
    running.purge()
    assert list(folder.iterdir()) == []
    assert SegmentExport.objects.filter(pk=export.pk).exists()


def test_a_cancelled_exports_link_says_so(ask: Ask) -> None:
    ask()
    export = SegmentExport.objects.get()
    assert starting.cancel(export)
    assert not starting.cancel(export)
    assert fetch(url_of(export)).status_code == 410
