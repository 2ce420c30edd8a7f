"""Changing the names of users: aliases added and renamed, external ids renamed and removed.

Braze: create new user aliases, update user aliases; external ID migration.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection

from profiles.identities import Identity, find
from profiles.live import log_identity
from profiles.models import IdentityChange
from profiles.names import claim_external_ids, give_external_ids, insert_aliases, insert_anonymous
from profiles.planning import WORKSPACE
from profiles.rows import MovedError, at_once, lock

#: Why an external id cannot be renamed or removed; each with what stands for the id.
NOT_PRIMARY: Final = "The external ID '%s' is not the primary external ID of any user."
IN_USE: Final = "The external ID '%s' is already in use."
NOT_DEPRECATED: Final = "The external ID '%s' is not a deprecated external ID."


@dataclass(frozen=True, slots=True)
class NewAlias:
    """An alias for the user with this external id; without one, for a new anonymous user."""

    alias: Identity
    external_id: str | None = None


@at_once
def add_aliases(workspace_id: int, wanted: Sequence[NewAlias]) -> None:
    """Add aliases that nobody has. One for a user who does not exist, or who has one of that label, is not added."""
    externals = {Identity("external_id", one.external_id) for one in wanted if one.external_id is not None}
    owners = find(workspace_id, externals)
    first: dict[Identity, int | None] = {}
    for one in wanted:
        if one.external_id is None:
            first.setdefault(one.alias, None)
        elif owner := owners.get(Identity("external_id", one.external_id)):
            first.setdefault(one.alias, owner)
    made = insert_aliases(workspace_id, first)
    born = {profile_id for alias, profile_id in made.items() if first[alias] is None}
    insert_anonymous(sorted(born), workspace_id)
    log_identity(workspace_id, IdentityChange.Kind.CREATED, sorted(born))
    lock({*owners.values()})
    given = {alias: profile_id for alias, profile_id in made.items() if first[alias] is not None}
    kept = _one_for_a_label(given)
    log_identity(workspace_id, IdentityChange.Kind.ALIASED, sorted(kept))


def _one_for_a_label(made: Mapping[Identity, int]) -> set[int]:
    """Take back aliases just made for locked users who had one of that label; returns whose aliases were kept."""
    if not made:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH new AS (
                SELECT alias.id, alias.profile_id, alias.label FROM profiles_alias alias
                JOIN unnest(%(owners)s::bigint[], %(labels)s::text[], %(names)s::text[])
                    AS given (profile_id, label, name) USING (profile_id, label, name)
            )
            DELETE FROM profiles_alias one USING new, profiles_alias other
            WHERE one.id = new.id AND other.id <> new.id
              AND other.profile_id = new.profile_id AND other.label = new.label
              AND (other.id < new.id OR NOT EXISTS (SELECT FROM new also WHERE also.id = other.id))
            RETURNING one.label, one.name
            """,
            {
                "owners": list(made.values()),
                "labels": [one.label for one in made],
                "names": [one.name for one in made],
            },
        )
        taken_back = {Identity("alias", name, label) for label, name in cursor.fetchall()}
    return {profile_id for alias, profile_id in made.items() if alias not in taken_back}


@at_once
def rename_aliases(workspace_id: int, renames: Mapping[Identity, str]) -> None:
    """Rename aliases. One that nobody has stays unrenamed, and so does one whose new name somebody has."""
    new = {old: Identity("alias", name, old.label) for old, name in renames.items()}
    found = find(workspace_id, {*new, *new.values()})
    takers: dict[Identity, Identity] = {}
    for old, name in new.items():
        if old in found and name not in found:
            takers.setdefault(name, old)
    if not takers:
        return
    # The new names are taken before their users are locked, as all names are.
    if len(insert_aliases(workspace_id, {name: found[old] for name, old in takers.items()})) < len(takers):
        raise MovedError
    lock({found[old] for old in takers.values()})
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            DELETE FROM profiles_alias WHERE id = ANY(ARRAY(
                SELECT one.id FROM unnest(%(labels)s::text[], %(names)s::text[]) AS old (label, name)
                CROSS JOIN LATERAL (
                    SELECT id FROM profiles_alias
                    WHERE workspace_id = {WORKSPACE} AND label = old.label AND name = old.name LIMIT 1
                ) one))
            """,  # noqa: S608 - a constant
            {
                "labels": [old.label for old in takers.values()],
                "names": [old.name for old in takers.values()],
                "workspace": workspace_id,
            },
        )
        if cursor.rowcount < len(takers):
            raise MovedError
    log_identity(workspace_id, IdentityChange.Kind.ALIASED, sorted({found[old] for old in takers.values()}))


@at_once
def rename_external_ids(workspace_id: int, renames: Sequence[tuple[str, str]]) -> list[str | None]:
    """Rename (current, new) external ids; the current ones become deprecated. Returns why not, or None, for each."""
    found = find(workspace_id, {Identity("external_id", name) for pair in renames for name in pair})
    refusals: list[str | None] = []
    chosen: dict[str, str] = {}
    for current, new in renames:
        refusal = None
        if Identity("external_id", current) not in found or current in chosen:
            refusal = NOT_PRIMARY % current
        elif Identity("external_id", new) in found or new in chosen.values():
            refusal = IN_USE % new
        else:
            chosen[current] = new
        refusals.append(refusal)
    claim_external_ids(workspace_id, chosen.values())
    rows = lock(found[Identity("external_id", current)] for current in chosen)
    primary = {row.external_id: row.id for row in rows.values() if row.external_id in chosen}
    _deprecate(workspace_id, primary)
    give_external_ids(workspace_id, {primary[one]: chosen[one] for one in primary}, claimed=chosen.values())
    return [
        refusal or (None if current in primary else NOT_PRIMARY % current)
        for refusal, (current, _) in zip(refusals, renames, strict=True)
    ]


def _deprecate(workspace_id: int, names: Mapping[str, int]) -> None:
    if not names:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_deprecatedid (workspace_id, external_id, profile_id)
            SELECT %s, new.external_id, new.profile_id
            FROM unnest(%s::text[], %s::bigint[]) AS new (external_id, profile_id) ORDER BY 2
            """,
            [workspace_id, list(names), list(names.values())],
        )


@at_once
def remove_external_ids(workspace_id: int, names: Collection[str]) -> set[str]:
    """Remove deprecated external ids; returns those that were. Events that came in before still mean their users."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH removed AS (
                DELETE FROM profiles_deprecatedid WHERE workspace_id = %s AND external_id = ANY(%s)
                RETURNING workspace_id, external_id, profile_id
            )
            INSERT INTO profiles_formername (workspace_id, kind, name, profile_id, is_removed)
            SELECT workspace_id, 'external_id', external_id, profile_id, true FROM removed RETURNING name
            """,
            [workspace_id, sorted(set(names))],
        )
        return {name for (name,) in cursor.fetchall()}
