"""The delivery engine: one worker's run over one Current.

The run's own thread does everything in the database and builds the batches; a pool of threads only sends. A shard has
one request in flight at most, and its cursor moves only after the destination has acknowledged, so a user's events
stay in order and are delivered at least once; the destination counts each once by its id.
"""

import logging
import time
import uuid
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from django.conf import settings

from currents import dead_letters, failures, leases, outcomes
from currents.batches import Batch, BatchBuilder
from currents.destinations import Account, Answer, Destination, Refusal, Reply, Verdict, destination
from currents.leases import Lease
from currents.memory import give_back_freed
from currents.models import Current, DeliveryRequest
from currents.outcomes import LeaseLostError, Sent
from currents.sending import send, timeout_seconds

logger = logging.getLogger(__name__)

#: How long one run goes on while there is work: other tasks of the worker get their turn.
RUN_SECONDS = 30.0
#: More workers than these do not join in one Current, so that the others have some left.
WORKERS_PER_CURRENT = 4
#: How many shards a run takes at a time: few, so that workers that come later get their share.
_TAKE = 2
#: How many batches it sends of a shard before another has its turn.
_BATCHES_PER_LEASE = 8
_REQUESTS_KEPT = 200
#: Further shards wait while so many bytes are under way: thirteen batches of ordinary events, or two of the largest.
_BYTES_IN_FLIGHT = 24 * 1000 * 1000


@dataclass(frozen=True)
class _Flight:
    """A request under way."""

    lease: Lease
    batch: Batch
    started_at: datetime
    started: float


def deliver(current_id: int, *, flush: bool = False, seconds: float = RUN_SECONDS) -> bool:
    """Deliver what waits for a Current: full batches at once, others after its interval or with ``flush``.

    A Failed Current is probed with one batch, if its probe is due. True: the time was up, and more waits.
    """
    current = Current.objects.select_related("workspace").filter(pk=current_id).first()
    target = destination(current.destination) if current else None
    if current is None or target is None or leases.workers_on(current_id) >= WORKERS_PER_CURRENT:
        return False
    if current.status == Current.Status.FAILED and not failures.claim_probe(current):
        return False
    if current.status not in (Current.Status.ACTIVE, Current.Status.FAILED):
        return False
    give_back_freed()
    return Run(current, target, flush=flush, seconds=seconds).go()


class Run:
    """One worker's work on one Current, until nothing is due or the time is up."""

    def __init__(self, current: Current, target: Destination, *, flush: bool, seconds: float) -> None:
        self.current = current
        self.target = target
        self.flush = flush
        self.token = uuid.uuid4()
        self.ends = time.monotonic() + seconds
        self.probing = current.status == Current.Status.FAILED
        self.builder = BatchBuilder(current, target, Account.of(current))
        self.flights: dict[Future[Reply], _Flight] = {}
        self.sent = 0
        self.refused = False

    def go(self) -> bool:
        """Run. True: the time was up while there was work."""
        try:
            with ThreadPoolExecutor(self.current.max_in_flight, "currents") as self.pool:
                more = self._loop()
        finally:
            # After a defect of ours: the pool has ended, so nothing is under way on a shard that is let go.
            leases.release(flight.lease for flight in self.flights.values())
        if self.sent:
            _forget_old_requests(self.current.pk)
        return more

    def _loop(self) -> bool:
        if self.probing:
            self._start_all(leases.take_for_probe(self.current, self.token))
        else:
            dead_letters.retry(self.current, self.builder)
        while True:
            taken = self._take()
            self._start_all(taken)
            if not self.flights:
                if taken and not self._time_is_up():
                    continue
                return self._time_is_up() and not self.refused
            done, _running = wait(self.flights, timeout=self._patience(taken), return_when=FIRST_COMPLETED)
            leases.renew(self._leases_to_renew())
            for future in done:
                flight = self.flights.pop(future)
                self._guard(flight.lease, partial(self._land, flight, future))

    def _take(self) -> list[Lease]:
        """Further shards that are due, as long as there is room for their requests and nothing else to do.

        Answers that wait for us come first: with them there is more to do than we can, and another worker can have the
        shards.
        """
        room = min(_TAKE, self.current.max_in_flight - len(self.flights), self._room_for_bytes())
        if self.probing or self.refused or self._time_is_up() or room < 1 or any(one.done() for one in self.flights):
            return []
        return leases.take(self.current, self.token, room, full=self.target.max_events, flush=self.flush)

    def _room_for_bytes(self) -> int:
        """For how many further batches there is room in memory, if they are like the largest under way."""
        sizes = [flight.batch.size for flight in self.flights.values()]
        largest = max(sizes, default=0)
        return int((_BYTES_IN_FLIGHT - sum(sizes)) / largest) if largest else _TAKE

    def _time_is_up(self) -> bool:
        return time.monotonic() >= self.ends

    def _patience(self, taken: list[Lease]) -> float:
        """How long to wait for an answer: not at all while there are more shards to take."""
        return 0.0 if taken else min(1.0, settings.CURRENTS_LEASE_SECONDS / 4)

    def _leases_to_renew(self) -> list[Lease]:
        held = [flight.lease for flight in self.flights.values()]
        soon = any(lease.seconds_left < settings.CURRENTS_LEASE_SECONDS / 2 for lease in held)
        return held if soon else []

    def _start_all(self, taken: list[Lease]) -> None:
        for lease in taken:
            self._guard(lease, partial(self._start, lease))

    def _guard(self, lease: Lease, step: Callable[[], None]) -> None:
        """One shard's trouble is not the others': a lost lease is let be, a defect is logged and the shard let go."""
        try:
            step()
        except LeaseLostError:
            logger.warning("The lease of shard %s of the Current %s was lost", lease.shard, lease.current_id)
        except Exception:
            leases.release([lease])
            raise

    def _start(self, lease: Lease) -> None:
        """Send the next batch of a shard, settle what needs no sending; lets the shard go when nothing is due."""
        while True:
            batch = self.builder.build(lease.shard, lease.position, lease.batch_limit)
            if batch.bodies:
                if self._is_due(batch):
                    self._submit(lease, batch)
                else:
                    leases.release([lease])
                return
            if batch.upto is not None:
                keep = batch.is_full and not self._time_is_up()
                if not outcomes.settle(
                    lease, batch, self.target, sent=None, answer=None, keep=keep, probing=self.probing
                ):
                    return
            elif not batch.is_full:
                leases.release([lease])
                return

    def _is_due(self, batch: Batch) -> bool:
        if batch.is_full or self.flush or self.probing or batch.oldest is None:
            return True
        return time.time() - batch.oldest >= self.current.flush_seconds

    def _submit(self, lease: Lease, batch: Batch) -> None:
        if lease.seconds_left <= timeout_seconds():
            leases.renew([lease])
            if lease.seconds_left <= timeout_seconds():
                raise LeaseLostError
        self.sent += 1
        future = self.pool.submit(self._post, batch.bodies, self.builder.account)
        self.flights[future] = _Flight(lease, batch, datetime.now(UTC), time.monotonic())

    def _post(self, bodies: list[bytes], account: Account) -> Reply:
        """In a thread of the pool: compression and sending let the other threads run meanwhile."""
        return send(self.target.request(bodies, account))

    def _land(self, flight: _Flight, future: Future[Reply]) -> None:
        """Do what the answer says, and go on with the shard if it has more."""
        lease, batch = flight.lease, flight.batch
        answer = judge(self.target.interpret(future.result(), len(batch.events)), len(batch.events))
        sent = Sent(flight.started_at, int((time.monotonic() - flight.started) * 1000))
        if self.probing and answer.verdict not in (Verdict.UNAUTHORIZED, Verdict.RETRY):
            failures.recover(self.current)
            self.probing = False
        if answer.verdict is Verdict.DELIVERED:
            keep = self._goes_on(lease, batch)
            if outcomes.settle(lease, batch, self.target, sent=sent, answer=answer, keep=keep):
                self._start(lease)
        elif answer.verdict in (Verdict.BAD_EVENT, Verdict.TOO_LARGE):
            outcomes.split(lease, batch, sent, answer)
            self._start(lease)
        elif answer.verdict is Verdict.UNAUTHORIZED:
            outcomes.postpone(lease, batch, sent, answer, back_off=False)
            failures.fail(self.current, answer.message)
            self.refused = True
        else:
            outcomes.postpone(lease, batch, sent, answer, back_off=True)

    def _goes_on(self, lease: Lease, batch: Batch) -> bool:
        """Whether the run wants the shard for another batch."""
        lease.batches += 1
        return batch.is_full and lease.batches < _BATCHES_PER_LEASE and not self._time_is_up()


def judge(answer: Answer, count: int) -> Answer:
    """What an answer means: a single event that is refused, or too large, by itself cannot be split: it is the one."""
    if count == 1 and answer.verdict in (Verdict.BAD_EVENT, Verdict.TOO_LARGE):
        return Answer(Verdict.DELIVERED, answer.status, answer.message, (Refusal(0, answer.message),))
    return answer


def _forget_old_requests(current_id: int) -> None:
    rows = DeliveryRequest.objects.filter(current=current_id)
    last = rows.order_by("-id").values_list("id", flat=True)[_REQUESTS_KEPT : _REQUESTS_KEPT + 1]
    rows.filter(id__lte=last).delete()
