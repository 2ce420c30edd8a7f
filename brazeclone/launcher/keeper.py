"""The keeper: a small detached process, parent of one embedded server, alive as long as that is held.

``python -m brazeclone.launcher.keeper NAME ROOT OPTIONS`` is started by ``servers.hold`` alone. It answers on
its standard output, ``ready`` or what is wrong, once the server answers or cannot.
"""

import json
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from brazeclone.launcher import files, locks
from brazeclone.launcher.errors import LauncherError
from brazeclone.launcher.service import Options, Service
from brazeclone.launcher.services import SERVICES

READY = "ready"
POLL_SECONDS = 0.2


class Paths:
    """The files by which keepers and holders of one server know of each other, in ``root/run``."""

    def __init__(self, root: Path, name: str) -> None:
        self.directory = root / "run"
        self.state = self.directory / f"{name}.json"
        self.holders = self.directory / f"{name}.holders"
        self.keeper = self.directory / f"{name}.keeper"


class Keeper:
    """Runs one server, starts it again if it dies, and stops it when nobody holds it or on SIGTERM."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.paths = Paths(service.root, service.name)
        self._told_to_stop = False

    def run(self) -> None:
        """Keep the server; returns when it has stopped. Raises LauncherError if it does not start."""
        signal.signal(signal.SIGTERM, self._on_term)
        for ignored in (signal.SIGINT, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)
        with ExitStack() as stack:
            stack.enter_context(locks.exclusive(self.paths.keeper))
            self.process, self.port = self.service.start()
            try:
                self._publish()
                _answer(READY)
                # While we stop the holders' lock is ours: a newcomer waits, then starts its own keeper.
                self._watch(stack)
            finally:
                self.paths.state.unlink(missing_ok=True)
                self.service.stop(self.process)

    def _watch(self, stack: ExitStack) -> None:
        while not self._told_to_stop:
            if self.process.poll() is not None:
                sys.stderr.write(f"{self.service.name} ended with {self.process.returncode}: it is started again\n")
                self.process, self.port = self.service.start(self.port)
                self._publish()
            with ExitStack() as trial:
                if trial.enter_context(locks.attempt(self.paths.holders)):
                    stack.push(trial.pop_all())
                    return
            time.sleep(POLL_SECONDS)

    def _publish(self) -> None:
        state = {"url": self.service.url(self.port), "keeper_pid": os.getpid(), "pid": self.process.pid}
        files.write_json(self.paths.state, state)

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        self._told_to_stop = True


def main(name: str, root: str, options: str) -> None:
    """Leave the terminal and the family of who started us, then keep the server ``name``."""
    if os.fork():
        os._exit(0)
    service = next(kind for kind in SERVICES if kind.name == name)(Path(root), Options(**json.loads(options)))
    try:
        Keeper(service).run()
    except LauncherError as error:
        _answer(str(error))
        sys.exit(1)
    except PermissionError as error:
        path = error.filename or root
        _answer(f"No access to {path}: run this as the user who owns {root}, or set {service.variable}.")
        sys.exit(1)


def _answer(text: str) -> None:
    """Tell who started us, once: it waits for the end of our output."""
    sys.stdout.write(text)
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    main(*sys.argv[1:])
