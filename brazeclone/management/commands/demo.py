"""``manage.py demo``: the whole installation in one terminal; ``--check`` plays the whole loop against it."""

import io
import json
import os
import sys
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from brazeclone import demo_check
from brazeclone.demo_keys import DemoKeys, keep_shown, valid_keys
from brazeclone.demo_users import make_demo_users
from brazeclone.launcher import elsewhere, environment, files, locks, ports
from brazeclone.launcher.children import Children, Stopped, stopping_on_signals
from brazeclone.launcher.errors import LauncherError
from brazeclone.launcher.sandbox import sandbox_credentials

ANSWER_TIMEOUT = 90.0
# A laptop's demo shows events at once; elsewhere a part batch waits a minute for company.
FLUSH_SECONDS = "1"

PANEL = """
  brazeclone is running. Ctrl-C stops it; the data stays in {root}.

  Dashboard        {web}/admin/
  Log in as        {username} / {password}

  REST endpoint    {web}
  REST API key     {rest_api_key}
  Mixpanel         data import key {client_secret}
                   partner API key {partner_api_key}

  Mixpanel sandbox {sandbox}/
                   project token {token}, API secret {api_secret}

  Kept in {root}/demo.json, which only you can read:
                   SECRET_KEY={secret_key}
                   FIELD_ENCRYPTION_KEYS={encryption_keys}

  What to try first
    1. Partner Integrations > Technology Partners > Mixpanel: REST endpoint and data import keys.
    2. In the sandbox: Set up Braze with this endpoint and key, then export a cohort with dynamic sync
       (its members are among the demo's users, user-1 to user-60).
    3. Segments > Create Segment: filter by Mixpanel Cohorts and watch the exact size while you edit.
    4. Currents > + Create Current > Mixpanel Export: region Sandbox, choose events, Launch Current.
    5. POST {web}/users/track with a custom event and see it arrive in the sandbox.

  The same, played by itself: {python} manage.py demo --check
"""


class Command(BaseCommand):
    """Runs the web server, the worker, beat and the sandbox; the embedded servers run already."""

    help = "Runs everything in one terminal, or, with --check, plays the whole loop against what runs."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="port of the dashboard and the REST API (8000)")
        parser.add_argument("--sandbox-port", type=int, help="port of the Mixpanel sandbox (the next after --port)")
        parser.add_argument("--check", action="store_true", help="play the whole loop; exits 0 if the events arrived")

    def handle(self, *, port: int, sandbox_port: int | None, check: bool, **options: Any) -> None:
        root = environment.data_root()
        try:
            with stopping_on_signals():
                if check:
                    self._check(root)
                else:
                    self._serve(root, port, sandbox_port or port + 1)
        except (LauncherError, demo_check.CheckError) as error:
            raise CommandError(str(error)) from error
        except Stopped:
            self._say("Stopped.")

    def _check(self, root: Path) -> None:
        """Play the loop against the demo that runs, else against one that is started for it and removed again."""
        running = environment.running_demo(root)
        if running is None:
            self._say("No demo runs: one is started for the check, and removed after it.")
            elsewhere.check_a_fresh_demo()
        else:
            demo_check.run(valid_keys(root), running["web"], running["sandbox"], self._say)

    def _serve(self, root: Path, port: int, sandbox_port: int) -> None:
        with _only_demo(root):
            _check_free(port, "PORT")
            _check_free(sandbox_port, "SANDBOX_PORT")
            keys = self._set_up(root)
            web, sandbox = (f"http://{ports.LOOPBACK}:{number}" for number in (port, sandbox_port))
            variables = _variables(web, sandbox)
            (root / "sandbox").mkdir(mode=0o700, exist_ok=True)  # it keeps the keys that it was connected with
            children = Children()
            try:
                self._start(children, _commands(root, web, sandbox), variables)
                for what, address in (("The dashboard", f"{web}/admin/login/"), ("The sandbox", f"{sandbox}/healthz")):
                    children.wait_until(partial(_answers, address), f"{what} ({address})", ANSWER_TIMEOUT)
                running = {"web": web, "sandbox": sandbox, "pid": os.getpid(), "environment": _shared(variables)}
                files.write_json(root / "demo-running.json", running)
                self._say(_panel(root, web, sandbox, keys))
                while True:
                    children.pump(1.0)
            finally:
                (root / "demo-running.json").unlink(missing_ok=True)
                children.stop()

    def _set_up(self, root: Path) -> DemoKeys:
        """Bring the database up to date and make what is missing in it."""
        self._say("Updating the database...")
        call_command("migrate", verbosity=0, interactive=False)
        call_command("messages", "--compile", verbosity=0)
        if settings.DEBUG:
            Path(settings.STATIC_ROOT).mkdir(exist_ok=True)  # files come from where they lie
        else:
            call_command("collectstatic", verbosity=0, interactive=False)
        output = io.StringIO()
        call_command("bootstrap", "--json", stdout=output)
        keep_shown(root, json.loads(output.getvalue()))
        make_demo_users()
        return valid_keys(root)

    def _start(self, children: Children, commands: dict[str, list[str]], variables: dict[str, str]) -> None:
        self._say("Starting the web server, the worker, beat and the Mixpanel sandbox...")
        for name, arguments in commands.items():
            children.start(name, [sys.executable, "-m", *arguments], variables)
        children.wait_until(partial(children.has_said, "worker", " ready."), "The worker", ANSWER_TIMEOUT)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _check_free(port: int, variable: str) -> None:
    if not 0 < port < 65_536:
        raise LauncherError(f"{variable} {port} is no port: choose one from 1 to 65535, as in `make demo PORT=9000`.")
    if not ports.is_free(port):
        raise LauncherError(
            f"Port {port} is taken: stop what uses it, or choose another, as in `make demo {variable}={port + 1000}`."
        )


def _variables(web: str, sandbox: str) -> dict[str, str]:
    """The environment of the children."""
    return {
        "PUBLIC_URL": web,
        "CURRENTS_FLUSH_INTERVAL": FLUSH_SECONDS,
        **os.environ,
        "MIXPANEL_SANDBOX_URL": sandbox,
        "PYTHONUNBUFFERED": "1",
        # In a container there is often no other user, and the warning is ten lines long.
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
    }


def _shared(variables: dict[str, str]) -> dict[str, str]:
    """What a command beside the demo must have in common with it, ``demo --check`` above all."""
    secret = ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS")
    names = ("DATABASE_URL", "REDIS_URL", *secret, "DJANGO_DEBUG", "PUBLIC_URL", "MIXPANEL_SANDBOX_URL")
    return {name: variables[name] for name in names}


def _commands(root: Path, web: str, sandbox: str) -> dict[str, list[str]]:
    celery = ["celery", "--quiet", "--app", "brazeclone"]
    return {
        "web": [
            *["gunicorn", "brazeclone.wsgi:application", "--bind", web.removeprefix("http://")],
            *["--worker-class", "gthread", "--workers", "2", "--threads", "8", "--log-level", "warning"],
            "--no-control-socket",
        ],
        "worker": [
            *celery,
            "worker",
            "--loglevel",
            "info",
            "--concurrency",
            "2",
            "--without-gossip",
            "--without-mingle",
        ],
        "beat": [*celery, "beat", "--loglevel", "warning", "--pidfile", ""],
        "sandbox": [
            *["sandbox", "--host", ports.LOOPBACK, "--port", sandbox.rpartition(":")[2]],
            *["--data", str(root / "sandbox"), "--seed"],
        ],
    }


@contextmanager
def _only_demo(root: Path) -> Iterator[None]:
    """One demo at a time on one data directory. Raises LauncherError, naming the other, if there is one."""
    (root / "run").mkdir(parents=True, exist_ok=True)
    with locks.attempt(root / "run" / "demo") as is_first:
        if not is_first:
            other = files.read_json(root / "demo-running.json")
            raise LauncherError(f"The demo runs already on {root}: {other.get('web', 'it is just starting')}")
        (root / "demo-running.json").unlink(missing_ok=True)  # of one that was killed
        yield


def _panel(root: Path, web: str, sandbox: str, keys: DemoKeys) -> str:
    return PANEL.format(
        root=root,
        web=web,
        sandbox=sandbox,
        python=sys.executable,
        username=keys.username,
        password=keys.password or "(changed meanwhile: manage.py changepassword sets a new one)",
        rest_api_key=keys.rest_api_key,
        client_secret=keys.client_secret,
        partner_api_key=keys.partner_api_key or "(changed meanwhile: on the partner's page, a new one can be made)",
        secret_key=settings.SECRET_KEY,
        encryption_keys=",".join(settings.FIELD_ENCRYPTION_KEYS),
        **sandbox_credentials(),
    )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - an address of our own making
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
