"""One sandbox: its settings, state, misbehaviour, traffic counts and exports, for the handlers to share."""

import dataclasses
import logging
from pathlib import Path

from sandbox.config import Settings
from sandbox.exports import Exporter
from sandbox.misbehaviour import Misbehaviour
from sandbox.sessions import QuerySessions
from sandbox.store import Store
from sandbox.traffic import RateLimit, Traffic

log = logging.getLogger("sandbox")


class Sandbox:
    """Made once per application and reached as ``request.app.state.sandbox``."""

    def __init__(self, data_dir: Path | None, settings: Settings) -> None:
        """Load the state under ``data_dir``; None keeps all in memory. Raises JournalError."""
        self.settings = settings
        self.store = Store(data_dir)
        self.traffic = Traffic()
        self.misbehaviour = Misbehaviour()
        self.sessions = QuerySessions()
        self.rate_limit = RateLimit()
        self.exporter = Exporter(self.store, settings)
        if settings.seed and self.store.is_new:
            self._seed()

    @property
    def version(self) -> str:
        """Differs whenever the page would look different."""
        running = sum(export.running for export in self.store.exports.values())
        rules = [rule.id for rule in self.misbehaviour.rules]
        return f"{self.store.version}-{self.traffic.requests.total()}-{running}-{rules}"

    def change_settings(self, **changes: object) -> None:
        """Replace settings while running (not kept over a restart)."""
        self.settings = dataclasses.replace(self.settings, **changes)  # type: ignore[arg-type]

    def _seed(self) -> None:
        self.store.create_cohort("Power users", "", _users(1, 20))
        self.store.create_cohort("Churn risk", "", _users(15, 40))
        log.info("seeded the cohorts Power users and Churn risk")


def _users(first: int, last: int) -> dict[str, dict[str, object]]:
    return {f"user-{number}": {"$name": f"User {number}"} for number in range(first, last + 1)}
