"""Memory that a worker has freed is the system's again."""

import platform
import subprocess
import sys

import pytest

from currents import delivery, memory, replays
from currents.models import Current

# Blocks that end among others that stay: what a page of large events leaves behind.
_FREE_BLOCKS = """
import os, sys
from currents.memory import give_back_freed
if sys.argv[1] == "told":
    give_back_freed()
first = b"x" * (24 << 20)
del first
blocks = [(b"x" * (1 << 20), bytes(5000)) for number in range(64)]
kept = [small for large, small in blocks]
del blocks
print(int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
"""


def held(how: str) -> int:
    """The bytes that a process holds that has freed 64 MB."""
    done = subprocess.run([sys.executable, "-c", _FREE_BLOCKS, how], capture_output=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed blocks")
def test_it_works() -> None:
    assert held("told") < held("untold") - (48 << 20)


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """musl and macOS know no such function."""
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _name: object())
    memory.give_back_freed.__wrapped__()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["delivery", "replay"])
def test_workers_do_it(current: Current, way: str) -> None:
    memory.give_back_freed.cache_clear()
    if way == "delivery":
        delivery.deliver(current.pk)
    else:
        replays.run(replays.start(current, current.launched_at, None, None).pk)
    assert memory.give_back_freed.cache_info().currsize == 1
