"""What ``manage.py`` adds to the environment, and when it leaves everything alone."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from brazeclone.launcher import environment, files, locks
from brazeclone.launcher.servers import wait_until_stopped
from tests.servers import REPOSITORY

NOWHERE = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment that sets nothing but the data directory."""
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "DJANGO_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BRAZECLONE_DATA_DIR", str(tmp_path / "data"))
    # What ``prepared`` sets is forgotten after the test.
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return tmp_path / "data"


def test_it_works(bare: Path) -> None:
    with environment.prepared(["manage.py", "shell"]):
        assert os.environ["DATABASE_URL"].startswith("postgresql://")
        assert os.environ["REDIS_URL"].startswith("redis://")
        assert os.environ["DJANGO_DEBUG"] == "true"
    wait_until_stopped(bare)


def test_secrets_are_made_once_and_kept_private(bare: Path) -> None:
    first = environment.local_settings(bare)
    environment.keep(bare, {"bootstrap": {"rest_api_key": "k"}})
    assert environment.local_settings(bare) == first
    assert environment.kept_values(bare)["bootstrap"] == {"rest_api_key": "k"}
    assert (bare / "demo.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("command", ["check", "help", "collectstatic", "messages", "version"])
def test_commands_without_a_database_start_none(bare: Path, command: str) -> None:
    with environment.prepared(["manage.py", command]):
        assert "DATABASE_URL" not in os.environ
        assert not (bare / "run").exists()


def test_asking_for_help_starts_none(bare: Path) -> None:
    with environment.prepared(["manage.py", "migrate", "--help"]):
        assert not (bare / "run").exists()


def test_a_deployment_is_left_alone(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NOWHERE.items():
        monkeypatch.setitem(os.environ, name, value)
    before = dict(os.environ)
    with environment.prepared(["manage.py", "migrate"]):
        assert dict(os.environ) == before
        assert not bare.exists()


def test_a_check_without_a_running_demo_leaves_the_data_alone(bare: Path) -> None:
    with environment.prepared(["manage.py", "demo", "--check"]):
        assert not (bare / "postgres").exists()


@pytest.mark.parametrize("command", [["demo", "--check"], ["shell"]])
def test_beside_a_running_demo_commands_share_what_it_has(bare: Path, command: list[str]) -> None:
    (bare / "run").mkdir(parents=True)
    files.write_json(bare / "demo-running.json", {"environment": {**NOWHERE, "PUBLIC_URL": "http://127.0.0.1:1"}})
    with locks.attempt(bare / "run" / "demo"), environment.prepared(["manage.py", *command]):
        assert NOWHERE.items() <= os.environ.items()
        assert os.environ["PUBLIC_URL"] == "http://127.0.0.1:1"


def test_what_a_killed_demo_has_left_counts_for_nothing(bare: Path) -> None:
    (bare / "run").mkdir(parents=True)
    (bare / "run" / "demo").touch()
    files.write_json(bare / "demo-running.json", {"environment": NOWHERE})
    assert environment.running_demo(bare) is None


def test_a_taken_port_gets_one_clear_line(bare: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = manage("demo", "--port", str(port), **NOWHERE)
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert f"Port {port} is taken" in result.stderr
    assert "make demo PORT=" in result.stderr


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    env = {**os.environ, **variables}
    return subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=180, check=False)
