"""An append-only JSON-lines file: every change is one line, and a start replays them."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

FILE_NAME = "sandbox.jsonl"


class JournalError(Exception):
    """The journal cannot be used; the message says why and what to do."""


class Journal:
    """The file under the data folder. One process at a time owns it (a lock sees to that)."""

    def __init__(self, folder: Path) -> None:
        """Open or create the journal in ``folder``. Raises JournalError if another process holds it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE_NAME
        self._lock = self._take_lock(folder)
        self._file = self._open()

    def _take_lock(self, folder: Path) -> BinaryIO:
        # A lock file of its own: compaction replaces the journal, and a lock would stay with the old one.
        lock = (folder / (FILE_NAME + ".lock")).open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise JournalError(f"Another sandbox uses {folder}. Stop it or give --data another folder.") from None
        return lock

    def _open(self) -> BinaryIO:
        # The journal holds the connection's keys: nobody else may read it.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "r+b", buffering=0)

    def replay(self) -> Iterator[dict[str, Any]]:
        """All entries in order. A last line cut short by a crash is removed; other damage is an error."""
        self._file.seek(0)
        position = 0
        with self.path.open("rb") as reader:
            for number, line in enumerate(reader, start=1):
                if not line.endswith(b"\n"):
                    os.truncate(self.path, position)
                    return
                try:
                    yield orjson.loads(line)
                except orjson.JSONDecodeError:
                    raise JournalError(
                        f"Line {number} of {self.path} is damaged. Repair or move the file away."
                    ) from None
                position += len(line)

    def append(self, entry: dict[str, Any]) -> None:
        """Write one entry; it survives the end of the process (not of the machine: no fsync)."""
        self._file.write(orjson.dumps(entry) + b"\n")

    def rewrite(self, entries: Iterable[dict[str, Any]]) -> None:
        """Replace the whole journal by ``entries``, atomically."""
        fresh = self.path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as writer:
            for entry in entries:
                writer.write(orjson.dumps(entry) + b"\n")
        fresh.replace(self.path)
        self._file.close()
        self._file = self._open()

    def close(self) -> None:
        """Release the file and its lock."""
        self._file.close()
        self._lock.close()
