"""One embedded server: its files, its command line, how it starts, when it is ready, how it stops."""

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, ClassVar

from brazeclone.launcher import files, identity, ports
from brazeclone.launcher.errors import LauncherError

# PostgreSQL may have to read through a long log after a crash: it is given time as long as its process lives.
READY_TIMEOUT = 600.0
# A start may fail for a moment: the port was taken meanwhile, or processes of a killed server still leave.
START_PATIENCE = 15.0
STOP_TIMEOUT = 60.0


@dataclass(frozen=True)
class Options:
    """How the servers run. ``fast`` gives up durability for speed: for data that nobody keeps.

    ``autovacuum``: whether PostgreSQL cleans up and takes statistics by itself.
    """

    shared_buffers: str = "128MB"
    valkey_memory: str = "256mb"
    fast: bool = False
    autovacuum: bool = True

    def as_dict(self) -> dict[str, Any]:
        """For the command line of the keeper."""
        return asdict(self)


class Service(ABC):
    """A server with its data in ``root/<name>``, on one loopback port. Subclasses: ``services.py``."""

    name: ClassVar[str]
    variable: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, root: Path, options: Options) -> None:
        self.root = root
        self.options = options
        self.directory = root / self.name
        self.log = root / "logs" / f"{self.name}.log"
        self._identity: identity.Identity | None = None

    @property
    @abstractmethod
    def program(self) -> Path:
        """The server's executable."""

    @abstractmethod
    def prepare(self) -> None:
        """Make what the server needs on disk; called before each start, when no server of ours runs."""

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """The server's command line."""

    @abstractmethod
    def is_ready(self, port: int) -> bool:
        """Whether the server answers."""

    @abstractmethod
    def url(self, port: int) -> str:
        """The address for clients, password included."""

    @abstractmethod
    def leftover(self) -> int | None:
        """The process id that a server which lost its keeper has left on disk."""

    def start(self, port: int | None = None) -> tuple[subprocess.Popen[bytes], int]:
        """Start the server on ``port``, else on a free one; returns the process and the port once it answers.

        Raises LauncherError, with the end of the server's log, if it does not come up.
        """
        self._identity = identity.for_servers([self.program, self.root])
        self._end_leftover()
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self.give(self.directory)
        self.prepare()
        deadline = time.monotonic() + START_PATIENCE
        while True:
            chosen = port or ports.free_port()
            process = self.spawn(self.command(chosen))
            if self._wait_until_ready(process, chosen):
                return process, chosen
            if time.monotonic() > deadline:
                raise LauncherError(f"{self.name} does not start. The end of {self.log}:\n{files.last_lines(self.log)}")
            time.sleep(0.5)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Stop the server in its orderly way, and kill it if that takes too long."""
        process.send_signal(self.stop_signal)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def spawn(self, command: Sequence[str], stdin: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start a program as the servers' user; it ends when we end. Its output goes to the log."""
        try:
            with self.log.open("ab") as log:
                return subprocess.Popen(
                    command,
                    cwd=self.directory,
                    stdin=stdin,
                    stdout=log,
                    stderr=log,
                    preexec_fn=self._entering_child(),
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise LauncherError(
                f"{command[0]} could not be started as an unprivileged user ({error}): "
                f"run this as a normal user, or set {self.variable}."
            ) from error

    def give(self, path: Path) -> None:
        """Let the servers' user own ``path``."""
        if self._identity:
            self._identity.own(path)

    def password(self) -> str:
        """The server's password, made on first use and kept beside the data."""
        path = self.root / f"{self.name}-password"
        if not path.exists():
            files.write_private(path, os.urandom(24).hex())
        return path.read_text("utf-8")

    def _entering_child(self) -> Callable[[], None]:
        parent, who, signal_number = os.getpid(), self._identity, self.stop_signal

        def enter() -> None:
            if who:
                who.adopt()
            identity.die_with_parent(signal_number, parent)

        return enter

    def _wait_until_ready(self, process: subprocess.Popen[bytes], port: int) -> bool:
        """Whether the process comes to answer; False: it has ended, by itself or because it took too long."""
        deadline = time.monotonic() + READY_TIMEOUT
        try:
            while process.poll() is None and time.monotonic() < deadline:
                if self.is_ready(port):
                    return True
                time.sleep(0.03)
        except BaseException:
            process.kill()
            raise
        process.kill()
        process.wait()
        return False

    def _end_leftover(self) -> None:
        """Stop a server that lost its keeper: on Linux it stops by itself, elsewhere it runs on."""
        pid = self.leftover()
        deadline = time.monotonic() + STOP_TIMEOUT
        while pid is not None and self._is_ours(pid):
            os.kill(pid, signal.SIGKILL if time.monotonic() > deadline else self.stop_signal)
            time.sleep(0.2)

    def _is_ours(self, pid: int) -> bool:
        """Whether ``pid`` is this very server: after a reboot the number may belong to anyone."""
        if Path("/proc/self/cmdline").exists():
            try:
                return str(self.directory).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                return False
        listing = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return str(self.directory) in listing.stdout


def wheel_directory(package: str) -> Path:
    """Where a wheel with server programs is installed, found without running its code."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LauncherError(f"The package {package} is not installed: run `make demo` or `make test` to install it.")
    return Path(spec.submodule_search_locations[0])
