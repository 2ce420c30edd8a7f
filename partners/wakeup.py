"""Wake-up calls to the workers. They carry no data: beat finds all due work in the database."""

import logging
import time
from contextlib import suppress
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError
from redis import RedisError

from partners.valkey import valkey

log = logging.getLogger(__name__)

#: After a failure the broker is left alone for so long: a request must not wait again and again for one that is down.
QUIET_SECONDS = 10.0

#: A call that has not begun after so long is made once more: its message may be lost.
PENDING_SECONDS = 2

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


def wake_up_once(task: str, *arguments: Any) -> None:
    """As ``wake_up``, unless the same call is on its way already: many requests need one worker.

    The task must say ``begun`` before it looks for work, so that whoever comes later calls again.
    """
    if time.monotonic() < _quiet_until:
        return
    try:
        is_first = valkey().set(_mark(task, arguments), b"", nx=True, ex=PENDING_SECONDS)
    except RedisError:
        is_first = True
    if is_first:
        wake_up(task, *arguments)


def begun(task: str, *arguments: Any) -> None:
    """Tell that the call has arrived: the next one is sent. Never raises."""
    # Without Valkey the mark goes by itself, after PENDING_SECONDS.
    with suppress(RedisError):
        valkey().delete(_mark(task, arguments))


def _mark(task: str, arguments: tuple[Any, ...]) -> str:
    return f"brazeclone:pending:{task}:{':'.join(map(str, arguments))}"
