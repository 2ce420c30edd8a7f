"""Which workspace a person is looking at; what programs send, and the language that they are answered in."""

import io
import time
from collections.abc import Callable
from typing import Any, Final, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone, translation
from django.utils.functional import SimpleLazyObject

from workspaces.activity import acting_in
from workspaces.models import User, Workspace

SESSION_KEY = "workspace"

#: What is left of a body is read and thrown away before the answer, up to so many bytes and seconds.
DRAIN_BYTES: Final = 64 * 1024 * 1024
DRAIN_SECONDS: Final = 30.0
_PIECE: Final = 64 * 1024


def workspaces_of(user: User) -> list[Workspace]:
    """The workspaces that ``user`` may enter, by name."""
    rows = Workspace.objects.all()
    return list(rows if user.is_superuser else rows.filter(memberships__user=user))


def _current_workspace(request: HttpRequest) -> Workspace | None:
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return None
    mine = workspaces_of(user)
    chosen = request.session.get(SESSION_KEY)
    return next((one for one in mine if one.pk == chosen), mine[0] if mine else None)


class WorkspaceMiddleware:
    """Sets ``request.workspace`` (None: the person is in no workspace) and shows times in its time zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.workspace = SimpleLazyObject(lambda: _current_workspace(request))  # type: ignore[attr-defined]
        if request.path_info.startswith("/admin/") and request.workspace:  # type: ignore[attr-defined]
            timezone.activate(request.workspace.time_zone)  # type: ignore[attr-defined]
        else:
            timezone.deactivate()
        with acting_in(request.workspace):  # type: ignore[attr-defined]
            return self.get_response(request)


class RestMiddleware:
    """What programs need of every path outside the dashboard.

    Answers are in English whatever language is asked for; a body that comes in chunks is read; and a body that nobody
    read is read before the answer, since most clients do not look for an answer before they have sent everything.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/admin/"):
            return self.get_response(request)
        with translation.override("en"):
            response = _take_chunks(request) or self.get_response(request)
        _drain(request)
        return response


def _take_chunks(request: HttpRequest) -> HttpResponse | None:
    """Give a body of no declared length its length, by reading it up to DATA_UPLOAD_MAX_MEMORY_SIZE (one byte more, so
    that the view refuses it). Returns a refusal where the server does not decode chunks: 411, RFC 9110, 15.5.12.
    """
    if "HTTP_TRANSFER_ENCODING" not in request.META:
        return None
    if not request.META.get("wsgi.input_terminated"):
        return JsonResponse({"message": "Send the body with a Content-Length, not in chunks."}, status=411)
    try:
        body = request.META["wsgi.input"].read(cast(int, settings.DATA_UPLOAD_MAX_MEMORY_SIZE) + 1)
    except OSError:
        return JsonResponse({"message": "The chunks of the request body are broken."}, status=400)
    request.META["CONTENT_LENGTH"] = str(len(body))
    cast(Any, request)._stream = io.BytesIO(body)
    return None


def _drain(request: HttpRequest) -> None:
    """Read and drop what is left of the body."""
    if "HTTP_TRANSFER_ENCODING" in request.META:
        if not request.META.get("wsgi.input_terminated"):
            return
        read = request.META["wsgi.input"].read
    elif hasattr(request, "_body"):
        return
    else:
        read = request.read
    left, deadline = DRAIN_BYTES, time.monotonic() + DRAIN_SECONDS
    try:
        while left > 0 and time.monotonic() < deadline and (piece := read(_PIECE)):
            left -= len(piece)
    except OSError:
        # The client has gone; nobody waits for the answer.
        return
