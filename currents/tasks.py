"""Thin tasks: each calls a function that works without Celery."""

from celery import shared_task

from currents import delivery, notices, replays, retention
from currents.due import due_currents, due_replays
from currents.wakeup import send


@shared_task(name="currents.deliver")
def deliver(current_id: int, flush: bool = False) -> None:
    """Deliver what is due of one Current; goes on in a new message while there is more."""
    if delivery.deliver(current_id, flush=flush):
        send(deliver, current_id, flush)


@shared_task(name="currents.wake")
def wake(workspace_id: int) -> None:
    """Events of a workspace were committed: set its Currents to work where they have a full batch."""
    for current_id in due_currents(workspace_id):
        send(deliver, current_id)


@shared_task(name="currents.tick")
def tick() -> None:
    """Find everything that is due, whatever messages were lost."""
    for current_id in due_currents():
        send(deliver, current_id)
    for replay_id in due_replays():
        send(replay, replay_id)


@shared_task(name="currents.replay")
def replay(replay_id: int) -> None:
    """Work on a replay for a while, and go on in a new message, behind those that wait."""
    if replays.run(replay_id):
        send(replay, replay_id)


@shared_task(name="currents.notices")
def send_notices() -> None:
    """Mail what could not be mailed when it happened."""
    notices.send_all()


@shared_task(name="currents.keep_log")
def keep_log() -> None:
    """Make the event log's next partitions, and drop or keep the old ones."""
    retention.keep()


@shared_task(name="currents.purge")
def purge() -> None:
    """Delete what is over its time."""
    retention.purge()
