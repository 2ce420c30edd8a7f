"""Values that users have, offered while one types: the commonest among those that can be found in a moment."""

from typing import Final

from django.db import connection

from segments.filters.base import Option
from segments.filters.comparing import Expression
from segments.filters.limits import TooLongError, time_limit
from segments.filters.values import MAX_TEXT

#: So many users with a value are looked at.
LOOKED_AT: Final = 5_000
#: What that may take. A value that hardly anybody has is then not offered; it can be typed all the same.
SECONDS: Final = 0.4


def common(workspace_id: int, values: Expression, query: str, limit: int) -> list[Option]:
    """Values of ``values`` (SQL texts of a profile's row, one or several) that hold what was typed, commonest first."""
    select, params = values.put(
        "SELECT value FROM (SELECT [x] AS value FROM profiles_profile WHERE workspace_id = %s) AS held"
        " WHERE value <> '' AND strpos(lower(value), lower(%s)) > 0 AND length(value) <= %s LIMIT %s",
        workspace_id,
        query.strip(),
        MAX_TEXT,
        LOOKED_AT,
    )
    try:
        with time_limit(SECONDS), connection.cursor() as cursor:
            cursor.execute(
                f"SELECT value FROM ({select}) found GROUP BY value ORDER BY count(*) DESC, value LIMIT %s",  # noqa: S608
                [*params, limit],
            )
            return [Option(value, value) for (value,) in cursor.fetchall()]
    except TooLongError:
        return []
