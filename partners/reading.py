"""Reading cohorts' members, for the floors above: a client that pushes and then reads sees its own write."""

from collections.abc import Collection
from typing import NamedTuple

from partners.folding import fold_for_read, waiting_by_cohort
from partners.identities import follow_if_little
from partners.models import Cohort
from partners.recent import recent_members
from profiles.sets import ProfileSet


class Members(NamedTuple):
    """Members by cohort id, and how many identifiers wait that are too many to be applied while one reads."""

    sets: dict[int, ProfileSet]
    waiting: int = 0


def cohort_members(workspace_id: int, cohort_ids: Collection[int]) -> dict[int, ProfileSet]:
    """The members of those of ``cohort_ids`` that are of the workspace, by id; what waits is folded if it is little.

    The sets may hold users that have been deleted: AND them with ``profiles.live.live_users``.
    """
    mine = Cohort.objects.filter(pk__in=cohort_ids, integration__workspace_id=workspace_id)
    return read_members(workspace_id, list(mine.values_list("pk", flat=True))).sets


def read_members(workspace_id: int, cohort_ids: Collection[int]) -> Members:
    """Like ``cohort_members``, of cohorts that are known to be of the workspace."""
    if not cohort_ids:
        return Members({})
    waiting = fold_for_read(cohort_ids)
    follow_if_little(workspace_id)
    return Members(recent_members(cohort_ids), waiting)


def pending(cohort_ids: Collection[int]) -> int:
    """How many identifiers wait to be applied to ``cohort_ids``: shown where they are above the reader's limit."""
    return sum(waiting_by_cohort(cohort_ids).values())
