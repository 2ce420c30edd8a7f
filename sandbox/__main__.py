"""``python -m sandbox``: run the Mixpanel sandbox. ``--help`` and README.md tell the options."""

import argparse
import dataclasses
import logging
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

from sandbox.app import create_app
from sandbox.config import CREDENTIALS, Settings, settings_from_environment
from sandbox.journal import JournalError
from sandbox.server import build_server


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code: 1 if it cannot start, with one line that says why."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    # uvicorn's own start-up lines would repeat ours.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        given = _parser(settings_from_environment()).parse_args(arguments)
        app = create_app(given.data, _settings(given))
        _check_port(given.host, given.port)
    except (ValueError, JournalError, OSError) as error:
        sys.stderr.write(f"The Mixpanel sandbox cannot start. {error}\n")
        return 1
    # uvicorn raises the signal that stopped it again when all is closed: then the exit is a clean one.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    build_server(app, given.host, given.port).run()
    return 0


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _parser(defaults: Settings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A Mixpanel stand-in. See README.md.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8001, help="port to listen on (default: %(default)s)")
    parser.add_argument("--data", type=Path, help="folder that keeps events and cohorts; without it, memory only")
    parser.add_argument(
        "--seed", action="store_true", default=defaults.seed, help="make two cohorts if there is no data yet"
    )
    parser.add_argument("--project-id", type=int, default=defaults.project_id)
    parser.add_argument("--project-name", default=defaults.project_name)
    for name in CREDENTIALS:
        # No default in the help text: credentials given by the environment do not belong there.
        parser.add_argument("--" + name.replace("_", "-"), default=getattr(defaults, name))
    parser.add_argument(
        "--no-rate-limit", dest="rate_limit", action="store_false", default=defaults.rate_limit,
        help="never answer the Query API with 429",
    )  # fmt: skip
    parser.add_argument("--queries-per-hour", type=int, default=defaults.queries_per_hour)
    parser.add_argument("--concurrent-queries", type=int, default=defaults.concurrent_queries)
    parser.add_argument("--page-size", type=int, default=defaults.page_size, help="profiles a page of engage")
    parser.add_argument("--push-backoff", type=float, default=defaults.push_backoff, help="seconds, then doubling")
    parser.add_argument("--push-timeout", type=float, default=defaults.push_timeout, help="seconds a request")
    parser.add_argument("--snapshot-days", type=float, default=defaults.snapshot_days)
    return parser


def _settings(given: argparse.Namespace) -> Settings:
    names = [field.name for field in dataclasses.fields(Settings)]
    return Settings(**{name: getattr(given, name) for name in names})


def _check_port(host: str, port: int) -> None:
    """Say in one line that the port is taken, rather than by the server's traceback."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(f"Cannot listen on {host} port {port}: {error.strerror}. Try another --port.") from None


if __name__ == "__main__":
    sys.exit(main())
