"""Wake-up calls to workers. They carry no data and may be lost: beat finds everything that they would have told."""

import logging
import threading
import time
from typing import Any

from django.db import transaction

log = logging.getLogger(__name__)

#: A busy workspace needs no more than one call in this many seconds from one process.
SPACING = 1.0

_lock = threading.Lock()
_last_call: dict[int, float] = {}


def wake_on_commit(workspace_id: int) -> None:
    """Tell the workers, once the transaction is committed, that a workspace has new events."""
    transaction.on_commit(lambda: _wake(workspace_id))


def send(task: Any, *arguments: Any) -> None:
    """Send a task's message; a broker that is down costs a line in the log, never the caller's work."""
    try:
        task.delay(*arguments)
    except Exception as error:  # whatever the broker's client raises, beat finds the work
        log.warning("The wake-up call %s was not sent: %s", task.name, type(error).__name__)


def _wake(workspace_id: int) -> None:
    from currents.tasks import wake

    now = time.monotonic()
    with _lock:
        if now - _last_call.get(workspace_id, float("-inf")) < SPACING:
            return
        _last_call[workspace_id] = now
    send(wake, workspace_id)
