"""Locked profiles: read once, changed in memory, written back in one statement.

Every writer of profiles takes its locks in one order: names first (``profiles.identities``), then profiles by id, then
what belongs to them, then counters. A profile that went between finding and locking it makes the writer start again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import orjson
from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

from profiles.models import new_braze_id, new_random_bucket
from profiles.versions import kinds_of

Given = ParamSpec("Given")
Result = TypeVar("Result")

#: The columns that a request can change, with their SQL types.
WRITABLE: Final = {
    "country": "text",
    "date_of_birth": "date",
    "email": "text",
    "email_opted_in_at": "timestamptz",
    "email_subscribe": "text",
    "email_unsubscribed_at": "timestamptz",
    "first_name": "text",
    "first_used_at": "timestamptz",
    "gender": "text",
    "home_city": "text",
    "is_test_user": "boolean",
    "language": "text",
    "last_name": "text",
    "last_used_at": "timestamptz",
    "phone": "text",
    "push_opted_in_at": "timestamptz",
    "push_subscribe": "text",
    "push_unsubscribed_at": "timestamptz",
    "time_zone": "text",
    "custom_attributes": "jsonb",
    "other_fields": "jsonb",
}
#: By the state of a subscription: what the column ends with that says since when.
SINCE: Final = {"opted_in": "opted_in_at", "unsubscribed": "unsubscribed_at"}
#: What a new profile has in these columns.
_AT_BIRTH: Final[dict[str, Any]] = {
    **{name: None if kind in ("date", "timestamptz") else "" for name, kind in WRITABLE.items()},
    "email_subscribe": "subscribed",
    "push_subscribe": "subscribed",
    "is_test_user": False,
    "custom_attributes": {},
    "other_fields": {},
}
_CHANNELS: Final = ("email", "push")
_JSON: Final = ("custom_attributes", "other_fields")
_ATTEMPTS: Final = 8


class MovedError(Exception):
    """A name or a profile changed hands between finding and locking it: what was found is no longer true."""


def at_once(work: Callable[Given, Result]) -> Callable[Given, Result]:
    """Run ``work`` in one transaction, from the start again while others move what it is about.

    A killed process leaves nothing of it behind, and whatever was found has been true while its locks were held.
    """

    @wraps(work)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with transaction.atomic():
                    return work(*args, **kwargs)
            except (MovedError, OperationalError) as error:
                if attempt == _ATTEMPTS or not _may_repeat(error):
                    raise
        raise AssertionError("unreachable")

    return run


def _may_repeat(error: Exception) -> bool:
    return isinstance(error, MovedError) or isinstance(error.__cause__, DeadlockDetected)


@dataclass(slots=True)
class Row:
    """A locked profile: its names, its columns before, and what they become. ``stored``: as the table has them."""

    id: int
    external_id: str | None
    braze_id: str
    before: dict[str, Any]
    after: dict[str, Any] = field(init=False)
    stored: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.after = dict(self.before)
        self.stored = self.before

    def as_user(self) -> dict[str, Any]:
        """The arguments of ``NewEvent`` that name this user."""
        return {
            "external_user_id": self.external_id,
            "user_id": self.braze_id,
            "timezone": self.after["time_zone"] or None,
        }

    def used(self, moment: datetime) -> None:
        """Note that the user did something at ``moment``."""
        first, last = self.after["first_used_at"], self.after["last_used_at"]
        self.after["first_used_at"] = min(first, moment) if first else moment
        self.after["last_used_at"] = max(last, moment) if last else moment

    def chose(self, moment: datetime) -> None:
        """Note that the user opted in or unsubscribed at ``moment``, on the channels where that is new."""
        for channel in _CHANNELS:
            state = self.after[f"{channel}_subscribe"]
            if state != self.before[f"{channel}_subscribe"] and state in SINCE:
                self.after[f"{channel}_{SINCE[state]}"] = moment


def newborn(external_id: str) -> Row:
    """The row of a user who is to be made (``insert``): until then it has no id."""
    return Row(0, external_id, new_braze_id(), dict(_AT_BIRTH))


def insert(workspace_id: int, rows: Iterable[Row]) -> None:
    """Make the users of these rows, with all that they have become, in one statement. Names are taken in their order.

    A row whose external id another request takes at this moment stays without an id.
    """
    of_name = {row.external_id: row for row in rows}
    if not of_name:
        return
    columns = [name for name in WRITABLE if any(row.after[name] != _AT_BIRTH[name] for row in of_name.values())]
    own = {"external_id": "text", "braze_id": "text", "random_bucket": "smallint"}
    names = ", ".join([*own, *columns])
    values = [
        {
            "external_id": row.external_id,
            "braze_id": row.braze_id,
            "random_bucket": new_random_bucket(),
            **{name: row.after[name] for name in columns},
        }
        for row in of_name.values()
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO profiles_profile (workspace_id, {names})
            SELECT %s, {names}
            FROM ROWS FROM (json_to_recordset(%s::json) AS ({_typed(own | {name: WRITABLE[name] for name in columns})}))
                WITH ORDINALITY AS new ({names}, place)
            ORDER BY place
            ON CONFLICT (workspace_id, external_id) WHERE external_id IS NOT NULL DO NOTHING
            RETURNING external_id, id
            """,  # noqa: S608 - names of ours
            [workspace_id, orjson.dumps(values).decode()],
        )
        for external_id, profile_id in cursor.fetchall():
            row = of_name[external_id]
            row.id, row.stored = profile_id, dict(row.after)


def _typed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


def lock(ids: Iterable[int]) -> dict[int, Row]:
    """Lock the profiles in the order of their ids and read them, in one statement.

    Raises MovedError when one of them is no more: it was merged or deleted after it had been found.
    """
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    columns = ", ".join(f"{name}::text" if name in _JSON else name for name in WRITABLE)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, external_id, braze_id, {columns} FROM profiles_profile"  # noqa: S608 - names of ours
            " WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
            [wanted],
        )
        rows = {values[0]: _row(values) for values in cursor.fetchall()}
    if len(rows) < len(wanted):
        raise MovedError
    return rows


def _row(values: tuple[Any, ...]) -> Row:
    before = dict(zip(WRITABLE, values[3:], strict=True))
    for name in _JSON:
        before[name] = orjson.loads(before[name])
    return Row(values[0], values[1], values[2], before)


def save(rows: Iterable[Row]) -> None:
    """Write the rows that changed, in one statement: the columns that differ in any of them. It notes their kinds."""
    changed = [row for row in rows if row.after != row.stored]
    if not changed:
        return
    columns = [name for name in WRITABLE if any(row.after[name] != row.stored[name] for row in changed)]
    assignments = ", ".join(f"{name} = new.{name}" for name in columns)
    types = _typed({name: WRITABLE[name] for name in columns})
    # As JSON, which is encoded several times faster than arrays of PostgreSQL's.
    values = orjson.dumps([{"id": row.id, **{name: row.after[name] for name in columns}} for row in changed])
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH saved AS (
                UPDATE profiles_profile SET {assignments}, updated_at = now()
                FROM json_to_recordset(%s::json) AS new (id bigint, {types})
                WHERE profiles_profile.id = new.id RETURNING workspace_id
            )
            INSERT INTO profiles_datachange (workspace_id, kind)
            SELECT workspace_id, unnest(%s::text[]) FROM (SELECT DISTINCT workspace_id FROM saved) AS one
            """,  # noqa: S608 - names of ours
            [values.decode(), kinds_of(columns)],
        )
