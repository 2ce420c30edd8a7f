"""Replay: events of a stretch of the log sent once more, as the Current sends today, beside live delivery.

A replay has cursors of its own, so live delivery's order is not touched; one worker at a time with one request in
flight, which leaves when other work waits, so neither is its speed. Within a replay a user's events stay in order.
"""

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from currents import failures, leases, log, outcomes
from currents.batches import Batch, BatchBuilder
from currents.catalogue import OTHERS, catalogue
from currents.delivery import judge
from currents.destinations import Account, Destination, Verdict, destination
from currents.due import due_currents
from currents.leases import Lease
from currents.lifecycle import LifecycleError
from currents.log import LoggedEvent, Position, Stretch
from currents.marks import marks
from currents.memory import give_back_freed
from currents.models import SHARDS, Current, Cursor, Replay
from currents.outcomes import LeaseLostError, Sent
from currents.selections import Selections
from currents.sending import send, timeout_seconds
from workspaces.models import User

#: How long one run goes on: alone, and while live delivery has work that no worker has begun.
RUN_SECONDS = 20.0
BUSY_SECONDS = 2.0
#: Batches of one shard before another has its turn.
_BATCHES_PER_LEASE = 8
#: Events are counted exactly up to this many, and for no longer than this.
COUNT_LIMIT = 1_000_000
_COUNT_TIMEOUT = "20s"


@dataclass(frozen=True)
class Preview:
    """How many events a replay would send again (``more``: and more than that)."""

    events: int
    more: bool


def preview(current: Current, start: datetime, end: datetime) -> Preview:
    """Count the events of the Current's present selection that were received from ``start`` on and before ``end``."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{_COUNT_TIMEOUT}'")
            cursor.execute(
                """
                SELECT count(*) FROM (
                    SELECT 1 FROM currents_event e
                     WHERE e.workspace_id = %(workspace)s AND e.received_at >= %(start)s AND e.received_at < %(end)s
                       AND (e.event_type = ANY(%(types)s::text[])
                         OR %(others)s AND e.event_type <> ALL(%(known)s::text[]))
                     LIMIT %(limit)s) found
                """,
                {
                    "types": current.event_types,
                    "others": OTHERS in current.event_types,
                    "workspace": current.workspace_id,
                    "start": start,
                    "end": end,
                    "known": list(catalogue()),
                    "limit": COUNT_LIMIT + 1,
                },
            )
            found = int(cursor.fetchone()[0])
    except OperationalError:  # the time is up
        return Preview(0, more=True)
    return Preview(min(found, COUNT_LIMIT), more=found > COUNT_LIMIT)


def start(current: Current, begin: datetime, end: datetime | None = None, user: User | None = None) -> Replay:
    """Begin a replay of what was received from ``begin`` on and before ``end`` (at most until now).

    Raises LifecycleError: the Current is not active, a replay of it is running, or nothing lies in between.
    """
    now = timezone.now()
    end = min(end or now, now)
    if begin >= end:
        raise LifecycleError(_("The replay must begin before it ends, and in the past."))
    found = preview(current, begin, end)
    try:
        with transaction.atomic():
            fresh = Current.objects.select_for_update().get(pk=current.pk)
            if fresh.status != Current.Status.ACTIVE:
                raise LifecycleError(_("Only an active Current can replay. Launch or resume it first."))
            made = Replay.objects.create(
                current=fresh,
                from_time=begin,
                to_time=end,
                end_xid=log.horizon(),
                event_types=fresh.event_types,
                expected=found.events,
                expected_more=found.more,
                created_by=user,
            )
            place = marks().before(begin)
            Cursor.objects.bulk_create(
                Cursor(current=fresh, replay=made, shard=shard, xid=place, event=0) for shard in range(SHARDS)
            )
    except IntegrityError:
        raise LifecycleError(_("A replay is running already. Wait for its end, or cancel it.")) from None
    return made


def cancel(current: Current) -> None:
    """End the running replay; what it has sent stays sent. Raises LifecycleError when none is running."""
    running = Replay.objects.filter(current=current, state=Replay.State.RUNNING).first()
    if running is None or not _end(running, Replay.State.CANCELLED):
        raise LifecycleError(_("No replay is running."))


def run(replay_id: int, seconds: float = RUN_SECONDS) -> bool:
    """Work on a replay for a while. True: the time was up, and more waits."""
    running = Replay.objects.select_related("current__workspace").filter(pk=replay_id, state=Replay.State.RUNNING)
    found = running.first()
    target = destination(found.current.destination) if found else None
    if found is None or target is None or found.current.status != Current.Status.ACTIVE:
        return False
    give_back_freed()
    return _Run(found, target, seconds).go()


class _Run:
    """One worker's turn at a replay."""

    def __init__(self, replay: Replay, target: Destination, seconds: float) -> None:
        self.replay = replay
        self.current = replay.current
        self.target = target
        self.token = uuid.uuid4()
        self.began = time.monotonic()
        self.seconds = seconds
        self.builder = _Builder(replay, target)

    def go(self) -> bool:
        while not self._time_is_up():
            taken = leases.take_for_replay(self.replay, self.current, self.token)
            if not taken:
                self._finish()
                return False
            try:
                self._work_on(taken[0])
            except LeaseLostError:
                continue
        return True

    def _time_is_up(self) -> bool:
        spent = time.monotonic() - self.began
        return spent >= self.seconds or (spent >= BUSY_SECONDS and bool(due_currents()))

    def _work_on(self, lease: Lease) -> None:
        try:
            for _batch in range(_BATCHES_PER_LEASE):
                if not self._step(lease):
                    return
        finally:
            leases.release([lease])

    def _step(self, lease: Lease) -> bool:
        """The next batch of a shard. False: the shard is done, or waits."""
        batch = self.builder.build(lease.shard, lease.position, lease.batch_limit)
        if not batch.bodies:
            if batch.upto is None:
                outcomes.end_shard(lease)
                return False
            return outcomes.settle(lease, batch, self.target, sent=None, answer=None, keep=True)
        return self._send(lease, batch)

    def _send(self, lease: Lease, batch: Batch) -> bool:
        if lease.seconds_left <= timeout_seconds():
            leases.renew([lease])
            if lease.seconds_left <= timeout_seconds():
                raise LeaseLostError
        started_at, started = datetime.now(UTC), time.monotonic()
        reply = send(self.target.request(batch.bodies, self.builder.account))
        answer = judge(self.target.interpret(reply, len(batch.events)), len(batch.events))
        sent = Sent(started_at, int((time.monotonic() - started) * 1000))
        if answer.verdict is Verdict.DELIVERED:
            return outcomes.settle(lease, batch, self.target, sent=sent, answer=answer, keep=True)
        if answer.verdict in (Verdict.BAD_EVENT, Verdict.TOO_LARGE):
            outcomes.split(lease, batch, sent, answer)
            return True
        refused = answer.verdict is Verdict.UNAUTHORIZED
        outcomes.postpone(lease, batch, sent, answer, back_off=not refused)
        if refused:
            failures.fail(self.current, answer.message)
        return False

    def _finish(self) -> None:
        """The replay is done when its last shard is."""
        with transaction.atomic():
            fresh = Replay.objects.select_for_update().get(pk=self.replay.pk)
            if fresh.state == Replay.State.RUNNING and not fresh.cursors.exists():
                _end(fresh, Replay.State.DONE)


class _Builder(BatchBuilder):
    """Builds batches from a stretch of the log, with one selection for all of it."""

    def __init__(self, replay: Replay, target: Destination) -> None:
        super().__init__(replay.current, target, Account.of(replay.current))
        self.stretch = Stretch(replay.from_time, replay.to_time, replay.end_xid)
        self.types = frozenset(replay.event_types)
        self.refresh()

    def read(self, shard: int, after: Position, limit: int) -> list[LoggedEvent]:
        types = self.selections.all_types
        return log.read(self.current.workspace_id, shard, after, limit, types, self.stretch)

    def refresh(self) -> None:
        super().refresh()
        self.selections = Selections((0,), (self.types,), self.selections.transformations)


@transaction.atomic
def _end(replay: Replay, state: str) -> bool:
    """End a running replay. False: it has ended meanwhile.

    Its cursors come before its own row, as they do for a worker that settles a batch: so neither waits for the other.
    """
    replay.cursors.all().delete()
    running = Replay.objects.filter(pk=replay.pk, state=Replay.State.RUNNING)
    return bool(running.update(state=state, finished_at=Now()))
