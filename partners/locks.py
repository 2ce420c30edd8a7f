"""Work that one process at a time does: the database frees the lock when the process dies."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

_ASK_AGAIN_SECONDS = 0.02


@contextmanager
def only_one(work: int, of: int, patience: float = 0.0) -> Iterator[bool]:
    """Whether this process is the only one that does ``work`` (a number of ours, 31 bits) for the row ``of``.

    ``patience``: so many seconds another one is given to end.
    """
    end = time.monotonic() + patience
    while not (mine := _locked(work, of)) and time.monotonic() < end:
        time.sleep(_ASK_AGAIN_SECONDS)
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [work, of])


def _locked(work: int, of: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [work, of])
        return bool(cursor.fetchone()[0])
