"""When the data that sets of users are made from changed, by kind: so that a stored set is known to be good or not.

Whoever writes data notes the kinds in the same transaction: by ``bump``, or by ``BUMP_SQL`` at the end of the statement
that writes. A note is a row of its own: it is there if and only if the data is, whatever is killed when, and writers
never wait for each other. Who stores a set keeps the snapshot that it was read under; the set is good while PostgreSQL
shows no note that this snapshot did not show.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from django.conf import settings
from django.db import connection, models

from workspaces.models import Workspace


class Kind(StrEnum):
    """Kinds of data that filters depend on. New profiles and merges concern all of them."""

    #: Profiles that came, and names: external ids, aliases.
    IDENTITY = "profiles.identity"
    #: Columns of profiles that are in no other kind.
    ATTRIBUTES = "profiles.attributes"
    CUSTOM_ATTRIBUTES = "profiles.custom_attributes"
    #: The first and last use of any app.
    USE = "profiles.use"
    #: Devices, push tokens, and the use of each app.
    DEVICES = "profiles.devices"
    #: The states of email and push, and subscription groups.
    SUBSCRIPTIONS = "profiles.subscriptions"
    #: Custom events, purchases, sessions, with properties.
    COUNTERS = "profiles.counters"
    #: What users did with messages.
    ENGAGEMENT = "profiles.engagement"
    #: What installs were attributed to.
    ATTRIBUTION = "profiles.attribution"
    #: Lists of users that people made for a filter.
    LISTS = "profiles.lists"
    #: Whom imports of users made or changed.
    IMPORTS = "profiles.imports"
    #: Nobody notes these two, so no set is stored that depends on them: cohorts are stored as sets already, and a
    #: segment is made from the sets of its own filters.
    COHORTS = "partners.cohorts"
    SEGMENTS = "segments"


#: Kinds that are never noted.
UNNOTED: Final = frozenset({Kind.COHORTS, Kind.SEGMENTS})
#: All kinds that are.
NOTED: Final = frozenset(Kind) - UNNOTED

_COLUMNS: Final = {
    "custom_attributes": Kind.CUSTOM_ATTRIBUTES,
    "email_opted_in_at": Kind.SUBSCRIPTIONS,
    "email_subscribe": Kind.SUBSCRIPTIONS,
    "email_unsubscribed_at": Kind.SUBSCRIPTIONS,
    "push_opted_in_at": Kind.SUBSCRIPTIONS,
    "push_subscribe": Kind.SUBSCRIPTIONS,
    "push_unsubscribed_at": Kind.SUBSCRIPTIONS,
    "first_used_at": Kind.USE,
    "last_used_at": Kind.USE,
}
#: Notes outlive every stored set by so much: a transaction notes before it commits.
_GRACE_SECONDS: Final = 600

#: The end of a statement ``WITH ... INSERT`` that writes data: notes it for (workspace id, kinds).
BUMP_SQL: Final = "INSERT INTO profiles_datachange (workspace_id, kind) SELECT %s, unnest(%s::text[])"


class DataChange(models.Model):
    """A note: the transaction ``xid`` changed data of this kind. Kept a little longer than any stored set."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, db_constraint=False, related_name="+")
    kind = models.CharField(max_length=40)
    xid = models.BigIntegerField(db_default=models.expressions.RawSQL("(pg_current_xact_id()::text::bigint)", ()))
    made_at = models.DateTimeField(db_default=models.expressions.RawSQL("clock_timestamp()", ()))

    class Meta:
        indexes = [models.Index(fields=["workspace", "kind", "xid"], name="data_change_of_kind")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.xid}"


def bump(workspace_id: int, kinds: Iterable[str]) -> None:
    """Note, in the transaction that writes it, that data of these kinds has changed. One statement.

    Outside a transaction a killed process could leave the data without its note: open one around both.
    """
    with connection.cursor() as cursor:
        cursor.execute(BUMP_SQL, [workspace_id, sorted(Kind(kind) for kind in kinds)])


def kinds_of(columns: Iterable[str]) -> list[Kind]:
    """The kinds of data that these columns of ``profiles_profile`` are."""
    return sorted({_COLUMNS.get(name, Kind.ATTRIBUTES) for name in columns})


class Reading(NamedTuple):
    """What the data was when a set was read: to be taken before reading it, and stored beside it.

    ``cluster`` is the database: transaction ids mean nothing in another one, such as after a dump and restore.
    """

    cluster: str
    snapshot: str


class Age(StrEnum):
    """What happened to data since a reading."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    #: It has changed, and does so all the time.
    BUSY = "busy"


class Present(NamedTuple):
    """This moment: a reading of it, and what has happened since each of the readings that were asked about.

    ``is_shared``: everybody reads the same now. Not so in a transaction that has written: it sees what others do not.
    """

    reading: Reading
    is_shared: bool
    ages: list[Age]


_CLUSTER: Final = """
    (SELECT system_identifier FROM pg_control_system())::text || '/' || (
        SELECT oid FROM pg_database WHERE datname = current_database())::text"""
#: A note that a snapshot did not show: of a transaction that had not begun then, or was under way.
_AGE: Final = """
    SELECT CASE
        WHEN one.cluster <> here.cluster THEN 'changed'
        WHEN NOT EXISTS (
            SELECT FROM profiles_datachange note
            WHERE note.workspace_id = %(workspace)s AND note.kind = ANY(string_to_array(one.kinds, ','))
              AND (note.xid >= pg_snapshot_xmax(one.snapshot::pg_snapshot)::text::bigint OR note.xid = ANY(ARRAY(
                   SELECT xid::text::bigint FROM pg_snapshot_xip(one.snapshot::pg_snapshot) AS xid)))
        ) THEN 'unchanged'
        WHEN EXISTS (
            SELECT FROM unnest(string_to_array(one.kinds, ',')) AS busy
            WHERE clock_timestamp() - make_interval(secs => %(span)s) < (
                SELECT note.made_at FROM profiles_datachange note
                WHERE note.workspace_id = %(workspace)s AND note.kind = busy ORDER BY note.xid DESC
                OFFSET %(others)s LIMIT 1)
        ) THEN 'busy'
        ELSE 'changed' END
    FROM unnest(%(clusters)s::text[], %(snapshots)s::text[], %(kinds)s::text[]) WITH ORDINALITY
        AS one (cluster, snapshot, kinds, place)
    ORDER BY one.place"""


def present(workspace_id: int, asked: Sequence[tuple[Reading, Iterable[Kind]]] = ()) -> Present:
    """A reading of this moment, and for each of ``asked``: what happened to these kinds of data since. One statement.

    Data is busy when it changed ``SEGMENT_CACHE_BUSY_CHANGES`` times in the last ``SEGMENT_CACHE_BUSY_SECONDS``.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH here AS (SELECT {_CLUSTER} AS cluster)
            SELECT here.cluster, pg_current_snapshot()::text, pg_current_xact_id_if_assigned() IS NULL, ARRAY({_AGE})
            FROM here
            """,  # noqa: S608 - constants
            {
                "workspace": workspace_id,
                "span": settings.SEGMENT_CACHE_BUSY_SECONDS,
                "others": settings.SEGMENT_CACHE_BUSY_CHANGES - 1,
                "clusters": [reading.cluster for reading, _ in asked],
                "snapshots": [reading.snapshot for reading, _ in asked],
                "kinds": [",".join(sorted(kinds)) for _, kinds in asked],
            },
        )
        cluster, snapshot, is_shared, ages = cursor.fetchone()
    return Present(Reading(cluster, snapshot), is_shared, [Age(age) for age in ages])


def forget() -> int:
    """Delete the notes that no stored set can need any more; returns how many."""
    kept = settings.SEGMENT_CACHE_SECONDS + _GRACE_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM profiles_datachange WHERE made_at < clock_timestamp() - make_interval(secs => %s)", [kept]
        )
        return cursor.rowcount
