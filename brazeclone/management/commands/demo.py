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

from brazeclone.launcher import environment, files, locks, ports
from brazeclone.launcher.children import Children, Stopped, stopping_on_signals
from brazeclone.launcher.errors import LauncherError
from brazeclone.launcher.sandbox import sandbox_credentials

ANSWER_TIMEOUT = 90.0

PANEL = """
  brazeclone is running. Ctrl-C stops it; the data stays in {root}.

  Dashboard        {web}/admin/
  Log in as        {username} / {password}

  REST endpoint    {web}
  REST API key     {rest_api_key}
  Mixpanel         data import key {client_secret}
                   partner API key {partner_api_key}

  Mixpanel sandbox {sandbox}/
                   project token {sandbox_token}, API secret {sandbox_api_secret}

  What to try first
    1. Partner Integrations > Technology Partners > Mixpanel: REST endpoint and data import keys.
    2. In the sandbox: connect with this endpoint and key, then export a cohort with dynamic sync.
    3. Segments > Create Segment: filter by Mixpanel Cohorts and watch the exact size while you edit.
    4. Currents > + Create Current > Mixpanel Export: region Sandbox, choose events, Launch Current.
    5. POST {web}/users/track with a custom event and see it arrive in the sandbox.

  The same, played by itself: {check}
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
        try:
            with stopping_on_signals():
                if check:
                    self._check()
                else:
                    self._serve(environment.data_root(), port, sandbox_port or port + 1)
        except LauncherError as error:
            raise CommandError(str(error)) from error
        except Stopped:
            self._say("Stopped.")

    def _serve(self, root: Path, port: int, sandbox_port: int) -> None:
        with _only_demo(root):
            for wanted, variable in ((port, "PORT"), (sandbox_port, "SANDBOX_PORT")):
                if not ports.is_free(wanted):
                    raise LauncherError(
                        f"Port {wanted} is taken: stop what uses it, or choose another, "
                        f"as in `make demo {variable}={wanted + 1000}`."
                    )
            shown = self._set_up(root)
            children = Children()
            try:
                web, sandbox = (f"http://{ports.LOOPBACK}:{number}" for number in (port, sandbox_port))
                self._start(children, root, web, sandbox)
                files.write_json(root / "demo-running.json", {"web": web, "sandbox": sandbox, "pid": os.getpid()})
                self._say(_panel(root, web, sandbox, shown))
                while True:
                    children.pump(1.0)
            finally:
                (root / "demo-running.json").unlink(missing_ok=True)
                children.stop()

    def _set_up(self, root: Path) -> dict[str, Any]:
        """Bring the database up to date; returns what bootstrap has shown, now or on an earlier start."""
        self._say("Updating the database...")
        call_command("migrate", verbosity=0, interactive=False)
        call_command("messages", "--compile", verbosity=0)
        if settings.DEBUG:
            Path(settings.STATIC_ROOT).mkdir(exist_ok=True)  # files come from where they lie
        else:
            call_command("collectstatic", verbosity=0, interactive=False)
        output = io.StringIO()
        call_command("bootstrap", "--json", stdout=output)
        shown = _merged(environment.kept_values(root).get("bootstrap", {}), json.loads(output.getvalue()))
        environment.keep(root, {"bootstrap": shown})
        return shown

    def _start(self, children: Children, root: Path, web: str, sandbox: str) -> None:
        """Start the children and wait until the two that serve pages answer."""
        self._say("Starting the web server, the worker, beat and the Mixpanel sandbox...")
        variables = {
            **os.environ,
            "PUBLIC_URL": os.environ.get("PUBLIC_URL", web),
            "MIXPANEL_SANDBOX_URL": sandbox,
            "PYTHONUNBUFFERED": "1",
            # On a laptop's container there is often no other user, and the warning is ten lines long.
            "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
        }
        for name, arguments in _commands(root, web, sandbox).items():
            children.start(name, [sys.executable, "-m", *arguments], variables)
        children.wait_until(partial(children.has_said, "worker", " ready."), "The worker", ANSWER_TIMEOUT)
        for name, address in (("web", f"{web}/admin/login/"), ("sandbox", f"{sandbox}/healthz")):
            children.wait_until(partial(_answers, address), f"{name} ({address})", ANSWER_TIMEOUT)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


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
        yield


def _panel(root: Path, web: str, sandbox: str, shown: dict[str, Any]) -> str:
    unknown = "(shown once, when it was made: manage.py bootstrap --json --rotate makes a new one)"
    admin = shown.get("admin") or {}
    mixpanel = shown.get("partners", {}).get("mixpanel") or {}
    return PANEL.format(
        root=root,
        web=web,
        sandbox=sandbox,
        check=f"{Path(sys.executable)} manage.py demo --check",
        username=admin.get("username", "admin"),
        password=admin.get("password") or "(set earlier: manage.py changepassword sets a new one)",
        rest_api_key=shown.get("rest_api_key") or unknown,
        client_secret=mixpanel.get("client_secret") or unknown,
        partner_api_key=mixpanel.get("partner_api_key") or unknown,
        **{f"sandbox_{name}": value for name, value in sandbox_credentials().items()},
    )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - an address of our own making
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _merged(kept: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    """``shown`` completed from ``kept``: a key is shown when it is made, and is null from then on."""
    result = dict(kept)
    for name, value in shown.items():
        if isinstance(value, dict):
            result[name] = _merged(kept.get(name) or {}, value)
        elif value is not None:
            result[name] = value
    return result
