"""An installation's own processes for a benchmark, as a deployment starts them, and what they took at their peak."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from brazeclone.launcher import identity, ports
from tests.servers import answers

START_TIMEOUT = 60.0
LOGS = Path(__file__).resolve().parents[1] / ".data" / "benchmarks"


class Process:
    """One server of ours with all processes that it has started; it ends when we end."""

    def __init__(self, name: str, *arguments: str) -> None:
        parent = os.getpid()
        self.log = LOGS / f"{name}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                # No proxy with TLS stands before it here.
                env={**os.environ, "ALLOWED_HOSTS": ports.LOOPBACK, "SECURE_SSL_REDIRECT": "false"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: identity.die_with_parent(signal.SIGTERM, parent),
            )

    def pids(self) -> list[int]:
        """It and its descendants."""
        found = [self._process.pid]
        for pid in found:
            children = Path(f"/proc/{pid}/task/{pid}/children")
            found += map(int, children.read_text().split()) if children.exists() else ()
        return found

    def peak_memory(self) -> int:
        """The most bytes that any one of its processes has held (Linux: VmHWM)."""
        status = (Path(f"/proc/{pid}/status").read_text() for pid in self.pids())
        peaks = (re.search(r"VmHWM:\s+(\d+) kB", text) for text in status)
        return max((int(peak[1]) * 1024 for peak in peaks if peak), default=0)

    def cpu_seconds(self) -> float:
        """The time that its processes have spent on a core."""
        fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids())
        return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")

    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """End all of it. Stopping it again changes nothing."""
        if not self.has_ended():
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def started(*, web_workers: int = 2, web_threads: int = 4, tasks: int = 2) -> Iterator[tuple[str, Process, Process]]:
    """Web server and Celery worker on the database of this process: (address, web, worker), both ready."""
    address = f"{ports.LOOPBACK}:{ports.free_port()}"
    gunicorn = ("gunicorn", "brazeclone.wsgi", "--bind", address, "--no-control-socket")
    celery = ("celery", "--app", "brazeclone", "worker", "--loglevel", "info", "--without-gossip", "--without-mingle")
    with ExitStack() as stack:
        web = Process("web", *gunicorn, "--workers", str(web_workers), "--threads", str(web_threads))
        stack.callback(web.stop)
        worker = Process("worker", *celery, "--concurrency", str(tasks))
        stack.callback(worker.stop)
        _wait(web, lambda: answers(f"http://{address}/users/track"))
        _wait(worker, lambda: b" ready." in worker.log.read_bytes())
        yield f"http://{address}", web, worker


def _wait(process: Process, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not condition():
        if process.has_ended() or time.monotonic() > deadline:
            raise RuntimeError(f"It does not start:\n{process.log.read_text('utf-8', 'replace')[-4000:]}")
        time.sleep(0.05)
