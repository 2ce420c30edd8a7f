"""Embedded servers for tests: a PostgreSQL cluster and a Valkey that live as long as one test process."""

import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from brazeclone.launcher import files, locks, servers
from brazeclone.launcher.keeper import Paths
from brazeclone.launcher.services import SERVICES

REPOSITORY = Path(__file__).resolve().parents[1]
ROOT = REPOSITORY / ".data" / "tests"
FAST = servers.Options(shared_buffers="64MB", valkey_memory="64mb", fast=True)
#: For tests that look at once at what was written: while PostgreSQL takes statistics of its own accord, which lasts as
#: long as the machine is busy, logs are not read beyond the moment when it began.
QUIET = replace(FAST, autovacuum=False)


@contextmanager
def temporary_servers(label: str, options: servers.Options = FAST) -> Iterator[dict[str, str]]:
    """Run servers in a directory of their own; yields DATABASE_URL and REDIS_URL. Nothing is left behind."""
    ROOT.mkdir(parents=True, exist_ok=True, mode=servers.ROOT_MODE)
    for path in (ROOT.parent, ROOT):
        path.chmod(path.stat().st_mode | (servers.ROOT_MODE & 0o011))
    _sweep()
    root = Path(tempfile.mkdtemp(prefix=f"{label}-", dir=ROOT))
    root.chmod(servers.ROOT_MODE)
    with locks.exclusive(root / "in-use"):
        with servers.hold(root, options=options) as urls:
            yield urls
        servers.wait_until_stopped(root)
        shutil.rmtree(root, ignore_errors=True)


def is_kept(root: Path, name: str) -> bool:
    """Whether a keeper runs for the server ``name`` of ``root``."""
    return locks.is_held(Paths(root, name).keeper)


def pids(root: Path) -> dict[str, dict[str, int]]:
    """Process ids by server: ``pid`` and ``keeper_pid``."""
    return {kind.name: files.read_json(Paths(root, kind.name).state) for kind in SERVICES}


def answers(url: str) -> bool:
    """Whether a web server of ours that was started answers by now, and without an error of its own."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - an address of our own making
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def is_alive(pid: int) -> bool:
    """Whether a process lives; one that has ended and was not yet waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def _sweep() -> None:
    """Remove what test processes that were killed have left."""
    for root in ROOT.iterdir():
        if not locks.is_held(root / "in-use") and time.time() - root.stat().st_mtime > 60:
            servers.wait_until_stopped(root)
            shutil.rmtree(root, ignore_errors=True)
