"""Mixpanel's Import API as a destination: ``POST /import?strict=1``.

Mixpanel: Ingestion API, Import Events. Braze: Mixpanel partner page, Currents integration.
"""

import base64
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import orjson
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop
from isal import igzip, isal_zlib

from currents import catalogue
from currents.catalogue import EventType
from currents.destinations import (
    Account,
    Answer,
    FormField,
    Refusal,
    Reply,
    Request,
    Skipped,
    Unsendable,
    Verdict,
)
from currents.destinations.answers import by_status
from currents.destinations.mixpanel_events import build_event, problem_of
from currents.destinations.mixpanel_layouts import Layouts
from currents.log import LoggedEvent
from currents.models import Outcome
from currents.transformations import transform

REGIONS: Final = {
    "us": "https://api.mixpanel.com",
    "eu": "https://api-eu.mixpanel.com",
    "in": "https://api-in.mixpanel.com",
}
SANDBOX: Final = "sandbox"
#: 2010-01-01 UTC: Braze sends Mixpanel no event from before.
EARLIEST: Final = 1_262_304_000
MAX_EVENT_BYTES: Final = 900 * 1024
#: isal's level 1 costs a fifth of zlib's for 8 % more bytes.
_COMPRESSION = 1
#: From so many bytes on an event is compressed by itself: all of them in one piece would be in memory twice.
_LARGE_BYTES = 64 * 1024
_GZIP = isal_zlib.MAX_WBITS | 16
_MESSAGE_LIMIT = 500
#: The forms of events that this process has met.
_layouts: Final = Layouts()


class Mixpanel:
    """See ``currents.destinations.Destination``."""

    slug = "mixpanel"
    name = "Mixpanel"
    create_label = _("Create Mixpanel Export")
    max_events = 2_000
    max_bytes = 10 * 1024 * 1024
    deduplicates = True
    fixed_fields = frozenset({"event", "distinct_id", "time", "$insert_id", "token"})

    def fields(self) -> tuple[FormField, ...]:
        """API Secret, Token and Region, as Braze's form has them; the region Sandbox only where one is set up."""
        regions = [("us", _("US")), ("eu", _("EU")), ("in", _("India"))]
        if settings.MIXPANEL_SANDBOX_URL:
            regions.append((SANDBOX, _("Sandbox")))
        return (
            FormField("api_secret", _("API Secret"), _("In Mixpanel: Project Settings, Access Keys."), secret=True),
            FormField("token", _("Token"), _("The project token, on the same page."), secret=True),
            FormField("region", _("Region"), _("Where the Mixpanel project keeps its data."), choices=tuple(regions)),
        )

    def types(self) -> Mapping[str, EventType]:
        return catalogue.offered()

    def field_names(self) -> Sequence[str]:
        return _field_names()

    def encode(self, event: LoggedEvent, account: Account) -> bytes | Skipped | Unsendable:
        if not event.external_user_id:
            return Skipped(Outcome.NO_EXTERNAL_ID)
        if event.time < EARLIEST:
            return Skipped(Outcome.TOO_OLD)
        spliced = _layouts.splice(event, account.secrets["token"], account.transformations)
        if spliced is not None and len(spliced) <= MAX_EVENT_BYTES:
            return spliced
        built, problem = build_event(event, account.secrets["token"])
        if account.transformations:
            transform(built["properties"], account.transformations)
            problem = problem and problem_of(event.event_type, built["properties"])
        body = orjson.dumps(built)
        if len(body) > MAX_EVENT_BYTES:
            return Skipped(Outcome.TOO_LARGE)
        if problem is not None:
            return Unsendable(problem.reason, problem.field, body)
        _layouts.learn(event, built)
        return body

    def request(self, bodies: Sequence[bytes], account: Account) -> Request:
        credentials = base64.b64encode(f"{account.secrets['api_secret']}:".encode()).decode()
        return Request(
            url=f"{_host(account.options['region'])}/import?strict=1",
            body=_compressed(bodies),
            headers={
                "Authorization": f"Basic {credentials}",
                "Content-Type": "application/json",
                "Content-Encoding": "gzip",
                "Accept": "application/json",
            },
        )

    def shown(self, body: bytes) -> object:
        event = orjson.loads(body)
        if isinstance(event.get("properties"), dict):
            event["properties"].pop("token", None)
        return event

    def interpret(self, reply: Reply, count: int) -> Answer:
        if reply.status == 0:
            return Answer(Verdict.RETRY, 0, reply.error)
        body = _decoded(reply.body)
        message = _message(body, reply)
        if reply.status == 200:
            if body.get("code") == 200 or "num_records_imported" in body:
                return Answer(Verdict.DELIVERED, 200)
            return Answer(Verdict.RETRY, 200, _NOT_MIXPANELS)
        if reply.status == 400:
            refused = _refused(body, count)
            return Answer(Verdict.DELIVERED if refused else Verdict.BAD_EVENT, 400, message, refused)
        return by_status(reply, message)


#: Stored as it is, and translated when it is shown.
_NOT_MIXPANELS = gettext_noop("The answer is not Mixpanel's: it does not say what was imported.")


def _compressed(bodies: Sequence[bytes]) -> bytes:
    """The bodies as one JSON array, gzipped."""
    if max(map(len, bodies), default=0) < _LARGE_BYTES:
        return igzip.compress(b"[" + b",".join(bodies) + b"]", _COMPRESSION)
    stream = isal_zlib.compressobj(_COMPRESSION, wbits=_GZIP)
    parts = [stream.compress(b"[")]
    for number, body in enumerate(bodies):
        if number:
            parts.append(stream.compress(b","))
        parts.append(stream.compress(body))
    return b"".join([*parts, stream.compress(b"]"), stream.flush()])


def _host(region: str) -> str:
    if region == SANDBOX and settings.MIXPANEL_SANDBOX_URL:
        return str(settings.MIXPANEL_SANDBOX_URL)
    return REGIONS[region]


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _message(body: dict[str, Any], reply: Reply) -> str:
    error = body.get("error")
    return (error if isinstance(error, str) else f"HTTP {reply.status}")[:_MESSAGE_LIMIT]


def _refused(body: dict[str, Any], count: int) -> tuple[Refusal, ...]:
    """The records that a 400 names; none if one of them was not sent: then nothing is known of the rest."""
    records = body.get("failed_records")
    if not isinstance(records, list):
        return ()
    refused = {}
    for one in records:
        index = one.get("index") if isinstance(one, dict) else None
        if type(index) is not int or not 0 <= index < count:
            return ()
        reason, field = str(one.get("message") or body.get("error") or ""), str(one.get("field") or "")
        refused[index] = Refusal(index, reason[:_MESSAGE_LIMIT], field[:200])
    return tuple(refused.values())


@lru_cache(maxsize=1)
def _field_names() -> Sequence[str]:
    names = {name for one in catalogue.offered().values() for name in one.mixpanel or ()}
    return sorted(names - Mixpanel.fixed_fields)


DESTINATION = Mixpanel()
