"""Writing a cohort's members: the set, its live size and its version in one statement."""

from django.db.models import F

from partners.models import Cohort
from partners.runs import Arrival
from profiles.live import live_users
from profiles.sets import ProfileSet


def store_members(cohort: Cohort, members: ProfileSet, last: Arrival) -> int:
    """Store ``members`` as of the request ``last`` and return how many of them are live.

    The caller holds the cohort's row lock. The live-user set is read here, late in the fold: reading it may lock it.
    """
    size = members.intersection_size(live_users(cohort.integration.workspace_id))
    changes: dict[str, object] = {"last_sync_at": last.received_at, "size": size}
    if members != cohort.members:
        changes |= {"members": members, "version": F("version") + 1}
    if not cohort.is_pulled:
        changes["source"] = last.source
    Cohort.objects.filter(pk=cohort.pk).update(**changes)
    return size
