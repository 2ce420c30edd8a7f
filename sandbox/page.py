"""The one page at ``/``."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sandbox.core import Sandbox
from sandbox.i18n import LANGUAGES, choose_language, translations
from sandbox.i18n import gettext_noop as _
from sandbox.misbehaviour import KINDS, PATHS
from sandbox.models import StoredEvent

SHOWN = 50
COOKIE = "sandbox_lang"
"""Cookies are shared by all ports of a host, so the name is ours alone."""

TEMPLATES = Path(__file__).parent / "templates"

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

STATUS_LABELS = {
    "active": _("Dynamic sync"),
    "running": _("Syncing"),
    "paused": _("Paused"),
    "done": _("Exported"),
    "failed": _("Failed"),
    "stopped": _("Stopped"),
}

KIND_LABELS = {
    "timeout": _("timeout: no answer, then a broken connection"),
    "slow": _("slow: the right answer, late"),
    "reset": _("reset: the connection breaks at once"),
    "truncated": _("truncated: an answer cut short"),
    "garbage": _("garbage: an answer that is no JSON"),
}


def language_of(request: Request) -> str:
    """The language for this request: the cookie's choice, else the browser's."""
    return choose_language(request.cookies.get(COOKIE), request.headers.get("accept-language", ""))


async def show(request: Request) -> Response:
    """Events received, cohorts and misbehaviour. ``?lang=`` chooses the language and remembers it."""
    chosen = request.query_params.get("lang")
    if chosen in LANGUAGES:
        response = RedirectResponse("/", 303)
        response.set_cookie(COOKIE, chosen, max_age=31_536_000, samesite="strict", httponly=True)
        return response
    language = language_of(request)
    html = _environment(language).get_template("page.html").render(_context(request, language))
    return Response(html, media_type="text/html", headers={**_HEADERS, "Content-Language": language})


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.install_gettext_translations(translations(language))  # type: ignore[attr-defined]
    return environment


def _context(request: Request, language: str) -> dict[str, Any]:
    sandbox: Sandbox = request.app.state.sandbox
    search = request.query_params.get("q", "").strip()
    event_name = request.query_params.get("event", "")
    matching = _search(sandbox.store.events, search, event_name)
    return {
        "language": language,
        "languages": LANGUAGES,
        "sandbox": sandbox,
        "settings": sandbox.settings,
        "connection": sandbox.store.connection,
        "base_url": str(request.base_url).rstrip("/"),
        "cohorts": list(sandbox.store.cohorts.values()),
        "exports": sandbox.store.exports,
        "status_labels": STATUS_LABELS,
        "kinds": [(kind, KIND_LABELS.get(kind)) for kind in KINDS],
        "paths": PATHS,
        "search": search,
        "event_name": event_name,
        "matching": len(matching),
        "shown": SHOWN,
        "rows": [EventRow.of(event) for event in reversed(matching[-SHOWN:])],
        "names": [
            (name, count, "/?" + urlencode({"event": name})) for name, count in sandbox.store.by_name.most_common()
        ],
    }


def _search(events: list[StoredEvent], search: str, event_name: str) -> list[StoredEvent]:
    """Events of that name whose name, distinct id or insert id contains the search text."""
    if event_name:
        events = [event for event in events if event.accepted.event == event_name]
    if not search:
        return events
    wanted = search.lower()
    return [
        event
        for event in events
        if wanted in event.accepted.event.lower()
        or wanted in event.accepted.distinct_id.lower()
        or wanted in event.accepted.insert_id.lower()
    ]


@dataclass(frozen=True)
class EventRow:
    """An event as the table shows it."""

    name: str
    distinct_id: str
    insert_id: str
    time: datetime
    received: datetime
    properties: str

    @classmethod
    def of(cls, event: StoredEvent) -> "EventRow":
        """From a stored event; times in UTC, properties as indented JSON."""
        accepted = event.accepted
        return cls(
            name=accepted.event,
            distinct_id=accepted.distinct_id,
            insert_id=accepted.insert_id,
            time=datetime.fromtimestamp(accepted.time / 1000, UTC),
            received=datetime.fromisoformat(event.received),
            properties=json.dumps(orjson.loads(accepted.properties), indent=2, ensure_ascii=False),
        )
