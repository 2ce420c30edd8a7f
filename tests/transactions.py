"""Transactions beside that of a test."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def held_open(write: Callable[[], object]) -> Iterator[None]:
    """Meanwhile a transaction on a connection of its own has done ``write`` and is not committed; afterwards it is."""
    written, commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            write()
            written.set()
            commit.wait(20)
        connection.close()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert written.wait(20)
    try:
        yield
    finally:
        commit.set()
        writer.join()
