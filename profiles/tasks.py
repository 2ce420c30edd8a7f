"""Background work, thin: each task calls a function that tests call without Celery. All are safe to repeat."""

from celery import shared_task

from profiles import catalogue, deleting, former_names, groups, live, occurrences, received, versions
from profiles.importing import running, uploads


@shared_task(name="profiles.count_received")  # type: ignore[untyped-decorator]
def count_received() -> None:
    """Count events that other systems sent for our users."""
    received.count_received()


@shared_task(name="profiles.count_attributes")  # type: ignore[untyped-decorator]
def count_attributes() -> None:
    """Count the users of each custom attribute, and what users chose in each subscription group."""
    catalogue.count_users_everywhere()
    groups.count_states_everywhere()


@shared_task(name="profiles.purge")  # type: ignore[untyped-decorator]
def purge() -> None:
    """Delete what is past its time."""
    occurrences.purge()
    deleting.forget_empty_imports()
    live.forget_old_changes()
    former_names.forget_former_names()
    uploads.forget_unused()


@shared_task(name="profiles.forget_notes")  # type: ignore[untyped-decorator]
def forget_notes() -> None:
    """Delete notes of changed data that no stored set needs."""
    versions.forget()


@shared_task(name="profiles.import_users")  # type: ignore[untyped-decorator]
def import_users(import_id: int) -> None:
    """Go on with an import; after a while in a new message, so that other work gets its turn."""
    if running.work(import_id):
        running.wake(import_id)


@shared_task(name="profiles.continue_imports")  # type: ignore[untyped-decorator]
def continue_imports() -> None:
    """Go on with imports whose worker or message was lost."""
    for import_id in running.waiting():
        running.wake(import_id)
