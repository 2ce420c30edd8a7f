"""Children in one terminal: prefixed lines, one that dies stops the rest, all of them stop with us."""

import os
import signal
import sys
import time

import pytest

from brazeclone.launcher import children as module
from brazeclone.launcher.children import Children, Stopped, stopping_on_signals
from brazeclone.launcher.errors import LauncherError
from tests.servers import is_alive

SLEEPER = "import time; print('ready', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
PARENT = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]).pid, flush=True)"


def test_it_works(capsys: pytest.CaptureFixture[str]) -> None:
    children = start(web=SLEEPER, worker=SLEEPER)
    children.stop()
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == ["web     | ready", "worker  | ready"]


def test_a_last_line_without_an_end_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    children = Children()
    run(children, "web", "import sys; sys.stdout.write('no end')")
    with pytest.raises(LauncherError):
        pump_until_it_ends(children)
    children.stop()
    assert capsys.readouterr().out == "web     | no end\n"


def test_a_child_that_ends_is_named_with_its_reason() -> None:
    children = Children()
    run(children, "worker", "raise SystemExit(3)")
    with pytest.raises(LauncherError, match=r"^worker ended unexpectedly \(exit status 3\)"):
        pump_until_it_ends(children)
    children.stop()


def test_a_child_that_is_killed_is_named_with_the_signal() -> None:
    children = Children()
    run(children, "worker", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(LauncherError, match=r"^worker ended unexpectedly \(killed by SIGKILL\)"):
        pump_until_it_ends(children)
    children.stop()


def test_a_child_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_TIMEOUT", 0.3)
    children = start(web=STUBBORN)
    started = time.monotonic()
    children.stop()
    assert time.monotonic() - started < 5


def test_what_a_child_has_started_ends_with_it() -> None:
    children = Children()
    run(children, "web", PARENT)
    with pytest.raises(LauncherError):
        pump_until_it_ends(children)
    pid = int(children._children[0].recent[0])
    assert is_alive(pid)
    children.stop()
    deadline = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_waiting_has_an_end() -> None:
    children = start(web=SLEEPER)
    with pytest.raises(LauncherError, match=r"^web \(http://x\) did not answer within 0 seconds"):
        children.wait_until(lambda: False, "web (http://x)", 0.2)
    children.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_stop_us_in_order(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Stopped), stopping_on_signals():
        signal.raise_signal(number)
    assert signal.getsignal(number) == before


def test_a_second_signal_does_not_disturb_the_first() -> None:
    cleaned_up = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleaned_up.append(True)

    with pytest.raises(Stopped), stopping_on_signals():
        work()
    assert cleaned_up


def start(**programs: str) -> Children:
    """Children that run Python ``programs``, each of which has said that it is ready."""
    children = Children()
    for name, program in programs.items():
        run(children, name, program)
    for name in programs:
        children.wait_until(lambda name=name: children.has_said(name, "ready"), name, 20)
    return children


def run(children: Children, name: str, program: str) -> None:
    children.start(name, [sys.executable, "-c", program], os.environ)


def pump_until_it_ends(children: Children) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        children.pump(0.05)
