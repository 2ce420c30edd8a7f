"""Run records: which requests belong to one export, and what the export did."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from partners.models import Cohort, RunSets, SyncRun
from profiles.sets import ProfileSet, set_cursor

#: How long "is this user in it, and why" can look back.
SETS_KEPT = timedelta(days=90)


@dataclass
class Arrival:
    """When a request came, which way, and as part of which export if the partner said so."""

    source: str
    session_id: str
    received_at: datetime


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
    """
    latest = _latest_runs(cohort, arrivals)
    new: list[SyncRun] = []
    chosen: list[SyncRun] = []
    for arrival in arrivals:
        key = (arrival.source, arrival.session_id)
        run = latest.get(key)
        if run is None or not _joins(run, arrival):
            run = SyncRun(
                cohort=cohort,
                source=arrival.source,
                session_id=arrival.session_id,
                started_at=arrival.received_at,
                status=SyncRun.Status.DONE,
            )
            new.append(run)
            latest[key] = run
        run.ended_at = max(run.ended_at or arrival.received_at, arrival.received_at)
        chosen.append(run)
    SyncRun.objects.bulk_create(new)
    return [run.pk for run in chosen]


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


def _joins(run: SyncRun, arrival: Arrival) -> bool:
    patience = settings.WEBHOOK_SESSION_TIMEOUT if arrival.session_id else settings.SYNC_RUN_GAP
    assert run.ended_at is not None  # noqa: S101 - set with the run's first request
    return arrival.received_at - run.ended_at < timedelta(seconds=patience)


def _latest_runs(cohort: Cohort, arrivals: Collection[Arrival]) -> dict[tuple[str, str], SyncRun]:
    """The latest run for differences of each way and session that occurs in ``arrivals``."""
    since = min(one.received_at for one in arrivals) - timedelta(seconds=settings.WEBHOOK_SESSION_TIMEOUT)
    runs = (
        SyncRun.objects.filter(cohort=cohort, total_pages=None, started_at__gt=since, ended_at__isnull=False)
        .filter(source__in={one.source for one in arrivals}, session_id__in={one.session_id for one in arrivals})
        .exclude(source=Cohort.Source.PULL)
        .order_by("source", "session_id", "-started_at", "-id")
        .distinct("source", "session_id")
    )
    return {(run.source, run.session_id): run for run in runs}


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


def forget_old_sets() -> None:
    """Delete the sets of runs that are older than SETS_KEPT; the runs' counts stay."""
    RunSets.objects.filter(run__started_at__lt=timezone.now() - SETS_KEPT).delete()
