"""The rate limit of data import keys, and how much each is used, for the partner's page.

``workspaces.rate_limits`` counts; a task stores its counts an hour at a time. Braze: API limits, 250,000 an hour.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.utils import timezone

from partners.models import DataImportKey, KeyUse
from workspaces import rate_limits
from workspaces.rate_limits import Limit

KEPT: Final = timedelta(days=90)
HOUR: Final = 3_600


def import_limit() -> Limit:
    """The limit of one data import key, for everything that is sent with it."""
    return Limit("imports", settings.PARTNER_REQUESTS_PER_HOUR, HOUR)


def admit(key: DataImportKey, view: Any) -> None:
    """Count a request with ``key`` that ``view`` answers. Raises TooManyRequests when this hour's are used up."""
    rate_limits.admit(key.pk, import_limit(), view)


def store_counts() -> None:
    """Store the counts of this hour and the one before. Safe to repeat: a count never gets smaller."""
    this_hour = int(time.time()) // HOUR
    for hour in (this_hour - 1, this_hour):
        _store(hour, rate_limits.counts(import_limit(), hour))


def forget_old_counts() -> None:
    """Delete what is older than KEPT."""
    KeyUse.objects.filter(hour__lt=timezone.now() - KEPT).delete()


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
