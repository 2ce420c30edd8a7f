"""Deleting users, for ever. Braze: delete users."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from profiles import counters, engagement
from profiles.attributes import FOR_PUSH_ONLY
from profiles.identities import Contact, Identity, find, find_contacts
from profiles.live import log_identity
from profiles.models import IdentityChange, Profile
from profiles.rows import at_once, lock

_CHUNK: Final = 1_000


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
    engagement.forget(profile_ids)
    # Django knows what belongs to a profile: what some app adds tomorrow goes too.
    Profile.objects.filter(pk__in=profile_ids).delete()


def forget_empty_imports() -> int:
    """Delete users who were made for a push token alone and have none any more; returns how many went.

    A token is gone when somebody else brought it. Braze: user attributes object, "Push token import".
    """
    imported = Profile.objects.filter(other_fields__has_key=FOR_PUSH_ONLY).order_by()
    return sum(map(_forget_empty_imports, imported.values_list("workspace_id", flat=True).distinct()))


@at_once
def _forget_empty_imports(workspace_id: int) -> int:
    empty = Profile.objects.filter(
        workspace_id=workspace_id,
        other_fields__has_key=FOR_PUSH_ONLY,
        external_id=None,
        push_tokens=None,
        aliases=None,
    ).order_by("pk")
    locked = lock(empty.values_list("pk", flat=True)[:_CHUNK])
    gone = sorted(empty.filter(pk__in=list(locked)).values_list("pk", flat=True))
    if gone:
        erase(gone)
        log_identity(workspace_id, IdentityChange.Kind.DELETED, gone)
    return len(gone)
