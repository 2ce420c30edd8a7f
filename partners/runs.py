"""Run records: which requests belong to one export, what the export did, and how long that is kept."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from partners.models import Cohort, RunSets, SyncRun
from profiles.sets import ProfileSet, set_cursor

#: How long "is this user in it, and why" can look back.
SETS_KEPT = timedelta(days=90)
#: A run that found everything as it was is of no interest for longer; one that did something is kept for good.
QUIET_RUNS_KEPT = timedelta(days=30)
#: Rows of one statement: no transaction of ours lasts long.
CHUNK = 10_000


@dataclass
class Arrival:
    """When a request came, which way, and as part of which export if the partner said so."""

    source: str
    session_id: str
    received_at: datetime
    #: It named nobody: Mixpanel makes its two calls for differences at every sync, each as a session of its own.
    is_empty: bool = False


@dataclass
class Tally:
    """What the requests of one run did in one fold; added to the run's record."""

    run_id: int
    last_at: datetime
    requests: int = 0
    received: int = 0
    already_there: int = 0
    unmatched: int = 0
    added: int = 0
    removed: int = 0
    added_ids: ProfileSet = field(default_factory=ProfileSet)
    removed_ids: ProfileSet = field(default_factory=ProfileSet)
    #: A merge of users is no change of the partner's.
    logs_data_points: bool = True

    @property
    def data_points(self) -> int:
        """Every applied change logs one."""
        return self.added + self.removed if self.logs_data_points else 0


def runs_of(cohort: Cohort, arrivals: Sequence[Arrival]) -> list[int]:
    """The run that each request belongs to, made if need be; requests are in arrival order. Two or three statements.

    Requests of one session are one run; without a session, those with a gap below SYNC_RUN_GAP seconds between them.
    So are two sessions with such a gap if one of them names nobody: they are the two halves of one sync.
    """
    sessions = {(one.run.source, one.run.session_id): one for one in _recent(cohort, arrivals)}
    latest = {one.run.source: one for one in sessions.values()}
    new: list[SyncRun] = []
    chosen: list[_Open] = []
    for arrival in arrivals:
        key = (arrival.source, arrival.session_id)
        mine = _joined(arrival, sessions.get(key), latest.get(arrival.source))
        if mine is None:
            mine = _Open.begin(cohort, arrival)
            new.append(mine.run)
        mine.take(arrival)
        sessions[key] = latest[arrival.source] = mine
        chosen.append(mine)
    if renamed := {one.run.pk: one.run for one in chosen if one.is_renamed and one.run.pk}:
        SyncRun.objects.bulk_update(renamed.values(), ["session_id"])
    SyncRun.objects.bulk_create(new)
    return [one.run.pk for one in chosen]


@dataclass
class _Open:
    """A run that requests may still join. ``is_empty``: nobody has been named in it yet."""

    run: SyncRun
    is_empty: bool = True
    is_renamed: bool = False

    @classmethod
    def begin(cls, cohort: Cohort, arrival: Arrival) -> "_Open":
        """A new run."""
        return cls(
            SyncRun(
                cohort=cohort,
                source=arrival.source,
                session_id=arrival.session_id,
                started_at=arrival.received_at,
                ended_at=arrival.received_at,
                status=SyncRun.Status.DONE,
            )
        )

    def take(self, arrival: Arrival) -> None:
        """A request is one of the run's. The session of the first that names somebody is the run's."""
        assert self.run.ended_at is not None  # noqa: S101 - set when it began
        self.run.ended_at = max(self.run.ended_at, arrival.received_at)
        if self.is_empty and not arrival.is_empty:
            self.is_empty, self.is_renamed = False, self.run.session_id != arrival.session_id
            self.run.session_id = arrival.session_id

    def ended_within(self, seconds: float, arrival: Arrival) -> bool:
        """Whether its last request came so many seconds before ``arrival`` at most."""
        assert self.run.ended_at is not None  # noqa: S101 - set when it began
        return arrival.received_at - self.run.ended_at < timedelta(seconds=seconds)


def _joined(arrival: Arrival, of_session: _Open | None, latest: _Open | None) -> _Open | None:
    """The run that a request joins, of its own session's and the latest of its way; None: it begins one."""
    if of_session:
        patience = settings.WEBHOOK_SESSION_TIMEOUT if arrival.session_id else settings.SYNC_RUN_GAP
        return of_session if of_session.ended_within(patience, arrival) else None
    is_half = latest is not None and (arrival.is_empty or latest.is_empty)
    return latest if is_half and latest and latest.ended_within(settings.SYNC_RUN_GAP, arrival) else None


def begin_own(
    cohort: Cohort,
    source: SyncRun.Source,
    received: int,
    added: ProfileSet,
    already_there: int,
    *,
    logs_data_points: bool = True,
) -> Tally:
    """The tally of a change that came without a request of the partner's, with its run's sets written."""
    now = timezone.now()
    (run_id,) = runs_of(cohort, [Arrival(source, "", now)])
    tally = Tally(
        run_id,
        now,
        received=received,
        already_there=already_there,
        added=len(added),
        added_ids=added,
        logs_data_points=logs_data_points,
    )
    record_sets([tally])
    return tally


def _recent(cohort: Cohort, arrivals: Collection[Arrival]) -> Iterator[_Open]:
    """The latest runs for differences of each way and session that occurs in ``arrivals``, and of a moment before them.

    In the order in which they ended. One statement.
    """
    first = min(one.received_at for one in arrivals)
    just_now = Q(ended_at__gt=first - timedelta(seconds=settings.SYNC_RUN_GAP))
    runs = (
        SyncRun.objects.filter(cohort=cohort, total_pages=None, ended_at__isnull=False)
        .filter(started_at__gt=first - timedelta(seconds=settings.WEBHOOK_SESSION_TIMEOUT))
        .filter(just_now | Q(session_id__in={one.session_id for one in arrivals}))
        .filter(source__in={one.source for one in arrivals} - {Cohort.Source.PULL})
        .order_by("source", "session_id", "-started_at", "-id")
        .distinct("source", "session_id")
    )
    for run in sorted(runs, key=lambda run: (run.ended_at, run.pk)):
        yield _Open(run, is_empty=not run.received)


def record(tallies: Collection[Tally], size: int) -> None:
    """Add ``tallies`` to their runs. ``size`` is the cohort's after the fold. One statement.

    It is the last thing that a fold does before it commits, as long as it holds rows that others want.
    """
    rows = sorted(tallies, key=lambda tally: tally.run_id)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE partners_syncrun AS run SET
                requests = run.requests + t.requests, received = run.received + t.received,
                added = run.added + t.added, removed = run.removed + t.removed,
                already_there = run.already_there + t.already_there, unmatched = run.unmatched + t.unmatched,
                data_points = run.data_points + t.data_points,
                ended_at = greatest(run.ended_at, t.last_at), size_after = %s
            FROM unnest(%s::bigint[], %s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
                %s::bigint[], %s::timestamptz[])
                AS t (id, requests, received, added, removed, already_there, unmatched, data_points, last_at)
            WHERE run.id = t.id
            """,
            [
                size,
                *(
                    [getattr(row, name) for row in rows]
                    for name in (
                        *("run_id", "requests", "received", "added", "removed"),
                        *("already_there", "unmatched", "data_points", "last_at"),
                    )
                ),
            ],
        )


def record_sets(tallies: Collection[Tally]) -> None:
    """Add to each run's sets whom it added and removed. One statement, and one for each run that changed somebody."""
    changing = sorted((one for one in tallies if one.added_ids or one.removed_ids), key=lambda tally: tally.run_id)
    if not changing:
        return
    with set_cursor() as cursor:
        cursor.execute(
            "SELECT run_id, added, removed FROM partners_runsets WHERE run_id = ANY(%s)",
            [[one.run_id for one in changing]],
        )
        stored = {run_id: sets for run_id, *sets in cursor.fetchall()}
        for one in changing:
            added, removed = stored.get(one.run_id, (ProfileSet(), ProfileSet()))
            cursor.execute(
                """
                INSERT INTO partners_runsets (run_id, added, removed) VALUES (%s, %s, %s)
                ON CONFLICT (run_id) DO UPDATE SET added = EXCLUDED.added, removed = EXCLUDED.removed
                """,
                [one.run_id, added | one.added_ids, removed | one.removed_ids],
            )


def forget_old() -> None:
    """Delete the sets of runs that are older than SETS_KEPT, and runs that did nothing, older than QUIET_RUNS_KEPT.

    A cohort's latest run stays whatever it did, and so does one that a waiting identifier came with.
    """
    now = timezone.now()
    RunSets.objects.filter(run__started_at__lt=now - SETS_KEPT).delete()
    while _forget_quiet_runs(now - QUIET_RUNS_KEPT, CHUNK) == CHUNK:
        pass


def _forget_quiet_runs(before: datetime, chunk: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM partners_syncrun WHERE id = ANY(ARRAY(
                SELECT run.id FROM partners_syncrun run
                 WHERE run.status = 'done' AND run.ended_at < %s
                   AND run.added = 0 AND run.removed = 0 AND run.unmatched = 0
                   AND EXISTS (SELECT 1 FROM partners_syncrun newer
                                WHERE newer.cohort_id = run.cohort_id AND newer.started_at > run.started_at
                                  AND newer.source = ANY(%s))
                   AND NOT EXISTS (SELECT 1 FROM partners_unmatchedid waiting WHERE waiting.run_id = run.id)
                   AND NOT EXISTS (SELECT 1 FROM partners_runsets sets WHERE sets.run_id = run.id)
                   AND NOT EXISTS (SELECT 1 FROM partners_fullcopy copy WHERE copy.run_id = run.id)
                 LIMIT %s))
            """,
            [before, list(Cohort.Source.values), chunk],
        )
        return cursor.rowcount
