"""The state Failed: the destination refuses the credentials. The contact is told once, and once when it is over."""

import logging
import random

from django.conf import settings
from django.core.mail import send_mail
from django.db import connection, transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext as _

from currents.models import Current

logger = logging.getLogger(__name__)


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
            transaction.on_commit(lambda: _tell_of_failure(current, message))
    return bool(changed)


def recover(current: Current) -> bool:
    """Mark a Failed Current as active again and tell the contact. False: it was not Failed any more."""
    with transaction.atomic():
        changed = Current.objects.filter(pk=current.pk, status=Current.Status.FAILED).update(
            status=Current.Status.ACTIVE, failed_at=None, failure="", probe_at=None
        )
        if changed:
            transaction.on_commit(lambda: _tell_of_recovery(current))
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


def _tell_of_failure(current: Current, message: str) -> None:
    _mail(
        current,
        _("The Current “%(name)s” cannot deliver") % {"name": current.name},
        _(
            "The destination refuses the credentials of the Current “%(name)s” in the workspace %(workspace)s.\n\n"
            "Its answer: %(message)s\n\n"
            "No event is lost: they wait, and we try again every few minutes. "
            "Please check the credentials here:\n%(address)s\n"
        )
        % {
            "name": current.name,
            "workspace": current.workspace.name,
            "message": message,
            "address": _address(current),
        },
    )


def _tell_of_recovery(current: Current) -> None:
    _mail(
        current,
        _("The Current “%(name)s” delivers again") % {"name": current.name},
        _(
            "The destination accepts the Current “%(name)s” in the workspace %(workspace)s again. "
            "The events that waited are being sent.\n\n%(address)s\n"
        )
        % {"name": current.name, "workspace": current.workspace.name, "address": _address(current)},
    )


def _address(current: Current) -> str:
    return settings.PUBLIC_URL + reverse("admin:currents_current_page", args=[current.pk])


def _mail(current: Current, subject: str, text: str) -> None:
    try:
        send_mail(" ".join(subject.split()), text, None, [current.contact_email])
    except OSError as error:
        # Delivery does not depend on the mail server; the Current's page tells the same.
        logger.error("The contact of the Current %s could not be mailed: %s", current.pk, error)
