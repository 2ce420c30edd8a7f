"""Following the identity log: whoever waits joins, whoever was merged stays by the survivor, whoever is deleted goes.

``profiles`` appends to the log in the transaction that changes who somebody is, and knows nothing of cohorts: the log
is read downward, with a cursor per workspace. Row ids are drawn before their transactions commit, so a reader that goes
by id alone could step over one; as in ``currents.log``, rows are taken in (xid, id) order and only below the oldest
transaction that is still running.

Everything here may happen twice: a crash before the cursor has moved repeats what changes nothing any more.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from currents.log import HORIZON_SQL
from partners import copies, late, runs
from partners.changes import Identifier
from partners.locks import only_one
from partners.models import Cohort, FullCopy, IdentityCursor, SyncRun
from partners.storing import store_members, with_successors
from partners.unmatched import digest_of
from profiles.models import IdentityChange
from profiles.sets import ProfileSet

log = logging.getLogger(__name__)

#: Rows of the log, and users in them, of one step.
ROWS_AT_ONCE: Final = 1_000
USERS_AT_ONCE: Final = 20_000
#: Readers and folds follow the log themselves while so many users at most are behind the cursor.
LITTLE: Final = 2_000
#: What they wait for another process that does it already.
PATIENCE_SECONDS: Final = 2.0
#: Bits of users who are gone are harmless: they are swept out of all sets together, not more often than this.
SWEEP_EVERY: Final = timedelta(minutes=1)

# The first key of our advisory locks; the second is the workspace's id.
_LOCK: Final = 0x69646E74


@dataclass(frozen=True)
class Change:
    """A row of the identity log."""

    xid: int
    id: int
    kind: str
    profile_ids: Sequence[int]
    survivor_ids: Sequence[int]


def follow_all() -> None:
    """Follow the log of every workspace that has partners and something to do."""
    for workspace_id in _behind():
        try:
            follow(workspace_id)
        except Exception:
            log.exception("The identity log of workspace %s could not be followed", workspace_id)


def follow(workspace_id: int, *, sweeping: bool = True, patience: float = 0.0) -> None:
    """Do everything that the log says below the horizon.

    When another process does this already, nothing is done, unless it ends within ``patience`` seconds.
    """
    with only_one(_LOCK, workspace_id, patience) as mine:
        if mine:
            IdentityCursor.objects.bulk_create([IdentityCursor(workspace_id=workspace_id)], ignore_conflicts=True)
            _come_home(workspace_id)
            while _follow_some(workspace_id):
                pass
            if sweeping:
                _sweep(workspace_id)


def follow_if_little(workspace_id: int) -> None:
    """Let a reader see, or a fold know, what users became a moment ago, if it is little; a failure is not theirs.

    Inside a transaction nothing is done: one transaction locks cohorts in one order only.
    """
    if connection.in_atomic_block or not 0 < _users_behind(workspace_id) <= LITTLE:
        return
    try:
        follow(workspace_id, sweeping=False, patience=PATIENCE_SECONDS)
    except Exception:
        log.exception("The identity log of workspace %s could not be followed", workspace_id)


def _behind() -> list[int]:
    """The workspaces whose log has rows after the cursor, or with users to sweep. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT w.workspace_id FROM (SELECT DISTINCT workspace_id FROM partners_integration) w
            LEFT JOIN partners_identitycursor c ON c.workspace_id = w.workspace_id
            WHERE (c.dead <> '' AND (c.swept_at IS NULL OR c.swept_at < %s))
               OR c.cluster <> (SELECT system_identifier FROM pg_control_system())
               OR EXISTS (
                SELECT 1 FROM profiles_identitychange i WHERE i.workspace_id = w.workspace_id
                   AND (i.xid, i.id) > (coalesce(c.xid, 0), coalesce(c.change, 0)) AND i.xid < {HORIZON_SQL})
            ORDER BY w.workspace_id
            """,  # noqa: S608 - a constant
            [timezone.now() - SWEEP_EVERY],
        )
        return [workspace_id for (workspace_id,) in cursor.fetchall()]


def _users_behind(workspace_id: int) -> int:
    """How many users the rows after the cursor name, as far as that decides whether they are few. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT coalesce(sum(cardinality(profile_ids)), 0) FROM (
                SELECT i.profile_ids FROM profiles_identitychange i WHERE i.workspace_id = %(workspace)s
                   AND (i.xid, i.id) > (coalesce((SELECT xid FROM partners_identitycursor
                                                   WHERE workspace_id = %(workspace)s), 0),
                                        coalesce((SELECT change FROM partners_identitycursor
                                                   WHERE workspace_id = %(workspace)s), 0))
                   AND i.xid < {HORIZON_SQL}
                 ORDER BY i.xid, i.id LIMIT %(limit)s) AS behind
            """,  # noqa: S608 - a constant
            {"workspace": workspace_id, "limit": LITTLE},
        )
        return int(cursor.fetchone()[0])


def _follow_some(workspace_id: int) -> bool:
    """Do what the next rows say, then move the cursor. False: there were none."""
    place = IdentityCursor.objects.get(pk=workspace_id)
    changes = _read(place)
    if not changes:
        return False
    successors = _successors(changes)
    gone = ProfileSet(one for change in changes if change.kind in IdentityChange.ENDS for one in change.profile_ids)
    if successors:
        for cohort_id in _cohorts(workspace_id):
            _replace_users(cohort_id, successors, ProfileSet())
    _match(workspace_id, _named_anew(changes))
    with transaction.atomic():
        place = IdentityCursor.objects.select_for_update().get(pk=workspace_id)
        place.xid, place.change, place.dead = changes[-1].xid, changes[-1].id, place.dead | gone
        place.save(update_fields=["xid", "change", "dead"])
    return True


def _read(place: IdentityCursor) -> list[Change]:
    """The rows after ``place``, below the horizon, in order: as many as fit one step, one at least."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT xid, id, kind, profile_ids, survivor_ids FROM (
                SELECT *, sum(cardinality(profile_ids)) OVER (ORDER BY xid, id) - cardinality(profile_ids) AS before
                  FROM (SELECT i.* FROM profiles_identitychange i
                         WHERE i.workspace_id = %s AND (i.xid, i.id) > (%s, %s) AND i.xid < {HORIZON_SQL}
                         ORDER BY i.xid, i.id LIMIT %s) AS next) AS chosen
             WHERE before < %s ORDER BY xid, id
            """,  # noqa: S608 - a constant
            [place.pk, place.xid, place.change, ROWS_AT_ONCE, USERS_AT_ONCE],
        )
        return [
            Change(xid, change_id, kind, profile_ids, survivor_ids or ())
            for xid, change_id, kind, profile_ids, survivor_ids in cursor.fetchall()
        ]


def _successors(changes: Sequence[Change]) -> dict[int, int]:
    """Who stands in the place of each merged user at last. Ids that ended never come back, so chains have an end."""
    direct: dict[int, int] = {}
    for change in changes:
        if change.kind == IdentityChange.Kind.MERGED:
            direct.update(zip(change.profile_ids, change.survivor_ids, strict=True))
    return {one: _last(one, direct) for one in direct}


def _last(one: int, direct: Mapping[int, int]) -> int:
    while one in direct:
        one = direct[one]
    return one


def _named_anew(changes: Sequence[Change]) -> list[int]:
    """The users who may have names that they did not have before."""
    named: set[int] = set()
    for change in changes:
        if change.kind == IdentityChange.Kind.MERGED:
            named.update(change.survivor_ids)
        elif change.kind != IdentityChange.Kind.DELETED:
            named.update(change.profile_ids)
    return sorted(named)


def _match(workspace_id: int, profile_ids: Sequence[int]) -> None:
    """Let these users join where one of their names waits. Three statements if none does."""
    digests = sorted(digest_of(name) for name in _names(profile_ids)) if _somebody_waits(workspace_id) else []
    if not digests:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT u.cohort_id, array_agg(u.id ORDER BY u.id)
            FROM unnest(%s::bytea[]) AS w (digest)
            CROSS JOIN LATERAL (SELECT id, cohort_id FROM partners_unmatchedid WHERE digest = w.digest OFFSET 0) AS u
            JOIN partners_cohort c ON c.id = u.cohort_id JOIN partners_integration i ON i.id = c.integration_id
            WHERE i.workspace_id = %s GROUP BY u.cohort_id ORDER BY u.cohort_id
            """,
            [digests, workspace_id],
        )
        waiting = cursor.fetchall()
    for cohort_id, row_ids in waiting:
        late.match_rows(cohort_id, row_ids)


def _somebody_waits(workspace_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT EXISTS (SELECT 1 FROM partners_integration i JOIN partners_cohort c ON c.integration_id = i.id
            WHERE i.workspace_id = %s AND EXISTS (SELECT 1 FROM partners_unmatchedid u WHERE u.cohort_id = c.id))
            """,
            [workspace_id],
        )
        return bool(cursor.fetchone()[0])


def _names(profile_ids: Sequence[int]) -> Collection[Identifier]:
    """All that these users can be called by, as partners call them (see ``partners.matching``). One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT 'external_id', '', external_id FROM profiles_profile
             WHERE id = ANY(%(ids)s) AND external_id IS NOT NULL
            UNION ALL SELECT 'external_id', '', external_id FROM profiles_deprecatedid WHERE profile_id = ANY(%(ids)s)
            UNION ALL SELECT 'email', '', email FROM profiles_profile WHERE id = ANY(%(ids)s) AND email <> ''
            UNION ALL SELECT 'alias', label, name FROM profiles_alias WHERE profile_id = ANY(%(ids)s)
            UNION ALL SELECT 'device', '', d.device_id FROM profiles_device d JOIN profiles_profile p
                ON p.id = d.profile_id AND p.external_id IS NULL WHERE d.profile_id = ANY(%(ids)s)
            """,
            {"ids": list(profile_ids)},
        )
        return {Identifier(*row) for row in cursor.fetchall()}


def _cohorts(workspace_id: int) -> list[int]:
    mine = Cohort.objects.filter(integration__workspace=workspace_id)
    return list(mine.order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def _replace_users(cohort_id: int, successors: Mapping[int, int], dead: ProfileSet) -> None:
    """In a cohort and its copies, put survivors into the place of merged users, and leave the ``dead`` out.

    The lock comes first: a fold that still knows a merged user by their old name has then ended, or knows better.
    """
    cohort = late.locked(cohort_id)
    if cohort is None:
        return
    for copy in FullCopy.objects.filter(cohort=cohort):
        copies.replace_users(copy, successors, dead)
    members = with_successors(cohort.members, successors) - dead
    if members == cohort.members:
        return
    merged = ProfileSet(successors[one] for one in cohort.members & ProfileSet(successors))
    if not merged:
        store_members(cohort, members, None)
        return
    # Braze: merged users' memberships stay. It is no change of the partner's, so it logs no data point.
    added = merged - cohort.members - dead
    tally = runs.begin_own(
        cohort, SyncRun.Source.MERGE, len(merged), added, len(merged) - len(added), logs_data_points=False
    )
    runs.record([tally], store_members(cohort, members, None))


def _sweep(workspace_id: int) -> None:
    """Take users who are gone out of all stored sets, and so out of the listed sizes; at most once a minute."""
    place = IdentityCursor.objects.get(pk=workspace_id)
    if not place.dead or (place.swept_at and timezone.now() - place.swept_at < SWEEP_EVERY):
        return
    for cohort_id in _cohorts(workspace_id):
        _replace_users(cohort_id, {}, place.dead)
    with transaction.atomic():
        locked = IdentityCursor.objects.select_for_update().get(pk=workspace_id)
        locked.dead, locked.swept_at = locked.dead - place.dead, timezone.now()
        locked.save(update_fields=["dead", "swept_at"])


def _come_home(workspace_id: int) -> None:
    """After a dump and restore transaction ids begin anew, and no position is good: do everything again once.

    That changes only what was not done yet. Merges of the whole log are applied, the whole waiting list is matched.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT system_identifier, {HORIZON_SQL} FROM pg_control_system()")  # noqa: S608
        cluster, horizon = cursor.fetchone()
    place = IdentityCursor.objects.get(pk=workspace_id)
    if place.cluster == cluster:
        return
    if place.cluster is not None:
        _start_over(workspace_id)
        place.xid, place.change = horizon, 0
    IdentityCursor.objects.filter(pk=workspace_id).update(cluster=cluster, xid=place.xid, change=place.change)


def _start_over(workspace_id: int) -> None:
    ends = IdentityChange.objects.filter(workspace=workspace_id, kind__in=IdentityChange.ENDS).order_by("pk")
    successors: dict[int, int] = {}
    dead: list[int] = []
    for kind, ids, survivors in ends.values_list("kind", "profile_ids", "survivor_ids").iterator():
        dead += ids
        if kind == IdentityChange.Kind.MERGED:
            successors.update(zip(ids, survivors or (), strict=True))
    lasting = {one: _last(one, successors) for one in successors}
    for cohort_id in _cohorts(workspace_id):
        _replace_users(cohort_id, lasting, ProfileSet(dead))
        Cohort.objects.filter(pk=cohort_id).update(matched_to=0)
        late.match_new(cohort_id)
