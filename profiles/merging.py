"""Two profiles become one: ``/users/merge`` and ``/users/identify``.

Braze: merge users, "Merge behavior"; identify users, "Merging behavior". What the survivor has stays; what only the
other one has is added. A request is one transaction and a fixed number of statements, whatever it holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from profiles import app_uses, counters, engagement, session_lengths, uninstalls
from profiles.attributes import FOR_PUSH_ONLY
from profiles.deleting import erase
from profiles.former_names import note_merged
from profiles.identities import Contact, Identity, find, find_contacts
from profiles.live import log_identity
from profiles.models import IdentityChange
from profiles.names import claim_external_ids, give_external_ids
from profiles.rows import Row, at_once, lock, save

#: Columns that are kept where the survivor has a value.
_FILLED: Final = (
    "country",
    "date_of_birth",
    "first_name",
    "gender",
    "home_city",
    "language",
    "last_name",
    "phone",
    "time_zone",
)

#: What comes along with the address.
_WITH_EMAIL: Final = ("email", "email_subscribe", "email_opted_in_at", "email_unsubscribed_at")

Name = Identity | Contact


@dataclass(frozen=True, slots=True)
class Naming:
    """A user without an external id, by one of their names, is to have this one."""

    who: Name
    external_id: str


@at_once
def merge(workspace_id: int, pairs: Sequence[tuple[Name, Name]]) -> None:
    """Merge the first user of each pair into the second, in order. A pair of which one does not exist is ignored."""
    found = _find(workspace_id, (name for pair in pairs for name in pair))
    wanted = [(goes, stays) for one, other in pairs if (goes := found.get(one)) and (stays := found.get(other))]
    rows = lock(profile_id for pair in wanted for profile_id in pair)
    union = _Union(rows)
    for goes, stays in wanted:
        union.merge(goes, stays)
    union.store(workspace_id)


@at_once
def identify(workspace_id: int, namings: Sequence[Naming], *, keeping_fields: bool = True) -> None:
    """Give anonymous users their external ids. If somebody has the id already, the two become one.

    Not where both have an alias with the same label (Braze: a user has one alias for a label), and not for users who
    are identified. ``keeping_fields`` false is Braze's ``merge_behavior`` "none": the anonymous user's data goes.
    """
    targets = [Identity("external_id", one.external_id) for one in namings]
    found = _find(workspace_id, [*(one.who for one in namings), *targets])
    namings = [one for one in namings if one.who in found]
    new = {one.external_id for one in namings if Identity("external_id", one.external_id) not in found}
    claim_external_ids(workspace_id, new)
    owners = {name: owner for one in namings if (owner := found.get(Identity("external_id", name := one.external_id)))}
    rows = lock([*(found[one.who] for one in namings), *owners.values()])
    union = _Union(rows, keeping_fields=keeping_fields)
    labels = _labels(rows)
    named: dict[int, str] = {}
    for one in namings:
        goes = union.survivor_of(found[one.who])
        if rows[goes].external_id is not None or goes in named:
            continue
        owner = owners.get(one.external_id)
        if owner is None:
            named[goes] = one.external_id
            owners[one.external_id] = goes
        elif not labels[goes] & labels[union.survivor_of(owner)]:
            stays = union.merge(goes, owner)
            labels[stays] |= labels[goes]
    give_external_ids(workspace_id, named, claimed=new)
    union.store(workspace_id)


class _Union:
    """The merges of one request, in memory: who went into whom, and what the survivors' rows become."""

    def __init__(self, rows: Mapping[int, Row], *, keeping_fields: bool = True) -> None:
        self._rows = rows
        self._keeping_fields = keeping_fields
        self._into: dict[int, int] = {}

    def survivor_of(self, profile_id: int) -> int:
        """Whom a profile is by now."""
        while profile_id in self._into:
            profile_id = self._into[profile_id]
        return profile_id

    def merge(self, goes: int, stays: int) -> int:
        """Merge ``goes`` into ``stays``, whoever they are by now; returns the survivor."""
        goes, stays = self.survivor_of(goes), self.survivor_of(stays)
        if goes != stays:
            self._into[goes] = stays
            if self._keeping_fields:
                _fill(self._rows[stays].after, self._rows[goes].after)
        return stays

    def store(self, workspace_id: int) -> None:
        """Write the survivors, give them what belonged to the others, and remove those."""
        if not self._into:
            return
        gone = sorted(self._into)
        survivors = [self.survivor_of(one) for one in gone]
        save(self._rows[one] for one in set(survivors))
        if self._keeping_fields:
            _move_all(gone, survivors)
            note_merged(gone, survivors)
        else:
            _move_names(gone, survivors)
        erase(gone)
        log_identity(workspace_id, IdentityChange.Kind.MERGED, gone, survivors)


def _find(workspace_id: int, names: Iterable[Name]) -> dict[Name, int]:
    """Profile ids by identity or contact; one that names nobody, or nobody in particular, is left out."""
    names = list(dict.fromkeys(names))
    contacts = [one for one in names if isinstance(one, Contact)]
    found: dict[Name, int] = {}
    for identity, profile_id in find(workspace_id, (one for one in names if isinstance(one, Identity))).items():
        found[identity] = profile_id
    meant = zip(contacts, find_contacts(workspace_id, contacts), strict=True)
    return found | {contact: owner for contact, owner in meant if owner is not None}


def _fill(stays: dict[str, Any], goes: Mapping[str, Any]) -> None:
    """Add to the values of the survivor what only the other one has."""
    for column in _FILLED:
        stays[column] = stays[column] or goes[column]
    if not stays["email"] and goes["email"]:
        stays |= {name: goes[name] for name in _WITH_EMAIL}
    stays["is_test_user"] = stays["is_test_user"] or goes["is_test_user"]
    for column, choose in (("first_used_at", min), ("last_used_at", max)):
        moments = [moment for moment in (stays[column], goes[column]) if moment]
        stays[column] = choose(moments) if moments else None
    for column in ("custom_attributes", "other_fields"):
        stays[column] = {**goes[column], **stays[column]}
    # Whom somebody is merged with is more than the owner of a push token.
    stays["other_fields"].pop(FOR_PUSH_ONLY, None)


def _labels(rows: Mapping[int, Row]) -> dict[int, set[str]]:
    """The labels of the aliases of each locked profile."""
    labels: dict[int, set[str]] = {profile_id: set() for profile_id in rows}
    with connection.cursor() as cursor:
        cursor.execute("SELECT profile_id, label FROM profiles_alias WHERE profile_id = ANY(%s)", [list(rows)])
        for profile_id, label in cursor.fetchall():
            labels[profile_id].add(label)
    return labels


def _move_names(gone: Sequence[int], survivors: Sequence[int]) -> None:
    """What also a merge without fields keeps: aliases, devices and push tokens."""
    _move("profiles_alias", "label", gone, survivors)
    _move("profiles_device", "device_id", gone, survivors)
    _move("profiles_pushtoken", "id", gone, survivors)
    _move("profiles_pushtostart", "id", gone, survivors)


def _move_all(gone: Sequence[int], survivors: Sequence[int]) -> None:
    """Everything that belongs to the profiles of ``gone`` goes to those at the same places of ``survivors``."""
    _move_names(gone, survivors)
    _move("profiles_subscriptionstate", "group_id", gone, survivors)
    counters.move(gone, survivors)
    engagement.move(gone, survivors)
    app_uses.move(gone, survivors)
    uninstalls.move(gone, survivors)
    session_lengths.move(gone, survivors)
    _move("profiles_importeduser", "user_import_id", gone, survivors)


def _move(table: str, key: str, gone: Sequence[int], survivors: Sequence[int]) -> None:
    """Give rows to the survivors, except where a survivor has one of that ``key``; what is left goes with its owner."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH moved AS (
                SELECT DISTINCT ON (pair.stays, one.{key}) one.ctid AS place, pair.stays
                FROM unnest(%s::bigint[], %s::bigint[]) AS pair (goes, stays)
                JOIN {table} one ON one.profile_id = pair.goes
                WHERE NOT EXISTS (SELECT FROM {table} own WHERE own.profile_id = pair.stays AND own.{key} = one.{key})
                ORDER BY pair.stays, one.{key}, pair.goes
            )
            UPDATE {table} SET profile_id = moved.stays FROM moved WHERE {table}.ctid = moved.place
            """,  # noqa: S608 - names of ours
            [list(gone), list(survivors)],
        )
