"""Users named by an email address or a phone number. Braze: CSV import, email address and phone numbers."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from profiles.importing import parts, running
from profiles.live import live_users
from profiles.models import Profile
from profiles.stores import TriedName, UserImport
from tests.profiles.conftest import Post
from tests.profiles.importing.conftest import LIST, Load, Upload, counts, start
from workspaces.models import DataPoints, Workspace

pytestmark = pytest.mark.django_db


def users(*columns: str) -> list[tuple[Any, ...]]:
    return list(Profile.objects.order_by("pk").values_list(*columns))


def test_it_works(load: Load, track: Post, workspace: Workspace) -> None:
    track(attributes=[{"external_id": "user-1", "email": "a@example.com"}])
    one = load("email,first_name,plan\na@example.com,Ann,gold\n b@example.com ,Bob,\n")
    assert counts(one) == (1, 1, 0, 0)
    assert users("external_id", "email", "first_name", "custom_attributes") == [
        ("user-1", "a@example.com", "Ann", {"plan": "gold"}),
        (None, "b@example.com", "Bob", {}),
    ]
    assert len(live_users(workspace.pk)) == 2
    assert set(one.users.values_list("profile", flat=True)) == set(Profile.objects.values_list("pk", flat=True))
    # Braze: CSV import, data points: an email address logs one.
    assert DataPoints.objects.get(source="imports").count == 5


def test_a_phone_number_names_a_user(load: Load, track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "phone": "+15550100"}])
    assert counts(load("phone,first_name\n+15550100,Ann\n+15550101,Bob\n")) == (1, 1, 0, 0)
    assert users("external_id", "phone", "first_name") == [("user-1", "+15550100", "Ann"), (None, "+15550101", "Bob")]
    assert counts(load("phone,first_name\n+15550101,Bill\n")) == (0, 1, 0, 0)


def test_the_address_goes_before_the_number(load: Load, track: Post) -> None:
    track(attributes=[{"external_id": "1", "email": "a@example.com"}, {"external_id": "2", "phone": "+15550100"}])
    one = load("email,phone,first_name\na@example.com,+15550199,Ann\n,+15550100,Bob\n,+15550101,Carl\n")
    assert counts(one) == (1, 2, 0, 0)
    assert users("external_id", "email", "phone", "first_name") == [
        ("1", "a@example.com", "+15550199", "Ann"),
        ("2", "", "+15550100", "Bob"),
        (None, "", "+15550101", "Carl"),
    ]


@pytest.mark.parametrize("heading", ["external_id", "braze_id", "user_alias_name,user_alias_label"])
def test_other_names_go_before_both(load: Load, track: Post, workspace: Workspace, heading: str) -> None:
    track(attributes=[{"external_id": "1", "email": "a@example.com"}])
    user = Profile.objects.create(workspace=workspace, external_id="2")
    user.aliases.create(workspace=workspace, name="x", label="y")
    name = {"external_id": "2", "braze_id": user.braze_id}.get(heading, "x,y")
    assert counts(load(f"{heading},email\n{name},a@example.com\n")) == (0, 1, 0, 0)
    assert users("external_id", "email") == [("1", "a@example.com"), ("2", "a@example.com")]


def test_of_several_users_it_is_the_one_that_users_track_takes(load: Load, track: Post, workspace: Workspace) -> None:
    """An identified user goes before an anonymous one, then the one who was changed last."""
    for name, minutes in ((None, 1), ("old", 3), ("new", 2)):
        one = Profile.objects.create(workspace=workspace, external_id=name, email="same@example.com")
        Profile.objects.filter(pk=one.pk).update(updated_at=timezone.now() - timedelta(minutes=minutes))
    assert counts(load("email,first_name\nsame@example.com,File\n")) == (0, 1, 0, 0)
    assert users("external_id", "first_name") == [(None, ""), ("old", ""), ("new", "File")]
    track(attributes=[{"email": "same@example.com", "last_name": "Track"}])
    assert users("external_id", "last_name") == [(None, ""), ("old", ""), ("new", "Track")]


def test_later_rows_about_a_user_win(load: Load) -> None:
    one = load(
        "email,phone,first_name\n"
        "a@example.com,+15550100,Ann\n"
        "a@example.com,,Anna\n"
        ",+15550100,Annie\n"
        "b@example.com,+15550100,Bob\n"
    )
    assert counts(one) == (2, 2, 0, 0)
    assert users("email", "phone", "first_name") == [
        ("a@example.com", "+15550100", "Annie"),
        ("b@example.com", "+15550100", "Bob"),
    ]


def test_a_user_who_is_named_by_both_is_changed_by_both(load: Load, track: Post) -> None:
    track(attributes=[{"external_id": "1", "email": "a@example.com", "phone": "+15550100"}])
    one = load("email,phone,plan,city\n,+15550100,gold,\na@example.com,,,Kyoto\n")
    assert counts(one) == (0, 2, 0, 0)
    assert users("custom_attributes") == [({"plan": "gold", "city": "Kyoto"},)]


def test_a_row_that_is_refused_gives_nobody_a_number(load: Load) -> None:
    one = load("email,phone,visits\na@example.com,+15550100,many\n,+15550100,1\n", target_2="custom", type_2="number")
    assert counts(one) == (1, 0, 0, 1)
    assert users("email", "phone") == [("", "+15550100")]


@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_a_dry_run_counts_as_the_import_does(
    client: Client, upload: Upload, track: Post, monkeypatch: pytest.MonkeyPatch, chunk_rows: int
) -> None:
    monkeypatch.setattr(parts, "CHUNK_ROWS", chunk_rows)
    track(attributes=[{"external_id": "1", "email": "a@example.com"}])
    upload(
        "email,phone\na@example.com,+15550100\n,+15550100\nb@example.com,+15550101\n,+15550101\n,+15550102\n"
        "b@example.com,\n,+15550102\n"
    )
    one = UserImport.objects.get()
    for do in ("check", "import"):
        start(client, one, do)
        while running.work_chunk(one.pk):
            pass
        one.refresh_from_db()
        assert counts(one) == (2, 5, 0, 0), do
        assert not TriedName.objects.exists()


def test_existing_users_only(load: Load, track: Post) -> None:
    track(attributes=[{"external_id": "1", "email": "a@example.com"}])
    one = load("email,first_name\na@example.com,Ann\nb@example.com,Bob\n", update_only="1")
    assert counts(one) == (0, 1, 1, 0)
    assert users("first_name") == [("Ann",)]


def test_rows_without_a_usable_address_or_number_are_refused(load: Load) -> None:
    one = load("email,phone,first_name\n,,Ann\nnonsense,+15550100,Bob\n,ask me,Carl\na@example.com,ask me,Dan\n")
    assert counts(one) == (1, 0, 0, 3)
    assert [
        (row.line, row.column, row.value, row.get_reason_display()) for row in one.refused_rows.order_by("line")
    ] == [
        (2, "", "", "The identifier is missing."),
        (3, "email", "nonsense", "The attribute cannot have this value."),
        (4, "phone", "ask me", "No user can be found by this phone number: write it like +442071838750."),
    ]
    # Where the address names the user, the number is kept as it came.
    assert users("email", "phone") == [("a@example.com", "ask me")]


def test_the_page_says_what_names_the_users(client: Client, upload: Upload) -> None:
    upload("email,first_name\na@example.com,Ann\n")
    one = UserImport.objects.get()
    assert one.mapping[0] == {"target": "default", "name": "email"}
    page = client.get(f"{LIST}{one.pk}/").content.decode()
    assert "In a file without a column that identifies users, the email address does" in page
    answer = start(client, one, target_0="custom", name_0="mail")
    assert answer.status_code == 400
    assert "Choose one way to identify users" in answer.content.decode()
