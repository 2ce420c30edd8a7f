"""A dry run: what the rows of a chunk would do, found by looking. No user is written, but those who would be made are
noted, in any process: a later chunk that names one of them again would change a user and make none.
"""

from collections.abc import Collection

from django.db import connection

from profiles.identities import Identity, find
from profiles.importing.writing import Chunk, Written
from profiles.stores import TriedName


def would_write(import_id: int, chunk: Chunk) -> Written:
    """What ``write`` would do with the chunk, after the dry run ``import_id`` has seen the chunks before it."""
    names = {one.identity for one in chunk.records}
    known = find(chunk.workspace_id, names).keys()
    if not chunk.may_create:
        return chunk.written((), known)
    born = _first_named(import_id, names - known)
    _first_named(import_id, chunk.numbers)
    return chunk.written(born, names - born)


def _first_named(import_id: int, names: Collection[Identity]) -> set[Identity]:
    """Those of ``names`` that this dry run has not come upon before; from now on it has."""
    if not names:
        return set()
    ordered = list(names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH given AS (
                SELECT md5(ROW(name, label)::text)::uuid AS digest, place::int
                FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS given (name, label, place)
            ), fresh AS (
                INSERT INTO {TriedName._meta.db_table} (user_import_id, digest)
                SELECT %s, digest FROM given ORDER BY digest ON CONFLICT DO NOTHING RETURNING digest
            )
            SELECT place FROM given JOIN fresh USING (digest)
            """,  # noqa: S608 - a name of ours
            [[one.name for one in ordered], [one.label for one in ordered], import_id],
        )
        return {ordered[place - 1] for (place,) in cursor.fetchall()}


def forget_tried(import_id: int) -> None:
    """Delete the notes of a dry run that is over."""
    TriedName.objects.filter(user_import_id=import_id).delete()
