"""Background work, thin: each task calls a function that tests call without Celery. All are safe to repeat."""

from celery import shared_task

from profiles import catalogue, counters, received


@shared_task(name="profiles.count_received")  # type: ignore[untyped-decorator]
def count_received() -> None:
    """Count events that other systems sent for our users."""
    received.count_received()


@shared_task(name="profiles.count_attributes")  # type: ignore[untyped-decorator]
def count_attributes() -> None:
    """Count the users of each custom attribute."""
    catalogue.count_users_everywhere()


@shared_task(name="profiles.purge")  # type: ignore[untyped-decorator]
def purge() -> None:
    """Delete what is past its time."""
    counters.purge()
