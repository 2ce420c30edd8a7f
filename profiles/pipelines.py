"""Statements sent without waiting for what becomes of those before: PostgreSQL works while we prepare the next.

PostgreSQL: libpq, pipeline mode. No statement gets a name, so a pooler such as PgBouncer may stand between.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def pipelined() -> Iterator[None]:
    """Send the statements inside so. One whose rows are fetched is waited for, with all before it; there is no COPY.

    What a statement raises comes when it is waited for: at the end at the latest, as the error that Django makes of it.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield
