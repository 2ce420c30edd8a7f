"""The page in a real browser: what a person does with it, by label and role."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.sandbox.running import Destination, RunningSandbox, event, wait_until


@pytest.fixture
def open_sandbox(sandbox: RunningSandbox, new_page: Callable[..., Page]) -> Callable[..., Page]:
    """Opens the page: ``open_sandbox(locale="ja")``. Nothing it does may raise an error in JavaScript."""

    def begin(**options: object) -> Page:
        page = new_page(**options)
        page.on("pageerror", lambda error: pytest.fail(f"JavaScript failed: {error}"))
        page.goto(sandbox.url)
        return page

    return begin


def choose_export(page: Page, cohort: str) -> None:
    page.get_by_role("button", name=f"Actions for {cohort}").click()
    page.get_by_role("menuitem", name="Export to…").click()
    page.get_by_role("menuitem", name="Braze", exact=True).click()


def test_it_works(sandbox: RunningSandbox, destination: Destination, open_sandbox: Callable[..., Page]) -> None:
    sandbox.call("POST", "/sandbox/cohorts", {"name": "Power users", "members": ["user-1", "user-2"]})
    page = open_sandbox()
    choose_export(page, "Power users")
    connect = page.get_by_role("dialog", name="Set up Braze")
    connect.get_by_role("button", name="Continue").click()
    expect(connect.get_by_text("Paste the data import key")).to_be_visible()
    connect.get_by_label("Data import key").fill("import-key")
    connect.get_by_label("REST endpoint").fill("nowhere")
    connect.get_by_role("button", name="Continue").click()
    expect(connect.get_by_text("Give an address that begins with http://")).to_be_visible()
    connect.get_by_label("REST endpoint").fill(destination.url)
    connect.get_by_role("button", name="Continue").click()
    export = page.get_by_role("dialog", name="Export to Braze")
    expect(export.get_by_text("Power users: 2 users will be exported")).to_be_visible()
    export.get_by_label("Dynamic sync").check()
    expect(export.get_by_label("Update every (seconds)")).to_have_value("900")
    export.get_by_role("button", name="Begin Sync").click()
    expect(export).to_be_hidden()
    row = page.get_by_role("row", name="Power users")
    expect(row).to_contain_text("Dynamic sync")
    expect(row).to_contain_text("Added: 2, removed: 0")
    assert destination.requests[1].body["cohort_changes"][0]["user_ids"] == ["user-1", "user-2"]


def test_a_refusal_is_shown_and_sync_now_tries_again(
    sandbox: RunningSandbox, destination: Destination, open_sandbox: Callable[..., Page]
) -> None:
    sandbox.call("POST", "/sandbox/cohorts", {"name": "Power users", "members": ["user-1"]})
    sandbox.call("POST", "/sandbox/connection", {"data_import_key": "k", "endpoint": destination.url})
    destination.answer = lambda request: (401, {"message": "Invalid client secret"})
    page = open_sandbox()
    choose_export(page, "Power users")
    page.get_by_role("button", name="Begin Sync").click()
    row = page.get_by_role("row", name="Power users")
    expect(row).to_contain_text("The destination answered 401: Invalid client secret")
    destination.answer = lambda request: None
    page.get_by_role("button", name="Actions for Power users").click()
    page.get_by_role("menuitem", name="Sync now").click()
    expect(row).to_contain_text("Exported")


def test_cohorts_are_made_edited_and_deleted(sandbox: RunningSandbox, open_sandbox: Callable[..., Page]) -> None:
    page = open_sandbox()
    page.get_by_role("button", name="Create Cohort").click()
    dialog = page.get_by_role("dialog", name="Create Cohort")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("Give the cohort a name.")).to_be_visible()
    dialog.get_by_label("Name").fill("Newcomers")
    dialog.get_by_label("Members").fill("user-1\n\n user-2 \n")
    dialog.get_by_role("button", name="Save").click()
    row = page.get_by_role("row", name="Newcomers")
    expect(row.get_by_role("cell", name="2", exact=True)).to_be_visible()
    (cohort,) = sandbox.call("GET", "/sandbox/cohorts").json
    path = f"/sandbox/cohorts/{cohort['id']}"
    sandbox.call("PATCH", path, {"add_members": [{"distinct_id": "user-2", "$email": "user-2@example.com"}]})

    page.get_by_role("button", name="Actions for Newcomers").click()
    page.get_by_role("menuitem", name="Edit members").click()
    dialog = page.get_by_role("dialog", name="Edit members")
    expect(dialog.get_by_label("Members")).to_have_value("user-1\nuser-2")
    dialog.get_by_label("Members").fill("user-2\nuser-3\nuser-4")
    dialog.get_by_role("button", name="Save").click()
    expect(row.get_by_role("cell", name="3", exact=True)).to_be_visible()
    members = sandbox.call("GET", path).json["members"]
    assert members[0] == {"distinct_id": "user-2", "$email": "user-2@example.com"}, "profiles are kept"

    page.get_by_role("button", name="Actions for Newcomers").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete this cohort?")
    expect(dialog).to_contain_text("Newcomers will be deleted here.")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("There are no cohorts yet.")).to_be_visible()


def test_events_arrive_without_reloading(sandbox: RunningSandbox, open_sandbox: Callable[..., Page]) -> None:
    page = open_sandbox()
    expect(page.get_by_text("No events yet.")).to_be_visible()
    sandbox.send([event(1, name="Signed up", plan="free"), event(2, name="Purchased")])
    expect(page.get_by_role("row", name=re.compile("Signed up.*user-1"))).to_be_visible()
    page.get_by_role("group").get_by_text("Signed up").click()
    expect(page.get_by_text('"plan": "free"')).to_be_visible()
    sandbox.send([event(3)])
    expect(page.get_by_role("row", name=re.compile("user-3"))).to_be_visible()
    expect(page.get_by_text('"plan": "free"')).to_be_visible()
    page.get_by_role("link", name="Purchased 1").click()
    expect(page.get_by_role("row", name=re.compile("user-2"))).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("user-1"))).to_have_count(0)


def test_misbehaving_and_behaving_again(sandbox: RunningSandbox, open_sandbox: Callable[..., Page]) -> None:
    page = open_sandbox()
    page.get_by_label("Answer", exact=True).select_option("503")
    page.get_by_label("Requests to").select_option("/import")
    page.get_by_label("Times").fill("3")
    page.get_by_label("Probability").fill("2")
    page.get_by_role("button", name="Start misbehaving").click()
    expect(page.get_by_text("Give a number from 0 to 1.")).to_be_visible()
    page.get_by_label("Probability").fill("1")
    page.get_by_role("button", name="Start misbehaving").click()
    expect(page.get_by_text("Applied 0 of 3 times")).to_be_visible()
    assert sandbox.send([event()]).status == 503
    expect(page.get_by_text("Applied 1 of 3 times")).to_be_visible()
    page.get_by_role("button", name="Behave again").click()
    wait_until(lambda: sandbox.call("GET", "/sandbox/misbehave").json == [])
    expect(page.get_by_role("button", name="Behave again")).to_have_count(0)


def test_the_menu_by_keyboard(sandbox: RunningSandbox, open_sandbox: Callable[..., Page]) -> None:
    sandbox.call("POST", "/sandbox/cohorts", {"name": "Power users", "members": ["user-1"]})
    page = open_sandbox()
    button = page.get_by_role("button", name="Actions for Power users")
    button.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Braze", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(button).to_have_attribute("aria-expanded", "false")


def test_in_japanese_on_a_phone(sandbox: RunningSandbox, open_sandbox: Callable[..., Page]) -> None:
    sandbox.call("POST", "/sandbox/cohorts", {"name": "Power users", "members": ["user-1"]})
    sandbox.send([event(1, name="x" * 200)])
    page = open_sandbox(locale="ja", viewport={"width": 390, "height": 844})
    expect(page.get_by_role("heading", name="Mixpanel サンドボックス")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Power users の操作").click()
    page.get_by_role("menuitem", name="エクスポート先…").click()
    page.get_by_role("menuitem", name="Braze", exact=True).click()
    dialog = page.get_by_role("dialog", name="Braze の設定")
    dialog.get_by_role("button", name="続行").click()
    expect(dialog.get_by_text("データインポートキーを貼り付けてください")).to_be_visible()


def test_a_stopped_sandbox_is_noticed(start: Callable[..., RunningSandbox], page: Page) -> None:
    sandbox = start()
    page.goto(sandbox.url)
    sandbox.stop()
    expect(page.get_by_role("alert")).to_contain_text("The sandbox does not answer.")
