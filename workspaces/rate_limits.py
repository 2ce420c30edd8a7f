"""How many requests an API key may send. Braze: API limits, "Monitoring your rate limits".

Windows are stretches of the clock, counted in Valkey. While it cannot be reached nobody is refused.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from redis import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from workspaces.models import ApiKey
from workspaces.valkey import ask


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests in so many seconds, counted together for all endpoints of the same ``name``."""

    name: str
    requests: int
    seconds: int


def limit_of(endpoint: str) -> Limit:
    """The limit that an endpoint counts under: its own, else the one that all others share."""
    own: Mapping[str, tuple[int, int]] = settings.REST_RATE_LIMITS
    name = endpoint if endpoint in own else ""
    return Limit(name or "shared", *own[name])


class KeyRateLimit(BaseThrottle):
    """Counts requests by API key; every answer tells limit, what remains and when the window ends (in seconds UTC)."""

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        """Whether the request is within its key's limit; sets the ``X-RateLimit-*`` headers of the answer."""
        if not isinstance(request.auth, ApiKey):
            return True
        limit = limit_of(view.endpoint)
        now = time.time()
        used, reset = _count(request.auth.pk, limit, now)
        view.headers |= {
            "X-RateLimit-Limit": str(limit.requests),
            "X-RateLimit-Remaining": str(max(0, limit.requests - used)),
            "X-RateLimit-Reset": str(reset),
        }
        self._wait = max(1.0, reset - now)
        return used <= limit.requests

    def wait(self) -> float | None:
        """Seconds after which the client may try again."""
        return self._wait


def _count(key_id: int, limit: Limit, now: float) -> tuple[int, int]:
    """Requests of the key in the current window, this one included, and the second at which the window ends."""
    window = int(now // limit.seconds)
    name = f"brazeclone:rate-limit:{key_id}:{limit.name}:{window}"

    def increment(client: Any) -> int:
        pipeline = client.pipeline(transaction=False)
        pipeline.incr(name)
        pipeline.expire(name, limit.seconds + 1)
        return int(pipeline.execute()[0])

    try:
        used = ask(increment)
    except RedisError:
        used = 1
    return used, (window + 1) * limit.seconds
