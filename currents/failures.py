"""The state Failed: the destination refuses the credentials. The contact is told once, and once when it is over."""

import random

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from currents import notices
from currents.models import Current, Notice


def fail(current: Current, message: str) -> bool:
    """Mark an active Current as Failed, plan a probe and tell the contact.

    False: it was not active any more, so somebody has done all that already.
    """
    with transaction.atomic():
        changed = Current.objects.filter(pk=current.pk, status=Current.Status.ACTIVE).update(
            status=Current.Status.FAILED, failed_at=Now(), failure=message
        )
        if changed:
            claim_probe(current, unplanned=True)
            notices.tell(current, Notice.Kind.FAILED, {"message": message})
    return bool(changed)


def recover(current: Current) -> bool:
    """Mark a Failed Current as active again and tell the contact. False: it was not Failed any more."""
    with transaction.atomic():
        changed = Current.objects.filter(pk=current.pk, status=Current.Status.FAILED).update(
            status=Current.Status.ACTIVE, failed_at=None, failure="", probe_at=None
        )
        if changed:
            notices.tell(current, Notice.Kind.RECOVERED)
    return bool(changed)


def claim_probe(current: Current, *, unplanned: bool = False) -> bool:
    """Take the probe of a Failed Current that is due, and plan the next: only one worker gets True.

    ``unplanned`` plans one however far away the next is.
    """
    low, high = settings.CURRENTS_PROBE_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE currents_current SET probe_at = now() + %s * interval '1 second'
             WHERE id = %s AND status = 'failed' AND (%s OR probe_at IS NULL OR probe_at <= now())
            """,
            [random.uniform(low, high), current.pk, unplanned],  # noqa: S311 - jitter is no secret
        )
        return bool(cursor.rowcount)
