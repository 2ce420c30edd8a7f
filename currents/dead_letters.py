"""Dead letters: events that the destination refused for good. A person retries or discards them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from currents.batches import BatchBuilder
from currents.destinations import Skipped, Unsendable, Verdict
from currents.log import LoggedEvent
from currents.models import Current, DeadLetter, Outcome
from currents.outcomes import add_counts, source_event
from currents.sending import send

KEPT_DAYS = 30
#: A payload of more bytes is not on the Current's page: an event may have 900 KB, and a page shows a hundred.
SHOWN_BYTES = 4096
_PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
#: Letters of one request: at first few, since each may be large; then as many as have room.
_FIRST, _MOST = 20, 500
_GROUP_BYTES = 8 * 1024 * 1024

Letter = tuple[int, LoggedEvent]


@dataclass(frozen=True)
class Shown:
    """A dead letter as people see it; ``payload`` is None where it is too long for a page."""

    letter: DeadLetter
    payload: str | None


def newest(current: Current, limit: int) -> list[Shown]:
    """The newest dead letters of a Current, without what would make its page long. One statement."""
    rows = current.dead_letters.defer("payload", "source").order_by("-created_at", "-id")
    # Only what is stored small is looked at: its length is known once it is decompressed.
    short = RawSQL(
        """CASE WHEN pg_column_size(payload) <= %s AND octet_length(payload::text) <= %s THEN payload::text END""",
        [SHOWN_BYTES, SHOWN_BYTES],
        output_field=TextField(),
    )
    found = rows.annotate(short=short)[:limit]
    return [Shown(one, None if one.short is None else pretty(orjson.loads(one.short))) for one in found]


def pretty(payload: object) -> str:
    """A payload as JSON that people can read."""
    return orjson.dumps(payload, option=_PRETTY).decode()


def ask_retry(letters: QuerySet[DeadLetter]) -> int:
    """Have these sent once more by the next run; returns how many. Those that wait for it already are not counted."""
    return letters.filter(retry_at=None).update(retry_at=Now())


def discard(letters: QuerySet[DeadLetter]) -> int:
    """Delete these for good; returns how many."""
    return letters.delete()[0]


def retry(current: Current, builder: BatchBuilder) -> None:
    """Send the dead letters whose retry was asked for, as the Current sends today; they need no order.

    Those that go in disappear, the others stay with the destination's latest reason. When the destination gives no
    verdict on them (it is down, say) they wait for the next run.
    """
    number = _FIRST
    while letters := _take(current, number):
        if not _send(current, builder, letters):
            return
        size = sum(len(event.payload or b"") for _id, event in letters)
        number = min(_MOST, max(1, _GROUP_BYTES * len(letters) // max(1, size)))


def _take(current: Current, number: int) -> list[Letter]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH asked AS MATERIALIZED (
                SELECT id FROM currents_deadletter
                 WHERE current_id = %s AND retry_at <= now() AND (leased_until IS NULL OR leased_until <= now())
                 ORDER BY retry_at, id LIMIT %s FOR UPDATE SKIP LOCKED)
            UPDATE currents_deadletter d SET leased_until = now() + %s * interval '1 second'
              FROM asked WHERE d.id = asked.id
            RETURNING d.id, d.source
            """,
            [current.pk, number, settings.CURRENTS_LEASE_SECONDS],
        )
        return [(letter_id, source_event(source)) for letter_id, source in sorted(cursor.fetchall())]


def _send(current: Current, builder: BatchBuilder, letters: list[Letter]) -> bool:
    """Send a group, split to single events where it is refused as a whole. False: there was no verdict."""
    refused: dict[int, tuple[str, str]] = {}
    ready: list[tuple[int, bytes]] = []
    for letter_id, event in letters:
        encoded = builder.encode(event)
        if isinstance(encoded, bytes):
            ready.append((letter_id, encoded))
        else:
            refused[letter_id] = _reason(encoded)
    delivered, unanswered = _post(builder, ready, refused)
    _settle(current, delivered, refused, unanswered)
    return not unanswered


def _post(
    builder: BatchBuilder, ready: list[tuple[int, bytes]], refused: dict[int, tuple[str, str]]
) -> tuple[list[int], list[int]]:
    """Send until each is delivered, refused (noted in ``refused``) or unanswered; returns the first and the last."""
    delivered: list[int] = []
    waiting = [ready] if ready else []
    while waiting:
        group = waiting.pop()
        answer = builder.destination.interpret(
            send(builder.destination.request([body for _id, body in group], builder.account)), len(group)
        )
        if answer.verdict is Verdict.DELIVERED:
            bad = {group[one.index][0]: (one.reason, one.field) for one in answer.refused}
            refused.update(bad)
            delivered += [letter_id for letter_id, _body in group if letter_id not in bad]
        elif answer.verdict in (Verdict.BAD_EVENT, Verdict.TOO_LARGE):
            if len(group) == 1:
                refused[group[0][0]] = (answer.message, "")
            else:
                half = len(group) // 2
                waiting += [group[half:], group[:half]]
        else:
            waiting.append(group)
            return delivered, [letter_id for rest in waiting for letter_id, _body in rest]
    return delivered, []


def _settle(current: Current, delivered: list[int], refused: dict[int, tuple[str, str]], unanswered: list[int]) -> None:
    rows = DeadLetter.objects.filter(current=current)
    with transaction.atomic():
        gone = rows.filter(pk__in=delivered).delete()[0]
        add_counts(current.pk, {Outcome.DELIVERED: gone}, {})
        _keep_refused(refused)
        later = Now() + timedelta(seconds=settings.CURRENTS_BACKOFF_MAX)
        rows.filter(pk__in=unanswered).update(leased_until=None, retry_at=later)


def _keep_refused(refused: dict[int, tuple[str, str]]) -> None:
    if not refused:
        return
    columns: tuple[Iterable[Any], ...] = tuple(zip(*((one, *why) for one, why in refused.items()), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE currents_deadletter d
               SET reason = given.reason, field = given.field, retry_at = NULL, leased_until = NULL
              FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS given (id, reason, field)
             WHERE d.id = given.id
            """,
            [list(column) for column in columns],
        )


def _reason(why: Skipped | Unsendable) -> tuple[str, str]:
    if isinstance(why, Unsendable):
        return why.reason, why.field
    return str(why.outcome.label), ""
