"""Full copies: their pages gather in any order, and only a complete copy replaces the members.

A full copy counts from its position in the arrival order; differences that arrived later are done again on top of it; a
newer copy replaces an older one that is not complete. The webhook's sessions and the pull share this.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet, Sum
from django.utils import timezone

from partners import unmatched
from partners.changes import Group, Identifier, count, decode, encode, fold_soon, identifier_of
from partners.matching import match
from partners.models import Cohort, CohortChange, FullCopy, RunSets, SyncRun, UnmatchedId
from partners.runs import Arrival
from partners.storing import store_members, with_successors
from partners.unmatched import Waiting
from profiles.live import live_users
from profiles.sets import ProfileSet
from workspaces.data_points import log_data_points

_GATHERING = {"complete_at__isnull": True}


def find_run(cohort_id: int, session_id: str) -> SyncRun | None:
    """The run of the full copy that the partner calls ``session_id``, whatever became of it."""
    return SyncRun.objects.filter(
        cohort_id=cohort_id, session_id=session_id, total_pages__isnull=False, source=Cohort.Source.WEBHOOK
    ).first()


@transaction.atomic
def open_copy(cohort_id: int, source: Cohort.Source, session_id: str = "", total_pages: int | None = None) -> SyncRun:
    """Begin a full copy, whose place in the arrival order is now; one that gathers already is given up.

    Returns the copy's run; for a ``session_id`` that has begun already, that one's. ``total_pages`` None: not known yet
    (a pull). Waits for a fold of the cohort, so that what arrives later than the position is seen as later.
    """
    Cohort.objects.select_for_update(no_key=True).only("pk").get(pk=cohort_id)
    if session_id and (run := find_run(cohort_id, session_id)):
        return run
    for older in FullCopy.objects.filter(cohort_id=cohort_id, **_GATHERING).values_list("run_id", flat=True):
        give_up(older, SyncRun.Status.INCOMPLETE, SyncRun.Problem.REPLACED)
    if not FullCopy.objects.filter(cohort_id=cohort_id).exists():
        # Traces of removals later than an older copy: this one's position is later than all of them.
        UnmatchedId.objects.filter(cohort_id=cohort_id, cancelled=True).delete()
    run = SyncRun.objects.create(
        cohort_id=cohort_id, source=source, session_id=session_id, total_pages=total_pages or 0
    )
    FullCopy.objects.create(run=run, cohort_id=cohort_id, position=_next_position(), total_pages=total_pages)
    return run


def _next_position() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('partners_cohortchange', 'id'))")
        return int(cursor.fetchone()[0])


@transaction.atomic
def add_page(run_id: int, page: int, groups: Sequence[Group], total_pages: int | None = None) -> bool:
    """Keep a page (numbered from 1) of a copy that gathers; when it is the last one missing, the copy is complete.

    A page that is there already changes nothing, nor does one of a copy that is complete or given up: False.
    ``total_pages`` tells how many there are, once it is known.
    """
    copy = _lock(run_id)
    if copy is None:
        return False
    page_row = CohortChange(
        cohort_id=copy.cohort_id,
        source=copy.run.source,
        copy=copy,
        page=page,
        identifiers=count(groups),
        changes=encode(groups),
    )
    CohortChange.objects.bulk_create([page_row], ignore_conflicts=True)
    now, total = timezone.now(), copy.total_pages or total_pages
    SyncRun.objects.filter(pk=run_id).update(requests=F("requests") + 1, ended_at=now, total_pages=total or 0)
    if total is not None and CohortChange.objects.filter(copy=copy).count() == total:
        FullCopy.objects.filter(pk=run_id).update(complete_at=now, total_pages=total)
        cohort_id = copy.cohort_id
        transaction.on_commit(lambda: fold_soon(cohort_id))
    return True


@transaction.atomic
def give_up(run_id: int, status: SyncRun.Status, problem: SyncRun.Problem, error: str = "") -> bool:
    """End a copy that gathers: its pages go and the cohort stays as it is. False if it does not gather any more."""
    copy = _lock(run_id)
    if copy is None:
        return False
    received = CohortChange.objects.filter(copy=copy).aggregate(sum=Sum("identifiers"))["sum"] or 0
    CohortChange.objects.filter(copy=copy).delete()
    _only_bookkeeping().filter(pk=run_id).delete()
    SyncRun.objects.filter(pk=run_id).update(
        status=status, problem=problem, error=error, received=received, ended_at=timezone.now()
    )
    return True


def expire_copies() -> int:
    """Give up the webhook's copies without a page for WEBHOOK_SESSION_TIMEOUT seconds; returns how many."""
    quiet_since = timezone.now() - timedelta(seconds=settings.WEBHOOK_SESSION_TIMEOUT)
    stale = FullCopy.objects.filter(
        run__source=Cohort.Source.WEBHOOK, run__ended_at__lt=quiet_since, **_GATHERING
    ).values_list("run_id", flat=True)
    return sum(give_up(run_id, SyncRun.Status.INCOMPLETE, SyncRun.Problem.TIMED_OUT) for run_id in list(stale))


def of_cohort(cohort: Cohort) -> tuple[FullCopy | None, FullCopy | None]:
    """(the copy that gathers, the complete copy that comes next) of a cohort whose row is locked. One statement."""
    both = list(FullCopy.objects.filter(cohort=cohort).defer("matched").order_by("position"))
    gathering = next((copy for copy in both if copy.complete_at is None), None)
    ready = next((copy for copy in both if copy.complete_at is not None), None)
    return gathering, ready


def keep_for_later(copy: FullCopy, added: ProfileSet, removed: ProfileSet) -> None:
    """Remember whom differences added and removed since ``copy`` began: it is done again on top of it."""
    if not added and not removed:
        return
    FullCopy.objects.filter(pk=copy.pk).update(
        later_added=(copy.later_added - removed) | added,
        later_removed=(copy.later_removed - added) | removed,
    )


def match_late(copy: FullCopy, hits: Sequence[tuple[UnmatchedId, list[int]]]) -> None:
    """Tell a copy that is on its way, of a locked cohort, whom identifiers of the waiting list name by now.

    Those of its own pages are members of the copy; what arrived later than the copy is done again on top of it.
    """
    own = [ids for row, ids in hits if row.run_id == copy.run_id]
    if own:
        FullCopy.objects.filter(pk=copy.pk).update(matched=copy.matched | ProfileSet(one for ids in own for one in ids))
        SyncRun.objects.filter(pk=copy.run_id).update(unmatched=F("unmatched") - len(own))
    later = ProfileSet(one for row, ids in hits if row.position > copy.position for one in ids)
    keep_for_later(copy, later, ProfileSet())


def replace_users(copy: FullCopy, successors: Mapping[int, int], dead: ProfileSet) -> None:
    """Put merged users' successors into the sets of a copy that is on its way, and leave the ``dead`` out."""
    matched, added, removed = (
        with_successors(one, successors) - dead for one in (copy.matched, copy.later_added, copy.later_removed)
    )
    # Who is a member by either of two names that were merged is one.
    removed -= added
    if (matched, added, removed) != (copy.matched, copy.later_added, copy.later_removed):
        FullCopy.objects.filter(pk=copy.pk).update(matched=matched, later_added=added, later_removed=removed)


def fold(cohort: Cohort, copy: FullCopy, at_once: int) -> None:
    """Take a complete copy one step further: match some of its pages or, when all are, replace the members.

    The caller holds the cohort's row lock; a copy larger than ``at_once`` identifiers takes several transactions.
    """
    if not _match_pages(cohort, copy, at_once):
        _replace_members(cohort, copy)


def _match_pages(cohort: Cohort, copy: FullCopy, at_once: int) -> bool:
    pages = _next_pages(copy, at_once)
    if not pages:
        return False
    groups = [group for _, changes in pages for group in decode(changes)]
    found = match(cohort.integration.workspace_id, groups)
    named = list(zip(groups, found, strict=True))
    lost = [identifier_of(group, place) for group, one in named for place in one.nobody]
    somebody = (identifier for group, one in named for identifier in one.somebody(group))
    unmatched.stop_waiting(cohort.pk, somebody, before=copy.position)
    unmatched.wait(cohort.pk, [Waiting(one, copy.run_id, copy.position) for one in dict.fromkeys(lost)])
    if cancelled := unmatched.cancelled_after(cohort.pk, copy.position):
        # Removed before they had a user, and later than the copy: it does not count that the copy names them.
        found = match(cohort.integration.workspace_id, [_without(group, cancelled) for group in groups])
    matched = ProfileSet.union([copy.matched, *(one.profiles() for one in found)])
    FullCopy.objects.filter(pk=copy.pk).update(matched=matched)
    CohortChange.objects.filter(pk__in=[page_id for page_id, _ in pages]).delete()
    SyncRun.objects.filter(pk=copy.run_id).update(
        received=F("received") + count(groups), unmatched=F("unmatched") + len(lost)
    )
    return True


def _without(group: Group, identifiers: Collection[Identifier]) -> Group:
    places = range(len(group.values))
    return group._replace(
        values=[group.values[place] for place in places if identifier_of(group, place) not in identifiers]
    )


def _next_pages(copy: FullCopy, at_once: int) -> list[tuple[int, bytes]]:
    chosen: list[int] = []
    identifiers = 0
    for row_id, size in CohortChange.objects.filter(copy=copy).order_by("page").values_list("pk", "identifiers"):
        if chosen and identifiers + size > at_once:
            break
        chosen.append(row_id)
        identifiers += size
    rows = CohortChange.objects.filter(pk__in=chosen).order_by("page") if chosen else ()
    return [(row.pk, bytes(row.changes)) for row in rows]


def _replace_members(cohort: Cohort, copy: FullCopy) -> None:
    workspace_id, run = cohort.integration.workspace_id, copy.run
    next_copies = FullCopy.objects.filter(cohort=cohort, position__gt=copy.position).order_by("position")
    unmatched.forget_before(cohort.pk, copy.position, next_copies.values_list("position", flat=True).first())
    live = live_users(workspace_id)
    members = ((copy.matched - copy.later_removed) | copy.later_added) & live
    added, removed = members - cohort.members, (cohort.members - members) & live
    if added or removed:
        RunSets.objects.create(run=run, added=added, removed=removed)
    assert copy.complete_at is not None  # noqa: S101 - only a complete copy is folded
    size = store_members(cohort, members, Arrival(run.source, run.session_id, copy.complete_at))
    log_data_points(workspace_id, cohort.integration.data_point_source, len(added) + len(removed))
    _only_bookkeeping().filter(pk=copy.pk).delete()
    SyncRun.objects.filter(pk=run.pk).update(
        status=SyncRun.Status.DONE,
        added=len(added),
        removed=len(removed),
        already_there=max(0, run.received - run.unmatched - len(added)),
        data_points=len(added) + len(removed),
        size_after=size,
    )


def _lock(run_id: int) -> FullCopy | None:
    """The copy of that run with its row locked, if it still gathers."""
    rows = _only_bookkeeping().select_related("run").select_for_update(of=("self",), no_key=True)
    return rows.filter(pk=run_id, **_GATHERING).first()


def _only_bookkeeping() -> QuerySet[FullCopy]:
    return FullCopy.objects.defer("matched", "later_added", "later_removed")
