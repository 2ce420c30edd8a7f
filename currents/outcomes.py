"""What an answer does to a cursor: one transaction, a fixed number of statements, and only while the lease is ours."""

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.db import connection, transaction

from currents.batches import Batch
from currents.destinations import Answer, Destination, Refusal, Unsendable
from currents.leases import Lease
from currents.log import LoggedEvent
from currents.models import Cursor, DeadLetter, Outcome, RequestTime
from currents.waiting import NOT_COUNTED_SQL

#: A destination that asks for more is asked again after this many seconds all the same.
RETRY_AFTER_LIMIT = 3600.0


#: Selected, but not sent.
SENT_NOWHERE = frozenset({Outcome.NO_EXTERNAL_ID, Outcome.TOO_OLD, Outcome.TOO_LARGE})

#: Adds to this hour's counts of a Current.
_COUNT_TEMPLATE = """
    INSERT INTO currents_deliverycount AS c (current_id, hour, outcome, count, example)
    SELECT %(current)s, date_trunc('hour', now(), 'UTC'), outcome, count, example
      FROM unnest(%(outcomes)s::text[], %(numbers)s::bigint[], %(examples)s::text[]) AS given (outcome, count, example)
     {where}
     ORDER BY outcome
    ON CONFLICT (current_id, hour, outcome)
    DO UPDATE SET count = c.count + EXCLUDED.count, example = EXCLUDED.example
"""
_COUNT_SQL = _COUNT_TEMPLATE.format(where="")
#: A request, for the Current's page; no row without ``started_at``.
_RECORD_SQL = """
    INSERT INTO currents_deliveryrequest (current_id, shard, started_at, milliseconds, events, status, error, is_replay)
    SELECT %(current)s, %(shard)s, %(started_at)s, %(milliseconds)s, %(events)s, %(status)s, %(error)s,
           %(replay)s::bigint IS NOT NULL
     WHERE %(started_at)s::timestamptz IS NOT NULL
"""
#: How long it took, for the metrics.
_TIME_SQL = """
    INSERT INTO currents_requesttime AS t (current_id, "limit", count, milliseconds)
    SELECT %(current)s, %(time_limit)s, 1, %(milliseconds)s WHERE %(started_at)s::timestamptz IS NOT NULL {condition}
    ON CONFLICT (current_id, "limit")
    DO UPDATE SET count = t.count + 1, milliseconds = t.milliseconds + EXCLUDED.milliseconds
"""
_IF_MOVED = "EXISTS (SELECT 1 FROM moved)"
#: All that is to be written about a batch that is done with, if the lease is still ours.
_PASS_SQL = f"""
    WITH moved AS (
        UPDATE currents_cursor c
           SET xid = %(xid)s, event = %(event)s, attempt = 0, batch_limit = %(batch_limit)s, next_try_at = now(),
               {NOT_COUNTED_SQL},
               first_failure_at = NULL, last_error = '', lease = CASE WHEN goes_on THEN c.lease END,
               leased_until = now() + CASE WHEN goes_on THEN %(seconds)s ELSE 0 END * interval '1 second'
          FROM (SELECT %(keep)s AND (status = 'active' OR %(probing)s) AS goes_on
                  FROM currents_current WHERE id = %(current)s) k
         WHERE c.id = %(id)s AND c.lease = %(token)s
        RETURNING goes_on),
    counted AS ({_COUNT_TEMPLATE.format(where=f"WHERE {_IF_MOVED}")}),
    replayed AS (
        UPDATE currents_replay SET delivered = delivered + %(delivered)s, refused = refused + %(refused)s,
               skipped = skipped + %(skipped)s
         WHERE id = %(replay)s::bigint AND {_IF_MOVED}),
    recorded AS ({_RECORD_SQL} AND {_IF_MOVED}),
    timed AS ({_TIME_SQL.format(condition=f"AND {_IF_MOVED}")})
    SELECT goes_on, set_config('synchronous_commit', 'off', true) FROM moved
"""  # noqa: S608 - constants


class LeaseLostError(Exception):
    """Somebody else holds the shard now: whatever we did, the cursor is theirs to move."""


@dataclass(frozen=True)
class Sent:
    """A request that was made: when, and how long it took."""

    started_at: datetime
    milliseconds: int


def settle(
    lease: Lease,
    batch: Batch,
    target: Destination,
    *,
    sent: Sent | None,
    answer: Answer | None,
    keep: bool,
    probing: bool = False,
) -> bool:
    """Move the cursor past ``batch``: it was delivered, but for ``answer.refused``, which become dead letters.

    ``keep``: the lease is to go on; returns whether it does, which it does not when the Current is not active any more
    (``probing``: it need not be). Without ``sent`` nothing had to be sent. One statement, but for dead letters.
    Raises LeaseLostError, and changes nothing, when the lease is no longer ours.
    """
    assert batch.upto is not None  # noqa: S101 - an empty batch is not settled
    refused = answer.refused if answer else ()
    limit = 0 if not lease.batch_limit or lease.batch_limit * 2 >= target.max_events else lease.batch_limit * 2
    dead = _dead_letters(lease.current_id, batch, refused, target)
    deadline = time.monotonic() + settings.CURRENTS_LEASE_SECONDS
    with transaction.atomic() if dead else nullcontext():
        goes_on = _pass(
            {
                "id": lease.cursor_id,
                "token": lease.token,
                "current": lease.current_id,
                "xid": batch.upto.xid,
                "event": batch.upto.event,
                "batch_limit": limit,
                "keep": keep,
                "probing": probing,
                "seconds": settings.CURRENTS_LEASE_SECONDS,
                **_parameters_of_counts(lease, batch, refused),
                **_request_parameters(lease, batch, sent, answer),
            }
        )
        DeadLetter.objects.bulk_create(dead)
    lease.position, lease.attempt, lease.batch_limit = batch.upto, 0, limit
    lease.deadline = deadline if goes_on else 0.0
    return goes_on


def _pass(parameters: dict[str, Any]) -> bool:
    """Move a cursor, count and record its batch. Nothing of it needs to have reached the disk when this returns: after
    a crash of the database all of it is gone together, and the batch is sent once more.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PASS_SQL, parameters)
        row = cursor.fetchone()
    if row is None:
        raise LeaseLostError
    return bool(row[0])


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


def add_counts(current_id: int, counts: Mapping[Outcome, int], examples: Mapping[Outcome, str]) -> None:
    """Add to this hour's counts of a Current: one statement, in a fixed order, so that workers cannot deadlock."""
    if any(counts.values()):
        with connection.cursor() as cursor:
            cursor.execute(_COUNT_SQL, {"current": current_id, **_count_parameters(counts, examples)})


def _count_parameters(counts: Mapping[Outcome, int], examples: Mapping[Outcome, str]) -> dict[str, list[Any]]:
    rows = [(outcome.value, count, examples.get(outcome, "")) for outcome, count in counts.items() if count]
    outcomes, numbers, last = zip(*rows, strict=True) if rows else ((), (), ())
    return {"outcomes": list(outcomes), "numbers": list(numbers), "examples": list(last)}


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


def _parameters_of_counts(lease: Lease, batch: Batch, refused: Sequence[Refusal]) -> dict[str, Any]:
    """A replay counts for itself: a Current's own counts tell what became of each event at first."""
    counts = _counts(batch, refused)
    own = counts if lease.replay_id is None else {}
    return {
        **_count_parameters(own, _examples(batch, refused)),
        "delivered": counts[Outcome.DELIVERED],
        "refused": counts[Outcome.DEAD_LETTER],
        "skipped": sum(number for outcome, number in counts.items() if outcome in SENT_NOWHERE),
    }


def _counts(batch: Batch, refused: Sequence[Refusal]) -> dict[Outcome, int]:
    return {
        **batch.skipped,
        Outcome.DELIVERED: len(batch.events) - len(refused),
        Outcome.DEAD_LETTER: len(batch.unsendable) + len(refused),
    }


def _examples(batch: Batch, refused: Sequence[Refusal]) -> dict[Outcome, str]:
    """The id of the last event of each outcome."""
    examples = dict(batch.examples)
    bad = {one.index for one in refused}
    last = next((index for index in reversed(range(len(batch.events))) if index not in bad), None)
    if last is not None:
        examples[Outcome.DELIVERED] = batch.events[last].event_id
    dead = [event.event_id for event, _reason in batch.unsendable] + [batch.events[index].event_id for index in bad]
    if dead:
        examples[Outcome.DEAD_LETTER] = dead[-1]
    return examples


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
    parameters = {"current": lease.current_id, **_request_parameters(lease, batch, sent, answer)}
    with connection.cursor() as cursor:
        cursor.execute(_RECORD_SQL, parameters)
        cursor.execute(_TIME_SQL.format(condition=""), parameters)


def _request_parameters(lease: Lease, batch: Batch, sent: Sent | None, answer: Answer | None) -> dict[str, Any]:
    """``started_at`` None: there was no request."""
    milliseconds = sent.milliseconds if sent else 0
    return {
        "replay": lease.replay_id,
        "shard": lease.shard,
        "started_at": sent.started_at if sent else None,
        "milliseconds": milliseconds,
        "time_limit": next(limit for limit in RequestTime.LIMITS if milliseconds <= limit),
        "events": len(batch.events),
        "status": answer.status or None if answer else None,
        "error": answer.message if answer else "",
    }
