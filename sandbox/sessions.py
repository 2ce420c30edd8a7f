"""Snapshots behind the ``session_id`` of the engage query: pages of one session are of one moment."""

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

KEPT = 100


@dataclass(frozen=True)
class QuerySession:
    """The full result of one query and the page size that it is read with."""

    id: str
    results: list[dict[str, Any]]
    page_size: int

    def page(self, number: int) -> dict[str, Any]:
        """One page in the answer's shape. A page past the end is empty."""
        start = number * self.page_size
        return {
            "page": number,
            "page_size": self.page_size,
            "results": self.results[start : start + self.page_size],
            "session_id": self.id,
            "status": "ok",
            "total": len(self.results),
        }


class QuerySessions:
    """The latest sessions; older ones are forgotten."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, QuerySession] = OrderedDict()

    def open(self, results: list[dict[str, Any]], page_size: int) -> QuerySession:
        """Keep a result under a new session id, which looks like Mixpanel's: ``1234567890-EXAMPL``."""
        session_id = f"{int(time.time())}-{secrets.token_hex(4).upper()}"
        session = self._sessions[session_id] = QuerySession(session_id, results, page_size)
        while len(self._sessions) > KEPT:
            self._sessions.popitem(last=False)
        return session

    def get(self, session_id: str) -> QuerySession | None:
        """A session that is still kept."""
        return self._sessions.get(session_id)
