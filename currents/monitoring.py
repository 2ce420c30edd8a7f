"""What the screens show of a Current: counts over time, how far it lags behind the log, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import Count, Min, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from currents import log
from currents.catalogue import catalogue
from currents.marks import marks
from currents.models import SHARDS, Current, Cursor, DeadLetter, DeliveryCount, Outcome, RequestTime
from currents.selections import SELECTED_SQL

SKIPS = (Outcome.NO_EXTERNAL_ID, Outcome.TOO_OLD, Outcome.TOO_LARGE, Outcome.NOT_SELECTED)
#: What a chart calls failed: refused by the destination, or given up.
FAILURES = frozenset({Outcome.DEAD_LETTER, Outcome.LOST})
#: What a chart calls skipped: a type that nobody asked for is no loss, and would dwarf the rest.
CHARTED_SKIPS = frozenset(SKIPS) - {Outcome.NOT_SELECTED}
#: Waiting events are counted exactly up to this many for each shard: on a Current's page, and in lists.
LAG_LIMIT = 5_000
LIST_LAG_LIMIT = 1_000
#: A list looks at so many events altogether, and the less closely at each Current.
_LIST_EVENTS = 64_000
#: An open transaction is worth a word when it holds events back for longer than this.
HELD_BACK = timedelta(seconds=5)
HOURS = 48
DAYS = 14


@dataclass(frozen=True)
class Lag:
    """Selected events that wait: how many (``more``: and more than that), and for how long the oldest has."""

    events: int = 0
    more: bool = False
    oldest: datetime | None = None

    @property
    def seconds(self) -> int:
        """How long the oldest has waited."""
        return max(0, int((timezone.now() - self.oldest).total_seconds())) if self.oldest else 0


@dataclass
class Bar:
    """One bar of the chart: an hour, or a day. Heights are per cent of the tallest."""

    start: datetime
    delivered: int = 0
    failed: int = 0
    skipped: int = 0
    heights: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Row:
    """A Current in the list."""

    current: Current
    lag: Lag
    days: list[Bar] = field(default_factory=list)
    error: str = ""

    @property
    def today(self) -> int:
        """Events delivered on the last day of the chart."""
        return self.days[-1].delivered if self.days else 0


@dataclass
class Health:
    """How a Current does, for machines. ``times``: (number, milliseconds in all) of its requests by upper bound."""

    current: Current
    lag: Lag
    error: str
    counts: dict[str, int]
    dead_letters: int
    times: dict[int, tuple[int, int]]


def health(currents: Sequence[Current]) -> list[Health]:
    """How these Currents do: a fixed number of statements whatever their number."""
    ids = [one.pk for one in currents]
    lags, errors = lags_of(ids), _errors(ids)
    counts: dict[int, dict[str, int]] = {pk: dict.fromkeys(Outcome, 0) for pk in ids}
    summed = DeliveryCount.objects.filter(current__in=ids).values_list("current_id", "outcome")
    for pk, outcome, total in summed.annotate(total=Sum("count")).order_by():
        counts[pk][outcome] = total
    letters = DeadLetter.objects.filter(current__in=ids).values_list("current_id").annotate(number=Count("id"))
    waiting = dict(letters.order_by())
    times: dict[int, dict[int, tuple[int, int]]] = {pk: {} for pk in ids}
    for one in RequestTime.objects.filter(current__in=ids):
        times[one.current_id][one.limit] = (one.count, one.milliseconds)
    return [
        Health(
            current,
            lags.get(current.pk, Lag()),
            current.failure or errors.get(current.pk, ""),
            counts[current.pk],
            waiting.get(current.pk, 0),
            times[current.pk],
        )
        for current in currents
    ]


def rows(currents: Sequence[Current]) -> list[Row]:
    """The list's rows: a fixed number of statements whatever the number of Currents."""
    ids = [one.pk for one in currents]
    limit = min(LIST_LAG_LIMIT, max(50, _LIST_EVENTS // (SHARDS * max(1, len(ids)))))
    lags, errors, days = lags_of(ids, limit), _errors(ids), _days(ids)
    return [Row(one, lags.get(one.pk, Lag()), days[one.pk], one.failure or errors.get(one.pk, "")) for one in currents]


def lags_of(current_ids: Iterable[int], limit: int = LAG_LIMIT) -> dict[int, Lag]:
    """The lag of each Current that has cursors; a stopped one or a draft has none."""
    ids = list(current_ids)
    hindmost = Cursor.objects.filter(current__in=ids, replay=None).aggregate(xid=Min("xid"))["xid"] or 0
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT c.current_id, sum(w.wanted), COALESCE(bool_or(w.seen >= %(limit)s), false), min(w.oldest)
              FROM currents_cursor c JOIN currents_current k ON k.id = c.current_id
             CROSS JOIN LATERAL (
                   -- Grouped first: a list of types is gone through for each type, and not for each event.
                   SELECT sum(e.number) AS seen,
                          COALESCE(sum(e.number) FILTER (WHERE {SELECTED_SQL}), 0) AS wanted,
                          min(e.oldest) FILTER (WHERE {SELECTED_SQL}) AS oldest
                     FROM (SELECT event_type, count(*) AS number, min(received_at) AS oldest
                             FROM (SELECT event_type, received_at FROM currents_event
                                    WHERE workspace_id = k.workspace_id AND shard = c.shard
                                      AND (xid, id) > (c.xid, c.event) AND received_at >= %(since)s
                                    ORDER BY xid, id LIMIT %(limit)s) waiting
                            GROUP BY event_type) e) w
             WHERE c.current_id = ANY(%(ids)s) AND c.replay_id IS NULL
             GROUP BY c.current_id
            """,  # noqa: S608 - constants
            {"ids": ids, "limit": limit, "since": marks().since(hindmost), "known": list(catalogue())},
        )
        return {pk: Lag(int(wanted), more, oldest) for pk, wanted, more, oldest in cursor.fetchall()}


def held_back_since(lag: Lag) -> datetime | None:
    """Since when an open transaction holds waiting events back, if that is why they wait."""
    since = log.held_back_since() if lag.events else None
    return since if since and timezone.now() - since > HELD_BACK else None


def hours(current: Current) -> list[Bar]:
    """The last HOURS hours, the present one last."""
    now = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    bars = {now - timedelta(hours=back): Bar(now - timedelta(hours=back)) for back in reversed(range(HOURS))}
    for count in DeliveryCount.objects.filter(current=current, hour__gte=min(bars)):
        if count.hour in bars:
            _add(bars[count.hour], count.outcome, count.count)
    return _scaled(list(bars.values()))


@dataclass(frozen=True)
class Total:
    """All events that had one outcome, and the id of the last of them."""

    outcome: Outcome
    count: int
    example: str


def totals(current: Current) -> list[Total]:
    """Every outcome with its count, those that never happened included."""
    rows = DeliveryCount.objects.filter(current=current)
    sums = dict(rows.values_list("outcome").annotate(total=Sum("count")).order_by())
    examples = dict(rows.order_by("outcome", "-hour").distinct("outcome").values_list("outcome", "example"))
    return [Total(outcome, sums.get(outcome, 0), examples.get(outcome, "")) for outcome in Outcome]


def _days(current_ids: list[int]) -> dict[int, list[Bar]]:
    today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    bars = {pk: {start.date(): Bar(start) for start in starts} for pk in current_ids}
    found = (
        DeliveryCount.objects.filter(current__in=current_ids, hour__gte=starts[0])
        .annotate(day=TruncDate("hour", tzinfo=UTC))
        .values_list("current_id", "day", "outcome")
        .annotate(total=Sum("count"))
    )
    for current_id, day, outcome, total in found:
        if day in bars[current_id]:
            _add(bars[current_id][day], outcome, total)
    return {pk: _scaled(list(by_day.values())) for pk, by_day in bars.items()}


def _errors(current_ids: list[int]) -> dict[int, str]:
    """The last error of each Current that is being retried."""
    found = Cursor.objects.filter(current__in=current_ids, replay=None).exclude(last_error="")
    return dict(
        found.order_by("current_id", "-first_failure_at").distinct("current_id").values_list("current_id", "last_error")
    )


def _add(bar: Bar, outcome: str, count: int) -> None:
    if outcome == Outcome.DELIVERED:
        bar.delivered += count
    elif outcome in FAILURES:
        bar.failed += count
    elif outcome in CHARTED_SKIPS:
        bar.skipped += count


def _scaled(bars: list[Bar]) -> list[Bar]:
    tallest = max((bar.delivered + bar.failed + bar.skipped for bar in bars), default=0) or 1
    for bar in bars:
        bar.heights = (
            bar.delivered * 100 / tallest,
            bar.failed * 100 / tallest,
            bar.skipped * 100 / tallest,
        )
    return bars
