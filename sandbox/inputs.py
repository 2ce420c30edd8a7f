"""Reading what people and programs send to the control API: every refusal names its field and says what to do."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request

from sandbox.i18n import Message
from sandbox.i18n import gettext_noop as _
from sandbox.models import Connection, Properties
from sandbox.web import HTTPError, read_body

MAX_CONTROL_BYTES = 64 * 1024 * 1024
MAX_NAME = 255


class InputError(Exception):
    """A refusal, with the field that it is about (None: the whole request)."""

    def __init__(
        self, field: str | None, message: str, values: Mapping[str, Any] | None = None, status: int = 400
    ) -> None:
        self.field = field
        self.message = Message(message, dict(values or {}))
        self.status = status
        super().__init__(str(self.message))


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body; an empty body is an empty object."""
    try:
        body = await read_body(request, MAX_CONTROL_BYTES)
    except HTTPError as error:
        raise InputError(None, "%(message)s", {"message": error.message}, error.status) from None
    try:
        value = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise InputError(None, _("Send a JSON object."))
    return value


def known_fields(body: Mapping[str, Any], known: set[str]) -> None:
    """Refuse a misspelt field rather than ignore it."""
    for name in body:
        if name not in known:
            raise InputError(name, _("There is no field of this name: %(name)s."), {"name": name})


def text(body: Mapping[str, Any], field: str, default: str = "") -> str:
    """A string, stripped."""
    value = body.get(field, default)
    if not isinstance(value, str):
        raise InputError(field, _("Give a text."))
    return value.strip()


def choice(body: Mapping[str, Any], field: str, options: tuple[str, ...], default: str | None = None) -> str:
    """One of the options."""
    value = body.get(field, default)
    if value not in options:
        raise InputError(field, _("Choose one of: %(options)s."), {"options": ", ".join(options)})
    return str(value)


def boolean(body: Mapping[str, Any], field: str, default: bool = False) -> bool:
    """True or false."""
    value = body.get(field, default)
    if not isinstance(value, bool):
        raise InputError(field, _("Give true or false."))
    return value


def number(body: Mapping[str, Any], field: str, low: float, high: float, default: float | None = None) -> float | None:
    """A number between two bounds, or the default where it is absent or null."""
    value = body.get(field)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(field, _("Give a number from %(low)s to %(high)s."), {"low": low, "high": high})
    return value


def whole(body: Mapping[str, Any], field: str, low: int, high: int, default: int | None = None) -> int | None:
    """A whole number between two bounds, or the default where it is absent or null."""
    value = number(body, field, low, high, default)
    if value is not None and value != int(value):
        raise InputError(field, _("Give a whole number from %(low)s to %(high)s."), {"low": low, "high": high})
    return None if value is None else int(value)


def cohort_name(body: Mapping[str, Any]) -> str:
    """A cohort's name: required, at most 255 characters."""
    name = text(body, "name")
    if not name:
        raise InputError("name", _("Give the cohort a name."))
    if len(name) > MAX_NAME:
        raise InputError("name", _("Use at most %(limit)s characters."), {"limit": MAX_NAME})
    return name


def members(body: Mapping[str, Any], field: str = "members") -> dict[str, Properties]:
    """Members by distinct id.

    A member is a distinct id, or an object with ``distinct_id`` and the profile's properties beside it, or
    the shape in which the engage query answers: ``$distinct_id`` and ``$properties``.
    """
    value = body.get(field, [])
    if not isinstance(value, list):
        raise InputError(field, _("Give a list of distinct ids, or of objects with a distinct_id."))
    return dict(_member(item, field, place) for place, item in enumerate(value, start=1))


def _member(item: object, field: str, place: int) -> tuple[str, Properties]:
    properties: Properties = {}
    distinct_id = item
    if isinstance(item, dict):
        properties = {key: value for key, value in item.items() if key not in _MEMBER_KEYS}
        nested = item.get("$properties", {})
        distinct_id = item.get("distinct_id", item.get("$distinct_id"))
        if not isinstance(nested, dict):
            distinct_id = None
        else:
            properties.update(nested)
    if not isinstance(distinct_id, str) or not distinct_id:
        raise InputError(field, _("Member %(place)s has no distinct id that is a text."), {"place": place})
    return distinct_id, properties


_MEMBER_KEYS = {"distinct_id", "$distinct_id", "$properties"}


def connection(body: Mapping[str, Any], present: Connection | None, partner_key: str) -> Connection:
    """The connection to Braze. A key that is left out or empty stays as it is."""
    known_fields(body, {"via", "endpoint", "webhook_url", "data_import_key", "partner_api_key"})
    via = choice(body, "via", ("partner", "webhook"), present.via if present else "partner")
    endpoint = text(body, "endpoint", present.endpoint if present else "")
    webhook_url = text(body, "webhook_url", present.webhook_url if present else "")
    needed = ("endpoint", endpoint) if via == "partner" else ("webhook_url", webhook_url)
    data_import_key = text(body, "data_import_key") or (present.data_import_key if present else "")
    if not data_import_key:
        raise InputError("data_import_key", _("Paste the data import key that Braze shows for Mixpanel."))
    _check_url(*needed)
    known_partner_key = present.partner_api_key if present else partner_key
    return Connection(
        via=via,
        endpoint=endpoint.rstrip("/"),
        webhook_url=webhook_url,
        data_import_key=data_import_key,
        partner_api_key=text(body, "partner_api_key") or known_partner_key,
    )


def _check_url(field: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_ok = urlsplit(""), False
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_ok:
        raise InputError(field, _("Give an address that begins with http:// or https://."))
    if parts.username or parts.password or parts.fragment or (field == "endpoint" and parts.query):
        raise InputError(field, _("Give the address alone, without user, password, query or fragment."))
