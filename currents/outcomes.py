"""What an answer does to a cursor: one transaction, a fixed number of statements, and only while the lease is ours."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from currents.batches import Batch
from currents.destinations import Answer, Destination, Refusal, Unsendable
from currents.leases import Lease
from currents.log import LoggedEvent
from currents.models import Cursor, DeadLetter, DeliveryRequest, Outcome, Replay, RequestTime

#: A destination that asks for more is asked again after this many seconds all the same.
RETRY_AFTER_LIMIT = 3600.0


#: Selected, but not sent.
SENT_NOWHERE = frozenset({Outcome.NO_EXTERNAL_ID, Outcome.TOO_OLD, Outcome.TOO_LARGE})


class LeaseLostError(Exception):
    """Somebody else holds the shard now: whatever we did, the cursor is theirs to move."""


@dataclass(frozen=True)
class Sent:
    """A request that was made: when, and how long it took."""

    started_at: datetime
    milliseconds: int


def settle(
    lease: Lease, batch: Batch, target: Destination, *, sent: Sent | None, answer: Answer | None, keep: bool
) -> None:
    """Move the cursor past ``batch``: it was delivered, but for ``answer.refused``, which become dead letters.

    ``keep``: the lease goes on. Without ``sent`` nothing had to be sent.
    Raises LeaseLostError, and changes nothing, when the lease is no longer ours.
    """
    assert batch.upto is not None  # noqa: S101 - an empty batch is not settled
    refused = answer.refused if answer else ()
    limit = 0 if not lease.batch_limit or lease.batch_limit * 2 >= target.max_events else lease.batch_limit * 2
    with transaction.atomic():
        _update(
            lease,
            """
            xid = %(xid)s, event = %(event)s, attempt = 0, batch_limit = %(batch_limit)s, next_try_at = now(),
            first_failure_at = NULL, last_error = ''
            """,
            {"xid": batch.upto.xid, "event": batch.upto.event, "batch_limit": limit},
            keep=keep,
        )
        _count(lease, batch, refused)
        DeadLetter.objects.bulk_create(_dead_letters(lease.current_id, batch, refused, target))
        if sent and answer:
            _record(lease, batch, sent, answer)
    lease.position, lease.attempt, lease.batch_limit = batch.upto, 0, limit


def split(lease: Lease, batch: Batch, sent: Sent, answer: Answer) -> None:
    """The batch was refused as a whole: the next request holds half of it. The lease goes on. Raises LeaseLostError."""
    limit = max(1, len(batch.events) // 2)
    with transaction.atomic():
        _update(
            lease,
            "batch_limit = %(limit)s, last_error = %(error)s",
            {"limit": limit, "error": answer.message},
            keep=True,
        )
        _record(lease, batch, sent, answer)
    lease.batch_limit = limit


def postpone(lease: Lease, batch: Batch, sent: Sent, answer: Answer, *, back_off: bool) -> None:
    """Let the shard go; its batch waits for the end of a back-off, or (credentials refused) for a probe.

    Raises LeaseLostError.
    """
    wait = delay(lease.attempt, answer.retry_after) if back_off else 0.0
    with transaction.atomic():
        _update(
            lease,
            """
            attempt = attempt + %(failed)s, next_try_at = now() + %(wait)s * interval '1 second',
            first_failure_at = COALESCE(first_failure_at, now()), last_error = %(error)s
            """,
            {"failed": int(back_off), "wait": wait, "error": answer.message},
            keep=False,
        )
        _record(lease, batch, sent, answer)


def end_shard(lease: Lease) -> None:
    """A replay's shard is at its end: its cursor goes. Raises LeaseLostError."""
    if not Cursor.objects.filter(pk=lease.cursor_id, lease=lease.token).exclude(replay=None).delete()[0]:
        raise LeaseLostError


def delay(attempt: int, retry_after: float | None = None) -> float:
    """Seconds to wait after ``attempt`` failures in a row before this one: doubling to a maximum, plus jitter.

    A destination's own Retry-After takes the place of the doubling.
    """
    if retry_after is None:
        wait = min(settings.CURRENTS_BACKOFF_MAX, settings.CURRENTS_BACKOFF_BASE * 2 ** min(attempt, 30))
    else:
        wait = min(retry_after, RETRY_AFTER_LIMIT)
    low, high = settings.CURRENTS_BACKOFF_JITTER
    return float(wait + random.uniform(low, high))  # noqa: S311 - jitter is no secret


def add_counts(current_id: int, counts: dict[Outcome, int], examples: dict[Outcome, str]) -> None:
    """Add to this hour's counts of a Current: one statement, in a fixed order, so that workers cannot deadlock."""
    rows = sorted((outcome.value, count, examples.get(outcome, "")) for outcome, count in counts.items() if count)
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO currents_deliverycount AS c (current_id, hour, outcome, count, example)
            SELECT %s, date_trunc('hour', now(), 'UTC'), outcome, count, example
              FROM unnest(%s::text[], %s::bigint[], %s::text[]) AS given (outcome, count, example)
             ORDER BY outcome
            ON CONFLICT (current_id, hour, outcome)
            DO UPDATE SET count = c.count + EXCLUDED.count, example = EXCLUDED.example
            """,
            [current_id, *(list(column) for column in zip(*rows, strict=True))],
        )


def source_of(event: LoggedEvent) -> dict[str, Any]:
    """An event of the log as a dead letter keeps it: see ``source_event``."""
    return {
        "event_id": event.event_id,
        "event_type": event.event_type,
        "time": event.time,
        "external_user_id": event.external_user_id,
        "payload": orjson.loads(event.payload or b"{}"),
    }


def source_event(source: dict[str, Any]) -> LoggedEvent:
    """The event that ``source_of`` kept; it has no place in the log any more."""
    return LoggedEvent(
        id=0,
        xid=0,
        event_id=source["event_id"],
        event_type=source["event_type"],
        time=source["time"],
        external_user_id=source["external_user_id"],
        received_at=time.time(),
        payload=orjson.dumps(source["payload"]),
    )


def _update(lease: Lease, changes: str, parameters: dict[str, Any], *, keep: bool) -> None:
    seconds = settings.CURRENTS_LEASE_SECONDS
    deadline = time.monotonic() + seconds
    held = "leased_until = now() + %(seconds)s * interval '1 second'" if keep else "lease = NULL, leased_until = now()"
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE currents_cursor SET {changes}, {held} WHERE id = %(id)s AND lease = %(token)s",  # noqa: S608
            {**parameters, "seconds": seconds, "id": lease.cursor_id, "token": lease.token},
        )
        if cursor.rowcount != 1:
            raise LeaseLostError
    lease.deadline = deadline if keep else 0.0


def _count(lease: Lease, batch: Batch, refused: Sequence[Refusal]) -> None:
    dead = [event.event_id for event, _reason in batch.unsendable]
    dead += [batch.events[one.index].event_id for one in refused]
    counts = {
        **batch.skipped,
        Outcome.DELIVERED: len(batch.events) - len(refused),
        Outcome.DEAD_LETTER: len(dead),
    }
    examples = dict(batch.examples)
    if len(refused) < len(batch.events):
        bad = {one.index for one in refused}
        last = next(index for index in reversed(range(len(batch.events))) if index not in bad)
        examples[Outcome.DELIVERED] = batch.events[last].event_id
    if dead:
        examples[Outcome.DEAD_LETTER] = dead[-1]
    if lease.replay_id is None:
        add_counts(lease.current_id, counts, examples)
    else:
        _count_replay(lease.replay_id, counts)


def _count_replay(replay_id: int, counts: dict[Outcome, int]) -> None:
    """A replay counts for itself: a Current's own counts tell what became of each event at first."""
    skipped = sum(number for outcome, number in counts.items() if outcome in SENT_NOWHERE)
    Replay.objects.filter(pk=replay_id).update(
        delivered=F("delivered") + counts[Outcome.DELIVERED],
        refused=F("refused") + counts[Outcome.DEAD_LETTER],
        skipped=F("skipped") + skipped,
    )


def _dead_letters(current_id: int, batch: Batch, refused: Sequence[Refusal], target: Destination) -> list[DeadLetter]:
    return [
        *(_dead_letter(current_id, event, why, target.shown(why.body)) for event, why in batch.unsendable),
        *(
            _dead_letter(current_id, batch.events[one.index], one, target.shown(batch.bodies[one.index]))
            for one in refused
        ),
    ]


def _dead_letter(current_id: int, event: LoggedEvent, why: Refusal | Unsendable, payload: object) -> DeadLetter:
    return DeadLetter(
        current_id=current_id,
        event_id=event.event_id,
        event_type=event.event_type,
        reason=why.reason,
        field=why.field,
        payload=payload,
        source=source_of(event),
    )


def _record(lease: Lease, batch: Batch, sent: Sent, answer: Answer) -> None:
    """Note the request for the Current's page, and its time for the metrics: two statements."""
    DeliveryRequest.objects.create(
        current_id=lease.current_id,
        shard=lease.shard,
        started_at=sent.started_at,
        milliseconds=sent.milliseconds,
        events=len(batch.events),
        status=answer.status or None,
        error=answer.message,
        is_replay=lease.replay_id is not None,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO currents_requesttime AS t (current_id, "limit", count, milliseconds) VALUES (%s, %s, 1, %s)
            ON CONFLICT (current_id, "limit")
            DO UPDATE SET count = t.count + 1, milliseconds = t.milliseconds + EXCLUDED.milliseconds
            """,
            [
                lease.current_id,
                next(limit for limit in RequestTime.LIMITS if sent.milliseconds <= limit),
                sent.milliseconds,
            ],
        )
