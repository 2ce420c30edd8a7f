"""A real running installation for one test: processes that share the test's own database and broker."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import redis
from django.conf import settings
from django.db import connection

from brazeclone.launcher import identity, ports
from tests.servers import answers

START_TIMEOUT = 180.0
_CELERY = ("celery", "--app", "brazeclone")
# Everything that waits, waits little: a test sees in a second what takes a minute elsewhere.
_SHORT_DELAYS = {
    "CURRENTS_FLUSH_INTERVAL": "0.2",
    "CURRENTS_REQUEST_TIMEOUT": "3",
    "CURRENTS_LEASE_SECONDS": "5",
    "CURRENTS_BACKOFF_BASE": "0.1",
    "CURRENTS_BACKOFF_MAX": "1",
    "CURRENTS_BACKOFF_JITTER": "0,0.1",
    "CURRENTS_PROBE_SECONDS": "0.5,1",
    "BEAT_MAX_LOOP_INTERVAL": "1",
    "MIXPANEL_SANDBOX_PUSH_BACKOFF": "0.1",
}


class Stack:
    """Web server, Celery worker and sandbox; beat on request. Each is killed and started as a test likes.

    Every test has processes of its own: the database is emptied after it, and a process that lives on would have
    ids in its caches that no longer exist.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.web_url = f"http://{ports.LOOPBACK}:{ports.free_port()}"
        self.sandbox_url = f"http://{ports.LOOPBACK}:{ports.free_port()}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._sandbox_url_before = settings.MIXPANEL_SANDBOX_URL
        self._has_hurried = False

    def start(self) -> None:
        """Start web server, sandbox and worker; returns when all of them answer."""
        self.flush_broker()
        settings.MIXPANEL_SANDBOX_URL = self.sandbox_url
        self._run_web()
        self.start_sandbox()
        self.start_worker()
        self._wait_for_web()

    def stop(self) -> None:
        """Kill everything: nothing may touch the database while it is emptied."""
        for name in list(self._processes):
            self._kill(name)
        if self._has_hurried:
            _restore_schedules()
        settings.MIXPANEL_SANDBOX_URL = self._sandbox_url_before

    def start_web(self) -> None:
        """Start the web server and wait until it answers."""
        self._run_web()
        self._wait_for_web()

    def kill_web(self) -> None:
        """End the web server and its processes with SIGKILL, in the middle of whatever they answer."""
        self._kill("web")

    def start_worker(self, name: str = "worker") -> None:
        """Start a Celery worker and wait until it takes messages; each name is one of its own."""
        log = self._log(name)
        said_before = log.stat().st_size if log.exists() else 0
        options = ("--concurrency", "2", "--loglevel", "info", "--without-gossip", "--without-mingle")
        self._run(name, *_CELERY, "worker", "--hostname", name, *options)
        self._wait(lambda: b" ready." in log.read_bytes()[said_before:], name)

    def kill_worker(self, name: str = "worker") -> None:
        """End a worker and its processes with SIGKILL, in whatever they are doing."""
        self._kill(name)

    def peak_memory(self, name: str) -> int:
        """The most bytes that any one process of ``name`` has held (Linux: VmHWM); 0 where the system does not say."""
        pids = [self._processes[name].pid]
        for pid in pids:
            children = Path(f"/proc/{pid}/task/{pid}/children")
            pids += map(int, children.read_text().split()) if children.exists() else ()
        peaks = (re.search(r"VmHWM:\s+(\d+) kB", _text(Path(f"/proc/{pid}/status"))) for pid in pids)
        return max((int(peak[1]) * 1024 for peak in peaks if peak), default=0)

    def start_beat(self, seconds: float = 1.0) -> None:
        """Start beat, with every enabled schedule due each ``seconds``."""
        from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

        interval, _made = IntervalSchedule.objects.get_or_create(
            every=int(seconds * 1_000_000), period=IntervalSchedule.MICROSECONDS
        )
        every_task = PeriodicTask.objects.filter(enabled=True)
        every_task.update(interval=interval, crontab=None, solar=None, clocked=None)
        PeriodicTasks.update_changed()
        self._has_hurried = True
        self._run("beat", *_CELERY, "beat", "--loglevel", "info", "--pidfile", "")

    def kill_beat(self) -> None:
        """End beat with SIGKILL."""
        self._kill("beat")

    def start_sandbox(self) -> None:
        """Start the sandbox, with what it kept if it ran before."""
        port = self.sandbox_url.rpartition(":")[2]
        self._run("sandbox", "sandbox", "--port", port, "--data", str(self.directory / "sandbox"), "--seed")
        self._wait(lambda: answers(f"{self.sandbox_url}/healthz"), "sandbox")

    def flush_broker(self) -> None:
        """Lose every message, as a broker that fails would."""
        redis.Redis.from_url(os.environ["REDIS_URL"]).flushall()

    def restart_broker(self) -> None:
        """Kill the broker, with every message that it holds, and wait until its keeper has started it again."""
        broker = redis.Redis.from_url(os.environ["REDIS_URL"])
        killed = int(broker.info("server")["process_id"])
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            with suppress(redis.RedisError):
                if int(broker.info("server")["process_id"]) != killed:
                    return
            if time.monotonic() > deadline:
                raise RuntimeError("The broker does not start again.")
            time.sleep(0.05)

    def keep_logs(self, directory: Path) -> None:
        """Copy the processes' logs, as evidence."""
        for log in self.directory.glob("*.log"):
            shutil.copy(log, directory)

    def _run_web(self) -> None:
        web = self.web_url.removeprefix("http://")
        self._run("web", "gunicorn", "brazeclone.wsgi", "--bind", web, "--threads", "8", "--no-control-socket")

    def _wait_for_web(self) -> None:
        self._wait(lambda: answers(f"{self.web_url}/admin/login/"), "web")

    def _run(self, name: str, *arguments: str) -> None:
        parent = os.getpid()
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env={**os.environ, **self._environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: identity.die_with_parent(signal.SIGKILL, parent),
            )

    def _environment(self) -> dict[str, str]:
        server, _slash, _name = os.environ["DATABASE_URL"].rpartition("/")
        return {
            **_SHORT_DELAYS,
            "DATABASE_URL": f"{server}/{connection.settings_dict['NAME']}",
            "PUBLIC_URL": self.web_url,
            "MIXPANEL_SANDBOX_URL": self.sandbox_url,
            "LOG_LEVEL": "INFO",
            "PYTHONUNBUFFERED": "1",
        }

    def _kill(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def _wait(self, condition: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not condition():
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} does not start:\n{self._log(name).read_text('utf-8', 'replace')[-4000:]}")
            time.sleep(0.05)


def _restore_schedules() -> None:
    """Put the schedules back that beat was hurried with: they outlive the test."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    from brazeclone.schedules import ensure_schedules

    PeriodicTask.objects.all().delete()
    IntervalSchedule.objects.all().delete()
    ensure_schedules()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
