"""A cursor that speaks PostgreSQL's binary format, for statements with large values."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor
from psycopg.pq import Format


@contextmanager
def binary_cursor() -> Iterator[Any]:
    """Django's cursors write every parameter into the statement as text, which doubles the size of ``bytea`` and is
    parsed again by the server; this one sends parameters beside the statement and reads answers in binary form.

    Parameters have no types of their own here: cast those whose type PostgreSQL cannot infer.
    """
    connection.ensure_connection()
    raw: Any = cast(Any, ServerBindingCursor)(connection.connection)
    raw.format = Format.BINARY
    wrapped: Any = connection._prepare_cursor(raw)  # type: ignore[attr-defined] # as connection.cursor() does it
    with wrapped as cursor:
        yield cursor
