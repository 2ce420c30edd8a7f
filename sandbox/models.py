"""What the sandbox knows: events, cohorts with members, the connection to Braze and the cohorts' exports."""

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox import clock
from sandbox.i18n import Message
from sandbox.validation import Accepted

Properties = dict[str, Any]

EXTERNAL_ID = "$braze_external_id"


@dataclass(slots=True)
class StoredEvent:
    """An ingested event and the moment it came."""

    accepted: Accepted
    received: str


@dataclass
class Cohort:
    """A cohort; ``members`` maps a distinct id to the profile's properties (empty: no profile)."""

    id: int
    name: str
    description: str = ""
    members: dict[str, Properties] = field(default_factory=dict)
    created: datetime = field(default_factory=clock.now)
    modified: datetime = field(default_factory=clock.now)

    def as_entry(self) -> dict[str, Any]:
        """For the journal."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "members": self.members,
            "created": clock.iso(self.created),
            "modified": clock.iso(self.modified),
        }

    @classmethod
    def from_entry(cls, entry: dict[str, Any]) -> "Cohort":
        """The reverse of :meth:`as_entry`."""
        times = {key: clock.parse_iso(entry[key]) or clock.now() for key in ("created", "modified")}
        return cls(**{**entry, **times})


@dataclass(frozen=True)
class Connection:
    """Where cohorts go: Braze's partner API (``endpoint``) or a custom webhook (``webhook_url``)."""

    via: str
    endpoint: str = ""
    webhook_url: str = ""
    data_import_key: str = field(default="", repr=False)
    partner_api_key: str = field(default="", repr=False)

    @property
    def destination(self) -> str:
        """What is pushed to one destination says nothing about another."""
        return f"{self.via} {self.webhook_url if self.via == 'webhook' else self.endpoint}"

    def as_entry(self) -> dict[str, Any]:
        """For the journal, secrets included."""
        return dataclasses.asdict(self)

    def as_public(self) -> dict[str, Any]:
        """For people: says whether the keys are set, not what they are."""
        return {
            "via": self.via,
            "endpoint": self.endpoint,
            "webhook_url": self.webhook_url,
            "has_data_import_key": bool(self.data_import_key),
            "has_partner_api_key": bool(self.partner_api_key),
        }


@dataclass
class SyncResult:
    """What one sync did. ``ok`` is None while it runs."""

    started: datetime = field(default_factory=clock.now)
    finished: datetime | None = None
    ok: bool | None = None
    full: bool = False
    requests: int = 0
    added: int = 0
    removed: int = 0
    status_code: int | None = None
    error: Message | None = None

    def as_json(self) -> dict[str, Any]:
        """For the control API and the journal."""
        return {
            **dataclasses.asdict(self),
            "error": self.error.as_json() if self.error else None,
            "started": clock.iso(self.started),
            "finished": clock.iso(self.finished),
        }

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "SyncResult":
        """The reverse of :meth:`as_json`."""
        return cls(
            **{
                **entry,
                "started": clock.parse_iso(entry["started"]) or clock.now(),
                "finished": clock.parse_iso(entry["finished"]),
                "error": Message(entry["error"]["message"], entry["error"]["values"]) if entry["error"] else None,
            }
        )


@dataclass
class Export:
    """A cohort's export to Braze and what its destination has acknowledged.

    ``status`` is active (a dynamic sync that goes on), paused (it was refused for good), done or failed (a
    one-time export), or stopped. ``pushed`` maps the key of a member, see exports.py, to the member sent.
    """

    type: str
    every: float
    status: str = "active"
    running: bool = False
    destination: str = ""
    named: str | None = None
    pushed: dict[str, Properties] = field(default_factory=dict)
    snapshot: datetime | None = None
    next_sync: datetime | None = None
    last: SyncResult | None = None

    @property
    def is_dynamic(self) -> bool:
        """Whether the sync repeats."""
        return self.type == "dynamic"

    def as_json(self) -> dict[str, Any]:
        """For the control API."""
        return {
            "type": self.type,
            "every": self.every,
            "status": self.status,
            "running": self.running,
            "error": str(self.last.error) if self.last and self.last.error else None,
            "pushed": len(self.pushed),
            "next_sync": clock.iso(self.next_sync) if self.is_dynamic and self.status == "active" else None,
            "last": self.last.as_json() if self.last else None,
        }

    def as_entry(self) -> dict[str, Any]:
        """For the journal: all but ``pushed``, whose changes are entries of their own."""
        return {
            "type": self.type,
            "every": self.every,
            "status": self.status,
            "destination": self.destination,
            "named": self.named,
            "snapshot": clock.iso(self.snapshot),
            "last": self.last.as_json() if self.last else None,
        }

    def update(self, entry: dict[str, Any]) -> None:
        """Take over what :meth:`as_entry` wrote."""
        self.type, self.every, self.status = entry["type"], entry["every"], entry["status"]
        self.destination, self.named = entry["destination"], entry["named"]
        self.snapshot = clock.parse_iso(entry["snapshot"])
        self.last = SyncResult.from_json(entry["last"]) if entry["last"] else None
