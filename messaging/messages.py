"""The messages of campaigns and Canvases: the channels that there are, and what a message on each consists of.

Stored as ``{"id", "name", "channel", "parts": {part: text}}``. A campaign has one message per channel at most
(Braze: multichannel campaigns); a Canvas has its message steps in their order. The parts have the names under which
Braze's ``/campaigns/details`` gives them. A draft may be unfinished: a part may be empty, but not wrong.
"""

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

Text = str | Promise
MAX_NAME: Final = 200
MAX_LINE: Final = 1_000
MAX_BODY: Final = 200_000
#: Of a Canvas. Braze: at most 200 steps.
MAX_STEPS: Final = 200


def _sender(text: str) -> None:
    """An address, with or without a name before it. Raises ValueError with a sentence for people."""
    try:
        validate_email(parseaddr(text)[1])
    except ValidationError:
        raise ValueError(gettext("Enter an email address, such as Example <news@example.com>.")) from None


def _url(text: str) -> None:
    try:
        URLValidator(["http", "https"])(text)
    except ValidationError:
        raise ValueError(gettext("Enter an address that begins with https://.")) from None


@dataclass(frozen=True)
class Part:
    """One text of a message. With ``options`` it is one of them, the first unless chosen."""

    key: str
    name: Text
    lines: int = 1
    help: Text = ""
    options: tuple[str, ...] = ()
    check: Callable[[str], None] | None = None

    def read(self, text: Any) -> str:
        """The text as it is stored. Raises ValueError with a sentence for people."""
        if not isinstance(text, str) or "\x00" in text:
            raise ValueError(gettext("Enter a text."))
        most = MAX_LINE if self.lines == 1 else MAX_BODY
        if len(text) > most:
            raise ValueError(gettext("Use at most %(most)s characters.") % {"most": most})
        if self.lines == 1:
            text = " ".join(text.split())
        if self.options:
            text = text or self.options[0]
            if text not in self.options:
                raise ValueError(gettext("Choose one of these: %(values)s.") % {"values": ", ".join(self.options)})
        if text and self.check:
            self.check(text)
        return text


@dataclass(frozen=True)
class Channel:
    """A way to reach a user. The keys are those of Braze's ``channels`` and of the reach statistics."""

    key: str
    name: Text
    icon: str
    parts: tuple[Part, ...]


_PUSH: Final = (
    Part("title", _("Title")),
    Part("alert", _("Message"), lines=4),
)
CHANNELS: Final[dict[str, Channel]] = {
    one.key: one
    for one in (
        Channel(
            "email",
            _("Email"),
            "mail",
            (
                Part("from", _("From"), help=_("Name and address, such as Example <news@example.com>."), check=_sender),
                Part("reply_to", _("Reply-To"), help=_("Only if it differs from the sender."), check=_sender),
                Part("subject", _("Subject")),
                Part("preheader", _("Preheader"), help=_("Mail programs show it behind the subject.")),
                Part("body", _("Body"), lines=12, help=_("HTML or plain text.")),
            ),
        ),
        Channel("ios_push", _("iOS Push"), "phone_iphone", _PUSH),
        Channel("android_push", _("Android Push"), "phone_android", _PUSH),
        Channel("web_push", _("Web Push"), "web", _PUSH),
        Channel("sms", _("SMS"), "sms", (Part("body", _("Message"), lines=4),)),
        Channel(
            "webhook",
            _("Webhook"),
            "webhook",
            (
                Part("url", _("Webhook URL"), check=_url),
                Part("method", _("HTTP Method"), options=("POST", "GET", "PUT", "PATCH", "DELETE")),
                Part("body", _("Request Body"), lines=8),
            ),
        ),
    )
}


@dataclass(frozen=True)
class Message:
    """One message: a campaign's on one channel, or one step of a Canvas."""

    id: str
    name: str
    channel: str
    parts: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "channel": self.channel, "parts": self.parts}


def new_id() -> str:
    """The id of a new message."""
    return str(uuid.uuid4())


def stored(data: Any) -> list[Message]:
    """Messages as they are stored, for reading."""
    return [Message(one["id"], one["name"], one["channel"], one["parts"]) for one in data]


def read_messages(data: Any, *, known: Collection[str], once_per_channel: bool) -> list[Message]:
    """The messages in ``data`` (decoded JSON), as they are to be stored.

    Ids in ``known`` stay; a message with another id is a new one and gets an id of ours. Raises ValidationError, by
    ``messages`` for the whole and ``messages.<place>.<part>`` for a text.
    """
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        raise ValidationError({"messages": gettext("“%(name)s” is not a list.") % {"name": "messages"}})
    if len(data) > MAX_STEPS:
        raise ValidationError({"messages": gettext("Use at most %(most)s messages.") % {"most": MAX_STEPS}})
    channels = [one.get("channel") for one in data]
    if unknown := [one for one in channels if not isinstance(one, str) or one not in CHANNELS]:
        message = gettext("There is no channel “%(name)s”.") % {"name": str(unknown[0])[:40]}
        raise ValidationError({"messages": message})
    if once_per_channel and len(set(channels)) < len(channels):
        raise ValidationError({"messages": gettext("A campaign has one message for each channel at most.")})
    faults: dict[str, str] = {}
    free = set(known)
    found = []
    for place, one in enumerate(data):
        id_ = one.get("id")
        if not isinstance(id_, str) or id_ not in free:
            id_ = new_id()
        free.discard(id_)
        found.append(_read(one, id_, f"messages.{place}", faults))
    if faults:
        raise ValidationError({key: [text] for key, text in faults.items()})
    return found


def _read(data: dict[str, Any], id_: str, place: str, faults: dict[str, str]) -> Message:
    """One message; what is wrong with it is added to ``faults``."""
    channel = CHANNELS[data["channel"]]
    given = data.get("parts", {})
    parts = {}
    name = data.get("name") or str(channel.name)
    if not isinstance(name, str) or len(name) > MAX_NAME or "\x00" in name:
        faults[f"{place}.name"] = gettext("Use at most %(most)s characters.") % {"most": MAX_NAME}
        name = ""
    if not isinstance(given, dict):
        faults[f"{place}.name"] = gettext("The message has no parts.")
        given = {}
    for part in channel.parts:
        try:
            parts[part.key] = part.read(given.get(part.key, ""))
        except ValueError as wrong:
            faults[f"{place}.{part.key}"] = str(wrong)
    return Message(id_, " ".join(name.split()) or str(channel.name), channel.key, parts)


def definitions() -> list[dict[str, Any]]:
    """The channels, for the page to draw."""
    return [
        {
            "key": channel.key,
            "name": str(channel.name),
            "icon": channel.icon,
            "parts": [
                {
                    "key": part.key,
                    "name": str(part.name),
                    "lines": part.lines,
                    "help": str(part.help),
                    "options": list(part.options),
                }
                for part in channel.parts
            ],
        }
        for channel in CHANNELS.values()
    ]
