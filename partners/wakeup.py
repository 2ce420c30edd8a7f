"""Wake-up calls to the workers. They carry no data: beat finds all due work in the database."""

import logging
import time
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)

#: After a failure the broker is left alone for so long: a request must not wait again and again for one that is down.
QUIET_SECONDS = 10.0

_quiet_until = 0.0


def wake_up(task: str, *arguments: Any) -> None:
    """Send the message that starts ``task``. Never raises when the broker cannot be reached."""
    global _quiet_until
    if time.monotonic() < _quiet_until:
        return
    try:
        current_app.send_task(task, arguments, ignore_result=True)
    except (OperationalError, OSError) as error:
        _quiet_until = time.monotonic() + QUIET_SECONDS
        log.warning("No broker (%s): the work is found by beat.", type(error).__name__)
