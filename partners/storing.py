"""Writing a cohort's members: the set, its live size and its version in one statement."""

from collections.abc import Mapping
from typing import Any, Final

from partners.models import Cohort
from partners.models.cohorts import StoredMembers
from partners.runs import Arrival
from profiles.live import live_users
from profiles.sets import ProfileSet, set_cursor

#: The base is written anew when the changes since have grown to this part of it, and always when it is small (bytes).
BASE_TO_CHANGES: Final = 16
SMALL_BASE: Final = 64 * 1024


def store_members(cohort: Cohort, members: ProfileSet, last: Arrival | None) -> int:
    """Store ``members`` as of the request ``last`` and return how many of them are live.

    None: no request of the partner's changed them, so this was no sync.

    The caller holds the cohort's row lock. The live-user set is read here, late in the fold: reading it may lock it.
    """
    size = members.intersection_size(live_users(cohort.integration.workspace_id))
    columns: dict[str, Any] = {"size": size}
    if members != cohort.members:
        columns |= _parts(cohort.stored, members) | {"version": cohort.version + 1}
    if last:
        columns["last_sync_at"] = last.received_at
        if not cohort.is_pulled:
            columns["source"] = str(last.source)
    with set_cursor() as cursor:
        assignments = ", ".join(f"{column} = %s" for column in columns)
        cursor.execute(
            f"UPDATE partners_cohort SET {assignments} WHERE id = %s",  # noqa: S608 - names of ours
            [*columns.values(), cohort.pk],
        )
    return size


def _parts(stored: StoredMembers, members: ProfileSet) -> dict[str, ProfileSet]:
    """The columns to write for ``members``: those who joined and left since the base, or a new base."""
    joined, left = members - stored.base, stored.base - members
    size = stored.base.stored_size()
    if size < SMALL_BASE or (joined.stored_size() + left.stored_size()) * BASE_TO_CHANGES > size:
        return {"base_members": members, "joined_since": ProfileSet(), "left_since": ProfileSet()}
    return {"joined_since": joined, "left_since": left}


def with_successors(members: ProfileSet, successors: Mapping[int, int]) -> ProfileSet:
    """``members`` with, instead of each user who was merged into another one, that other one."""
    gone = members & ProfileSet(successors)
    return (members - gone) | ProfileSet(successors[one] for one in gone) if gone else members
