"""Counts of what comes in, and the Query API's rate limit."""

import logging
import time
from collections import Counter, deque

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("sandbox")

IMPORT = "/import"
QUERY_PREFIXES = ("/api/query", "/api/2.0")


def family(path: str) -> str | None:
    """``/import`` or ``/api/query`` for a path of Mixpanel's own APIs; None for the sandbox's own paths."""
    if path.rstrip("/") == IMPORT:
        return IMPORT
    return QUERY_PREFIXES[0] if path.startswith(QUERY_PREFIXES) else None


class Traffic:
    """Requests to Mixpanel's APIs since the start, or since the counts were reset."""

    def __init__(self) -> None:
        self.in_flight: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Start counting anew; what is in flight stays so."""
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.max_in_flight = 0

    def begin(self, kind: str) -> None:
        """A request arrived."""
        self.requests[kind] += 1
        self.in_flight[kind] += 1
        if kind == IMPORT:
            self.max_in_flight = max(self.max_in_flight, self.in_flight[kind])

    def end(self, kind: str, status: int | None) -> None:
        """A request was answered with ``status``, or not at all (None)."""
        self.in_flight[kind] -= 1
        self.statuses[str(status) if status else "none"] += 1


class TrafficMiddleware:
    """Counts and logs the requests to Mixpanel's APIs, whatever happens to them further in."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self.app = app
        self.traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = family(scope["path"]) if scope["type"] == "http" else None
        if kind is None:
            await self.app(scope, receive, send)
            return
        status: int | None = None

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.traffic.begin(kind)
        started = time.perf_counter()
        try:
            await self.app(scope, receive, watched)
        finally:
            self.traffic.end(kind, status)
            note = scope.get("state", {}).get("note", "")
            taken = (time.perf_counter() - started) * 1000
            answer = status or "no answer"
            log.info("%s %s %s in %.0f ms %s", scope["method"], scope["path"], answer, taken, note)


class RateLimit:
    """Mixpanel: Query API, 60 queries an hour (a sliding window here) and 5 at once."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def retry_after(self, an_hour: int, now: float) -> int | None:
        """Count one query. Returns None if it may go on, else the seconds until one may."""
        while self._times and self._times[0] <= now - 3600:
            self._times.popleft()
        if len(self._times) >= an_hour:
            return int(self._times[0] + 3600 - now) + 1 if self._times else 3600
        self._times.append(now)
        return None

    def reset(self) -> None:
        """Forget the queries so far."""
        self._times.clear()
