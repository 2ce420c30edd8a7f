"""A person imports a file through the screens of a real installation, whose processes are killed meanwhile.

``make test`` plays a short version, ``make soak`` the long one (SOAK_IMPORT_MB): the largest file that is taken.
"""

import csv
import logging
import os
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import Page, expect

from profiles.importing.uploads import SIZE_LIMIT
from profiles.live import live_users
from profiles.models import Profile
from profiles.stores import RefusedRow, TriedName, UserImport
from tests.partners.test_soak import make_many
from tests.profiles.importing.conftest import counts, wait_until
from tests.profiles.importing.files import KNOWN, Planned, write_users
from tests.stack import Stack
from workspaces.models import DataPoints, Membership, User, Workspace
from workspaces.roles import Role

log = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024
#: What the processes may take for a file, whatever its size.
UPLOAD_MEMORY = 64 * MEGABYTE
IMPORT_MEMORY = 128 * MEGABYTE
#: From this size on an upload takes long enough to be broken off.
LONG = 100 * MEGABYTE
PATIENCE = 3_600.0
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workspace(transactional_db: None) -> Workspace:
    return Workspace.objects.create(name="Example")


@pytest.fixture
def person(import_dir: Path, workspace: Workspace, stack: Stack, page: Page) -> "Person":
    return Person(stack, page, workspace, import_dir)


@pytest.mark.timeout(600)
def test_a_file_is_imported_while_processes_are_killed(person: "Person", tmp_path: Path) -> None:
    import_while_killing(person, tmp_path / "users.csv", 6 * MEGABYTE)


@pytest.mark.soak
@pytest.mark.timeout(3 * 3_600)
def test_the_largest_file_is_imported_while_processes_are_killed(person: "Person", tmp_path: Path) -> None:
    size = min(int(os.environ.get("SOAK_IMPORT_MB", "499")) * MEGABYTE, SIZE_LIMIT - MEGABYTE)
    import_while_killing(person, tmp_path / "users.csv", size)


def import_while_killing(person: "Person", path: Path, size: int) -> None:
    planned = write_users(path, size)
    make_many(person.workspace, KNOWN)
    person.open_the_screen()
    if size >= LONG:
        person.upload_is_broken_off(path)
    person.upload(path)
    person.map_columns()
    person.press_and_kill("Dry Run", kills=("web", "worker"))
    person.sees("Result of the dry run: nothing was written", planned)
    assert Profile.objects.count() == KNOWN
    assert person.downloads_refused_rows() == planned.refused
    person.press_and_kill("Start Import", kills=("worker", "web", "worker"))
    person.sees("Result", planned)
    assert person.downloads_refused_rows() == planned.refused
    check_users(person.workspace, planned)
    assert not any(person.import_dir.glob("*.csv"))
    assert not TriedName.objects.exists()


class Person:
    """Somebody in front of Import Users. What the processes take is measured at every step."""

    def __init__(self, stack: Stack, page: Page, workspace: Workspace, import_dir: Path) -> None:
        self.stack, self.page, self.workspace, self.import_dir = stack, page, workspace, import_dir
        self._before = {name: stack.peak_memory(name) for name in ("web", "worker")}

    def open_the_screen(self) -> None:
        user = User.objects.create_user("user-marketer")
        Membership.objects.create(user=user, workspace=self.workspace, role=Role.MARKETER)
        client = Client()
        client.force_login(user)
        session = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": self.stack.web_url}
        self.page.context.add_cookies([session])  # type: ignore[list-item]
        self.page.goto(f"{self.stack.web_url}/admin/profiles/userimport/")
        # The first screen of a process fills its caches.
        self._before["web"] = self.stack.peak_memory("web")

    def upload_is_broken_off(self, path: Path) -> None:
        """The web server dies in the middle of the file: the screen says so, and the file can be sent again."""
        self._send(path)
        wait_until(lambda: any(one.stat().st_size > 20 * MEGABYTE for one in self.import_dir.glob("*.part")))
        self.stack.kill_web()
        expect(self.page.get_by_role("alert")).to_have_text(
            "The upload failed. Check the connection and try again.", timeout=60_000
        )
        assert not UserImport.objects.exists()
        self.stack.start_web()
        self._before["web"] = self.stack.peak_memory("web")

    def upload(self, path: Path) -> None:
        self._send(path)
        expect(self.page.get_by_role("heading", name="What the columns mean")).to_be_visible(timeout=300_000)
        self._check_memory("web", UPLOAD_MEMORY)

    def _send(self, path: Path) -> None:
        self.page.get_by_label("CSV file").set_input_files(path)
        self.page.get_by_role("button", name="Upload").click()

    def map_columns(self) -> None:
        for column, kind in (("visits", "number"), ("is_member", "boolean"), ("since", "date"), ("prefs", "object")):
            self.page.get_by_label(f"Type of {column}").select_option(kind)
        self.page.get_by_label("What Surname becomes").select_option("default:last_name")
        self.page.get_by_label("What internal code becomes").select_option("ignore")

    def press_and_kill(self, button: str, kills: tuple[str, ...]) -> None:
        """Start the run and kill processes on its way; beat and a new process go on, and the page follows."""
        self.page.get_by_role("button", name=button).click()
        bar = self.page.get_by_role("progressbar")
        expect(bar).to_be_visible()
        self.stack.start_beat()
        for number, name in enumerate(kills, 1):
            share = 100 * number // (len(kills) + 1)
            wait_until(lambda share=share: UserImport.objects.get().share >= share, PATIENCE)  # type: ignore[misc]
            self._kill(name)
        wait_until(lambda: not UserImport.objects.get().is_working, PATIENCE)
        self.stack.kill_beat()
        self._check_memory("worker", IMPORT_MEMORY)
        self._check_memory("web", UPLOAD_MEMORY)

    def _kill(self, name: str) -> None:
        if name == "web":
            self._check_memory("web", UPLOAD_MEMORY)
            self.stack.kill_web()
            self.stack.start_web()
        else:
            self._check_memory("worker", IMPORT_MEMORY)
            self.stack.kill_worker()
            self.stack.start_worker()

    def _check_memory(self, name: str, allowed: int) -> None:
        grown = self.stack.peak_memory(name) - self._before[name]
        log.info("%s: %d MB more than %d MB", name, grown // MEGABYTE, self._before[name] // MEGABYTE)
        assert grown < allowed

    def sees(self, heading: str, planned: Planned) -> None:
        """The page comes to the result by itself, and its numbers are ours."""
        expect(self.page.get_by_role("heading", name=heading, exact=True)).to_be_visible(timeout=60_000)
        expected = (planned.created, planned.updated, 0, len(planned.refused))
        assert counts(UserImport.objects.get()) == expected
        assert self.page.locator(".ui-stats dd").all_inner_texts() == [f"{number:,}" for number in expected]

    def downloads_refused_rows(self) -> dict[int, str]:
        """Line and reason of each."""
        with self.page.expect_download(timeout=300_000) as download:
            self.page.get_by_role("link", name="Download all refused rows").click()
        with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == RefusedRow.objects.count()
        return {int(row["Line"]): row["Reason"] for row in rows}


def check_users(workspace: Workspace, planned: Planned) -> None:
    """Every user is as the file says, and everything that counts users agrees."""
    users = len(planned.visits)
    assert Profile.objects.count() == users == len(live_users(workspace.pk))
    assert DataPoints.objects.get(source="imports").count == planned.points
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM profiles_profile WHERE custom_attributes ?& array['visits', 'plan', 'prefs', 'since']"
            " AND last_name <> '' AND NOT custom_attributes ? 'internal code' AND substr(external_id, 6)::int >= %s",
            [KNOWN],
        )
        assert cursor.fetchone() == (planned.created,)
        query = (
            "COPY (SELECT external_id, custom_attributes->>'visits', custom_attributes->>'plan' FROM profiles_profile"
            " ORDER BY substr(external_id, 6)::int) TO STDOUT"
        )
        with cursor.copy(query) as copy:
            for expected, found in zip(planned.users(), copy.rows(), strict=True):
                assert expected == found
