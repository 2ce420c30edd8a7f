"""Mails to a Current's contact. A notice is written in the transaction of what it tells, so no crash can lose it.

A worker sends it at once; what it could not send, or did not live to send, beat finds. A crash between sending and
noting that can send one twice.
"""

import logging
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.db import connection, transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext as _

from currents.models import Current, Notice

logger = logging.getLogger(__name__)

_LEASE_SECONDS = 120
#: Minutes between two tries, by how often it was tried; then once an hour, for as long as notices are kept.
_WAITS = (1, 2, 5, 15, 60)


def tell(current: Current, kind: str, facts: dict[str, Any] | None = None) -> None:
    """Have the contact told; to be called in the transaction of what is told."""
    Notice.objects.create(current=current, kind=kind, facts=facts or {})
    transaction.on_commit(send_all)


def send_all() -> int:
    """Send every notice that waits; returns how many went. One that cannot be sent is tried again later."""
    sent = 0
    while taken := _take():
        notice = Notice.objects.select_related("current__workspace").get(pk=taken)
        if _mail(notice):
            Notice.objects.filter(pk=taken).update(sent_at=Now())
            sent += 1
        else:
            _postpone(notice)
    return sent


def _take() -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE currents_notice SET leased_until = now() + %s * interval '1 second', attempt = attempt + 1
             WHERE id = (SELECT id FROM currents_notice
                          WHERE sent_at IS NULL AND (leased_until IS NULL OR leased_until <= now())
                          ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id
            """,
            [_LEASE_SECONDS],
        )
        row = cursor.fetchone()
        return int(row[0]) if row else None


def _postpone(notice: Notice) -> None:
    minutes = _WAITS[min(notice.attempt, len(_WAITS)) - 1]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE currents_notice SET leased_until = now() + %s * interval '1 minute' WHERE id = %s",
            [minutes, notice.pk],
        )


def _mail(notice: Notice) -> bool:
    subject, text = _texts(notice)
    try:
        send_mail(" ".join(subject.split()), text, None, [notice.current.contact_email])
    except OSError as error:  # smtplib's errors are among them
        logger.error("The contact of the Current %s could not be mailed: %s", notice.current_id, error)
        return False
    return True


def _texts(notice: Notice) -> tuple[str, str]:
    """Subject and text."""
    current = notice.current
    values = {
        "name": current.name,
        "workspace": current.workspace.name,
        "address": settings.PUBLIC_URL + reverse("admin:currents_current_page", args=[current.pk]),
        **notice.facts,
    }
    if notice.kind == Notice.Kind.FAILED:
        subject = _("The Current “%(name)s” cannot deliver")
        text = _(
            "The destination refuses the credentials of the Current “%(name)s” in the workspace %(workspace)s.\n\n"
            "Its answer: %(message)s\n\n"
            "No event is lost: they wait, and we try again every few minutes. "
            "Please check the credentials here:\n%(address)s\n"
        )
    elif notice.kind == Notice.Kind.RECOVERED:
        subject = _("The Current “%(name)s” delivers again")
        text = _(
            "The destination accepts the Current “%(name)s” in the workspace %(workspace)s again. "
            "The events that waited are being sent.\n\n%(address)s\n"
        )
    elif notice.kind == Notice.Kind.KEPT:
        subject = _("Events of the Current “%(name)s” are kept past their time")
        text = _(
            "Events of %(since)s still wait for the Current “%(name)s” in the workspace %(workspace)s. "
            "They are kept until %(until)s; what has not been delivered by then is lost.\n\n"
            "Resume the Current, see to its destination, or stop it, here:\n%(address)s\n"
        )
    else:
        subject = _("Events of the Current “%(name)s” were lost")
        text = _(
            "Events that were received on %(day)s have waited for the Current “%(name)s” in the workspace "
            "%(workspace)s as long as events are kept. %(events)s of them were not delivered and are lost.\n\n"
            "Later events are kept; see to the Current here:\n%(address)s\n"
        )
    return subject % values, text % values
