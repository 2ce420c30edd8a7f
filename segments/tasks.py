"""Background work, thin: each task calls a function that tests call without Celery. All are safe to repeat."""

from celery import shared_task

from segments import sizes
from segments.exporting import callbacks, running, starting
from workspaces.wakeup import wake_up


@shared_task(name=starting.TASK)  # type: ignore[untyped-decorator]
def export_users(export_id: int) -> None:
    """Go on with an export; after a while in a new message, so that other work gets its turn."""
    if running.work(export_id):
        running.wake(export_id)
    callbacks.call(export_id)


@shared_task(name="segments.continue_exports")  # type: ignore[untyped-decorator]
def continue_exports() -> None:
    """Find exports whose worker or wake-up call was lost, and callbacks that are to be called again."""
    for export_id in dict.fromkeys([*running.waiting(), *callbacks.due()]):
        running.wake(export_id)


@shared_task(name="segments.purge_exports")  # type: ignore[untyped-decorator]
def purge_exports() -> None:
    """Delete files whose time is over."""
    running.purge()


@shared_task(name=sizes.TASK)  # type: ignore[untyped-decorator]
def note_sizes() -> None:
    """Count the segments that have no size of today yet."""
    if sizes.note_sizes():
        wake_up(sizes.TASK)
