"""Deleting users, for ever. Braze: delete users."""

from collections.abc import Collection, Iterable, Sequence

from profiles import counters
from profiles.identities import Contact, Identity, find, find_contacts
from profiles.live import log_identity
from profiles.models import IdentityChange, Profile
from profiles.rows import at_once, lock


@at_once
def delete_users(workspace_id: int, names: Iterable[Identity], contacts: Sequence[Contact] = ()) -> int:
    """Delete the users who have these names, with everything that belongs to them; returns how many there were.

    The events that they caused stay in the log (Braze: event data still exists after the user is deleted).
    """
    ids = {*find(workspace_id, names).values()}
    ids |= {one for one in find_contacts(workspace_id, contacts) if one is not None}
    _delete(workspace_id, ids)
    return len(ids)


@at_once
def delete_profiles(workspace_id: int, profile_ids: Collection[int]) -> None:
    """Delete profiles of the workspace by id. Raises MovedError when one of them is gone."""
    _delete(workspace_id, profile_ids)


def _delete(workspace_id: int, profile_ids: Collection[int]) -> None:
    if profile_ids:
        gone = sorted(lock(profile_ids))
        erase(gone)
        log_identity(workspace_id, IdentityChange.Kind.DELETED, gone)


def erase(profile_ids: Sequence[int]) -> None:
    """Delete locked profiles and what belongs to them, a statement for each kind; the identity log is the caller's."""
    counters.forget(profile_ids)
    # Django knows what belongs to a profile: what some app adds tomorrow goes too.
    Profile.objects.filter(pk__in=profile_ids).delete()
