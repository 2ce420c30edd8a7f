"""Where Currents can go. A new destination is a module here with a ``DESTINATION``, and a line in ``DESTINATIONS``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from currents.catalogue import EventType
from currents.log import LoggedEvent
from currents.models import Current, Outcome
from workspaces.encryption import Secrets

if TYPE_CHECKING:
    from django.utils.functional import Promise, _StrOrPromise

DESTINATIONS: Final = ("currents.destinations.mixpanel", "currents.destinations.custom_http")


@dataclass(frozen=True)
class FormField:
    """One thing that a person fills in. A secret one is write-only: it is stored encrypted and never shown again.

    ``check`` tells what is wrong with a value, or None.
    """

    name: str
    label: "_StrOrPromise"
    help_text: "_StrOrPromise" = ""
    secret: bool = False
    choices: "tuple[tuple[str, _StrOrPromise], ...]" = ()
    check: "Callable[[str], Promise | None] | None" = None


@dataclass(frozen=True)
class Account:
    """Where one Current sends, and what is done to fields on their way: what was filled in at its form."""

    options: Mapping[str, str]
    secrets: Secrets
    transformations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, current: Current) -> "Account":
        """That of a Current, as it was when the Current was read."""
        return cls(current.options, current.secrets, current.transformations)


@dataclass(frozen=True, slots=True)
class Skipped:
    """An event that this destination is not sent, counted by its reason."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Unsendable:
    """An event that the destination is known to refuse: it becomes a dead letter without being sent."""

    reason: str
    field: str = ""
    body: bytes = b"{}"


@dataclass(frozen=True)
class Request:
    """One HTTP POST. Its headers hold secrets, so they are not in its repr.

    ``public_only``: a customer gave the address, so it may only lead to a public host (``currents.egress``).
    """

    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    public_only: bool = False


@dataclass(frozen=True)
class Reply:
    """What came back; ``status`` 0: nothing did, and ``error`` says why."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""


class Verdict(Enum):
    """What an answer means for the batch that was sent."""

    DELIVERED = "delivered"  # all of it is in, but for the refused records
    BAD_EVENT = "bad_event"  # something in it is refused: split it
    TOO_LARGE = "too_large"  # halve it
    UNAUTHORIZED = "unauthorized"  # the credentials are refused
    RETRY = "retry"  # later


@dataclass(frozen=True)
class Refusal:
    """A record of the batch, by its index, that the destination refused for good."""

    index: int
    reason: str
    field: str = ""


@dataclass(frozen=True)
class Answer:
    """An interpreted reply. ``message`` is the destination's own, ``retry_after`` in seconds, if it asked for that."""

    verdict: Verdict
    status: int
    message: str = ""
    refused: tuple[Refusal, ...] = ()
    retry_after: float | None = None


class Destination(Protocol):
    """What a destination's module offers as ``DESTINATION``."""

    slug: str
    name: str
    #: The entry of the menu "Create Current".
    create_label: "_StrOrPromise"
    max_events: int
    #: Of a request, uncompressed.
    max_bytes: int
    #: Whether it counts an event that is sent again only once, by itself.
    deduplicates: bool
    #: The fields that no transformation may touch.
    fixed_fields: frozenset[str]

    def fields(self) -> tuple[FormField, ...]:
        """What its form asks for."""

    def types(self) -> Mapping[str, EventType]:
        """The event types that can be chosen for it, by name."""

    def field_names(self) -> Sequence[str]:
        """The fields that are known to leave, by the destination's names: what transformations are suggested for."""

    def encode(self, event: LoggedEvent, account: Account) -> bytes | Skipped | Unsendable:
        """One event in its words, as JSON, ready to go into a batch. Never raises for what an event holds."""

    def request(self, bodies: Sequence[bytes], account: Account) -> Request:
        """The request that delivers a batch of encoded events."""

    def shown(self, body: bytes) -> object:
        """An encoded event as people may see it: decoded, and without the destination's secrets."""

    def interpret(self, reply: Reply, count: int) -> Answer:
        """What a reply to a batch of ``count`` events means."""


@lru_cache(maxsize=1)
def _all() -> dict[str, Destination]:
    found = [import_module(module).DESTINATION for module in DESTINATIONS]
    return {one.slug: one for one in found}


def destinations() -> Iterator[Destination]:
    """All registered destinations, in the order of ``DESTINATIONS``."""
    yield from _all().values()


def destination(slug: str) -> Destination | None:
    """The destination with that slug, or None."""
    return _all().get(slug)
