"""HTTP pieces that all parts of the sandbox share: bodies, answers, Basic credentials."""

import base64
import binascii
import hmac
import zlib
from http import HTTPStatus
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

# After a refusal for size the rest is read and thrown away, so that the sender gets to read the answer.
_DRAIN_BYTES = 32 * 1024 * 1024


class HTTPError(Exception):
    """A refusal: the status and a sentence for the sender."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer as JSON."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def reason(status: int) -> str:
    """The words for a status as Mixpanel's examples have them."""
    return "Request Entity Too Large" if status == 413 else HTTPStatus(status).phrase


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """User and password of HTTP Basic authentication; None if there are none, or not in that form."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def same(given: str, expected: str) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())


async def read_body(request: Request, limit: int) -> bytes:
    """The body, decompressed if it is gzip.

    Raises HTTPError: 413 once it is known to exceed ``limit`` bytes (a gzip bomb is never unpacked further),
    400 if it is not the encoding that it says.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", ""}:
        raise HTTPError(400, f"Content-Encoding {encoding!r} is not supported: use gzip or none.")
    decoder = _GzipDecoder(limit) if encoding == "gzip" else _PlainDecoder(limit)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if not decoder.full:
            decoder.feed(chunk)
        elif received > _DRAIN_BYTES:
            break
    if decoder.full:
        raise HTTPError(413, f"request exceeds max limit of {limit} bytes")
    return decoder.finish()


class _PlainDecoder:
    def __init__(self, limit: int) -> None:
        self.full = False
        self._limit = limit
        self._body = bytearray()

    def feed(self, chunk: bytes) -> None:
        self._body += chunk
        if len(self._body) > self._limit:
            self.full = True
            self._body.clear()

    def finish(self) -> bytes:
        return bytes(self._body)


class _GzipDecoder(_PlainDecoder):
    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._unzip = zlib.decompressobj(wbits=31)

    def feed(self, chunk: bytes) -> None:
        try:
            # One byte past the limit is enough to know.
            plain = self._unzip.decompress(chunk, self._limit + 1 - len(self._body))
        except zlib.error:
            raise HTTPError(400, "The body is not valid gzip.") from None
        super().feed(plain)

    def finish(self) -> bytes:
        if not self._unzip.eof or self._unzip.unused_data:
            raise HTTPError(400, "The body is not one complete gzip stream.")
        return super().finish()
