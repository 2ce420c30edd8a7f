"""A demo of its own for ``demo --check``: fresh data, free ports, and nothing left of it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brazeclone.launcher import environment, files, identity, ports, servers
from brazeclone.launcher.errors import LauncherError

START_TIMEOUT = 180.0
STOP_TIMEOUT = 60.0


def check_a_fresh_demo() -> None:
    """Start a demo on data of its own and check it. Raises LauncherError if it does not start or the check fails."""
    with _data_directory() as root, _demo(root) as log:
        result = subprocess.run(_manage("demo", "--check"), env=_environment(root), check=False)
        if result.returncode != 0:
            raise LauncherError(f"The check failed. The last lines of the demo:\n{files.last_lines(log, 40)}")


@contextmanager
def _data_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="brazeclone-"))
    directory.chmod(servers.ROOT_MODE)
    try:
        yield directory
    finally:
        servers.wait_until_stopped(directory)
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _demo(root: Path) -> Iterator[Path]:
    """Run a demo on ``root``; yields its log once it answers."""
    log, parent = root / "demo.log", os.getpid()
    numbers = (str(ports.free_port()), str(ports.free_port()))
    with log.open("wb") as output:
        demo = subprocess.Popen(
            _manage("demo", "--port", numbers[0], "--sandbox-port", numbers[1]),
            env=_environment(root),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=lambda: identity.die_with_parent(signal.SIGTERM, parent),
        )
    try:
        _wait_until_it_runs(demo, root, log)
        yield log
    finally:
        demo.terminate()
        try:
            demo.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            demo.kill()  # its children end with it
            demo.wait()


def _wait_until_it_runs(demo: subprocess.Popen[bytes], root: Path, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while environment.running_demo(root) is None:
        if demo.poll() is not None or time.monotonic() > deadline:
            raise LauncherError(f"The demo did not start. Its last lines:\n{files.last_lines(log, 40)}")
        time.sleep(0.1)


def _manage(*arguments: str) -> list[str]:
    return [sys.executable, str(environment.REPOSITORY / "manage.py"), *arguments]


def _environment(root: Path) -> dict[str, str]:
    """Ours, but for servers that somebody uses: the check makes users and keys."""
    kept = {name: value for name, value in os.environ.items() if name not in (*servers.VARIABLES, "PUBLIC_URL")}
    return {**kept, "BRAZECLONE_DATA_DIR": str(root)}
