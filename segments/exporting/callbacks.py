"""Telling a program that its export is complete. Braze: export user profile by segment, ``callback_endpoint``."""

from datetime import timedelta
from typing import Any, Final

import orjson
from django.db.models import F
from django.utils import timezone, translation

from currents.destinations import Request
from currents.sending import send, timeout_seconds
from segments.exporting.links import url_of
from segments.stores import SegmentExport

#: Minutes until the next attempt, after each that failed; then nobody is told any more.
WAITS: Final = (1, 5, 20, 60)


def due() -> list[int]:
    """Exports whose callback is to be called now."""
    found = SegmentExport.objects.filter(callback_at__lte=timezone.now()).order_by("callback_at")
    return list(found.values_list("pk", flat=True))


def call(export_id: int) -> None:
    """Call the callback if it is due: ``{"success": true, "url": …}``. Without an answer of 2xx it is called again.

    The attempt is noted before it is made, so that two workers do not make it both and a killed one repeats it.
    """
    for export in SegmentExport.objects.filter(pk=export_id, callback_at__lte=timezone.now()).defer("users"):
        # While this worker waits for the answer, it is nobody else's turn.
        lease = timezone.now() + timedelta(seconds=2 * timeout_seconds())
        mine = SegmentExport.objects.filter(pk=export_id, callback_at=export.callback_at)
        if mine.update(callback_at=lease, callback_attempts=F("callback_attempts") + 1):
            error = _post(export)
            SegmentExport.objects.filter(pk=export_id).update(
                callback_at=_next_time(export.callback_attempts) if error else None, callback_error=error
            )


def _next_time(failed_before: int) -> Any:
    if failed_before >= len(WAITS):
        return None
    return timezone.now() + timedelta(minutes=WAITS[failed_before])


def _post(export: SegmentExport) -> str:
    """What prevented the call; "": nothing did."""
    headers = {"Content-Type": "application/json"}
    body = orjson.dumps(_message(export))
    reply = send(Request(url=export.callback_url, body=body, headers=headers, public_only=True))
    if 200 <= reply.status < 300:
        return ""
    return reply.error or f"HTTP {reply.status}"


def _message(export: SegmentExport) -> dict[str, Any]:
    if export.state == SegmentExport.State.DONE:
        return {"success": True, "url": url_of(export)}
    with translation.override("en"):
        return {"success": False, "message": export.problem or str(export.get_failure_display())}
