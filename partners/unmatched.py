"""The identifiers that matched nobody, kept: an admin can see them, and their users can join when they appear."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain

from django.db import connection

from partners.changes import NOBODY, Identifier
from partners.models import UnmatchedId

#: From so many rows on, COPY is quicker than arrays.
COPY_FROM = 5_000
#: Above every position.
ALL = 2**63 - 1

_COLUMNS = "digest bytea, kind text, label text, value text, run_id bigint, position bigint, cancelled boolean"
_FEW = """unnest(%s::bytea[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::boolean[])
    AS w (digest, kind, label, value, run_id, position, cancelled)"""
_INSERT = """
    INSERT INTO partners_unmatchedid (cohort_id, digest, kind, label, value, run_id, since, position, cancelled)
    SELECT %s, digest, kind, label, value, run_id, now(), position, cancelled FROM {waiting} ORDER BY digest
    ON CONFLICT (cohort_id, digest) DO UPDATE
    SET run_id = EXCLUDED.run_id, position = EXCLUDED.position, cancelled = EXCLUDED.cancelled
    WHERE partners_unmatchedid.position < EXCLUDED.position"""


@dataclass(frozen=True)
class Waiting:
    """An unmatched identifier, the run that brought it and its place in the arrival order.

    ``cancelled``: it was removed later than a full copy that is still on its way (see ``UnmatchedId``).
    """

    identifier: Identifier
    run_id: int
    position: int
    cancelled: bool = False


def digest_of(identifier: Identifier) -> bytes:
    """The key of an identifier in the waiting list: 16 bytes, of which no two identifiers share one."""
    parts = (part.encode() for part in identifier)
    framed = chain.from_iterable((len(part).to_bytes(4), part) for part in parts)
    return hashlib.blake2b(b"".join(framed), digest_size=16).digest()


def wait(cohort_id: int, rows: Collection[Waiting]) -> None:
    """Put ``rows`` on the cohort's waiting list. One that is there with a later position stays as it is.

    Must run in a transaction. One statement; many rows are copied to a temporary table first.
    """
    rows = [row for row in rows if row.identifier.kind != NOBODY]
    if not rows:
        return
    values = [(digest_of(row.identifier), *row.identifier, row.run_id, row.position, row.cancelled) for row in rows]
    with connection.cursor() as cursor:
        if len(values) < COPY_FROM:
            cursor.execute(_INSERT.format(waiting=_FEW), [cohort_id, *map(list, zip(*values, strict=True))])
            return
        cursor.execute("DROP TABLE IF EXISTS pg_temp.partners_waiting")
        cursor.execute(f"CREATE TEMPORARY TABLE partners_waiting ({_COLUMNS}) ON COMMIT DROP")
        with cursor.copy("COPY partners_waiting FROM STDIN") as copy:
            for row in values:
                copy.write_row(row)
        cursor.execute(_INSERT.format(waiting="partners_waiting"), [cohort_id])


def stop_waiting(cohort_id: int, identifiers: Iterable[Identifier], before: int = ALL) -> None:
    """Take ``identifiers`` off the cohort's waiting list, if they were asked for ``before`` that position.

    One statement if nobody waits, else two.
    """
    # Mostly nobody does, and a digest of each identifier would be most of a fold's work.
    if UnmatchedId.objects.filter(cohort_id=cohort_id).exists():
        digests = sorted(digest_of(identifier) for identifier in identifiers)
        with connection.cursor() as cursor:
            cursor.execute(
                # The digests lead: an index on the cohort alone would do for a list that statistics do not know yet.
                "DELETE FROM partners_unmatchedid WHERE id = ANY(ARRAY("
                "SELECT u.id FROM unnest(%s::bytea[]) AS w (digest) CROSS JOIN LATERAL (SELECT id FROM"
                " partners_unmatchedid WHERE cohort_id = (SELECT %s::bigint) AND digest = w.digest AND position < %s"
                " OFFSET 0) AS u))",
                [digests, cohort_id, before],
            )


def cancelled_after(cohort_id: int, position: int) -> set[Identifier]:
    """Identifiers that were removed later than a full copy at ``position``, before they had a user. One statement."""
    rows = UnmatchedId.objects.filter(cohort_id=cohort_id, cancelled=True, position__gt=position)
    return {Identifier(*row) for row in rows.values_list("kind", "label", "value")}


def forget_before(cohort_id: int, position: int, cancelled_before: int | None) -> None:
    """Drop what a full copy at ``position`` has replaced, and the traces of removals that no copy needs any more.

    ``cancelled_before`` is the position of the next copy on its way, None if there is none.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM partners_unmatchedid WHERE cohort_id = %s"
            " AND (position < %s OR (cancelled AND position < %s))",
            [cohort_id, position, ALL if cancelled_before is None else cancelled_before],
        )
