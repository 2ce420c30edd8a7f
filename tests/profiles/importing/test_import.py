"""Import Users: from the file to the profiles, through the screens."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from profiles.live import live_users
from profiles.models import Alias, CustomAttribute, IdentityChange, Profile
from profiles.stores import UserImport
from tests.profiles.conftest import Post
from tests.profiles.importing.conftest import LIST, Load, Upload, counts, start
from workspaces.models import DataPoints, Workspace

State = UserImport.State


def test_it_works(load: Load, workspace: Workspace, folder: Path) -> None:
    one = load(
        "external_id,first_name,email,country,plan,visits,is_member,since\n"
        "user-1,Example,user-1@example.com,Japan,gold,12,true,2026-01-31\n"
        'user-2,"Exa, ""mple""",,US,,0.5,false,2026-01-31T12:00:00+09:00\n'
    )
    assert (one.state, counts(one)) == (State.DONE, (2, 0, 0, 0))
    first, second = Profile.objects.order_by("external_id")
    assert (first.first_name, first.email, first.country) == ("Example", "user-1@example.com", "JP")
    assert first.custom_attributes == {
        "plan": "gold",
        "visits": 12,
        "is_member": True,
        "since": "2026-01-31T00:00:00.000Z",
    }
    assert (second.first_name, second.email) == ('Exa, "mple"', "")
    assert second.custom_attributes == {"visits": 0.5, "is_member": False, "since": "2026-01-31T03:00:00.000Z"}
    types = dict(CustomAttribute.objects.values_list("name", "type"))
    assert types == {"plan": "string", "visits": "number", "is_member": "boolean", "since": "date"}
    assert set(live_users(workspace.pk)) == {first.pk, second.pk}
    assert re.fullmatch("[0-9a-f]{24}", first.braze_id)
    assert 0 <= first.random_bucket < 10_000
    assert DataPoints.objects.get(source="imports").count == 7 + 5
    assert list(folder.iterdir()) == []


def test_known_users_are_updated_and_empty_cells_change_nothing(load: Load, track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "first_name": "Old", "email": "old@example.com", "plan": "free"}])
    before = Profile.objects.get()
    one = load("external_id,first_name,email,plan,visits\nuser-1,New,,,3\nuser-2,Other,,,\n")
    assert counts(one) == (1, 1, 0, 0)
    after = Profile.objects.get(external_id="user-1")
    assert (after.pk, after.first_name, after.email) == (before.pk, "New", "old@example.com")
    assert after.custom_attributes == {"plan": "free", "visits": 3}


def test_a_birthday_is_the_date_as_written(load: Load) -> None:
    load("external_id,dob\nuser-1,2024-01-01T23:00:00-05:00\nuser-2,1980-12-21\n")
    days = Profile.objects.order_by("external_id").values_list("date_of_birth", flat=True)
    assert list(days) == [date(2024, 1, 1), date(1980, 12, 21)]


def test_an_id_is_drawn_for_new_users_only(load: Load) -> None:
    content = "external_id,plan\n" + "".join(f"user-{n},gold\n" for n in range(50))
    load(content)
    load(content)
    load("external_id\nuser-new\n")
    ids = Profile.objects.order_by("pk").values_list("pk", flat=True)
    assert ids[50] == ids[0] + 50
    assert IdentityChange.objects.count() == 2


def test_what_a_user_has_already_is_not_written_again(load: Load) -> None:
    load("external_id,plan\nuser-1,gold\n")
    before = Profile.objects.get().updated_at
    load("external_id,plan\nuser-1,gold\n")
    assert Profile.objects.get().updated_at == before


def test_later_rows_about_a_user_win(load: Load) -> None:
    one = load("external_id,plan,city\nuser-1,free,Kyoto\nuser-1,gold,\n")
    assert counts(one) == (1, 1, 0, 0)
    assert Profile.objects.get().custom_attributes == {"plan": "gold", "city": "Kyoto"}


def test_both_names_of_a_renamed_user_change_the_user(load: Load, post: Post, track: Post) -> None:
    track(attributes=[{"external_id": "old"}])
    renames = [{"current_external_id": "old", "new_external_id": "new"}]
    assert post("/users/external_ids/rename", {"external_id_renames": renames}).status_code == 201
    assert counts(load("external_id,plan,city\nold,gold,\nnew,,Kyoto\n")) == (0, 2, 0, 0)
    assert Profile.objects.get().custom_attributes == {"plan": "gold", "city": "Kyoto"}


def test_existing_users_only(load: Load, track: Post) -> None:
    track(attributes=[{"external_id": "user-1"}])
    one = load("external_id,plan\nuser-1,gold\nuser-2,gold\n", update_only="1")
    assert counts(one) == (0, 1, 1, 0)
    assert Profile.objects.count() == 1


def test_users_by_alias(load: Load, workspace: Workspace) -> None:
    content = "user_alias_name,user_alias_label,plan\na,shop,gold\nb,shop,free\n"
    assert counts(load(content)) == (2, 0, 0, 0)
    assert counts(load(content + "c,shop,free\n")) == (1, 2, 0, 0)
    assert Alias.objects.get(name="a").profile.custom_attributes == {"plan": "gold"}
    assert Alias.objects.get(name="a").profile.external_id is None
    assert len(live_users(workspace.pk)) == 3


def test_an_import_notes_whom_it_wrote_and_what_they_chose(load: Load, track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "email_subscribe": "opted_in"}, {"external_id": "user-2"}])
    since = Profile.objects.get(external_id="user-1").email_opted_in_at
    assert since
    content = "external_id,email_subscribe,push_subscribe\nuser-1,opted_in,unsubscribed\nuser-3,unsubscribed,\n"
    one = load(content)
    ids = dict(Profile.objects.values_list("external_id", "pk"))
    assert set(one.users.values_list("profile", flat=True)) == {ids["user-1"], ids["user-3"]}
    first, third = Profile.objects.exclude(external_id="user-2").order_by("external_id")
    assert first.email_opted_in_at == since
    assert first.push_unsubscribed_at is not None
    assert third.email_unsubscribed_at is not None
    assert (third.email_opted_in_at, third.push_unsubscribed_at) == (None, None)
    again = first.push_unsubscribed_at
    load(content)
    first.refresh_from_db()
    assert first.push_unsubscribed_at == again


def test_users_by_braze_id_are_never_made(load: Load, workspace: Workspace) -> None:
    known = Profile.objects.create(workspace=workspace, external_id="user-1")
    one = load(f"braze_id,plan\n{known.braze_id},gold\n{'ab' * 12},gold\n")
    assert counts(one) == (0, 1, 1, 0)
    known.refresh_from_db()
    assert known.custom_attributes == {"plan": "gold"}


def test_users_of_another_workspace_are_not_touched(load: Load) -> None:
    stranger = Profile.objects.create(workspace=Workspace.objects.create(name="Other"), external_id="user-1")
    assert counts(load("external_id,plan\nuser-1,gold\n")) == (1, 0, 0, 0)
    stranger.refresh_from_db()
    assert stranger.custom_attributes == {}


def test_rows_that_cannot_be_used_are_in_a_file(client: Client, load: Load) -> None:
    one = load(
        b"external_id,email,visits,since\n"
        b"user-1,nonsense,1,\n"
        b",a@example.com,1,\n"
        b"user-3,,1\n"
        b"user-4,,many,\n"
        b"user-5,,1,tomorrow\n"
        b"user-6,\xff,1,\n"
        b'"user\n7",,=2+3,\n'
        b"user-8,,8,2026-01-31\n"
        b"user-9,,9,2026-01-31,more\n",
        target_2="custom",
        type_2="number",
        type_3="date",
    )
    assert counts(one) == (1, 0, 0, 8)
    lines = client.get(f"{LIST}{one.pk}/refused.csv").getvalue().decode("utf-8-sig").splitlines()
    assert lines == [
        "Line,Column,Value,Reason",
        "2,email,nonsense,The attribute cannot have this value.",
        "3,,,The identifier is missing.",
        "4,,,The row has another number of cells than the header.",
        '5,visits,many,"This is not a number, or too large."',
        "6,since,tomorrow,This is not a date: write it like 2026-01-31 or 2026-01-31T12:00:00Z.",
        '7,,,"The row is not encoded in UTF-8, or holds a character that cannot be stored."',
        '8,visits,\'=2+3,"This is not a number, or too large."',
        "11,,,The row has another number of cells than the header.",
    ]
    page = client.get(f"{LIST}{one.pk}/").content.decode()
    assert "nonsense" in page
    assert "refused.csv" in page


def test_email_tracking_is_a_field_of_the_profile(load: Load, track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "email_open_tracking_disabled": False, "twitter": {"id": 7}}])
    one = load(
        "external_id,email_open_tracking_disabled,email_click_tracking_disabled\n"
        "user-1,true,\nuser-2,,false\nuser-3,perhaps,\nuser-4,,\n"
    )
    assert counts(one) == (2, 1, 0, 1)
    assert one.refused_rows.get().get_reason_display() == "This is neither true nor false."
    assert dict(Profile.objects.values_list("external_id", "other_fields")) == {
        "user-1": {"email_open_tracking_disabled": True, "twitter": {"id": 7}},
        "user-2": {"email_click_tracking_disabled": False},
        "user-4": {},
    }
    assert not CustomAttribute.objects.exists()
    assert DataPoints.objects.get(source="imports").count == 2


@pytest.mark.parametrize("heading", ["push_tokens", "subscription_groups"])
def test_what_no_file_can_set_is_ignored(client: Client, upload: Upload, heading: str) -> None:
    """Braze: CSV import, push tokens are not supported."""
    upload(f"external_id,{heading}\nuser-1,abc\n")
    one = UserImport.objects.get()
    assert one.mapping[1] == {"target": "ignore"}
    answer = start(client, one, target_1="custom", name_1=heading)
    assert answer.status_code == 400
    assert f"No custom attribute can be called “{heading}”" in answer.content.decode()


@pytest.mark.parametrize(("heading", "limit"), [("first_name", 10_000), ("phone", 100)])
def test_a_default_attribute_that_is_too_long_is_called_so(load: Load, heading: str, limit: int) -> None:
    one = load(f"external_id,{heading}\nuser-1,{'9' * limit}\nuser-2,{'9' * (limit + 1)}\n")
    assert counts(one) == (1, 0, 0, 1)
    assert one.refused_rows.get().get_reason_display() == "The text is too long."


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("string", "12", "12"),
        ("string", "🎈 ‫שלום‬", "🎈 ‫שלום‬"),
        ("number", "-9", -9),
        ("number", "1e3", 1000.0),
        ("number", "nan", None),
        ("number", "1_000", None),
        ("boolean", "YES", True),
        ("boolean", "perhaps", None),
        ("array", "a, b ,a", ["a", "b", "a"]),
        ("array", '["a", 2]', ["a", 2]),
        ("array", "[1", None),
        ("object", '{"a": {"b": 1}}', {"a": {"b": 1}}),
        ("object", "[]", None),
        ("object", '{"a": null}', None),
        ("object", '{"a": "\\u0000"}', None),
        ("string", "x" * 10_001, None),
    ],
)
def test_values_of_every_type(load: Load, kind: str, cell: str, value: Any) -> None:
    quoted = cell.replace('"', '""')
    one = load(f'external_id,thing\nuser-1,"{quoted}"\n', target_1="custom", name_1="thing", type_1=kind)
    if value is None:
        assert counts(one) == (0, 0, 0, 1)
    else:
        assert Profile.objects.get().custom_attributes == {"thing": value}


def test_a_custom_attribute_keeps_its_type(load: Load, track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "code": "abc"}])
    load("external_id,code\nuser-2,123\n", type_1="number")
    assert Profile.objects.get(external_id="user-2").custom_attributes == {"code": "123"}


def test_texts_are_stored_exactly(load: Load) -> None:
    odd = 'tab\tbackslash \\N \\t line\nreturn\rvertical\x0b\x0c\x08 quote " end'
    quoted = odd.replace('"', '""')
    load(f'external_id,first_name,note\nuser-1,"{quoted}","{quoted}"\n')
    user = Profile.objects.get()
    assert (user.first_name, user.custom_attributes["note"]) == (odd, odd)


@pytest.mark.parametrize(
    "content",
    [
        "external_id;plan\r\nuser-1;gold\r\n",
        "external_id\tplan\nuser-1\tgold",
        "\ufeffexternal_id,plan\n\nuser-1,gold\n\n",
        'EXTERNAL_ID,"plan"\n"user-1","gold"\n',
    ],
)
def test_files_of_many_programs(load: Load, content: str) -> None:
    load(content)
    user = Profile.objects.get()
    assert (user.external_id, user.custom_attributes) == ("user-1", {"plan": "gold"})


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2.5"], "number"),
        (["true", "no"], "boolean"),
        (["2026-01-31", "2026-02-01T10:00:00Z"], "date"),
        (['{""a"": 1}', "{}"], "object"),
        (['[""a""]', "[1, 2]"], "array"),
        (['[""a""]', "a"], "string"),
        (['{""a"": 1}', "a"], "string"),
        (["gold", "1"], "string"),
        (["", ""], "string"),
    ],
)
def test_the_type_of_a_new_attribute_is_proposed(upload: Upload, cells: list[str], kind: str) -> None:
    upload("external_id,thing\n" + "".join(f'user-{n},"{cell}"\n' for n, cell in enumerate(cells)))
    assert UserImport.objects.get().mapping[1] == {"target": "custom", "name": "thing", "type": kind}


@pytest.mark.django_db(transaction=True)
def test_a_change_of_subscription_is_an_event(load: Load, track: Post) -> None:
    from currents.models import Event

    track(attributes=[{"external_id": "user-1", "email_subscribe": "opted_in"}])
    load("external_id,email_subscribe\nuser-1,unsubscribed\nuser-2,opted_in\nuser-3,subscribed\n")
    events = Event.objects.exclude(payload__isnull=True).order_by("id")[1:]
    found = [(one.external_user_id, one.payload["properties"]["subscription_status"]) for one in events]
    assert found == [("user-1", "Unsubscribed"), ("user-2", "Opted In")]
    assert {one.payload["properties"]["state_change_source"] for one in events} == {"CSV import"}
    assert not DataPoints.objects.filter(source="imports").exists()
