"""How many requests come with each data import key: the rate limit, and the counts on the partner's page.

They are counted in Valkey, an hour (UTC) at a time, so that a request costs no write to the database; a task stores the
counts. While Valkey cannot be reached nothing is counted and nothing is refused: a limit must not stop a sync.
Braze: API limits, 250,000 requests an hour.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from django.conf import settings
from django.db import connection
from django.utils import timezone
from redis import RedisError
from rest_framework import exceptions, status

from partners.models import DataImportKey, KeyUse
from workspaces.valkey import ask

KEPT: Final = timedelta(days=90)
HOUR: Final = 3_600


class TooManyRequests(exceptions.APIException):
    """429, with the seconds until the next hour begins as ``Retry-After``."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_code = "too_many_requests"

    def __init__(self, wait: int) -> None:
        super().__init__(
            f"Rate limit exceeded: {settings.PARTNER_REQUESTS_PER_HOUR:,} requests an hour are allowed with one data"
            f" import key. Retry in {wait} seconds."
        )
        self.wait = wait


def admit(key: DataImportKey) -> None:
    """Count a request with ``key``. Raises TooManyRequests when this hour's are used up."""
    now = int(time.time())
    if _count(key.pk, now // HOUR) > settings.PARTNER_REQUESTS_PER_HOUR:
        raise TooManyRequests(HOUR - now % HOUR)


def store_counts() -> None:
    """Store the counts of this hour and the one before. Safe to repeat: a count never gets smaller."""
    this_hour = int(time.time()) // HOUR
    for hour in (this_hour - 1, this_hour):
        _store(hour, counts_of(hour))


def counts_of(hour: int) -> dict[int, int]:
    """How many requests came with each key (by primary key) in an hour, numbered since 1970; {} without Valkey."""
    try:
        found = ask(lambda client: cast(Mapping[bytes, bytes], client.hgetall(_name(hour))))
    except RedisError:
        return {}
    return {int(key_id): int(count) for key_id, count in found.items()}


def forget_old_counts() -> None:
    """Delete what is older than KEPT."""
    KeyUse.objects.filter(hour__lt=timezone.now() - KEPT).delete()


def _count(key_id: int, hour: int) -> int:
    """The requests with that key in that hour, with this one; 0 when they cannot be counted."""

    def increment(client: Any) -> int:
        pipeline = client.pipeline(transaction=False)
        pipeline.hincrby(_name(hour), str(key_id), 1)
        pipeline.expire(_name(hour), 3 * HOUR)
        return int(pipeline.execute()[0])

    try:
        return ask(increment)
    except RedisError:
        return 0


def _store(hour: int, counts: Mapping[int, int]) -> None:
    if not counts:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO partners_keyuse (key_id, hour, requests)
            SELECT k.id, %s, new.requests FROM unnest(%s::bigint[], %s::bigint[]) AS new (id, requests)
            JOIN partners_dataimportkey k ON k.id = new.id ORDER BY k.id
            ON CONFLICT (key_id, hour) DO UPDATE SET requests = greatest(partners_keyuse.requests, EXCLUDED.requests)
            """,
            [datetime.fromtimestamp(hour * HOUR, UTC), list(counts), list(counts.values())],
        )


def _name(hour: int) -> str:
    return f"brazeclone:partner-requests:{hour}"
