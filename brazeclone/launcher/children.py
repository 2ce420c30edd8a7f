"""The processes of an installation in one terminal: started, read and stopped together."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import IO

from brazeclone.launcher import identity
from brazeclone.launcher.errors import LauncherError

STOP_TIMEOUT = 10.0
_COLOURS = (36, 32, 35, 33, 34)  # cyan, green, magenta, yellow, blue
_NAME_WIDTH = 8


class Stopped(Exception):  # noqa: N818 - like KeyboardInterrupt, a wish and no error
    """The person or the system asked us to stop: Ctrl-C, SIGTERM or SIGHUP."""


class Child:
    """One process, leader of a session of its own, whose output comes here line by line."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], colour: int) -> None:
        parent = os.getpid()
        self.name = name
        self._colour = colour
        self._rest = b""
        self.recent: deque[str] = deque(maxlen=100)
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop the children in order
            preexec_fn=lambda: identity.die_with_parent(signal.SIGTERM, parent),
        )

    @property
    def output(self) -> IO[bytes]:
        """The reading end of what the process writes."""
        if self.process.stdout is None:
            raise ValueError(f"{self.name} was started without a pipe")
        return self.process.stdout

    def show(self, chunk: bytes) -> None:
        """Print the whole lines in ``chunk`` under the child's name; the rest waits for its end."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip()
            self.recent.append(text)
            write(self.name, text, self._colour)

    def show_rest(self) -> None:
        """Print a last line that has no end."""
        if self._rest:
            self.show(b"\n")

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that it has started."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):  # gone; macOS answers EPERM for a group of zombies
            return


class Children:
    """The children of this process. One thread: output and ends are looked after in ``pump``."""

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._selector = selectors.DefaultSelector()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a process whose lines are shown under ``name``."""
        child = Child(name, command, environment, _COLOURS[len(self._children) % len(_COLOURS)])
        self._children.append(child)
        os.set_blocking(child.output.fileno(), False)
        self._selector.register(child.output, selectors.EVENT_READ, child)

    def pump(self, seconds: float) -> None:
        """Show what the children write for about ``seconds``. Raises LauncherError if one has ended."""
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                self._read(child)
                raise LauncherError(f"{child.name} ended unexpectedly ({_reason(code)}): everything is stopped.")
        for key, _events in self._selector.select(seconds):
            self._read(key.data)

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Pump until ``condition`` holds. Raises LauncherError if it does not within ``seconds``."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise LauncherError(f"{what} did not answer within {seconds:.0f} seconds: see the lines above.")
            self.pump(0.1)

    def has_said(self, name: str, text: str) -> bool:
        """Whether ``text`` is in one of the last lines of the child ``name``."""
        return any(text in line for child in self._children if child.name == name for line in child.recent)

    def stop(self) -> None:
        """Ask every child to stop, the last started first, and kill what is left after a while."""
        for child in reversed(self._children):
            if child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        while any(child.process.poll() is None for child in self._children) and time.monotonic() < deadline:
            for key, _events in self._selector.select(0.1):
                self._read(key.data)
        for child in self._children:
            child.signal_group(signal.SIGKILL)  # also what a child that ended has left behind
            child.process.wait()
            self._read(child)

    def _read(self, child: Child) -> None:
        """Show all that has come from ``child``; at the end of its output stop listening."""
        while chunk := _read_chunk(child.output):
            child.show(chunk)
        if chunk == b"" and child.output in self._selector.get_map():
            child.show_rest()
            self._selector.unregister(child.output)


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Raise ``Stopped`` in the block on Ctrl-C, SIGTERM or SIGHUP; later ones do not disturb the clean-up."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    told = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            raise Stopped

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write(name: str, text: str, colour: int) -> None:
    """Print one line under ``name``, in colour on a terminal."""
    prefix = f"{name:<{_NAME_WIDTH}}|"
    if sys.stdout.isatty():
        prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
    sys.stdout.write(f"{prefix} {text}\n")
    sys.stdout.flush()


def _read_chunk(pipe: IO[bytes]) -> bytes | None:
    """What waits in a non-blocking pipe; None: nothing yet; empty: its end."""
    try:
        return os.read(pipe.fileno(), 65536)
    except BlockingIOError:
        return None


def _reason(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
