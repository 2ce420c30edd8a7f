"""Import Users and the page of a user in a real browser, with a real worker."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from profiles.importing import parts, running
from profiles.models import Profile, SubscriptionGroup
from profiles.stores import UserImport
from tests.logins import log_in
from workspaces.models import Membership, User, Workspace
from workspaces.roles import Role

pytestmark = pytest.mark.django_db(transaction=True)

CSV = "external_id,first_name,plan,visits,note\n" + "".join(
    f"user-{n},Example,gold,{'many' if n == 7 else n},hello\n" for n in range(10)
)


@pytest.fixture
def workspace(transactional_db: None) -> Workspace:
    return Workspace.objects.create(name="Example")


@pytest.fixture
def woken(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The imports that a worker was told of: the test is the worker."""
    settings.IMPORT_DIR = tmp_path / "imports"
    calls: list[int] = []
    monkeypatch.setattr(running, "wake", calls.append)
    return calls


@pytest.fixture
def enter(live_server: LiveServer, workspace: Workspace) -> Iterator[Callable[[Page, str], Page]]:
    """Opens an address of the dashboard as an admin. A script error fails the test."""
    errors: list[str] = []

    def open_as_admin(page: Page, path: str) -> Page:
        user, _made = User.objects.get_or_create(username="user-admin")
        Membership.objects.get_or_create(user=user, workspace=workspace, defaults={"role": Role.ADMIN})
        log_in(page, live_server, user)
        page.on("pageerror", lambda error: errors.append(f"{error}\n{error.stack}"))
        page.goto(f"{live_server.url}/admin/{path}")
        return page

    yield open_as_admin
    assert errors == []


def choose_file(page: Page, content: str, name: str = "users.csv") -> None:
    file = {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    page.get_by_label("CSV file").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Upload").click()


def test_it_works(page: Page, enter: Callable[[Page, str], Page], woken: list[int]) -> None:
    enter(page, "")
    page.get_by_role("link", name="Import Users").first.click()
    choose_file(page, CSV)
    expect(page.get_by_label("What external_id becomes")).to_have_value("external_id")
    expect(page.get_by_label("What first_name becomes")).to_have_value("default:first_name")
    expect(page.get_by_label("Name of the custom attribute for first_name")).to_be_hidden()
    page.get_by_label("What note becomes").select_option("ignore")
    page.get_by_label("Type of visits").select_option("number")
    page.get_by_label("Name of the custom attribute for plan").fill("tariff")
    page.get_by_role("button", name="Dry Run").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    running.work(woken.pop())
    expect(page.get_by_text("nothing was written")).to_be_visible()
    expect(page.get_by_text("This is not a number, or too large.")).to_be_visible()
    expect(page.get_by_label("Name of the custom attribute for plan")).to_have_value("tariff")
    assert not Profile.objects.exists()
    page.get_by_role("button", name="Start Import").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    running.work(woken.pop())
    expect(page.get_by_text("Done", exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all refused rows").click()
    assert "many" in Path(download.value.path()).read_text()
    assert Profile.objects.count() == 9
    assert Profile.objects.get(external_id="user-3").custom_attributes == {"tariff": "gold", "visits": 3}


def test_everything_that_tells_the_progress_advances(
    page: Page, enter: Callable[[Page, str], Page], woken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "CHUNK_ROWS", 5)
    enter(page, "profiles/userimport/")
    choose_file(page, CSV)
    page.get_by_role("button", name="Start Import").click()
    expect(page.get_by_text("Importing 0 %")).to_be_visible()
    assert running.work_chunk(woken.pop())
    share = UserImport.objects.get().share
    assert 0 < share < 100
    expect(page.get_by_role("status")).to_contain_text(f"{share} % of the file")
    expect(page.get_by_text(f"Importing {share} %")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", str(share))


def test_a_bad_file_is_said_beside_the_field(page: Page, enter: Callable[[Page, str], Page], woken: list[int]) -> None:
    enter(page, "profiles/userimport/")
    choose_file(page, "external_id\n")
    expect(page.get_by_role("alert")).to_have_text("The file has a header and no rows.")
    choose_file(page, CSV)
    expect(page.get_by_role("heading", name="What the columns mean")).to_be_visible()


def test_cancelling_asks(page: Page, enter: Callable[[Page, str], Page], woken: list[int]) -> None:
    enter(page, "profiles/userimport/")
    choose_file(page, CSV)
    page.get_by_role("button", name="Cancel Import").click()
    page.get_by_role("dialog").get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Cancel Import").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel Import").click()
    expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
    assert UserImport.objects.get().state == UserImport.State.CANCELLED


def test_the_page_of_a_user(page: Page, enter: Callable[[Page, str], Page], workspace: Workspace) -> None:
    from profiles.live import log_identity
    from profiles.models import IdentityChange
    from segments.models import Segment

    user = Profile.objects.create(workspace=workspace, external_id="user-1", first_name="Example")
    log_identity(workspace.pk, IdentityChange.Kind.CREATED, [user.pk])
    Segment.objects.create(workspace=workspace, name="Everybody here")
    enter(page, "profiles/profile/")
    page.get_by_label("Search users").fill("user-1")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="user-1").click()
    expect(page.get_by_role("link", name="Everybody here")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export (JSON)").click()
    assert '"external_id": "user-1"' in Path(download.value.path()).read_text()
    page.get_by_role("button", name="Delete User").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete User").click()
    expect(page.get_by_text("The user was deleted.")).to_be_visible()
    assert not Profile.objects.exists()


def test_a_group_is_made_chosen_for_a_user_and_archived(
    page: Page, enter: Callable[[Page, str], Page], workspace: Workspace
) -> None:
    user = Profile.objects.create(workspace=workspace, external_id="user-1", email="user-1@example.com")
    enter(page, "")
    page.get_by_role("link", name="Subscription Groups").first.click()
    page.get_by_role("link", name="Create Subscription Group").first.click()
    page.get_by_label("Name").fill("Weekly news")
    page.get_by_label("Channel").select_option("email")
    page.get_by_role("button", name="Create Subscription Group").click()
    group = SubscriptionGroup.objects.get()
    row = page.get_by_role("row", name="Weekly news")
    expect(row.get_by_text(str(group.api_id))).to_be_visible()
    row.get_by_role("button", name="Copy the id of Weekly news").click()
    expect(row.get_by_text("Copied")).to_be_visible()
    enter(page, f"profiles/profile/{user.pk}/")
    page.get_by_label("Weekly news").select_option("Subscribed")
    page.get_by_label("All email").select_option("Opted in")
    page.get_by_role("button", name="Save Subscriptions").click()
    expect(page.get_by_text("The subscriptions were saved.")).to_be_visible()
    expect(page.get_by_label("Weekly news")).to_have_value("1")
    page.get_by_role("button", name="Mark as Test User").click()
    expect(page.get_by_text("Test user", exact=True)).to_be_visible()
    enter(page, "profiles/profile/")
    page.get_by_label("Test users only").check()
    expect(page.get_by_role("heading", name="Test users")).to_be_visible()
    enter(page, "profiles/subscriptiongroup/")
    expect(page.get_by_role("row", name="Weekly news").get_by_text("1", exact=True)).to_be_visible()
    page.get_by_role("button", name="Archive Weekly news").click()
    page.get_by_role("dialog").get_by_role("button", name="Archive").click()
    expect(page.get_by_text("No subscription groups yet")).to_be_visible()
    page.get_by_role("link", name="Archived").click()
    expect(page.get_by_role("button", name="Unarchive Weekly news")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_no_screen_is_wider_than_the_window(
    new_page: Callable[..., Page],
    enter: Callable[[Page, str], Page],
    woken: list[int],
    workspace: Workspace,
    width: int,
) -> None:
    user = Profile.objects.create(workspace=workspace, external_id="user-1", first_name="Example")
    page = new_page(viewport={"width": width, "height": 844})
    enter(page, "profiles/userimport/")
    choose_file(page, CSV)
    expect(page.get_by_role("button", name="Start Import")).to_be_visible()
    mapping = f"profiles/userimport/{UserImport.objects.get().pk}/"
    group = SubscriptionGroup.objects.create(workspace=workspace, name="A group of a long name " * 4)
    screens = (
        "profiles/userimport/",
        mapping,
        "profiles/profile/",
        f"profiles/profile/{user.pk}/",
        "profiles/customevent/",
        "profiles/subscriptiongroup/",
        f"profiles/subscriptiongroup/{group.pk}/",
        "workspaces/apikey/add/",
    )
    for path in screens:
        enter(page, path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
