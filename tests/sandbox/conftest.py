"""A sandbox on a real socket for each test, and a small server that records what the sandbox pushes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.config import Settings
from tests.sandbox.running import Destination, RunningSandbox

FAST = Settings(push_backoff=0.01, push_timeout=5.0)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningSandbox]]:
    """Start sandboxes that are stopped after the test: ``start(settings, data=folder or None)``."""
    running: list[RunningSandbox] = []

    def begin(settings: Settings = FAST, data: Path | None = None) -> RunningSandbox:
        running.append(RunningSandbox(settings, data))
        return running[-1]

    yield begin
    for sandbox in running:
        sandbox.stop()


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[RunningSandbox]:
    """One sandbox for the many tests that only need an empty one: starting a server takes longer than they do."""
    shared = RunningSandbox(FAST, None)
    yield shared
    shared.stop()


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> RunningSandbox:
    """A sandbox in memory without events, cohorts, connection or misbehaviour, with default credentials."""
    shared_sandbox.empty()
    return shared_sandbox


@pytest.fixture
def destination() -> Iterator[Destination]:
    """A recording server in the place of Braze, or of a webhook."""
    server = Destination()
    yield server
    server.stop()
