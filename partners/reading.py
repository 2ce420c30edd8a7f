"""Reading cohorts' members, for the floors above: a client that pushes and then reads sees its own write."""

from collections.abc import Collection

from partners.folding import fold_for_read, waiting_by_cohort
from partners.identities import follow_if_little
from partners.models import Cohort
from partners.models.cohorts import stored_members
from profiles.sets import ProfileSet


def cohort_members(workspace_id: int, cohort_ids: Collection[int]) -> dict[int, ProfileSet]:
    """The members of those of ``cohort_ids`` that are of the workspace, by id; what waits is folded if it is little.

    The sets may hold users that have been deleted: AND them with ``profiles.live.live_users``.
    """
    mine = Cohort.objects.filter(pk__in=cohort_ids, integration__workspace_id=workspace_id)
    ids = list(mine.values_list("pk", flat=True))
    if ids:
        fold_for_read(ids)
        follow_if_little(workspace_id)
    return {cohort_id: stored.members() for cohort_id, stored in stored_members(ids).items()} if ids else {}


def pending(cohort_ids: Collection[int]) -> int:
    """How many identifiers wait to be applied to ``cohort_ids``: shown where they are above the reader's limit."""
    return sum(waiting_by_cohort(cohort_ids).values())
