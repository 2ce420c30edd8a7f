"""Writing a cohort's members: the set, its live size and its version in one statement."""

from collections.abc import Mapping

from django.db.models import F

from partners.models import Cohort
from partners.runs import Arrival
from profiles.live import live_users
from profiles.sets import ProfileSet


def store_members(cohort: Cohort, members: ProfileSet, last: Arrival | None) -> int:
    """Store ``members`` as of the request ``last`` and return how many of them are live.

    None: no request of the partner's changed them, so this was no sync.

    The caller holds the cohort's row lock. The live-user set is read here, late in the fold: reading it may lock it.
    """
    size = members.intersection_size(live_users(cohort.integration.workspace_id))
    changes: dict[str, object] = {"size": size}
    if members != cohort.members:
        changes |= {"members": members, "version": F("version") + 1}
    if last:
        changes["last_sync_at"] = last.received_at
        if not cohort.is_pulled:
            changes["source"] = last.source
    Cohort.objects.filter(pk=cohort.pk).update(**changes)
    return size


def with_successors(members: ProfileSet, successors: Mapping[int, int]) -> ProfileSet:
    """``members`` with, instead of each user who was merged into another one, that other one."""
    gone = members & ProfileSet(successors)
    return (members - gone) | ProfileSet(successors[one] for one in gone) if gone else members
