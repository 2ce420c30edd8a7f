"""Files, forms and columns that are refused, and what the screens say."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from profiles.importing import parts, running, uploads
from profiles.stores import UserImport
from tests.profiles.importing.conftest import LIST, Load, Upload, form_of, start
from workspaces.models import Activity, Workspace

State = UserImport.State


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "The file is empty."),
        ("external_id,plan\n", "The file has a header and no rows."),
        ("external_id,name\nuser-1,José\n".encode("latin-1"), "The rows are not text in UTF-8."),
        (b"\xff\xfe\x00x\n1\n", "The file cannot be read."),
        ("x" * 1_000_001, "The file cannot be read."),
        (",".join(map(str, range(301))) + "\n1\n", "The file has more than 300 columns."),
    ],
)
def test_a_file_that_is_no_csv_is_refused(upload: Upload, folder: Path, content: str | bytes, error: str) -> None:
    answer = upload(content)
    assert answer.status_code == 400
    assert error in answer.content.decode()
    assert not UserImport.objects.exists()
    assert list(folder.iterdir()) == []


def test_a_file_over_the_limit_is_refused_and_not_kept(
    upload: Upload, monkeypatch: pytest.MonkeyPatch, folder: Path
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
    client: Client, upload: Upload, changes: dict[str, str], error: str
) -> None:
    upload("external_id,plan\nuser-1,gold\n")
    one = UserImport.objects.get()
    answer = start(client, one, **changes)
    assert answer.status_code == 400
    assert error in answer.content.decode()
    one.refresh_from_db()
    assert one.state == State.UPLOADED


def test_it_starts_once(client: Client, upload: Upload, no_broker: list[int]) -> None:
    upload("external_id\nuser-1\n")
    one = UserImport.objects.get()
    form = form_of(client.get(f"{LIST}{one.pk}/").content.decode())
    client.post(f"{LIST}{one.pk}/start/", {**form, "do": "import"})
    page = client.post(f"{LIST}{one.pk}/start/", {**form, "do": "import"}, follow=True).content.decode()
    assert "was started already" in page


def test_what_was_done_is_in_the_activity_log(load: Load) -> None:
    load("external_id\nuser-1\n")
    said = [one.message for one in Activity.objects.order_by("pk")]
    assert said == ["Uploaded a file of users.", "Started the import of users."]


def test_progress_is_told(client: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "CHUNK_ROWS", 1)
    upload("external_id\nuser-1\nuser-2\n")
    one = UserImport.objects.get()
    start(client, one)
    running.work_chunk(one.pk)
    told = client.get(f"{LIST}{one.pk}/status.json").json()
    assert told == {"working": True, "share": 73, "text": "1 row, 73 % of the file"}
    assert 'role="progressbar"' in client.get(f"{LIST}{one.pk}/").content.decode()


def test_an_empty_list_says_what_to_do(client: Client) -> None:
    assert "Nothing imported yet" in client.get(LIST).content.decode()
