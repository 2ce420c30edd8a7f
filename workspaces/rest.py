"""What every REST endpoint shares: bearer keys, JSON in and out, errors in Braze's shape.

Braze: API overview. Errors are ``{"message": "..."}``; a bad key is 401, a body that cannot be used 400.
"""

import re
import zlib
from typing import TYPE_CHECKING, Any, cast

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse
from rest_framework import exceptions, status
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from workspaces.addresses import client_address, is_allowed
from workspaces.json_out import dump
from workspaces.models import ApiKey, Workspace
from workspaces.unstorable import fault_of

if TYPE_CHECKING:
    # DRF's views import the settings, and these name classes of this module.
    from rest_framework.views import APIView

NESTING_LIMIT = 64
#: Where an integer of so many digits may stand; in a string it does no harm.
_LONG_NUMBER = re.compile(rb"(?:^|[:,\[\s])-?\d{19,}(?:[,\]}\s]|$)")
# The expression takes a millisecond for a large body; to see that nothing looks like its beginning, a fiftieth of that.
_SHAPES = bytes(48 if 48 <= byte < 58 else 46 if byte in b"-:,[ \t\n\r\v\f" else 32 for byte in range(256))
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_LONG_SHAPE = b"." + b"0" * 19

_GZIP = zlib.MAX_WBITS | 16
_GZIP_PIECE = 8192
_NO_GZIP = "The request body is not valid gzip."


class BodyTooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request body is too large."
    default_code = "too_large"


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer <REST API key>``: sets ``request.auth`` to the key, which names the workspace."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        scheme, _, secret = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer" or not secret.strip():
            return None
        key = ApiKey.find(secret.strip().decode("latin-1"))
        if key is None:
            raise exceptions.AuthenticationFailed("Invalid API key")
        address = client_address(request.META)
        if not is_allowed(address, key.allowed_ranges):
            raise exceptions.AuthenticationFailed(
                f"Unauthorized access: this API key is not accepted from the IP address {address}"
            )
        key.touch()
        return None, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasEndpointPermission(BasePermission):
    """The key must hold the view's ``endpoint`` (a name in ``workspaces.endpoints``)."""

    message = "Unauthorized access: this API key lacks the permission for this endpoint"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.auth, ApiKey):
            raise exceptions.NotAuthenticated("Invalid API key")
        if cast(Any, view).endpoint not in request.auth.permissions:
            # Braze answers 401, not 403, when a key lacks a permission.
            raise exceptions.AuthenticationFailed(self.message)
        return True


def workspace_of(request: Request) -> Workspace:
    """The workspace that the request's API key belongs to."""
    return cast(ApiKey, request.auth).workspace


def read_body(request: Any, limit: int | None = None) -> bytes:
    """The request's body, decompressed if it says gzip; it is never larger than ``limit`` bytes (REST_BODY_LIMIT).

    Raises BodyTooLarge before a larger body, or a bomb, is held in memory; ParseError for a broken gzip stream.
    """
    limit = limit or settings.REST_BODY_LIMIT
    try:
        body = cast(bytes, request.body)
    except RequestDataTooBig:
        raise BodyTooLarge from None
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding in ("", "identity"):
        pass
    elif encoding == "gzip":
        body = _gunzip(body, limit)
    else:
        raise exceptions.UnsupportedMediaType(encoding, "Send the body as plain or gzip-encoded JSON.")
    if len(body) > limit:
        raise BodyTooLarge
    return body


def _gunzip(body: bytes, limit: int) -> bytes:
    """What ``body`` holds, in one member or several, one after the other (RFC 1952, 2.2). Raises as ``read_body``."""
    parts, size, position, is_whole = [], 0, 0, False
    unzip = zlib.decompressobj(_GZIP)
    while position < len(body):
        # In pieces: what follows a member is copied, and there may be very many members.
        piece = body[position : position + _GZIP_PIECE]
        try:
            part = unzip.decompress(piece, limit + 1 - size)
        except zlib.error:
            raise exceptions.ParseError(_NO_GZIP) from None
        parts.append(part)
        size += len(part)
        if size > limit:
            raise BodyTooLarge
        position += len(piece) - len(unzip.unused_data)
        is_whole = unzip.eof
        if is_whole:
            unzip = zlib.decompressobj(_GZIP)
    if not is_whole:
        raise exceptions.ParseError(_NO_GZIP)
    return b"".join(parts)


def read_json(request: Any, limit: int | None = None) -> Any:
    """The request's body as JSON (see ``read_body``). An empty body is an empty object.

    Raises ParseError when it is not JSON in UTF-8, is nested deeper than NESTING_LIMIT, or holds what cannot be stored
    exactly.
    """
    body = read_body(request, limit)
    if not body.strip():
        return {}
    # An escaped backslash before the letters makes no NUL of them.
    if b"\\u0000" in body and b"\\u0000" in body.replace(b"\\\\", b""):
        _refuse_unstorable(body)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        _refuse_unstorable(body)
        # What is wrong and where, for example "lone leading surrogate in hex escape"; never what the body holds.
        raise exceptions.ParseError(f"The request body is not valid JSON: {error}.") from None
    if not _is_shallow(body, NESTING_LIMIT) and _depth_exceeds(value, NESTING_LIMIT):
        raise exceptions.ParseError(f"The request body is nested deeper than {NESTING_LIMIT} levels.")
    # orjson makes a float of an integer beyond 64 bits: it is refused rather than stored as another number.
    if _LONG_SHAPE in b"." + body.translate(_SHAPES) and _LONG_NUMBER.search(body):
        _refuse_unstorable(body)
    return value


def _refuse_unstorable(body: bytes) -> None:
    """Raise ParseError with the name of what cannot be stored, if there is such a thing in ``body``."""
    if fault := fault_of(body):
        raise exceptions.ParseError(fault)


def _is_shallow(body: bytes, limit: int) -> bool:
    """Whether the brackets alone tell that nothing is nested deeper than ``limit``: quicker than walking the lists.

    Taking away the pairs with nothing between them takes away one level at most. Brackets in texts can only hide it.
    """
    brackets = body.translate(None, _NO_BRACKETS)
    for _ in range(limit):
        before, brackets = brackets, brackets.replace(b"{}", b"")
        if brackets == before:
            brackets = brackets.replace(b"[]", b"")
        if not brackets or brackets == before:
            break
    return not brackets


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


class JsonParser(BaseParser):
    """JSON in, whatever the content type says: real clients send all kinds."""

    media_type = "*/*"
    #: The largest body, in bytes, where it is not REST_BODY_LIMIT.
    limit: int | None = None

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return read_json(parser_context["request"]._request, self.limit)


class AlwaysJson(BaseContentNegotiation):
    """JSON out, whatever the request says it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next(iter(parsers), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else dump(data)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | HttpResponse | None:
    """Every refusal as ``{"message": ...}``; anything unforeseen is left to Django (500, logged)."""
    from rest_framework.views import set_rollback

    if not isinstance(error, exceptions.APIException):
        return None
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = cast(Any, error).auth_header
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(cast(Any, error).wait))
    set_rollback()
    return Response({"message": str(error.detail)}, status=error.status_code, headers=headers)
