"""Any receiver that speaks HTTP: ``{"events": [...]}`` with a bearer token, in the form that we ourselves take in.

Braze: Currents, Custom HTTP connector. It offers every type, also those that nobody knows yet. Deliveries can repeat
an event: receivers count each once by its id.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import orjson
from django.utils.translation import gettext_lazy as _

from currents.catalogue import OTHERS, EventType, catalogue
from currents.destinations import (
    Account,
    Answer,
    FormField,
    Reply,
    Request,
    Skipped,
    Unsendable,
    Verdict,
)
from currents.destinations.answers import by_status
from currents.egress import problem_of
from currents.log import LoggedEvent
from currents.models import Outcome
from currents.transformations import transform

VERSION: Final = "1"
MAX_EVENT_BYTES: Final = 900 * 1024
_MESSAGE_LIMIT: Final = 500
#: Where a sender's own properties are, as an object or as its JSON in a string.
_NESTED: Final = ("custom_properties", "purchase_properties", "properties")


class CustomHttp:
    """See ``currents.destinations.Destination``."""

    slug = "custom-http"
    name = "Custom HTTP"
    create_label = _("Create Custom HTTP Export")
    max_events = 2_000
    #: Below what we take ourselves in one request.
    max_bytes = 4 * 1024 * 1024
    #: Its receivers must count a repeated event once; Mixpanel does so by itself.
    deduplicates = False
    fixed_fields = frozenset({"event_type", "id", "time", "external_user_id"})

    def fields(self) -> tuple[FormField, ...]:
        return (
            FormField("url", _("URL"), _("A public https address that takes POST requests."), check=problem_of),
            FormField(
                "bearer_token", _("Bearer Token"), _("Sent with each request as its Authorization."), secret=True
            ),
        )

    def types(self) -> Mapping[str, EventType]:
        return _types()

    def field_names(self) -> Sequence[str]:
        return _field_names()

    def encode(self, event: LoggedEvent, account: Account) -> bytes | Skipped | Unsendable:
        stored: dict[str, Any] = orjson.loads(event.payload or b"{}")
        user = dict(stored.get("user") or {})
        if event.external_user_id is not None:
            user["external_user_id"] = event.external_user_id
        if account.transformations:
            _transform(stored, user, account.transformations)
        body = orjson.dumps(
            {**stored, "event_type": event.event_type, "id": event.event_id, "time": event.time, "user": user}
        )
        return Skipped(Outcome.TOO_LARGE) if len(body) > MAX_EVENT_BYTES else body

    def request(self, bodies: Sequence[bytes], account: Account) -> Request:
        return Request(
            url=account.options["url"],
            body=b'{"events":[' + b",".join(bodies) + b"]}",
            headers={
                "Authorization": f"Bearer {account.secrets['bearer_token']}",
                "Braze-Currents-Version": VERSION,
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            public_only=True,
        )

    def shown(self, body: bytes) -> object:
        return orjson.loads(body)

    def interpret(self, reply: Reply, count: int) -> Answer:
        if reply.status == 0:
            return Answer(Verdict.RETRY, 0, reply.error)
        if 200 <= reply.status < 300:
            return Answer(Verdict.DELIVERED, reply.status)
        message = _message(reply)
        if reply.status == 400:
            return Answer(Verdict.BAD_EVENT, 400, message)
        return by_status(reply, message)


@lru_cache(maxsize=1)
def _types() -> Mapping[str, EventType]:
    others = EventType(name=OTHERS, group="", offered=True, mixpanel_name=None, mixpanel=None, storage=None, enums={})
    return {**catalogue(), OTHERS: others}


@lru_cache(maxsize=1)
def _field_names() -> Sequence[str]:
    names = {name for one in catalogue().values() for name in one.storage or ()} | {"device_id", "timezone", "user_id"}
    return sorted(names - CustomHttp.fixed_fields)


def _transform(stored: dict[str, Any], user: dict[str, Any], transformations: Mapping[str, str]) -> None:
    transform(user, transformations)
    properties = stored.get("properties")
    for fields in (stored, properties):
        if not isinstance(fields, dict):
            continue
        for name in _NESTED:
            if name not in transformations and not (fields is stored and name == "properties"):
                _transform_nested(fields, name, transformations)
    if isinstance(properties, dict):
        transform(properties, transformations)
    transform(stored, {name: how for name, how in transformations.items() if name not in ("user", "properties")})


def _transform_nested(fields: dict[str, Any], name: str, transformations: Mapping[str, str]) -> None:
    """A sender's own properties; where they are JSON in a string, they stay so."""
    value = fields.get(name)
    if isinstance(value, dict):
        transform(value, transformations)
    elif isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            decoded = orjson.loads(value)
        except orjson.JSONDecodeError:
            return
        transform(decoded, transformations)
        fields[name] = orjson.dumps(decoded).decode()


def _message(reply: Reply) -> str:
    """The receiver's own words if it sent any, else what its status means."""
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        body = None
    told = (body.get("message") or body.get("error")) if isinstance(body, dict) else None
    if isinstance(told, str) and told:
        return told[:_MESSAGE_LIMIT]
    if 300 <= reply.status < 400:
        return f"HTTP {reply.status}: the address redirects, and redirects are not followed"
    return f"HTTP {reply.status}"


DESTINATION = CustomHttp()
