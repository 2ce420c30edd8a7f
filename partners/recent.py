"""Members of cohorts that this process has read before: megabytes that need not come again while a cohort stays so.

A cohort's row says by itself whether it is still the one that was read: every change of a row has a transaction (or,
within one, a place) of its own. So nobody has to tell, and a look at the row is enough.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple

from django.conf import settings

from partners.models.cohorts import StoredMembers
from profiles.sets import ProfileSet, set_cursor


class _Read(NamedTuple):
    mark: str
    members: ProfileSet
    size: int


_recent: OrderedDict[int, _Read] = OrderedDict()
_lock = threading.Lock()


def recent_members(cohort_ids: Collection[int]) -> dict[int, ProfileSet]:
    """The members of these cohorts, by id, as they are stored now. One statement."""
    with _lock:
        known = {cohort_id: _recent[cohort_id] for cohort_id in cohort_ids if cohort_id in _recent}
    found: dict[int, ProfileSet] = {}
    with set_cursor() as cursor:
        cursor.execute(
            """
            SELECT cohort.id, mark, old, CASE WHEN NOT old THEN base_members END,
                CASE WHEN NOT old THEN joined_since END, CASE WHEN NOT old THEN left_since END
            FROM (SELECT *, xmin::text || ctid::text AS mark, xmin::text || ctid::text = ANY(%s) AS old
                  FROM partners_cohort WHERE id = ANY(%s)) AS cohort
            """,
            [[one.mark for one in known.values()], list(cohort_ids)],
        )
        for cohort_id, mark, is_known, *parts in cursor.fetchall():
            found[cohort_id] = known[cohort_id].members if is_known else _remember(cohort_id, mark, parts)
    with _lock:
        for cohort_id in known:
            if cohort_id in _recent:
                _recent.move_to_end(cohort_id)
    return found


def _remember(cohort_id: int, mark: str, parts: list[ProfileSet]) -> ProfileSet:
    """The members of a cohort just read; the least recently used make room for them."""
    read = _Read(mark, (members := StoredMembers(*parts).members()), members.stored_size())
    with _lock:
        _recent[cohort_id] = read
        _recent.move_to_end(cohort_id)
        total = sum(one.size for one in _recent.values())
        while total > settings.COHORT_CACHE_BYTES and _recent:
            total -= _recent.popitem(last=False)[1].size
    return members
