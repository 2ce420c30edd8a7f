"""Taking names: new profiles, new aliases, external ids that change hands.

Architecture, decision 1: ids are precious, so one is drawn only for a really new profile.

A name is taken before any profile is locked, and names in one order: email addresses and phone numbers, external ids
sorted, aliases sorted, push tokens sorted. So two requests wait for each other in one direction only and cannot
deadlock.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final
from zlib import crc32

from django.db import connection

from profiles.identities import CONTACTS, Identity, find
from profiles.live import log_identity
from profiles.models import IdentityChange, new_braze_id, new_random_bucket
from profiles.planning import WORKSPACE
from profiles.rows import MovedError, Row, insert

#: A name can be taken between looking up and inserting; the next look finds it.
_ATTEMPTS: Final = 5
#: Advisory locks of this application begin with these bits; a workspace has so many for addresses and numbers.
_LOCKS: Final = 0x42C0 << 48
_BUCKETS: Final = 64


def find_or_create(
    workspace_id: int, identities: Iterable[Identity], creatable: Iterable[Identity], make: Callable[[Identity], Row]
) -> tuple[dict[Identity, int], dict[int, Row]]:
    """As ``find``, with a new profile for each of ``creatable`` that nobody has, in the caller's transaction.

    ``make`` gives the row (``profiles.rows.newborn``) that is inserted for a new external id: those that were come as
    the second result, by id. New profiles are written to the identity log, in one row.
    """
    wanted, may_create = set(identities), set(creatable)
    found = find(workspace_id, wanted)
    born: list[int] = []
    made: dict[int, Row] = {}
    for _ in range(_ATTEMPTS):
        missing = sorted(may_create - found.keys())
        if not missing:
            break
        found |= lock_contacts(workspace_id, [one for one in missing if one.kind in CONTACTS])
        missing = [one for one in missing if one not in found]
        new: dict[Identity, int] = {}
        for kind in _ORDER:
            mine = [one for one in missing if one.kind == kind]
            if kind == "external_id":
                rows = {one: make(one) for one in mine}
                insert(workspace_id, rows.values())
                new |= {one: row.id for one, row in rows.items() if row.id}
                made |= {row.id: row for row in rows.values() if row.id}
            else:
                new |= _INSERTS[kind](workspace_id, mine)
        found |= new
        born += new.values()
        if len(new) < len(missing):
            found |= find(workspace_id, wanted - found.keys())
    log_identity(workspace_id, IdentityChange.Kind.CREATED, sorted(born))
    return found, made


def lock_contacts(workspace_id: int, contacts: Sequence[Identity]) -> dict[Identity, int]:
    """Let nobody else make a user for these until the transaction ends; returns what appeared meanwhile.

    Several users can have one email address, so no index keeps two requests from making two.
    """
    if not contacts:
        return {}
    buckets = {crc32(f"{one.kind} {one.name}".encode()) % _BUCKETS for one in contacts}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s | key) FROM unnest(%s::bigint[]) AS key",
            [_LOCKS, [workspace_id * _BUCKETS + bucket for bucket in sorted(buckets)]],
        )
    return find(workspace_id, contacts)


def _insert_aliased(workspace_id: int, missing: Sequence[Identity]) -> dict[Identity, int]:
    """Insert an anonymous profile for each alias; an alias that another request inserts at this moment is left out.

    The alias comes first, with an id drawn for its profile (the foreign key is checked at commit), so that a lost
    race leaves no profile without a name behind.
    """
    made = insert_aliases(workspace_id, dict.fromkeys(missing))
    insert_anonymous(list(made.values()), workspace_id)
    return made


def insert_anonymous(profile_ids: Sequence[int], workspace_id: int) -> None:
    """Insert profiles with ids that ``insert_aliases`` has drawn."""
    if not profile_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_profile (id, workspace_id, braze_id, random_bucket)
            SELECT new.id, %s, new.braze_id, new.bucket
            FROM unnest(%s::bigint[], %s::text[], %s::int[]) AS new (id, braze_id, bucket)
            """,
            [workspace_id, list(profile_ids), *_drawn(len(profile_ids))],
        )


def _insert_for_tokens(workspace_id: int, missing: Sequence[Identity]) -> dict[Identity, int]:
    """Insert an anonymous profile for each push token, as for aliases; none for a token of an app that is not ours."""
    if not missing:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH made AS (
                INSERT INTO profiles_pushtoken (workspace_id, app_id, profile_id, token, device_id)
                SELECT app.workspace_id, app.id, nextval(pg_get_serial_sequence('profiles_profile', 'id')),
                       new.token, gen_random_uuid()::text
                FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS new (token, app, place)
                JOIN workspaces_app app ON app.workspace_id = %s AND app.api_id::text = new.app
                ORDER BY place
                ON CONFLICT (workspace_id, token, app_id) DO NOTHING
                RETURNING token, app_id, profile_id
            )
            SELECT made.token, app.api_id::text, made.profile_id
            FROM made JOIN workspaces_app app ON app.id = made.app_id
            """,
            [[one.name for one in missing], [one.label for one in missing], workspace_id],
        )
        made = {Identity("push_token", token, app): profile_id for token, app, profile_id in cursor.fetchall()}
    insert_anonymous(list(made.values()), workspace_id)
    return made


def insert_aliases(workspace_id: int, aliases: dict[Identity, int | None]) -> dict[Identity, int]:
    """Insert those of ``aliases`` that nobody has, each for its profile, or for one whose id is drawn here (None).

    Returns the profile ids of those inserted. The caller inserts the drawn profiles.
    """
    if not aliases:
        return {}
    wanted = sorted(aliases)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_alias (workspace_id, profile_id, label, name)
            SELECT %s, coalesce(new.profile_id, nextval(pg_get_serial_sequence('profiles_profile', 'id'))),
                   new.label, new.name
            FROM unnest(%s::bigint[], %s::text[], %s::text[]) WITH ORDINALITY AS new (profile_id, label, name, place)
            ORDER BY place
            ON CONFLICT (workspace_id, label, name) DO NOTHING
            RETURNING name, label, profile_id
            """,
            [
                workspace_id,
                [aliases[one] for one in wanted],
                [one.label for one in wanted],
                [one.name for one in wanted],
            ],
        )
        return {Identity("alias", name, label): profile_id for name, label, profile_id in cursor.fetchall()}


def _insert_contacts(column: str) -> Callable[[int, Sequence[Identity]], dict[Identity, int]]:
    """Makes the inserter of anonymous profiles that have an email address, or a phone number, and no other name."""

    def insert(workspace_id: int, missing: Sequence[Identity]) -> dict[Identity, int]:
        if not missing:
            return {}
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO profiles_profile (workspace_id, braze_id, {column}, random_bucket)
                SELECT %s, new.braze_id, new.value, new.bucket
                FROM unnest(%s::text[], %s::text[], %s::int[]) AS new (value, braze_id, bucket)
                RETURNING {column}, id
                """,  # noqa: S608 - "email" or "phone"
                [workspace_id, [one.name for one in missing], *_drawn(len(missing))],
            )
            of_name = dict(cursor.fetchall())
        return {one: of_name[one.name] for one in missing}

    return insert


#: The order in which names are taken.
_ORDER: Final = (*CONTACTS, "external_id", "alias", "push_token")
_INSERTS: Final[dict[str, Callable[[int, Sequence[Identity]], dict[Identity, int]]]] = {
    "email": _insert_contacts("email"),
    "phone": _insert_contacts("phone"),
    "alias": _insert_aliased,
    "push_token": _insert_for_tokens,
}


def claim_external_ids(workspace_id: int, names: Iterable[str]) -> None:
    """Take external ids for profiles that exist, before those are locked; ``give_external_ids`` hands them over.

    Each is held by a placeholder that never outlives the transaction. Its id is negative, so none is drawn.
    Raises MovedError when somebody has one of them by now.
    """
    wanted = sorted(set(names))
    if not wanted:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_profile (id, workspace_id, braze_id, external_id, random_bucket)
            SELECT new.id, %s, new.braze_id, new.external_id, 0
            FROM unnest(%s::bigint[], %s::text[], %s::text[]) WITH ORDINALITY AS new (id, external_id, braze_id, place)
            ORDER BY place
            ON CONFLICT (workspace_id, external_id) WHERE external_id IS NOT NULL DO NOTHING
            """,
            [workspace_id, [-1 - secrets.randbits(62) for _ in wanted], wanted, _drawn(len(wanted))[0]],
        )
        if cursor.rowcount < len(wanted):
            raise MovedError


def give_external_ids(workspace_id: int, names: Mapping[int, str], claimed: Collection[str]) -> None:
    """Give locked profiles (by id) external ids, all of them ``claimed``, and tell the floors above.

    What was claimed and is given to nobody is free again.
    """
    if not claimed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            DELETE FROM profiles_profile WHERE id < 0 AND id = ANY(ARRAY(
                SELECT one.id FROM unnest(%(names)s::text[]) AS claimed (name) CROSS JOIN LATERAL (
                    SELECT id FROM profiles_profile
                    WHERE workspace_id = {WORKSPACE} AND external_id = claimed.name LIMIT 1
                ) one))
            """,  # noqa: S608 - a constant
            {"names": sorted(claimed), "workspace": workspace_id},
        )
        cursor.execute(
            """
            UPDATE profiles_profile SET external_id = new.external_id, updated_at = now()
            FROM unnest(%s::bigint[], %s::text[]) AS new (id, external_id) WHERE profiles_profile.id = new.id
            """,
            [list(names), list(names.values())],
        )
    log_identity(workspace_id, IdentityChange.Kind.IDENTIFIED, sorted(names))


def _drawn(count: int) -> tuple[list[str], list[int]]:
    """Braze ids and random buckets for ``count`` new profiles."""
    return [new_braze_id() for _ in range(count)], [new_random_bucket() for _ in range(count)]
