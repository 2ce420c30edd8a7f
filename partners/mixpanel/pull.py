"""Pulling cohorts from Mixpanel's query API: one-time, or every 15 minutes as far as its limits allow.

A pull reads the whole cohort, page by page, as a full copy: the fold applies the difference, and a pull that breaks
midway changes nothing. It can pause between two pages, when the limit is reached or its process dies, and goes on where
it was. The pulls of one connection run one after the other, the one that is due longest first.
"""

import logging
import time
from datetime import datetime, timedelta

from django.db.models import F, QuerySet
from django.utils import timezone
from rest_framework.exceptions import ParseError

from partners import copies
from partners.changes import ID_LIMIT
from partners.locks import only_one
from partners.mixpanel.limits import MustWait, forget_old_queries, interval_of
from partners.mixpanel.members import as_groups, identifiers_of
from partners.mixpanel.query import EngagePage, ListedCohort, QueryError, engage, list_cohorts
from partners.models import Cohort, CohortChange, FullCopy, PullConnection, SyncRun
from workspaces.wakeup import wake_up

log = logging.getLogger(__name__)

#: How long one task pulls before it lets others work; the next tick of beat goes on.
TURN_SECONDS = 240.0
RETRY_AFTER = timedelta(minutes=5)

# Whoever is due longest; after a wait that all shared, whoever was refreshed longest ago.
_TURNS = ("next_pull_at", F("last_sync_at").asc(nulls_first=True), "pk")

# The first key of our advisory locks; the second is the connection's id.
_LOCK = 0x70756C6C


def pull_due() -> int:
    """Wake a worker for each connection with a cohort that is due. Returns how many connections there are."""
    forget_old_queries()
    due = _due().order_by().values_list("integration__pull", flat=True).distinct()
    connections = [one for one in due if one is not None]
    for connection_id in connections:
        wake_up("partners.mixpanel.pull_connection", connection_id)
    return len(connections)


def pull_connection(connection_id: int) -> None:
    """Pull the connection's due cohorts until none is left, the limit is reached or the turn is over.

    When another process pulls this connection already, nothing is done.
    """
    connection = PullConnection.objects.select_related("integration__workspace").filter(pk=connection_id).first()
    if connection is None:
        return
    end = time.monotonic() + TURN_SECONDS
    with only_one(_LOCK, connection_id) as mine:
        while mine and time.monotonic() < end:
            cohort = _due().filter(integration=connection.integration_id).order_by(*_TURNS).first()
            if cohort is None or not _pull(connection, cohort, end):
                return


def sync_now(cohort: Cohort) -> None:
    """Pull a pulled cohort as soon as the limit allows."""
    Cohort.objects.filter(pk=cohort.pk).exclude(sync="").update(next_pull_at=timezone.now())
    for connection in PullConnection.objects.filter(integration=cohort.integration_id):
        wake(connection)


def wake(connection: PullConnection) -> None:
    """Tell a worker that a cohort of the connection is due."""
    wake_up("partners.mixpanel.pull_connection", connection.pk)


def choose(connection: PullConnection, listed: ListedCohort, sync: str) -> Cohort:
    """Pull ``listed`` from now on, one time or dynamically; ``sync`` "" stops pulling it, and its members stay."""
    cohort, _ = Cohort.objects.get_or_create(
        integration=connection.integration,
        cohort_id=listed.id[:ID_LIMIT],
        defaults={"name": listed.name[:ID_LIMIT], "description": listed.description, "source": Cohort.Source.PULL},
    )
    if cohort.sync == sync:
        return cohort
    cohort.sync, cohort.partner_count = sync, listed.count
    cohort.next_pull_at, cohort.paused_at = timezone.now() if sync else None, None
    if sync:
        cohort.source, cohort.name = Cohort.Source.PULL, listed.name[:ID_LIMIT]
    cohort.save(update_fields=["sync", "partner_count", "next_pull_at", "paused_at", "source", "name"])
    if not sync:
        stop(cohort)
    return cohort


def stop(cohort: Cohort) -> None:
    """Give up a pull that is under way."""
    for run_id in FullCopy.objects.filter(cohort=cohort, run__source=Cohort.Source.PULL).values_list(
        "run_id", flat=True
    ):
        copies.give_up(run_id, SyncRun.Status.FAILED, SyncRun.Problem.STOPPED)


def refresh_listing(connection: PullConnection) -> list[ListedCohort]:
    """Ask for the project's cohorts and keep the list with the connection. Raises QueryError; MustWait."""
    try:
        listed = list_cohorts(connection)
    except QueryError as error:
        _note(connection, error)
        raise
    connection.options["listing"] = [vars(one) for one in listed]
    connection.options["listed_at"] = timezone.now().isoformat()
    _note(connection, None)
    connection.save(update_fields=["options", "updated_at"])
    return listed


def listing(connection: PullConnection) -> list[ListedCohort]:
    """The project's cohorts as of the last ``refresh_listing``."""
    return [ListedCohort(**one) for one in connection.options.get("listing", [])]


def _due() -> QuerySet[Cohort]:
    due = Cohort.objects.filter(archived_at=None, paused_at=None, next_pull_at__lte=timezone.now())
    return due.exclude(sync="")


def _pull(connection: PullConnection, cohort: Cohort, end: float) -> bool:
    """Pull ``cohort`` to its end. False: no further query may start now."""
    run = _run_of(cohort)
    try:
        while time.monotonic() < end:
            page_number = CohortChange.objects.filter(copy=run.pk).count()
            page = engage(connection, cohort.cohort_id, page_number, run.session_id)
            if page_number == 0:
                SyncRun.objects.filter(pk=run.pk).update(session_id=page.session_id)
                run.session_id = page.session_id
                _learn(connection, cohort, page)
            groups = as_groups(page.members, identifiers_of(connection.integration), remove=False)
            total = page_number + 1 if page.is_last else None
            if not copies.add_page(run.pk, page_number + 1, groups, total):
                # Another full copy has replaced this one, or it was stopped.
                _schedule(connection, cohort, timezone.now() + interval_of(connection))
                return True
            if page.is_last:
                _finish(connection, cohort, run.started_at)
                return True
    except MustWait as error:
        _due().filter(integration=connection.integration_id).update(next_pull_at=error.until)
        return False
    except QueryError as error:
        return _broke(connection, cohort, run, error)
    except ParseError as error:
        return _broke(connection, cohort, run, QueryError(SyncRun.Problem.BAD_ANSWER, str(error.detail)))
    return False


def _run_of(cohort: Cohort) -> SyncRun:
    """The pull that is under way, else a new one: its place in the arrival order is now."""
    copy = (
        FullCopy.objects.select_related("run")
        .filter(cohort=cohort, complete_at=None, run__source=Cohort.Source.PULL)
        .first()
    )
    return copy.run if copy else copies.open_copy(cohort.pk, Cohort.Source.PULL)


def _learn(connection: PullConnection, cohort: Cohort, page: EngagePage) -> None:
    """Keep what a first page tells about the cost of pulls."""
    Cohort.objects.filter(pk=cohort.pk).update(partner_count=page.total)
    if connection.options.get("page_size") != page.page_size:
        connection.options["page_size"] = page.page_size
        connection.save(update_fields=["options", "updated_at"])


def _finish(connection: PullConnection, cohort: Cohort, started_at: datetime) -> None:
    _note(connection, None)
    if cohort.sync == Cohort.Sync.DYNAMIC:
        _schedule(connection, cohort, max(started_at + interval_of(connection), timezone.now()))
    else:
        _schedule(connection, cohort, None)


def _broke(connection: PullConnection, cohort: Cohort, run: SyncRun, error: QueryError) -> bool:
    """A pull that breaks changes nothing; one that was asked to wait goes on later."""
    log.warning("Pull of cohort %s: %s", cohort.pk, error)
    _note(connection, error)
    if error.problem == SyncRun.Problem.RATE_LIMITED:
        connection.refresh_from_db(fields=["wait_until"])
        _due().filter(integration=connection.integration_id).update(next_pull_at=connection.wait_until)
        return False
    copies.give_up(run.pk, SyncRun.Status.FAILED, error.problem, error.detail)
    interval = interval_of(connection)
    if error.is_transient:
        _schedule(connection, cohort, timezone.now() + min(interval, RETRY_AFTER))
    else:
        _schedule(connection, cohort, timezone.now() + interval if cohort.sync == Cohort.Sync.DYNAMIC else None)
    return error.is_transient


def _schedule(connection: PullConnection, cohort: Cohort, moment: datetime | None) -> None:
    # Not over a "Sync now" or another choice made meanwhile.
    unchanged = Cohort.objects.filter(pk=cohort.pk, next_pull_at=cohort.next_pull_at, sync=cohort.sync)
    unchanged.update(next_pull_at=moment)


def _note(connection: PullConnection, error: QueryError | None) -> None:
    connection.problem, connection.last_error = (error.problem, error.detail) if error else ("", "")
    connection.save(update_fields=["problem", "last_error"])
