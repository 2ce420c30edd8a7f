"""What a laptop needs around ``manage.py``: servers' addresses and secrets, set before Django loads.

A deployment sets DATABASE_URL and REDIS_URL and nothing here has any effect, except for the command ``demo``.
"""

import base64
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from brazeclone.launcher import files, locks, servers

REPOSITORY = Path(__file__).resolve().parents[2]
# Commands that never open a connection: no server is started for them.
_WITHOUT_SERVERS = frozenset(
    {
        "",
        "check",
        "collectstatic",
        "compilemessages",
        "diffsettings",
        "findstatic",
        "help",
        "makemessages",
        "messages",
        "startapp",
        "version",
    }
)


def data_root() -> Path:
    """Where embedded servers and the demo keep their data: BRAZECLONE_DATA_DIR, else ``.data`` beside us."""
    return Path(os.environ.get("BRAZECLONE_DATA_DIR") or REPOSITORY / ".data").resolve()


@contextmanager
def prepared(arguments: Sequence[str]) -> Iterator[None]:
    """Complete the environment for ``manage.py`` with these ``arguments``, and hold the servers it needs.

    Raises LauncherError if a server does not start.
    """
    for name in servers.VARIABLES:
        if not os.environ.get(name):
            os.environ.pop(name, None)  # set to nothing is not set
    root = data_root()
    command = arguments[1] if len(arguments) > 1 else ""
    is_check = command == "demo" and "--check" in arguments
    if is_check or (command != "demo" and "DATABASE_URL" not in os.environ):
        # Beside a running demo every command works on what the demo works on.
        os.environ.update((running_demo(root) or {}).get("environment", {}))
    if command == "demo" or "DATABASE_URL" not in os.environ:
        _set_defaults(local_settings(root))
    # Without a running demo the check starts one elsewhere, and leaves the data here alone.
    wanted = set() if is_check else _missing_servers(command, arguments)
    with servers.hold(root, wanted, _options()) as urls:
        os.environ.update(urls)
        yield


def local_settings(root: Path) -> dict[str, str]:
    """Settings of an installation that lives under ``root``; its secrets are made once and kept there."""
    kept = kept_values(root)
    return {"DJANGO_DEBUG": "true", **{name: kept[name] for name in ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS")}}


def kept_values(root: Path) -> dict[str, Any]:
    """What ``root/demo.json`` (mode 0600) remembers: secrets, and what bootstrap has shown."""
    root.mkdir(parents=True, exist_ok=True, mode=servers.ROOT_MODE)
    with locks.exclusive(root / "demo.lock"):
        kept = files.read_json(root / "demo.json")
        if "SECRET_KEY" not in kept:
            fernet_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")
            kept |= {"SECRET_KEY": secrets.token_urlsafe(48), "FIELD_ENCRYPTION_KEYS": fernet_key}
            files.write_json(root / "demo.json", kept)
    return kept


def keep(root: Path, values: dict[str, Any]) -> None:
    """Add ``values`` to what ``root/demo.json`` remembers."""
    with locks.exclusive(root / "demo.lock"):
        files.write_json(root / "demo.json", files.read_json(root / "demo.json") | values)


def running_demo(root: Path) -> dict[str, Any] | None:
    """Of the demo that runs on ``root``: its addresses and its environment; None if none runs."""
    if not locks.is_held(root / "run" / "demo"):
        return None
    return files.read_json(root / "demo-running.json") or None


def _missing_servers(command: str, arguments: Sequence[str]) -> set[str]:
    """The settings whose servers this call needs, and that nobody has set."""
    asks_for_help = {"-h", "--help", "--version"} & set(arguments)
    if command in _WITHOUT_SERVERS or asks_for_help:
        return set()
    return set(servers.VARIABLES) - set(os.environ)


def _options() -> servers.Options:
    defaults = servers.Options()
    return servers.Options(
        shared_buffers=os.environ.get("BRAZECLONE_SHARED_BUFFERS", defaults.shared_buffers),
        valkey_memory=os.environ.get("BRAZECLONE_VALKEY_MEMORY", defaults.valkey_memory),
    )


def _set_defaults(values: dict[str, str]) -> None:
    for name, value in values.items():
        os.environ.setdefault(name, value)
