"""Mixpanel's limits on queries, shared by all cohorts of a connection: 60 an hour, 5 at once (Mixpanel: Query API).

They are counted over the rows of ``PullQuery``. A query counts from its start until an hour after its end, since we do
not know when in between it arrived: so the limit is never exceeded as Mixpanel counts.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F
from django.db.models.functions import Coalesce
from django.utils import timezone

from partners.models import Cohort, PullConnection, PullQuery

AT_ONCE = 5
PAGE_SIZE = 1_000

_HOUR = timedelta(hours=1)


class MustWait(Exception):  # noqa: N818 - nothing went wrong
    """No query may start before ``until``."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"No query before {until}")
        self.until = until


@contextmanager
def query_slot(connection: PullConnection) -> Iterator[None]:
    """Hold one of the connection's queries for as long as the block runs. Raises MustWait when there is none."""
    query = _take(connection)
    try:
        yield
    finally:
        PullQuery.objects.filter(pk=query.pk).update(ended_at=timezone.now())


@transaction.atomic
def _take(connection: PullConnection) -> PullQuery:
    # The lock makes counting and taking one step for all processes.
    locked = PullConnection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    now = timezone.now()
    if locked.wait_until and locked.wait_until > now:
        raise MustWait(locked.wait_until)
    recent = _counted(locked).filter(counts_until__gt=now)
    latest = list(
        recent.order_by("-counts_until").values_list("counts_until", flat=True)[: settings.MIXPANEL_QUERIES_PER_HOUR]
    )
    if len(latest) >= settings.MIXPANEL_QUERIES_PER_HOUR:
        raise MustWait(latest[-1])
    open_ones = PullQuery.objects.filter(
        integration=locked.integration_id, ended_at=None, started_at__gt=now - _patience()
    ).order_by("started_at")
    if len(open_ones) >= AT_ONCE:
        raise MustWait(now + timedelta(seconds=1))
    return PullQuery.objects.create(integration_id=locked.integration_id, started_at=now)


def _counted(connection: PullConnection) -> Any:
    """The queries with ``counts_until``: when the limit forgets each."""
    ended = Coalesce("ended_at", ExpressionWrapper(F("started_at") + _patience(), output_field=DateTimeField()))
    queries = PullQuery.objects.filter(integration=connection.integration_id)
    return queries.annotate(counts_until=ExpressionWrapper(ended + _HOUR, output_field=DateTimeField()))


def _patience() -> timedelta:
    """How long a query without an end may still be under way: its process may have died."""
    return timedelta(seconds=settings.MIXPANEL_QUERY_TIMEOUT + 5)


def queries_left(connection: PullConnection) -> int:
    """How many queries may start now."""
    used = _counted(connection).filter(counts_until__gt=timezone.now()).count()
    return max(0, settings.MIXPANEL_QUERIES_PER_HOUR - used)


def forget_old_queries() -> None:
    """Delete the rows that no limit counts any more."""
    PullQuery.objects.filter(started_at__lt=timezone.now() - 2 * _HOUR - _patience()).delete()


def pages_of(users: int | None, connection: PullConnection) -> int:
    """How many queries one pull of a cohort of so many users takes."""
    return max(1, math.ceil((users or 0) / connection.options.get("page_size", PAGE_SIZE)))


def interval_of(connection: PullConnection) -> timedelta:
    """How often the connection's dynamic cohorts can really be pulled: every 15 minutes, or what the limit allows."""
    dynamic = Cohort.objects.filter(
        integration_id=connection.integration_id, sync=Cohort.Sync.DYNAMIC, archived_at=None, paused_at=None
    ).values_list("partner_count", flat=True)
    queries = sum(pages_of(users, connection) for users in dynamic)
    seconds = math.ceil(queries / settings.MIXPANEL_QUERIES_PER_HOUR * 3600)
    return timedelta(seconds=max(settings.DYNAMIC_SYNC_INTERVAL, seconds))
