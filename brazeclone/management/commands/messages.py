from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from brazeclone import messages


class Command(BaseCommand):
    help = "Bring the message catalogues up to date with the sources, check that they are complete, or compile them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--check", action="store_true", help="fail when a message is missing or fuzzy")
        what.add_argument("--compile", action="store_true", help="write the .mo files")

    def handle(self, *args: Any, **options: Any) -> None:
        for language in messages.LANGUAGES:
            if options["compile"]:
                messages.compile_catalogue(language)
            elif options["check"]:
                if found := messages.problems(language):
                    raise CommandError("\n".join(found))
            else:
                catalogue = messages.update(language)
                self.stdout.write(
                    f"{language}: {len(catalogue)} messages, {len(messages.problems(language))} to translate"
                )
