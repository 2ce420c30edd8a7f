"""The ASGI application: Mixpanel's APIs, the control API and the page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import control, importing, page, query
from sandbox.config import Settings
from sandbox.core import Sandbox
from sandbox.misbehaviour import MisbehaviourMiddleware
from sandbox.traffic import QUERY_PREFIXES, TrafficMiddleware, family
from sandbox.web import json_response

STATIC = Path(__file__).parent / "static"

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def create_app(data_dir: Path | None = None, settings: Settings | None = None) -> Starlette:
    """The sandbox as an ASGI application.

    ``data_dir`` keeps events, cohorts and the connection over restarts; None keeps them in memory only.
    Raises JournalError when another process uses the folder, or its journal is damaged.
    """
    sandbox = Sandbox(data_dir, settings or Settings())
    app = Starlette(
        routes=_routes(),
        lifespan=_lifespan,
        middleware=[
            Middleware(SameOriginMiddleware),
            Middleware(TrafficMiddleware, traffic=sandbox.traffic),
            Middleware(MisbehaviourMiddleware, misbehaviour=sandbox.misbehaviour),
        ],
    )
    app.state.sandbox = sandbox
    return app


def _routes() -> list[Route | Mount]:
    queries = [
        Route(f"{prefix}/{path}", handler, methods=["POST"])
        for prefix in QUERY_PREFIXES
        for path, handler in (("cohorts/list", query.list_cohorts), ("engage", query.engage))
    ]
    return [
        Route("/import", importing.import_events, methods=["POST"]),
        *queries,
        *control.routes(),
        Route("/healthz", _health),
        Route("/", page.show),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]


async def _health(request: Request) -> Response:
    return json_response({"status": "ok"})


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    sandbox: Sandbox = app.state.sandbox
    exports = asyncio.create_task(sandbox.exporter.run())
    try:
        yield
    finally:
        sandbox.misbehaviour.stopping.set()
        exports.cancel()
        with suppress(asyncio.CancelledError):
            await exports
        sandbox.store.close()


class SameOriginMiddleware:
    """Refuses changes that another site's page sends to the sandbox's own paths.

    The sandbox listens on localhost without a login, where any page in the browser can send a form. Browsers
    tell the page's origin with such requests; programs send none and pass. Mixpanel's APIs have credentials.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _SAFE_METHODS or family(scope["path"]):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if _is_same_origin(headers):
            await self.app(scope, receive, send)
        else:
            refusal = {"error": "Requests from other sites are refused.", "field": None}
            await json_response(refusal, 403)(scope, receive, send)


def _is_same_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        return False
    return headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
