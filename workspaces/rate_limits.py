"""How many requests a key may send, and how many it has sent. Braze: API limits, "Monitoring your rate limits".

Every key that we issue is counted the same way: in Valkey, a stretch of the clock (a window) at a time, so that a
request costs no write to the database. While Valkey cannot be reached nothing is counted and nobody is refused: a limit
must not stop a sync.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from django.conf import settings
from redis import RedisError
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from workspaces.models import ApiKey
from workspaces.valkey import ask

#: Counts are kept for so many windows after their own, for whoever stores them.
_WINDOWS_KEPT: Final = 2
_PERIODS: Final = {3600: "an hour", 60: "a minute", 1: "a second"}
#: Endpoints that are counted together, by the one that their limit is named for. Braze: API limits; the "Rate limit" of
#: each endpoint's page.
_TOGETHER: Final = {
    "users.delete": ("users.alias.new", "users.alias.update", "users.identify", "users.merge"),
    "events.list": ("events.get", "custom_attributes.get"),
}
_NAMES: Final = {endpoint: name for name, endpoints in _TOGETHER.items() for endpoint in endpoints}


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests in so many seconds, counted together for everything that has this limit's ``name``."""

    name: str
    requests: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.requests:,} requests {_PERIODS.get(self.seconds, f'in {self.seconds} seconds')}"


class TooManyRequests(exceptions.APIException):
    """429, with the seconds until the next window begins as ``Retry-After``."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_code = "too_many_requests"

    def __init__(self, limit: Limit, wait: int) -> None:
        super().__init__(
            f"Rate limit exceeded: {limit} are allowed with one key. Retry in {wait} second{'' if wait == 1 else 's'}."
        )
        self.wait = wait


def limit_of(endpoint: str) -> Limit:
    """The limit that an endpoint counts under: that of its group or its own, else the one that all others share."""
    limits: Mapping[str, tuple[int, int]] = settings.REST_RATE_LIMITS
    name = _NAMES.get(endpoint, endpoint)
    if name not in limits:
        name = ""
    return Limit(name or "shared", *limits[name])


def admit(key_id: int, limit: Limit, view: Any) -> None:
    """Count a request; ``view``'s answers tell the limit, what remains of it, and when its window ends (seconds UTC).

    Raises TooManyRequests when the window's requests are used up.
    """
    now = time.time()
    window = int(now // limit.seconds)
    end = (window + 1) * limit.seconds
    used = _count(key_id, limit, window)
    view.headers |= {
        "X-RateLimit-Limit": str(limit.requests),
        "X-RateLimit-Remaining": str(max(0, limit.requests - used)),
        "X-RateLimit-Reset": str(end),
    }
    if used > limit.requests:
        raise TooManyRequests(limit, max(1, int(end - now)))


def counts(limit: Limit, window: int) -> dict[int, int]:
    """How many requests came with each key (by primary key) in a window, numbered since 1970; {} without Valkey."""
    try:
        found = ask(lambda client: cast(Mapping[bytes, bytes], client.hgetall(_place(limit, window))))
    except RedisError:
        return {}
    return {int(key_id): int(count) for key_id, count in found.items()}


class KeyRateLimit(BaseThrottle):
    """``admit`` for every endpoint that takes a REST API key.

    A view has the limit of its ``endpoint``, or the one that its ``limit_name`` names for a request.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        """True. Raises TooManyRequests, whose message says more than DRF's own; and what is wrong with the body."""
        if not isinstance(request.auth, ApiKey):
            return True
        name = view.endpoint
        try:
            name = view.limit_name(request) if hasattr(view, "limit_name") else name
        finally:
            # A body that cannot be read is a request, too.
            admit(request.auth.pk, limit_of(name), view)
        return True


def _count(key_id: int, limit: Limit, window: int) -> int:
    """The key's requests in the window, this one included; 1 when they cannot be counted."""
    place = _place(limit, window)

    def increment(client: Any) -> int:
        pipeline = client.pipeline(transaction=False)
        pipeline.hincrby(place, str(key_id), 1)
        pipeline.expire(place, (1 + _WINDOWS_KEPT) * limit.seconds)
        return int(pipeline.execute()[0])

    try:
        return ask(increment)
    except RedisError:
        return 1


def _place(limit: Limit, window: int) -> str:
    return f"brazeclone:requests:{limit.name}:{window}"
