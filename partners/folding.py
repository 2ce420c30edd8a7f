"""Folding: what waits in a cohort's change log is applied to its members (architecture: logged, then folded).

Under the cohort's row lock, in arrival order, many requests at a time. A fold is a fixed number of statements, whatever
the number of identifiers and the size of the cohort, and short: a large backlog is folded in several transactions. A
crash at any point loses nothing and applies nothing twice, since the rows go in the transaction that applied them.
"""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from partners import copies, identities, late, runs, unmatched
from partners.changes import FOLD_TASK, Group, Identifier, decode, identifier_of
from partners.locks import only_one
from partners.matching import Found, match
from partners.models import Cohort, CohortChange, FullCopy
from partners.runs import Arrival, Tally
from partners.storing import store_members
from partners.unmatched import Waiting
from partners.wakeup import call_again
from profiles.sets import ProfileSet
from workspaces.data_points import log_data_points

log = logging.getLogger(__name__)

#: What one transaction folds at most, so that none is long: an open one holds Currents back.
ROWS_AT_ONCE: Final = 500
IDENTIFIERS_AT_ONCE: Final = 50_000

# The first key of our advisory locks; the second is the cohort's id.
_LOCK: Final = 0x666F6C64


@dataclass
class Request:
    """One row of the change log, with its run."""

    id: int
    arrival: Arrival
    changes: bytes
    run_id: int = 0


def fold_cohort(cohort_id: int) -> None:
    """Apply everything that waits for the cohort when this is called.

    What became of users before comes first, so that the partner's newer word about a survivor counts. What matched
    nobody is matched once more afterwards, in a later transaction (see ``partners.late``).
    """
    workspace_id = Cohort.objects.filter(pk=cohort_id).values_list("integration__workspace", flat=True).first()
    if workspace_id is None or not waiting_by_cohort([cohort_id]):
        return
    identities.follow_if_little(workspace_id)
    _fold_some(cohort_id)
    while waiting_by_cohort([cohort_id]):
        _fold_some(cohort_id)
    late.match_new(cohort_id)


def fold_unless_folding(cohort_id: int) -> None:
    """``fold_cohort``, unless another worker does it: that one sees what waits here before it ends.

    It looks again after it has let go of the lock, so what was committed before somebody found it taken is seen. Only
    just before that it lets requests call again: those that come while it folds need no worker of their own.
    """
    while True:
        with only_one(_LOCK, cohort_id) as mine:
            if not mine:
                return
            fold_cohort(cohort_id)
        call_again(FOLD_TASK, cohort_id)
        if not waiting_by_cohort([cohort_id]):
            return


def fold_for_read(cohort_ids: Collection[int]) -> int:
    """Let a reader see what was pushed before: fold ``cohort_ids``, in id order, while few identifiers wait.

    Returns how many identifiers still wait: 0, or those above the setting FOLD_ON_READ_LIMIT, which workers fold. A
    fold that fails does not fail the reader, who sees what is stored.
    """
    left, budget = 0, settings.FOLD_ON_READ_LIMIT
    for cohort_id, waiting in sorted(waiting_by_cohort(cohort_ids).items()):
        if waiting <= budget and _folded(cohort_id):
            budget -= waiting
        else:
            left += waiting
    return left


def waiting_by_cohort(cohort_ids: Collection[int]) -> dict[int, int]:
    """How many identifiers wait, for each of ``cohort_ids`` with something to fold. One statement."""
    ids = list(cohort_ids)
    with connection.cursor() as cursor:
        cursor.execute(f"{_WAITING} SELECT cohort_id, sum(identifiers) FROM waiting GROUP BY 1", [ids, ids])  # noqa: S608
        return {cohort_id: int(total) for cohort_id, total in cursor.fetchall()}


# Pages count once their copy is complete. A copy whose pages are all matched waits with 0 identifiers.
_WAITING = """
    WITH waiting AS (
        SELECT cohort_id, identifiers FROM partners_cohortchange
        WHERE cohort_id = ANY(%s) AND copy_id IS NULL
        UNION ALL
        SELECT copy.cohort_id, coalesce(page.identifiers, 0) FROM partners_fullcopy copy
        LEFT JOIN partners_cohortchange page ON page.copy_id = copy.run_id
        WHERE copy.cohort_id = ANY(%s) AND copy.complete_at IS NOT NULL)"""


def fold_stragglers() -> int:
    """Fold every cohort that has something waiting: what lost its wake-up call. Returns how many there were."""
    plain = CohortChange.objects.filter(copy=None).order_by().values_list("cohort_id", flat=True).distinct()
    complete = FullCopy.objects.filter(complete_at__isnull=False).values_list("cohort_id", flat=True)
    found = sorted({*plain, *complete})
    for cohort_id in found:
        _folded(cohort_id)
    return len(found)


def _folded(cohort_id: int) -> bool:
    """Fold a cohort whose trouble must not become another's: False, and a line in the log, if that fails."""
    try:
        fold_cohort(cohort_id)
    except Exception:
        log.exception("Cohort %s could not be folded", cohort_id)
        return False
    return True


@transaction.atomic
def _fold_some(cohort_id: int) -> None:
    """Fold what fits one transaction. Appending requests do not wait for this lock, other folds do."""
    cohort = late.locked(cohort_id)
    if cohort is None:
        return
    gathering, ready = copies.of_cohort(cohort)
    requests = _next_requests(cohort, ready.position if ready else None)
    if requests:
        _fold_differences(cohort, requests, gathering)
    elif ready:
        copies.fold(cohort, ready, IDENTIFIERS_AT_ONCE)


def _next_requests(cohort: Cohort, before: int | None) -> list[Request]:
    """The oldest differences that wait; only those before the position ``before`` if a full copy comes next."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, source, session_id, received_at, identifiers = 0, changes FROM (
                SELECT *, sum(identifiers) OVER (ORDER BY id) - identifiers AS before FROM (
                    SELECT * FROM partners_cohortchange
                    WHERE cohort_id = %s AND copy_id IS NULL AND id < coalesce(%s, 9223372036854775807)
                    ORDER BY id LIMIT %s) AS oldest) AS chosen
            WHERE before < %s ORDER BY id
            """,
            [cohort.pk, before, ROWS_AT_ONCE, IDENTIFIERS_AT_ONCE],
        )
        return [
            Request(row_id, Arrival(source, session_id, received_at, is_empty), changes)
            for row_id, source, session_id, received_at, is_empty, changes in cursor.fetchall()
        ]


def _fold_differences(cohort: Cohort, requests: list[Request], gathering: FullCopy | None) -> None:
    for request, run_id in zip(requests, runs.runs_of(cohort, [one.arrival for one in requests]), strict=True):
        request.run_id = run_id
    fold = Fold(cohort, requests, gathering)
    fold.apply()
    workspace_id, tallies = cohort.integration.workspace_id, fold.tallies.values()
    unmatched.stop_waiting(cohort.pk, fold.settled())
    unmatched.wait(cohort.pk, fold.waiting.values())
    if gathering:
        copies.keep_for_later(gathering, fold.later_added, fold.later_removed)
    runs.record_sets(tallies)
    size = store_members(cohort, fold.members(), requests[-1].arrival)
    log_data_points(workspace_id, cohort.integration.data_point_source, sum(one.data_points for one in tallies))
    CohortChange.objects.filter(pk__in=[one.id for one in requests]).delete()
    runs.record(tallies, size)


class Fold:
    """Applies requests one after the other, on the few users that they name rather than on the whole cohort."""

    def __init__(self, cohort: Cohort, requests: list[Request], gathering: FullCopy | None) -> None:
        groups = [decode(request.changes) for request in requests]
        found = iter(match(cohort.integration.workspace_id, list(chain.from_iterable(groups))))
        self._requests = [
            (request, [(group, next(found)) for group in mine]) for request, mine in zip(requests, groups, strict=True)
        ]
        self._later_than = gathering.position if gathering else None
        self._before = cohort.members
        self._touched = ProfileSet.union(one.profiles() for _, named in self._requests for _, one in named)
        self._in = self._before & self._touched
        self.tallies: dict[int, Tally] = {}
        #: Identifiers that matched nobody, by the last request that named them.
        self.waiting: dict[Identifier, Waiting] = {}
        self._dropped: set[Identifier] = set()
        #: Whom requests after the gathering copy's position added and removed.
        self.later_added, self.later_removed = ProfileSet(), ProfileSet()

    def apply(self) -> None:
        """Apply all requests in their order."""
        for request, named in self._requests:
            self._apply(request, named)

    def members(self) -> ProfileSet:
        """The members after the requests."""
        return (self._before - self._touched) | self._in

    def settled(self) -> Iterator[Identifier]:
        """Identifiers that wait no longer: matched, or removed."""
        yield from self._dropped
        for _, named in self._requests:
            for group, found in named:
                yield from found.somebody(group)

    def _apply(self, request: Request, named: list[tuple[Group, Found]]) -> None:
        # The later group wins for the same user.
        adding, removing = ProfileSet(), ProfileSet()
        for group, found in named:
            profiles = found.profiles()
            if group.remove:
                adding, removing = adding - profiles, removing | profiles
            else:
                adding, removing = adding | profiles, removing - profiles
            for place in found.nobody:
                self._note_unmatched(request, identifier_of(group, place), group.remove)
        added, removed = adding - self._in, removing & self._in
        self._in = (self._in | added) - removed
        if self._is_later(request):
            self.later_added = (self.later_added - removing) | adding
            self.later_removed = (self.later_removed - adding) | removing
        self._count(request, named, added, removed)

    def _count(
        self, request: Request, named: list[tuple[Group, Found]], added: ProfileSet, removed: ProfileSet
    ) -> None:
        tally = self.tallies.setdefault(request.run_id, Tally(request.run_id, request.arrival.received_at))
        tally.last_at = max(tally.last_at, request.arrival.received_at)
        tally.requests += 1
        tally.received += sum(len(group.values) for group, _ in named)
        tally.unmatched += sum(len(found.nobody) for _, found in named)
        tally.added += len(added)
        tally.removed += len(removed)
        # An identifier that names a user whom another one of the request named changes nothing either.
        tally.already_there += sum(len(found.ids) for _, found in named) - len(added) - len(removed)
        tally.added_ids |= added
        tally.removed_ids |= removed

    def _note_unmatched(self, request: Request, identifier: Identifier, remove: bool) -> None:
        cancels = remove and self._is_later(request)
        if not remove or cancels:
            self._dropped.discard(identifier)
            self.waiting[identifier] = Waiting(identifier, request.run_id, request.id, cancels)
        else:
            self._dropped.add(identifier)
            self.waiting.pop(identifier, None)

    def _is_later(self, request: Request) -> bool:
        return self._later_than is not None and request.id > self._later_than
