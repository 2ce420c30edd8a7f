"""Whom an object of a request is about: names to profiles, and new profiles for names that nobody has.

Architecture, decision 1: ids are precious, so one is drawn only for a really new profile.
Braze: user profile lifecycle.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.db import connection

from profiles.live import log_identity
from profiles.models import EXTERNAL_ID_LIMIT, IdentityChange, new_braze_id, new_random_bucket

#: A name can be taken between looking up and inserting; the next look finds it.
_ATTEMPTS: Final = 5


class BadIdentityError(ValueError):
    """An object that does not say whom it is about; its text is the error that the API answers."""


@dataclass(frozen=True, order=True, slots=True)
class Identity:
    """One name of a user: an external id, a braze id, or an alias (with its label). Sorts in locking order."""

    kind: Literal["external_id", "braze_id", "alias"]
    name: str
    label: str = ""


def identity_of(source: Mapping[str, Any]) -> Identity:
    """The one identity that an object of ``/users/track`` gives. Raises BadIdentityError if it gives none."""
    given = [key for key in ("external_id", "user_alias", "braze_id") if source.get(key) is not None]
    if len(given) > 1:
        raise BadIdentityError("You must specify only one of 'external_id', 'user_alias' or 'braze_id'")
    if not given:
        if source.get("email") is not None or source.get("phone") is not None:
            raise BadIdentityError(
                "Users cannot be identified by 'email' or 'phone': use 'external_id', 'braze_id' or 'user_alias'"
            )
        raise BadIdentityError("'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required")
    if given[0] == "user_alias":
        alias = source["user_alias"]
        if not isinstance(alias, Mapping):
            raise BadIdentityError("'user_alias' must be an object with 'alias_name' and 'alias_label'")
        return Identity("alias", _name(alias, "alias_name"), _name(alias, "alias_label"))
    if given[0] == "braze_id":
        return Identity("braze_id", _name(source, "braze_id"))
    return Identity("external_id", _name(source, "external_id"))


def _name(source: Mapping[str, Any], key: str) -> str:
    value = source.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise BadIdentityError(f"'{key}' must be a non-empty string")
    if len(value) > EXTERNAL_ID_LIMIT:
        raise BadIdentityError(f"'{key}' must be at most {EXTERNAL_ID_LIMIT} characters")
    return value


def find(workspace_id: int, identities: Iterable[Identity]) -> dict[Identity, int]:
    """The ids of the profiles that have these names, in one statement; a name that nobody has is left out."""
    wanted = sorted(set(identities))
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH wanted AS (
                SELECT * FROM unnest(%(kinds)s::text[], %(names)s::text[], %(labels)s::text[])
                WITH ORDINALITY AS wanted (kind, name, label, place)
            )
            SELECT place, profile.id FROM wanted JOIN profiles_profile profile
                ON profile.workspace_id = %(workspace)s AND profile.external_id = wanted.name
                WHERE kind = 'external_id'
            UNION ALL
            SELECT place, profile.id FROM wanted JOIN profiles_profile profile
                ON profile.workspace_id = %(workspace)s AND profile.braze_id = wanted.name
                WHERE kind = 'braze_id'
            UNION ALL
            SELECT place, alias.profile_id FROM wanted JOIN profiles_alias alias
                ON alias.workspace_id = %(workspace)s AND alias.label = wanted.label AND alias.name = wanted.name
                WHERE kind = 'alias'
            """,
            {
                "workspace": workspace_id,
                "kinds": [one.kind for one in wanted],
                "names": [one.name for one in wanted],
                "labels": [one.label for one in wanted],
            },
        )
        return {wanted[place - 1]: profile_id for place, profile_id in cursor.fetchall()}


def find_or_create(
    workspace_id: int, identities: Iterable[Identity], creatable: Iterable[Identity]
) -> dict[Identity, int]:
    """As ``find``, with a new profile for each of ``creatable`` that nobody has, in the caller's transaction.

    New external ids are inserted in sorted order and then new aliases in sorted order, before the caller locks any
    profile: two requests wait for each other in one direction only, so they cannot deadlock. New profiles are written
    to the identity log, in one row.
    """
    wanted, may_create = set(identities), set(creatable)
    found = find(workspace_id, wanted)
    born: list[int] = []
    for _ in range(_ATTEMPTS):
        missing = sorted(may_create - found.keys())
        if not missing:
            break
        new = _insert_identified(workspace_id, [one for one in missing if one.kind == "external_id"])
        new |= _insert_aliased(workspace_id, [one for one in missing if one.kind == "alias"])
        found |= new
        born += new.values()
        if len(new) < len(missing):
            found |= find(workspace_id, wanted - found.keys())
    log_identity(workspace_id, IdentityChange.Kind.CREATED, sorted(born))
    return found


def _insert_identified(workspace_id: int, missing: list[Identity]) -> dict[Identity, int]:
    """Insert a profile for each external id; one that another request inserts at this moment is left out."""
    if not missing:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_profile (workspace_id, braze_id, external_id, random_bucket)
            SELECT %s, new.braze_id, new.external_id, new.bucket
            FROM unnest(%s::text[], %s::text[], %s::int[]) WITH ORDINALITY AS new (external_id, braze_id, bucket, place)
            ORDER BY place
            ON CONFLICT (workspace_id, external_id) WHERE external_id IS NOT NULL DO NOTHING
            RETURNING external_id, id
            """,
            [workspace_id, [one.name for one in missing], *_drawn(len(missing))],
        )
        return {Identity("external_id", name): profile_id for name, profile_id in cursor.fetchall()}


def _insert_aliased(workspace_id: int, missing: list[Identity]) -> dict[Identity, int]:
    """Insert an anonymous profile for each alias; an alias that another request inserts at this moment is left out.

    The alias comes first, with an id drawn for its profile (the foreign key is checked at commit), so that a lost
    race leaves no profile without a name behind.
    """
    if not missing:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_alias (workspace_id, profile_id, label, name)
            SELECT %s, nextval(pg_get_serial_sequence('profiles_profile', 'id')), new.label, new.name
            FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS new (label, name, place)
            ORDER BY place
            ON CONFLICT (workspace_id, label, name) DO NOTHING
            RETURNING name, label, profile_id
            """,
            [workspace_id, [one.label for one in missing], [one.name for one in missing]],
        )
        made = {Identity("alias", name, label): profile_id for name, label, profile_id in cursor.fetchall()}
        cursor.execute(
            """
            INSERT INTO profiles_profile (id, workspace_id, braze_id, random_bucket)
            SELECT new.id, %s, new.braze_id, new.bucket
            FROM unnest(%s::bigint[], %s::text[], %s::int[]) AS new (id, braze_id, bucket)
            """,
            [workspace_id, list(made.values()), *_drawn(len(made))],
        )
    return made


def _drawn(count: int) -> tuple[list[str], list[int]]:
    """Braze ids and random buckets for ``count`` new profiles."""
    return [new_braze_id() for _ in range(count)], [new_random_bucket() for _ in range(count)]
