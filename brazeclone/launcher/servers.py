"""Holding the embedded servers: PostgreSQL and Valkey run while at least one process holds them.

    with hold(root, ["DATABASE_URL", "REDIS_URL"]) as urls:
        os.environ.update(urls)

The first holder has them started, others share them, and they stop with the last one, also if it was killed.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from brazeclone.launcher import files, locks
from brazeclone.launcher.errors import LauncherError
from brazeclone.launcher.keeper import READY, Paths
from brazeclone.launcher.service import Options, Service
from brazeclone.launcher.services import SERVICES

__all__ = ["VARIABLES", "Options", "hold", "running", "wait_until_stopped"]

VARIABLES = tuple(kind.variable for kind in SERVICES)
# Root's servers run as another user, who must be able to walk through; the files below are closed one by one.
ROOT_MODE = 0o711 if os.geteuid() == 0 else 0o700
_REPOSITORY = Path(__file__).resolve().parents[2]
_LOG_LIMIT = 5 * 1024 * 1024


@contextmanager
def hold(
    root: Path, variables: Collection[str] = VARIABLES, options: Options | None = None
) -> Iterator[dict[str, str]]:
    """Hold the servers of the data directory ``root`` for as long as the block runs.

    ``variables`` names the servers by the settings that want them; yields their addresses under these names.
    ``options`` count for servers that must be started: one that runs is taken as it is.
    Raises LauncherError if a server does not start.
    """
    kinds = [kind for kind in SERVICES if kind.variable in variables]
    if not kinds:
        yield {}
        return
    root = root.resolve()
    _make_directories(root)
    with ExitStack() as stack:
        for kind in kinds:
            stack.enter_context(locks.shared(Paths(root, kind.name).holders))
        with locks.exclusive(root / "run" / "start"):
            _start([kind for kind in kinds if _url(root, kind) is None], root, options or Options())
            urls = {kind.variable: _url(root, kind) for kind in kinds}
        yield {name: url for name, url in urls.items() if url}


def running(root: Path) -> dict[str, str]:
    """The addresses of the servers of ``root`` that run now, by their settings. Starts nothing."""
    urls = {kind.variable: _url(root.resolve(), kind) for kind in SERVICES}
    return {name: url for name, url in urls.items() if url}


def wait_until_stopped(root: Path, seconds: float = 30.0) -> None:
    """Wait until no server of ``root`` runs any more. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while any(locks.is_held(Paths(root.resolve(), kind.name).keeper) for kind in SERVICES):
        if time.monotonic() > deadline:
            raise TimeoutError(f"The servers of {root} still run.")
        time.sleep(0.02)


def _url(root: Path, kind: type[Service]) -> str | None:
    """The address that a living keeper has published: what a dead one left behind counts for nothing."""
    paths = Paths(root, kind.name)
    if not locks.is_held(paths.keeper):
        return None
    url: str | None = files.read_json(paths.state).get("url")
    return url


def _start(kinds: list[type[Service]], root: Path, options: Options) -> None:
    """Start the keepers side by side and wait until each has answered."""
    keepers = [(kind, _spawn(kind, root, options)) for kind in kinds]
    for kind, keeper in keepers:
        answer = keeper.communicate()[0].decode("utf-8", "replace")
        if answer != READY:
            log = root / "logs" / f"{kind.name}.log"
            raise LauncherError(answer or f"{kind.name} could not be started, see {log}:\n{files.last_lines(log)}")


def _spawn(kind: type[Service], root: Path, options: Options) -> subprocess.Popen[bytes]:
    log = root / "logs" / f"{kind.name}.log"
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as errors:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "brazeclone.launcher.keeper",
                kind.name,
                str(root),
                json.dumps(options.as_dict()),
            ],
            cwd=_REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )


def _make_directories(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True, mode=ROOT_MODE)
    for name in ("run", "logs"):
        (root / name).mkdir(mode=0o700, exist_ok=True)
