"""Our own connection to Valkey, for what may be lost: counts of requests, wake-up calls and their marks."""

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeVar

from django.conf import settings
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)

#: After a failure it is left alone for so long, so that requests do not wait for it one after the other.
QUIET_SECONDS: Final = 10.0

_quiet_until = 0.0

_Answer = TypeVar("_Answer")


class LeftAloneError(RedisError):
    """Valkey was not asked: it could not be reached a moment ago."""


@lru_cache(maxsize=1)
def valkey() -> Any:
    """The client, shared by all threads. Its commands raise RedisError."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=settings.VALKEY_PATIENCE_SECONDS,
        socket_timeout=settings.VALKEY_PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def ask(question: Callable[[Any], _Answer]) -> _Answer:
    """What ``question`` answers, called with the client.

    Raises RedisError when Valkey fails, and at once while it is left alone. The failure is logged here.
    """
    if time.monotonic() < _quiet_until:
        raise LeftAloneError
    try:
        return question(valkey())
    except RedisError as error:
        leave_alone(error)
        raise


def leave_alone(reason: Exception) -> None:
    """Nobody in this process asks Valkey for QUIET_SECONDS."""
    global _quiet_until
    _quiet_until = time.monotonic() + QUIET_SECONDS
    log.warning("Valkey cannot be used (%s): nothing is counted, and beat finds the work.", type(reason).__name__)
