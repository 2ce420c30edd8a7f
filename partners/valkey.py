"""Our own connection to Valkey, for what may be lost: counts of requests, marks of wake-up calls."""

from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

#: What a request waits for it at most.
PATIENCE_SECONDS: Final = 0.25


@lru_cache(maxsize=1)
def valkey() -> Any:
    """The client, shared by all threads. Its commands raise RedisError."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=PATIENCE_SECONDS,
        socket_timeout=PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
