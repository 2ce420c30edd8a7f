"""``manage.py bootstrap``: a workspace that can be connected to, and what a client needs to know of it."""

import os
from argparse import ArgumentParser
from typing import Any

import orjson
from django.core.management import call_command
from django.core.management.base import BaseCommand

from brazeclone.bootstrap import Shown, bootstrap
from brazeclone.demo_keys import keep_shown
from brazeclone.launcher import environment

ABSENT = "(exists already; --rotate makes a new one)"


class Command(BaseCommand):
    """Makes what is missing and prints it; run again, it changes nothing."""

    help = (
        "Brings the database up to date, makes a workspace, an admin, a REST API key with all permissions and the "
        "partners with their keys, and prints them. Keys are shown once: a second run shows null, unless --rotate is "
        "given. BOOTSTRAP_ADMIN_PASSWORD sets the admin's password."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--rotate", action="store_true", help="make new secrets and invalidate the ones before")

    def handle(self, *, json: bool, rotate: bool, **options: Any) -> None:
        # An empty database is welcome: this is how others start us.
        call_command("migrate", interactive=False, verbosity=0)
        shown = bootstrap(password=os.environ.get("BOOTSTRAP_ADMIN_PASSWORD", ""), rotate=rotate)
        if environment.running_demo(environment.data_root()):
            # The demo beside us prints its keys on each start, and must know those that replaced them.
            keep_shown(environment.data_root(), shown.as_json())
        self.stdout.write(orjson.dumps(shown.as_json()).decode() if json else _as_text(shown))


def _as_text(shown: Shown) -> str:
    lines = [
        ("REST endpoint", shown.rest_endpoint),
        ("Workspace id", shown.workspace_id),
        ("Log in as", shown.username),
        ("Password", shown.password or ABSENT),
        ("REST API key", shown.rest_api_key or ABSENT),
    ]
    for slug, keys in shown.partners.items():
        lines.append((f"{slug.capitalize()} partner API key", keys["partner_api_key"] or ABSENT))
        lines.append((f"{slug.capitalize()} data import key", keys["client_secret"] or ABSENT))
    return "\n".join(f"{name:<26}{value}" for name, value in lines)
