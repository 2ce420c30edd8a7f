"""Sending one request to a destination. No redirect is followed, nothing is retried here, nothing is logged."""

import time
from functools import lru_cache
from urllib.parse import urlsplit

import urllib3
from django.conf import settings
from django.utils.translation import gettext_noop

from currents.destinations import Reply, Request
from currents.egress import RefusedAddressError, connect

#: More of an answer is not read: the longest honest one names 2,000 records.
_ANSWER_LIMIT = 8 * 1024 * 1024
_CHUNK = 64 * 1024


def timeout_seconds() -> float:
    """How long a request may take: always less than a lease, so that it ends before somebody else may send."""
    return min(float(settings.CURRENTS_REQUEST_TIMEOUT), settings.CURRENTS_LEASE_SECONDS * 0.8)


def send(request: Request) -> Reply:
    """POST a request and read its answer. Never raises: what prevents an answer is the reply's ``error``."""
    seconds = timeout_seconds()
    deadline = time.monotonic() + seconds
    try:
        pool, url, headers = _way(request)
        response = pool.request(
            "POST",
            url,
            body=request.body,
            headers=headers,
            timeout=urllib3.Timeout(connect=min(10.0, seconds), read=seconds),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        try:
            body = _read(response, deadline)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return Reply(response.status, dict(response.headers), body)
    except RefusedAddressError as error:
        return Reply(0, error=str(error))
    except (urllib3.exceptions.HTTPError, OSError) as error:
        return Reply(0, error=_explain(error, request))


def _way(request: Request) -> tuple[urllib3.PoolManager | urllib3.HTTPConnectionPool, str, dict[str, str]]:
    """(pool, address or path, headers): customers' addresses are checked, and reached by what was checked."""
    headers = dict(request.headers)
    if not request.public_only:
        return _pool(), request.url, headers
    pool, path, host = connect(request.url, settings.CURRENTS_REQUESTS_IN_FLIGHT)
    return pool, path, {**headers, "Host": host}


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    chunks = []
    size = 0
    for chunk in response.stream(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > _ANSWER_LIMIT:
            raise urllib3.exceptions.ProtocolError("the answer is too long")
        if time.monotonic() > deadline:
            raise urllib3.exceptions.ProtocolError("the answer takes too long")
    return b"".join(chunks)


def _explain(error: Exception, request: Request) -> str:
    """A line for people: what went wrong with which host. The client's own texts may hold addresses of objects."""
    return f"{urlsplit(request.url).hostname}: {_what_went_wrong(error)}"


def _what_went_wrong(error: Exception) -> str:
    # Stored as it is, and translated when it is shown (the template filter ``said``).
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return gettext_noop("the host name is not known")
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return gettext_noop("the connection was refused")
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
        return gettext_noop("no connection within the time limit")
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return gettext_noop("no answer within the time limit")
    return gettext_noop("the connection broke before the answer was complete")


@lru_cache(maxsize=1)
def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(num_pools=16, maxsize=settings.CURRENTS_REQUESTS_IN_FLIGHT, block=False)
