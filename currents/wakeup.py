"""Wake-up calls for new events. See ``workspaces/wakeup.py``."""

import threading
import time
from typing import Any

from django.db import transaction

from workspaces.wakeup import call_worker

#: A busy workspace needs no more than one call in this many seconds from one process.
SPACING = 1.0

_lock = threading.Lock()
_last_call: dict[int, float] = {}


def wake_on_commit(workspace_id: int) -> None:
    """Tell the workers, once the transaction is committed, that a workspace has new events."""
    transaction.on_commit(lambda: _wake(workspace_id))


def send(task: Any, *arguments: Any) -> None:
    """Send a task's message; a broker that is down costs a line in the log, never the caller's work."""
    call_worker(lambda: task.delay(*arguments))


def _wake(workspace_id: int) -> None:
    from currents.tasks import wake

    now = time.monotonic()
    with _lock:
        if now - _last_call.get(workspace_id, float("-inf")) < SPACING:
            return
        _last_call[workspace_id] = now
    send(wake, workspace_id)
