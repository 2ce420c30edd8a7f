"""Many user profiles, quickly: straight into the table, known to the live-user set."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

AT_ONCE = 1_000_000


def external_id(number: int) -> str:
    """Of the profile made as the ``number``-th: as good as random, so neighbours in a request are none in the index."""
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()


@contextmanager
def indexes_afterwards(cursor: Any) -> Iterator[None]:
    """Meanwhile the table of profiles has only the indexes of its constraints; the others are built afterwards."""
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'profiles_profile' AND indexname NOT IN"
        " (SELECT conname FROM pg_constraint)"
    )
    indexes = cursor.fetchall()
    for name, _definition in indexes:
        cursor.execute(f"DROP INDEX {name}")
    yield
    for _name, definition in indexes:
        cursor.execute(definition)
    cursor.execute("VACUUM ANALYZE profiles_profile")


def make_people(workspace_id: int, count: int) -> None:
    """Make ``count`` identified profiles with the external ids of 1 to ``count``; the indexes are built afterwards."""
    from profiles.models import LiveUsers
    from profiles.sets import profile_ids

    with connection.cursor() as cursor, indexes_afterwards(cursor):
        for start in range(1, count + 1, AT_ONCE):
            cursor.execute(
                "INSERT INTO profiles_profile (workspace_id, braze_id, external_id, random_bucket)"
                " SELECT %s, lpad(to_hex(n), 24, '0'), md5(n::text), n %% 10000 FROM generate_series(%s, %s) AS n",
                [workspace_id, start, min(count, start + AT_ONCE - 1)],
            )
    LiveUsers.objects.create(workspace_id=workspace_id, members=profile_ids("workspace_id = %s", [workspace_id]))
