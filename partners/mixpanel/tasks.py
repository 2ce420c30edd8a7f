"""Pulling in the background."""

from celery import shared_task

from partners.mixpanel import pull


@shared_task(name="partners.mixpanel.pull_due")  # type: ignore[untyped-decorator]
def pull_due() -> None:
    """Find the pulled cohorts that are due."""
    pull.pull_due()


@shared_task(name="partners.mixpanel.pull_connection")  # type: ignore[untyped-decorator]
def pull_connection(connection_id: int) -> None:
    """Pull what is due of one connection."""
    pull.pull_connection(connection_id)
