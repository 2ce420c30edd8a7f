"""Fixtures for all tests: quick passwords, a real running stack, a real browser."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import TransactionTestCase
from django.utils import translation
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from brazeclone.messages import LANGUAGES, compile_catalogue
from tests.browser import find_chromium
from tests.emptying import empty_database
from tests.stack import Stack

#: How long a page may take for anything: what is there sooner is seen at once, however slow the machine is.
PATIENCE_MS = 30_000
ARTIFACTS = Path(__file__).resolve().parents[1] / ".data" / "test-artifacts"
_CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_has_failed = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Hash passwords with one round (the hash says so itself: every process can check it); compile the catalogues.

    And have expectations of pages wait as long as everything else in a browser.
    """
    config.addinivalue_line("markers", "soak: the long version of a test, run by `make soak`")
    PBKDF2PasswordHasher.iterations = 1
    setattr(TransactionTestCase, "_fixture_teardown", empty_database)  # noqa: B010 - the stubs do not know of it
    for language in LANGUAGES:
        compile_catalogue(language)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the soaks out unless they are asked for with ``-m``."""
    if config.option.markexpr:
        return
    soaks = [item for item in items if item.get_closest_marker("soak")]
    config.hook.pytest_deselected(items=soaks)
    items[:] = [item for item in items if item not in soaks]


def pytest_runtest_setup() -> None:
    """Back to the language of the settings: a request of the test client leaves its own in this thread."""
    translation.deactivate()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember how the test went, for fixtures that keep evidence of a failure."""
    report = yield
    if report.failed:
        item.stash[_has_failed] = True
    return report


@pytest.fixture
def stack(transactional_db: None, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """Web server, Celery worker and sandbox as real processes on this test's database. See ``tests/stack.py``."""
    running = Stack(tmp_path / "stack")
    try:
        running.start()
        yield running
    finally:
        running.stop()
        if _failed(request.node):
            running.keep_logs(_artifacts(request.node))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium: the one that the system has, else Playwright's own."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=_CHROMIUM_ARGUMENTS)
        expect.set_options(timeout=PATIENCE_MS)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Opens a page in a context of its own: ``new_page(locale="ja", viewport={...})``, as Playwright names them.

    A test that fails leaves a screenshot and a trace of each page in ``.data/test-artifacts/``.
    """
    contexts: list[BrowserContext] = []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en", **options})
        context.set_default_timeout(PATIENCE_MS)
        # What was done and answered; pictures of every step take their time.
        context.tracing.start()
        contexts.append(context)
        return context.new_page()

    yield open_page
    for number, context in enumerate(contexts):
        if _failed(request.node):
            directory = _artifacts(request.node)
            for page in context.pages:
                page.screenshot(path=directory / f"page-{number}.png", full_page=True)
            context.tracing.stop(path=directory / f"trace-{number}.zip")
        context.close()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A page in a fresh context, 1280 by 900, in English."""
    return new_page()


def _failed(item: pytest.Item) -> bool:
    return item.stash.get(_has_failed, False)


def _artifacts(item: pytest.Item) -> Path:
    directory = ARTIFACTS / re.sub(r"[^\w.-]+", "-", item.nodeid)[-120:]
    directory.mkdir(parents=True, exist_ok=True)
    return directory
