"""Import Users: from the file to the profiles, through the screens."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from profiles.importing import running, uploads
from profiles.live import live_users
from profiles.models import Alias, CustomAttribute, IdentityChange, Profile
from profiles.stores import RefusedRow, UserImport
from tests.profiles.conftest import Post
from workspaces.models import Activity, DataPoints, Membership, User, Workspace
from workspaces.roles import Role

LIST = "/admin/profiles/userimport/"
State = UserImport.State


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.IMPORT_DIR = tmp_path / "imports"
    return Path(settings.IMPORT_DIR)


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    woken: list[int] = []
    monkeypatch.setattr("profiles.importing.running.wake", woken.append)
    return woken


@pytest.fixture
def client(workspace: Workspace) -> Client:
    user = User.objects.create_user("marketer")
    Membership.objects.create(user=user, workspace=workspace, role=Role.MARKETER)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def upload(client: Client) -> Callable[..., Any]:
    """Uploads a text (or bytes) as a file; returns the answer."""

    def send(content: str | bytes, name: str = "users.csv") -> Any:
        data = content.encode() if isinstance(content, str) else content
        return client.post(f"{LIST}upload/", {"file": SimpleUploadedFile(name, data)})

    return send


@pytest.fixture
def load(client: Client, upload: Callable[..., Any]) -> Callable[..., UserImport]:
    """Uploads, starts with the mapping that the page proposes (or ``changes``) and works the import off."""

    def run(content: str | bytes, do: str = "import", **changes: Any) -> UserImport:
        answer = upload(content)
        assert answer.status_code == 302, answer.content.decode()
        one = UserImport.objects.latest("pk")
        start(client, one, do, **changes)
        while running.work_chunk(one.pk):
            pass
        one.refresh_from_db()
        return one

    return run


def form_of(page: str) -> dict[str, str]:
    """What the page's form would post as it stands."""
    found: dict[str, str] = dict(re.findall(r'<input class="ui-input" name="([^"]+)" value="([^"]*)"', page))
    for name, options in re.findall(r'<select class="ui-input" name="([^"]+)".*?>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


def start(client: Client, one: UserImport, do: str = "import", **changes: Any) -> Any:
    form = form_of(client.get(f"{LIST}{one.pk}/").content.decode())
    changes = {name.replace("_", "-") if name != "update_only" else name: value for name, value in changes.items()}
    return client.post(f"{LIST}{one.pk}/start/", {**form, **changes, "do": do})


def counts(one: UserImport) -> tuple[int, int, int, int]:
    return one.created, one.updated, one.ignored, one.refused


def test_it_works(load: Callable[..., UserImport], workspace: Workspace, folder: Path) -> None:
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


def test_known_users_are_updated_and_empty_cells_change_nothing(load: Callable[..., UserImport], track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "first_name": "Old", "email": "old@example.com", "plan": "free"}])
    before = Profile.objects.get()
    one = load("external_id,first_name,email,plan,visits\nuser-1,New,,,3\nuser-2,Other,,,\n")
    assert counts(one) == (1, 1, 0, 0)
    after = Profile.objects.get(external_id="user-1")
    assert (after.pk, after.first_name, after.email) == (before.pk, "New", "old@example.com")
    assert after.custom_attributes == {"plan": "free", "visits": 3}


def test_an_id_is_drawn_for_new_users_only(load: Callable[..., UserImport]) -> None:
    content = "external_id,plan\n" + "".join(f"user-{n},gold\n" for n in range(50))
    load(content)
    load(content)
    load("external_id\nuser-new\n")
    ids = Profile.objects.order_by("pk").values_list("pk", flat=True)
    assert ids[50] == ids[0] + 50
    assert IdentityChange.objects.count() == 2


def test_what_a_user_has_already_is_not_written_again(load: Callable[..., UserImport]) -> None:
    load("external_id,plan\nuser-1,gold\n")
    before = Profile.objects.get().updated_at
    load("external_id,plan\nuser-1,gold\n")
    assert Profile.objects.get().updated_at == before


def test_later_rows_about_a_user_win(load: Callable[..., UserImport]) -> None:
    one = load("external_id,plan,city\nuser-1,free,Kyoto\nuser-1,gold,\n")
    assert counts(one) == (1, 1, 0, 0)
    assert Profile.objects.get().custom_attributes == {"plan": "gold", "city": "Kyoto"}


def test_existing_users_only(load: Callable[..., UserImport], track: Post) -> None:
    track(attributes=[{"external_id": "user-1"}])
    one = load("external_id,plan\nuser-1,gold\nuser-2,gold\n", update_only="1")
    assert counts(one) == (0, 1, 1, 0)
    assert Profile.objects.count() == 1


def test_users_by_alias(load: Callable[..., UserImport], workspace: Workspace) -> None:
    content = "user_alias_name,user_alias_label,plan\na,shop,gold\nb,shop,free\n"
    assert counts(load(content)) == (2, 0, 0, 0)
    assert counts(load(content + "c,shop,free\n")) == (1, 2, 0, 0)
    assert Alias.objects.get(name="a").profile.custom_attributes == {"plan": "gold"}
    assert Alias.objects.get(name="a").profile.external_id is None
    assert len(live_users(workspace.pk)) == 3


def test_users_by_braze_id_are_never_made(load: Callable[..., UserImport], workspace: Workspace) -> None:
    known = Profile.objects.create(workspace=workspace, external_id="user-1")
    one = load(f"braze_id,plan\n{known.braze_id},gold\n{'ab' * 12},gold\n")
    assert counts(one) == (0, 1, 1, 0)
    known.refresh_from_db()
    assert known.custom_attributes == {"plan": "gold"}


def test_users_of_another_workspace_are_not_touched(load: Callable[..., UserImport]) -> None:
    stranger = Profile.objects.create(workspace=Workspace.objects.create(name="Other"), external_id="user-1")
    assert counts(load("external_id,plan\nuser-1,gold\n")) == (1, 0, 0, 0)
    stranger.refresh_from_db()
    assert stranger.custom_attributes == {}


def test_rows_that_cannot_be_used_are_in_a_file(client: Client, load: Callable[..., UserImport]) -> None:
    one = load(
        b"external_id,email,visits,since\n"
        b"user-1,nonsense,1,\n"
        b",a@example.com,1,\n"
        b"user-3,,1\n"
        b"user-4,,many,\n"
        b"user-5,,1,tomorrow\n"
        b"user-6,\xff,1,\n"
        b'"user\n7",,=2+3,\n'
        b"user-8,,8,2026-01-31\n",
        target_2="custom",
        type_2="number",
        type_3="date",
    )
    assert counts(one) == (1, 0, 0, 7)
    lines = client.get(f"{LIST}{one.pk}/refused.csv").getvalue().decode("utf-8-sig").splitlines()
    assert lines == [
        "Line,Column,Value,Reason",
        "2,email,nonsense,The attribute cannot have this value.",
        "3,,,The identifier is missing.",
        "4,,,The row has not as many cells as the header.",
        '5,visits,many,"This is not a number, or too large."',
        "6,since,tomorrow,This is not a date: write it like 2026-01-31 or 2026-01-31T12:00:00Z.",
        '7,,,"The row is not encoded in UTF-8, or holds a character that cannot be stored."',
        '8,visits,\'=2+3,"This is not a number, or too large."',
    ]
    page = client.get(f"{LIST}{one.pk}/").content.decode()
    assert "nonsense" in page
    assert "refused.csv" in page


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
def test_values_of_every_type(load: Callable[..., UserImport], kind: str, cell: str, value: Any) -> None:
    quoted = cell.replace('"', '""')
    one = load(f'external_id,thing\nuser-1,"{quoted}"\n', target_1="custom", name_1="thing", type_1=kind)
    if value is None:
        assert counts(one) == (0, 0, 0, 1)
    else:
        assert Profile.objects.get().custom_attributes == {"thing": value}


def test_a_custom_attribute_keeps_its_type(load: Callable[..., UserImport], track: Post) -> None:
    track(attributes=[{"external_id": "user-1", "code": "abc"}])
    load("external_id,code\nuser-2,123\n", type_1="number")
    assert Profile.objects.get(external_id="user-2").custom_attributes == {"code": "123"}


def test_texts_are_stored_exactly(load: Callable[..., UserImport]) -> None:
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
def test_files_of_many_programs(load: Callable[..., UserImport], content: str) -> None:
    load(content)
    user = Profile.objects.get()
    assert (user.external_id, user.custom_attributes) == ("user-1", {"plan": "gold"})


@pytest.mark.django_db(transaction=True)
def test_a_change_of_subscription_is_an_event(load: Callable[..., UserImport], track: Post) -> None:
    from currents.models import Event

    track(attributes=[{"external_id": "user-1", "email_subscribe": "opted_in"}])
    load("external_id,email_subscribe\nuser-1,unsubscribed\nuser-2,opted_in\nuser-3,subscribed\n")
    events = Event.objects.exclude(payload__isnull=True).order_by("id")[1:]
    found = [(one.external_user_id, one.payload["properties"]["subscription_status"]) for one in events]
    assert found == [("user-1", "Unsubscribed"), ("user-2", "Opted In")]
    assert {one.payload["properties"]["state_change_source"] for one in events} == {"CSV import"}
    assert not DataPoints.objects.filter(source="imports").exists()


# --- Dry run, chunks, kills ---


def test_a_dry_run_writes_nothing(client: Client, load: Callable[..., UserImport], track: Post) -> None:
    track(attributes=[{"external_id": "user-1"}])
    one = load("external_id,visits\nuser-1,1\nuser-2,2\nuser-3,x\n", do="check", type_1="number", target_1="custom")
    assert (one.state, counts(one)) == (State.CHECKED, (1, 1, 0, 1))
    assert Profile.objects.count() == 1
    assert not CustomAttribute.objects.exists()
    assert "nothing was written" in client.get(f"{LIST}{one.pk}/").content.decode()
    start(client, one)
    assert not running.work_chunk(one.pk)
    one.refresh_from_db()
    assert (one.state, counts(one), RefusedRow.objects.count()) == (State.DONE, (1, 1, 0, 1), 1)
    assert Profile.objects.count() == 2


def test_it_goes_on_at_the_right_row_and_applies_nothing_twice(
    client: Client, upload: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    monkeypatch.setattr(running, "CHUNK_ROWS", 3)
    rows = "".join(f'user-{n},"line\n{n}"\n' if n % 2 else f"user-{n},x\n,bad\n" for n in range(10))
    upload("external_id,note\n" + rows)
    one = UserImport.objects.get()
    start(client, one)
    turns = 0
    write = running.write
    while True:
        if turns % 2:
            # Killed after the users were written and before the commit.
            def die(chunk: Any) -> Any:
                write(chunk)
                raise SystemExit

            monkeypatch.setattr(running, "write", die)
            with pytest.raises(SystemExit):
                running.work_chunk(one.pk)
            monkeypatch.setattr(running, "write", write)
        turns += 1
        if not running.work_chunk(one.pk):
            break
    one.refresh_from_db()
    assert turns > 3
    assert (one.state, counts(one)) == (State.DONE, (10, 0, 0, 5))
    assert Profile.objects.count() == 10
    assert RefusedRow.objects.values("line").distinct().count() == 5
    assert DataPoints.objects.get(source="imports").count == 10


def test_a_lost_message_is_found_by_beat(client: Client, upload: Callable[..., Any], no_broker: list[int]) -> None:
    from profiles.tasks import continue_imports, import_users

    upload("external_id\nuser-1\n")
    one = UserImport.objects.get()
    start(client, one)
    no_broker.clear()
    continue_imports()
    assert no_broker == [one.pk]
    import_users(one.pk)
    assert Profile.objects.exists()
    no_broker.clear()
    continue_imports()
    assert no_broker == []


def test_a_cancelled_import_stops_and_its_file_goes(
    client: Client, upload: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(running, "CHUNK_ROWS", 1)
    upload("external_id\nuser-1\nuser-2\n")
    one = UserImport.objects.get()
    start(client, one)
    assert running.work_chunk(one.pk)
    client.post(f"{LIST}{one.pk}/cancel/")
    assert not running.work_chunk(one.pk)
    one.refresh_from_db()
    assert (one.state, Profile.objects.count()) == (State.CANCELLED, 1)
    assert list(folder.iterdir()) == []
    page = client.get(f"{LIST}{one.pk}/").content.decode()
    assert "Cancelled" in page
    assert "Start Import" not in page


def test_a_file_that_is_gone_says_so(client: Client, upload: Callable[..., Any], folder: Path) -> None:
    upload("external_id\nuser-1\n")
    one = UserImport.objects.get()
    for path in folder.iterdir():
        path.unlink()
    assert client.get(f"{LIST}{one.pk}/").status_code == 200
    start(client, one)
    assert not running.work_chunk(one.pk)
    page = client.get(f"{LIST}{one.pk}/").content.decode()
    assert "The file is gone" in page


def test_an_open_quotation_mark_stops_at_its_line(client: Client, load: Callable[..., UserImport]) -> None:
    one = load('external_id,note\nuser-1,fine\nuser-2,fine\nuser-3,"open\n' + "x\n" * 100_000)
    assert (one.state, one.error, one.line) == (State.FAILED, UserImport.Failure.UNREADABLE, 4)
    assert Profile.objects.count() == 2
    assert "Line 4" in client.get(f"{LIST}{one.pk}/").content.decode()


def test_an_error_of_ours_fails_the_import(load: Callable[..., UserImport], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(chunk: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(running, "write", fail)
    one = load("external_id\nuser-1\n")
    assert (one.state, one.error) == (State.FAILED, UserImport.Failure.INTERNAL)


def test_uploads_that_nobody_started_go(client: Client, upload: Callable[..., Any], folder: Path) -> None:
    import os

    upload("external_id\nuser-1\n")
    (folder / "left.part").write_text("x")
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    uploads.forget_unused()
    assert len(list(folder.iterdir())) == 1
    UserImport.objects.update(made_at=timezone.now() - timedelta(days=8))
    uploads.forget_unused()
    assert list(folder.iterdir()) == []
    assert UserImport.objects.get().state == State.CANCELLED


# --- Refusals ---


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "The file is empty."),
        ("external_id,plan\n", "The file has a header and no rows."),
        (b"\xff\xfe\x00x\n1\n", "The file cannot be read."),
        ("x" * 1_000_001, "The file cannot be read."),
        (",".join(map(str, range(1_001))) + "\n1\n", "The file cannot be read."),
    ],
)
def test_a_file_that_is_no_csv_is_refused(
    upload: Callable[..., Any], folder: Path, content: str | bytes, error: str
) -> None:
    answer = upload(content)
    assert answer.status_code == 400
    assert error in answer.content.decode()
    assert not UserImport.objects.exists()
    assert list(folder.iterdir()) == []


def test_a_file_over_the_limit_is_refused_and_not_kept(
    upload: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(uploads, "SIZE_LIMIT", 1000)
    answer = upload("external_id\n" + "user\n" * 1000)
    assert answer.status_code == 400
    assert "larger than 500 MB" in answer.content.decode()
    assert list(folder.iterdir()) == []


def test_no_file_is_refused(client: Client) -> None:
    assert "Choose a CSV file." in client.post(f"{LIST}upload/").content.decode()
    answer = client.post(f"{LIST}upload/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()) == (400, {"error": "Choose a CSV file."})


def test_an_upload_needs_the_form_of_our_page(workspace: Workspace, client: Client, folder: Path) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = client.cookies
    answer = careful.post(f"{LIST}upload/", {"file": SimpleUploadedFile("users.csv", b"external_id\n1\n")})
    assert answer.status_code == 403
    assert not UserImport.objects.exists()
    careful.get(LIST)
    token = careful.cookies["csrftoken"].value
    file = SimpleUploadedFile("users.csv", b"external_id\n1\n")
    assert careful.post(f"{LIST}upload/", {"csrfmiddlewaretoken": token, "file": file}).status_code == 302


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"target_0": "ignore"}, "Choose one way to identify users"),
        ({"target_1": "braze_id"}, "Choose one way to identify users"),
        ({"target_1": "alias_name"}, "An alias needs two columns"),
        ({"target_1": "external_id"}, "Two columns have the same target"),
        ({"target_1": "custom", "name_1": "$x"}, "No custom attribute can be called “$x”"),
        ({"target_1": "custom", "name_1": "email"}, "No custom attribute can be called “email”"),
        ({"target_1": "custom", "name_1": "x", "type_1": "colour"}, "Choose for each column"),
        ({"target_1": "default:shoe"}, "Choose for each column"),
    ],
)
def test_columns_that_cannot_be_so_are_refused(
    client: Client, upload: Callable[..., Any], changes: dict[str, str], error: str
) -> None:
    upload("external_id,plan\nuser-1,gold\n")
    one = UserImport.objects.get()
    answer = start(client, one, **changes)
    assert answer.status_code == 400
    assert error in answer.content.decode()
    one.refresh_from_db()
    assert one.state == State.UPLOADED


def test_it_starts_once(client: Client, upload: Callable[..., Any], no_broker: list[int]) -> None:
    upload("external_id\nuser-1\n")
    one = UserImport.objects.get()
    form = form_of(client.get(f"{LIST}{one.pk}/").content.decode())
    client.post(f"{LIST}{one.pk}/start/", {**form, "do": "import"})
    page = client.post(f"{LIST}{one.pk}/start/", {**form, "do": "import"}, follow=True).content.decode()
    assert "was started already" in page


def test_what_was_done_is_in_the_activity_log(load: Callable[..., UserImport]) -> None:
    load("external_id\nuser-1\n")
    said = Activity.objects.order_by("pk").values_list("message", flat=True)
    assert list(said) == ["Uploaded a file of users.", "Started the import of users."]


def test_progress_is_told(client: Client, upload: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHUNK_ROWS", 1)
    upload("external_id\nuser-1\nuser-2\n")
    one = UserImport.objects.get()
    start(client, one)
    running.work_chunk(one.pk)
    told = client.get(f"{LIST}{one.pk}/status.json").json()
    assert told == {"working": True, "share": 73, "text": "1 row, 73 % of the file"}
    assert 'role="progressbar"' in client.get(f"{LIST}{one.pk}/").content.decode()


def test_an_empty_list_says_what_to_do(client: Client) -> None:
    assert "Nothing imported yet" in client.get(LIST).content.decode()
