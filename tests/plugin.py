"""The environment of the tests, complete before Django's settings load (``-p tests.plugin``).

Every test process, that is every worker of pytest-xdist, has a PostgreSQL cluster and a Valkey of its own: an
open transaction anywhere in a cluster holds Currents back, so tests that share one would wait for each other.
"""

import base64
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.servers import FAST, QUIET, temporary_servers

_ENVIRONMENT = {
    "DJANGO_DEBUG": "true",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "FIELD_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii"),
    "PUBLIC_URL": "http://testserver",
    "LOG_LEVEL": "WARNING",
    # A machine that is busy with tests answers late, which is no failure of Valkey.
    "VALKEY_TIMEOUT": "10",
    # Playwright runs an event loop in the thread of the tests, and Django would refuse every query there.
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
}
_servers = ExitStack()


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Start the servers before pytest-django reads the settings; a controller runs no test and needs none."""
    os.environ.update(_ENVIRONMENT)
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    is_controller = worker is None and bool(getattr(early_config.known_args_namespace, "numprocesses", None))
    if not is_controller and not early_config.known_args_namespace.help:
        # The long tests write as much as real installations do.
        options = FAST if early_config.known_args_namespace.markexpr == "soak" else QUIET
        os.environ.update(_servers.enter_context(temporary_servers(worker or "main", options)))
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop them and remove their data."""
    _servers.close()
