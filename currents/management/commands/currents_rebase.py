"""``manage.py currents_rebase``: needed once after the database was restored from a dump into another cluster."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from currents.rebase import rebase


class Command(BaseCommand):
    help = (
        "After a dump and restore: map the event log and the cursors of the Currents to the transaction ids of the"
        " new cluster. Until then nothing is delivered. Run it before events come in, or give --restored-at."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--restored-at",
            help="when the restore was done, such as 2026-01-31T12:00:00Z: events received since keep their place",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        result = rebase(_moment(options["restored_at"]))
        if not result.needed:
            self.stdout.write("Nothing to do: the log belongs to this cluster.")
        else:
            self.stdout.write(
                f"Done: {result.events} events shifted by {result.shift} transaction ids. Delivery goes on."
            )


def _moment(text: str | None) -> datetime:
    if text is None:
        return timezone.now()
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or timezone.is_naive(moment):
        raise CommandError("--restored-at wants a date and time with a zone, such as 2026-01-31T12:00:00Z.")
    return moment
