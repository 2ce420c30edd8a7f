"""What every REST endpoint shares: bearer keys, JSON in and out, errors in Braze's shape.

Braze: API overview. Errors are ``{"message": "..."}``; a bad key is 401, a body that cannot be used 400.
"""

import zlib
from typing import TYPE_CHECKING, Any, cast

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse
from rest_framework import exceptions, status
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from workspaces.models import ApiKey, Workspace

if TYPE_CHECKING:
    # DRF's views import the settings, and these name classes of this module.
    from rest_framework.views import APIView

NESTING_LIMIT = 64


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
        unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            body = unzip.decompress(body, limit + 1)
        except zlib.error:
            raise exceptions.ParseError("The request body is not valid gzip.") from None
        if len(body) <= limit and not unzip.eof:
            raise exceptions.ParseError("The request body is not valid gzip.")
    else:
        raise exceptions.UnsupportedMediaType(encoding, "Send the body as plain or gzip-encoded JSON.")
    if len(body) > limit:
        raise BodyTooLarge
    return body


def read_json(request: Any) -> Any:
    """The request's body as JSON (see ``read_body``). An empty body is an empty object.

    Raises ParseError when it is not JSON in UTF-8 or is nested deeper than NESTING_LIMIT.
    """
    body = read_body(request)
    if not body.strip():
        return {}
    if b"\\u0000" in body:
        _refuse_nul(body)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise exceptions.ParseError("The request body is not valid JSON.") from None
    # A level takes a bracket: few brackets cannot nest deep, and counting them is much quicker than walking the lists.
    if body.count(b"[") + body.count(b"{") > NESTING_LIMIT and _depth_exceeds(value, NESTING_LIMIT):
        raise exceptions.ParseError(f"The request body is nested deeper than {NESTING_LIMIT} levels.")
    return value


def _refuse_nul(body: bytes) -> None:
    """PostgreSQL cannot store NUL in a text or jsonb value, so it is refused by name instead of failing later."""
    if b"\\u0000" in body.replace(b"\\\\", b""):
        raise exceptions.ParseError("The request body holds the character NUL (\\u0000), which cannot be stored.")


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

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return read_json(parser_context["request"]._request)


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else orjson.dumps(data, default=str)


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
