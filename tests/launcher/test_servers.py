"""The embedded servers run while somebody holds them, and leave nothing behind, whoever is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from brazeclone.launcher import servers
from brazeclone.launcher.errors import LauncherError
from brazeclone.launcher.servers import wait_until_stopped
from tests.servers import FAST, REPOSITORY, is_alive, is_kept, pids


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    wait_until_stopped(tmp_path / "data")


def test_it_works(root: Path) -> None:
    with servers.hold(root, options=FAST) as urls:
        assert servers.running(root) == urls
        encoding, zone = query(urls, "SELECT current_setting('server_encoding'), current_setting('TimeZone')")
        assert (encoding, zone) == ("UTF8", "UTC")
        assert redis.Redis.from_url(urls["REDIS_URL"]).ping()
        processes = [number for found in pids(root).values() for number in found.values() if isinstance(number, int)]
        assert len(processes) == 4
    wait_until_stopped(root)
    assert servers.running(root) == {}
    until(lambda: not any(map(is_alive, processes)))


def test_a_password_is_asked(root: Path) -> None:
    with servers.hold(root, options=FAST) as urls:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(urls["DATABASE_URL"], password="wrong")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(urls["REDIS_URL"].replace("//:", "//:x")).ping()


def test_secrets_are_private(root: Path) -> None:
    with servers.hold(root, options=FAST):
        for path in (*root.glob("*-password"), *root.glob("run/*.json"), root / "valkey" / "valkey.conf"):
            assert path.stat().st_mode & 0o077 == 0, path


def test_holders_share_the_servers_until_the_last_has_gone(root: Path) -> None:
    with servers.hold(root, options=FAST) as first:
        with servers.hold(root, options=FAST) as second:
            assert second == first
        time.sleep(0.5)  # longer than a keeper takes to look
        assert query(first, "SELECT 1") == (1,)


def test_only_what_is_missing_is_started(root: Path) -> None:
    with servers.hold(root, {"REDIS_URL"}, options=FAST) as urls:
        assert set(urls) == {"REDIS_URL"}
        assert not is_kept(root, "postgres")


def test_a_restart_keeps_the_data(root: Path) -> None:
    with servers.hold(root, options=FAST) as urls:
        query(urls, CREATE)
    # No wait: the new holder meets the keeper while that is stopping.
    with servers.hold(root, options=FAST) as urls:
        assert query(urls, "SELECT answer FROM kept") == (42,)


def test_many_at_once_start_one_server(root: Path) -> None:
    holders = [start_holder(root) for _ in range(4)]
    try:
        assert len({json.dumps(told(holder), sort_keys=True) for holder in holders}) == 1
    finally:
        for holder in holders:
            kill(holder.pid)
            holder.wait()


def test_a_killed_holder_leaves_no_orphan(root: Path) -> None:
    holder = start_holder(root)
    told(holder)
    processes = pids(root)
    kill(holder.pid)
    holder.wait()
    wait_until_stopped(root)
    assert not any(is_alive(found["pid"]) for found in processes.values())


def test_a_killed_keeper_takes_its_server_along_and_the_next_holder_has_a_new_one(root: Path) -> None:
    with servers.hold(root, options=FAST) as urls:
        query(urls, CREATE)
        before = pids(root)
        for found in before.values():
            kill(found["keeper_pid"])
        if sys.platform == "linux":
            until(lambda: not any(is_alive(found["pid"]) for found in before.values()))
        with servers.hold(root, options=FAST) as fresh:
            assert query(fresh, "SELECT answer FROM kept") == (42,)
            assert not any(is_alive(found["pid"]) for found in before.values())


def test_a_killed_server_is_started_again_at_the_same_address(root: Path) -> None:
    with servers.hold(root, options=FAST) as urls:
        for found in pids(root).values():
            kill(found["pid"])
        until(lambda: answers(lambda: query(urls, "SELECT 1")))
        until(lambda: answers(redis.Redis.from_url(urls["REDIS_URL"]).ping))


def test_a_keeper_that_is_told_to_stop_stops_its_server(root: Path) -> None:
    with servers.hold(root, {"REDIS_URL"}, options=FAST):
        found = pids(root)["valkey"]
        os.kill(found["keeper_pid"], signal.SIGTERM)
        wait_until_stopped(root)
        assert not is_alive(found["pid"])


def test_a_state_file_of_a_dead_keeper_counts_for_nothing(root: Path) -> None:
    (root / "run").mkdir(parents=True)
    (root / "run" / "valkey.json").write_text('{"url": "redis://127.0.0.1:1/0", "keeper_pid": 1, "pid": 1}')
    assert servers.running(root) == {}
    with servers.hold(root, {"REDIS_URL"}, options=FAST) as urls:
        assert redis.Redis.from_url(urls["REDIS_URL"]).ping()


def test_an_interrupted_first_start_is_made_good(root: Path) -> None:
    (root / "postgres" / "cluster.new").mkdir(parents=True)
    (root / "postgres" / "cluster.new" / "PG_VERSION").write_text("half")
    with servers.hold(root, {"DATABASE_URL"}, options=FAST) as urls:
        assert query(urls, "SELECT 1") == (1,)


def test_data_of_another_postgresql_is_refused_in_one_line(root: Path) -> None:
    (root / "postgres" / "cluster").mkdir(parents=True)
    (root / "postgres" / "cluster" / "PG_VERSION").write_text("9\n")
    with pytest.raises(LauncherError, match=r"^.*was made by PostgreSQL 9, and this is \d+: .*$"), servers.hold(root):
        pass


CREATE = "CREATE TABLE kept AS SELECT 42 AS answer"


def query(urls: dict[str, str], statement: str) -> tuple[object, ...] | None:
    with psycopg.connect(urls["DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone() if cursor.description else None


def start_holder(root: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.launcher.holder", str(root)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def told(holder: subprocess.Popen[str]) -> dict[str, str]:
    assert holder.stdout
    with holder.stdout:
        urls: dict[str, str] = json.loads(holder.stdout.readline())
    return urls


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(call: Callable[[], object]) -> bool:
    try:
        return bool(call())
    except (psycopg.OperationalError, redis.ConnectionError):
        return False
