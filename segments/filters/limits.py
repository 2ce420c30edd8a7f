"""Statements of a filter that must not take for ever."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InternalError, OperationalError, connection, transaction
from psycopg.errors import OutOfMemory, QueryCanceled


class TooLongError(Exception):
    """A statement was cancelled because it ran into our limit."""


class TooComplexError(Exception):
    """PostgreSQL gave a statement up: it would have taken more room than there may be."""


@contextmanager
def room_limit() -> Iterator[None]:
    """Raises TooComplexError for statements inside that PostgreSQL gives up as it compiles or runs a pattern of theirs.

    To be used inside a ``time_limit``, which undoes them.
    """
    try:
        yield
    except InternalError as error:
        # "invalid memory alloc request size": it has no code of its own.
        raise TooComplexError from error
    except OperationalError as error:
        if isinstance(error.__cause__, OutOfMemory):
            raise TooComplexError from error
        raise


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Cancel statements inside that take longer. Raises TooLongError then.

    Where a limit around us is shorter, that one holds, and running into it is the business of whoever set it.
    """
    mine, is_ours = round(seconds * 1000), False
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'")
            (before,) = cursor.fetchone()
            is_ours = before == 0 or mine < before
            if is_ours:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(mine)])
            yield
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(before)])
    except OperationalError as error:
        if is_ours and isinstance(error.__cause__, QueryCanceled):
            raise TooLongError from None
        raise
