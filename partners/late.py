"""Late matching: an identifier that matched nobody waits, and joins its cohort when its user appears.

Two things tell that a user has appeared. The identity log, which ``partners.identities`` follows, tells of everybody
who came after the identifier began to wait. But a fold that finds nobody and a profile that is inserted at the same
moment can miss each other: so whatever began to wait is matched once more in a later transaction (``match_new``),
which sees what the fold could not. In between nothing is left: both happen under the cohort's row lock.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from django.db import connection, transaction

from partners import copies, runs
from partners.changes import DEVICE, EMAIL, Identifier
from partners.matching import find_profiles
from partners.models import Cohort, FullCopy, SyncRun, UnmatchedId
from partners.storing import store_members
from profiles.sets import ProfileSet
from workspaces.data_points import log_data_points

#: What one transaction matches at most.
AT_ONCE: Final = 20_000

#: Kinds of names that users get without a word in the identity log: emails change, devices come.
UNLOGGED: Final = (EMAIL, DEVICE)

Hit = tuple[UnmatchedId, list[int]]


def match_new(cohort_id: int) -> None:
    """Match once more what began to wait since the last time."""
    while _next_new(cohort_id, 1):
        _match_some(cohort_id)


def match_stragglers() -> None:
    """``match_new`` for every cohort that needs it: its process died between the fold and this."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id FROM partners_cohort c WHERE EXISTS (
                SELECT 1 FROM partners_unmatchedid u WHERE u.cohort_id = c.id AND u.id > c.matched_to) ORDER BY id
            """
        )
        found = [cohort_id for (cohort_id,) in cursor.fetchall()]
    for cohort_id in found:
        match_new(cohort_id)


def match_unlogged() -> None:
    """Match waiting emails and devices anew: that somebody got one later is told nowhere."""
    waiting = UnmatchedId.objects.filter(kind__in=UNLOGGED)
    for cohort_id in list(waiting.order_by().values_list("cohort_id", flat=True).distinct()):
        ids = list(waiting.filter(cohort_id=cohort_id).order_by("pk").values_list("pk", flat=True))
        match_rows(cohort_id, ids)


def match_rows(cohort_id: int, row_ids: Sequence[int]) -> None:
    """Match those of the cohort's waiting identifiers that have these primary keys, if they still wait."""
    for start in range(0, len(row_ids), AT_ONCE):
        with transaction.atomic():
            cohort = locked(cohort_id)
            if cohort is not None:
                chosen = row_ids[start : start + AT_ONCE]
                rows = UnmatchedId.objects.filter(pk__in=chosen)
                _join(cohort, [row for row in rows if row.cohort_id == cohort_id])


def locked(cohort_id: int) -> Cohort | None:
    """The cohort with its row locked until the transaction's end, as in a fold; None if it is gone."""
    rows = Cohort.objects.select_related("integration").select_for_update(of=("self",), no_key=True)
    return rows.filter(pk=cohort_id).first()


def _next_new(cohort_id: int, limit: int) -> list[int]:
    """The primary keys of the oldest that began to wait since the last time. One statement.

    Keys of the waiting list are drawn under the cohort's lock, so none appears below one that was seen.
    """
    # Only one index has this order: others would do for a list that statistics do not know yet, and it is long.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id FROM partners_unmatchedid
            WHERE (cohort_id, id) > (SELECT id, matched_to FROM partners_cohort WHERE id = %(cohort)s)
              AND (cohort_id, id) < (SELECT id + 1, 0::bigint FROM partners_cohort WHERE id = %(cohort)s)
            ORDER BY cohort_id, id LIMIT %(limit)s
            """,
            {"cohort": cohort_id, "limit": limit},
        )
        return [row_id for (row_id,) in cursor.fetchall()]


@transaction.atomic
def _match_some(cohort_id: int) -> None:
    cohort = locked(cohort_id)
    if cohort is None:
        return
    row_ids = _next_new(cohort_id, AT_ONCE)
    if row_ids:
        Cohort.objects.filter(pk=cohort.pk).update(matched_to=row_ids[-1])
        _join(cohort, UnmatchedId.objects.filter(pk__in=row_ids))


def _join(cohort: Cohort, rows: Iterable[UnmatchedId]) -> None:
    """Let whoever the ``rows`` name by now join the cohort, and take those rows off the waiting list."""
    named = [(row, Identifier(row.kind, row.label, row.value)) for row in rows if not row.cancelled]
    found = find_profiles(cohort.integration.workspace_id, [identifier for _, identifier in named])
    hits = sorted(
        ((row, found[identifier]) for row, identifier in named if identifier in found), key=lambda hit: hit[0].position
    )
    if not hits:
        return
    on_their_way = list(FullCopy.objects.filter(cohort=cohort))
    for copy in on_their_way:
        copies.match_late(copy, hits)
    UnmatchedId.objects.filter(pk__in=[row.pk for row, _ in hits]).delete()
    of_copies = {copy.run_id for copy in on_their_way}
    _add(cohort, [hit for hit in hits if hit[0].run_id not in of_copies])


def _add(cohort: Cohort, hits: Sequence[Hit]) -> None:
    if not hits:
        return
    added = ProfileSet(one for _, ids in hits for one in ids) - cohort.members
    already_there = sum(len(ids) for _, ids in hits) - len(added)
    tally = runs.begin_own(cohort, SyncRun.Source.LATE, len(hits), added, already_there)
    size = store_members(cohort, cohort.members | added, None)
    log_data_points(cohort.integration.workspace_id, cohort.integration.data_point_source, tally.data_points)
    runs.record([tally], size)
