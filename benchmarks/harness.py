"""What every benchmark shares: throw-away servers with a migrated database, the machine in a line, medians."""

import base64
import os
import platform
import secrets
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from brazeclone.launcher import servers

REPOSITORY = Path(__file__).resolve().parents[1]
_ROOT = REPOSITORY / ".data" / "benchmarks"


@contextmanager
def throw_away_servers(shared_buffers: str = "512MB") -> Iterator[None]:
    """A PostgreSQL and a Valkey of our own with an empty, migrated database; Django is set up on them.

    Durability is on, as in production. Nothing is left behind.
    """
    _ROOT.mkdir(parents=True, exist_ok=True, mode=servers.ROOT_MODE)
    for path in (_ROOT.parent, _ROOT):
        path.chmod(path.stat().st_mode | (servers.ROOT_MODE & 0o011))
    root = Path(tempfile.mkdtemp(dir=_ROOT))
    root.chmod(servers.ROOT_MODE)
    try:
        with servers.hold(root, options=servers.Options(shared_buffers=shared_buffers)) as urls:
            os.environ.update(urls)
            _set_up_django()
            yield
        servers.wait_until_stopped(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def machine() -> str:
    """The machine in one line: figures mean nothing without it."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}, load {load:.1f} before"


def median(measure: Callable[[], float], times: int) -> float:
    """The median of ``times`` measurements."""
    return statistics.median(measure() for _time in range(times))


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used so far; its ended children's too."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def postgres_cpu_seconds() -> float:
    """The CPU time that our PostgreSQL has used so far, all its processes together."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [backend] = cursor.fetchone()
    fields = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()
    postmaster = int(fields[1])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return cpu_seconds(postmaster) + sum(cpu_seconds(int(child)) for child in children)


def _set_up_django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "brazeclone.settings")
    os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))
    os.environ.setdefault("FIELD_ENCRYPTION_KEYS", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    os.environ |= {"DJANGO_DEBUG": "false", "LOG_LEVEL": "WARNING"}
    os.environ.setdefault("ALLOWED_HOSTS", "testserver")
    os.environ.setdefault("PUBLIC_URL", "http://testserver")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
