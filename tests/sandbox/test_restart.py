"""What outlives the process, and the command line."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3

from sandbox.journal import FILE_NAME, JournalError
from sandbox.store import Store
from tests.sandbox.conftest import FAST
from tests.sandbox.running import RunningSandbox, event, wait_until

ROOT = Path(__file__).parents[2]


def test_it_works(start: Callable[..., RunningSandbox], tmp_path: Path) -> None:
    sandbox = start(FAST, tmp_path)
    sandbox.send([event(1), event(1), event(2), event(3, time=0)])
    sandbox.call("POST", "/sandbox/cohorts", {"name": "A", "members": ["user-1"]})
    cohort = sandbox.call("POST", "/sandbox/cohorts", {"name": "B", "members": [{"distinct_id": "u", "x": 1}]}).json
    sandbox.call("DELETE", "/sandbox/cohorts/1")
    events = sandbox.call("GET", "/sandbox/events").json
    sandbox.stop()
    again = start(FAST, tmp_path)
    assert again.call("GET", "/sandbox/events").json == events
    summary = again.call("GET", "/sandbox/events/summary").json
    assert (summary["total"], summary["duplicates"], summary["rejected"]) == (2, 1, 1)
    assert again.call("GET", f"/sandbox/cohorts/{cohort['id']}").json == cohort
    assert again.send([event(1)]).status == 200
    assert again.total() == 2, "deduplication remembers too"


def test_clearing_compacts_the_journal(start: Callable[..., RunningSandbox], tmp_path: Path) -> None:
    sandbox = start(FAST, tmp_path)
    for name in ("A", "B"):
        sandbox.call("POST", "/sandbox/cohorts", {"name": name, "members": ["user-1"]})
    sandbox.call("DELETE", "/sandbox/cohorts/2")
    sandbox.call("POST", "/sandbox/connection", {"data_import_key": "k", "endpoint": "http://127.0.0.1:1"})
    sandbox.send([event(number, text="x" * 1_000) for number in range(100)])
    sandbox.call("DELETE", "/sandbox/events")
    assert (tmp_path / FILE_NAME).stat().st_size < 5_000
    sandbox.send([event(7)])
    sandbox.stop()
    again = start(FAST, tmp_path)
    assert again.total() == 1
    assert again.call("GET", "/sandbox/cohorts/1").json["count"] == 1
    assert again.call("GET", "/sandbox/connection").json["endpoint"] == "http://127.0.0.1:1"
    assert again.call("POST", "/sandbox/cohorts", {"name": "C"}).json["id"] == 3, "ids are not used again"


def test_the_journal_is_private(start: Callable[..., RunningSandbox], tmp_path: Path) -> None:
    start(FAST, tmp_path)
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_a_line_cut_short_by_a_crash_is_dropped(start: Callable[..., RunningSandbox], tmp_path: Path) -> None:
    sandbox = start(FAST, tmp_path)
    sandbox.send([event(1)])
    sandbox.stop()
    with (tmp_path / FILE_NAME).open("ab") as journal:
        journal.write(b'{"op": "events", "eve')
    again = start(FAST, tmp_path)
    again.send([event(2)])
    again.stop()
    assert start(FAST, tmp_path).total() == 2


def test_damage_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"{oops\n{}\n")
    with pytest.raises(JournalError, match="Line 1"):
        Store(tmp_path)


def test_a_folder_has_one_sandbox(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(JournalError, match="Another sandbox"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


def test_seeds_only_once(start: Callable[..., RunningSandbox], tmp_path: Path) -> None:
    seeded = replace(FAST, seed=True)
    sandbox = start(seeded, tmp_path)
    cohorts = sandbox.call("GET", "/sandbox/cohorts").json
    assert [(cohort["name"], cohort["count"]) for cohort in cohorts] == [("Power users", 20), ("Churn risk", 26)]
    members = sandbox.call("GET", "/sandbox/cohorts/2").json["members"]
    assert [members[0]["distinct_id"], members[-1]["distinct_id"]] == ["user-15", "user-40"]
    sandbox.call("DELETE", "/sandbox/cohorts/1")
    sandbox.stop()
    assert len(start(seeded, tmp_path).call("GET", "/sandbox/cohorts").json) == 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_line(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    process = run("--port", str(port), "--data", str(tmp_path), MIXPANEL_SANDBOX_API_SECRET="from-environment")
    http = urllib3.PoolManager(retries=False)

    def imported() -> int | None:
        headers = {**urllib3.make_headers(basic_auth="from-environment:"), "Content-Type": "application/json"}
        try:
            return http.request("POST", f"http://127.0.0.1:{port}/import", json=[event()], headers=headers).status
        except urllib3.exceptions.HTTPError:
            return None

    assert wait_until(imported) == 200
    # A request that is kept waiting does not hold up the end.
    rule = {"kind": "timeout", "delay": 60}
    http.request("POST", f"http://127.0.0.1:{port}/sandbox/misbehave", json=rule)
    with pytest.raises(urllib3.exceptions.TimeoutError):
        http.request("POST", f"http://127.0.0.1:{port}/import", json=[], timeout=0.1)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert errors == ""
    assert re.search(r"Mixpanel sandbox at http://127.0.0.1:\d+/", output)
    assert "from-environment" not in output


def test_a_taken_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = run("--port", str(taken.getsockname()[1]))
        _output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert "Try another --port" in errors


def test_a_bad_variable() -> None:
    process = run(MIXPANEL_SANDBOX_PROJECT_ID="one")
    _output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "MIXPANEL_SANDBOX_PROJECT_ID" in errors
