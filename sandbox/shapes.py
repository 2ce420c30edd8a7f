"""The requests in which Mixpanel sends a cohort: to Braze's partner API, or to a custom webhook.

Braze: Partner cohort import. Mixpanel: Syncing cohorts to a custom webhook.
"""

import base64
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import orjson

from sandbox import clock
from sandbox.models import EXTERNAL_ID, Cohort, Connection, Properties

T = TypeVar("T")

PAGE = 1_000
"""Identifiers in a partner API request, members in a webhook request."""

WEBHOOK_USER = "mixpanel"

_WEBHOOK_NAMES = {
    "$email": "email",
    "$first_name": "first_name",
    "$last_name": "last_name",
    "$phone": "phone_number",
    EXTERNAL_ID: EXTERNAL_ID,
}


@dataclass(frozen=True)
class Push:
    """One request and what its acknowledgement means: these members added, these removed.

    ``replaces`` marks the pages of a full copy: only all of them together count, as the whole membership.
    ``name`` is the cohort name that the request tells.
    """

    url: str
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    action: str | None = None
    added: Mapping[str, Properties] = field(default_factory=dict)
    removed: Mapping[str, Properties] = field(default_factory=dict)
    replaces: bool = False
    name: str | None = None


@dataclass(frozen=True)
class Plan:
    """What one sync has to send: the members added and removed since the destination's last acknowledgement."""

    cohort: Cohort
    wanted: Mapping[str, Properties]
    added: Mapping[str, Properties]
    removed: Mapping[str, Properties]
    full: bool
    tell_name: bool


def keyed_members(cohort: Cohort, via: str) -> dict[str, Properties]:
    """The members as they are sent, by the key under which the destination knows them."""
    if via == "partner":
        return {_identifier(distinct_id, known): {} for distinct_id, known in cohort.members.items()}
    return {
        f"{distinct_id}\x1f{known.get(EXTERNAL_ID, '')}": _webhook_member(distinct_id, known)
        for distinct_id, known in cohort.members.items()
    }


def _identifier(distinct_id: str, known: Properties) -> str:
    """The user id that Braze knows: ``$braze_external_id`` where the profile has one, else the distinct id."""
    return str(known.get(EXTERNAL_ID) or distinct_id)


def _webhook_member(distinct_id: str, known: Properties) -> Properties:
    named = {theirs: known[ours] for ours, theirs in _WEBHOOK_NAMES.items() if known.get(ours) is not None}
    return {"mixpanel_distinct_id": distinct_id, **named}


def pushes(plan: Plan, connection: Connection, project_id: int) -> Iterator[Push]:
    """The requests of one sync, in order."""
    if connection.via == "partner":
        yield from _partner_pushes(plan, connection)
    else:
        yield from _webhook_pushes(plan, connection, project_id)


def _partner_pushes(plan: Plan, connection: Connection) -> Iterator[Push]:
    base = f"{connection.endpoint}/partners/mixpanel/cohorts"
    headers = {"Content-Type": "application/json"}
    keys = {
        "partner_api_key": connection.partner_api_key,
        "client_secret": connection.data_import_key,
        "cohort_id": str(plan.cohort.id),
    }
    if plan.tell_name:
        naming = {**keys, "name": plan.cohort.name, "created_at": clock.iso(plan.cohort.created)}
        yield Push(base, orjson.dumps(naming), headers, name=plan.cohort.name)
    changes = [*((key, False) for key in plan.added), *((key, True) for key in plan.removed)]
    for chunk in _chunks(changes):
        added = [key for key, gone in chunk if not gone]
        removed = [key for key, gone in chunk if gone]
        listed = ((added, False), (removed, True))
        body = {
            **keys,
            "cohort_changes": [{"user_ids": ids, "should_remove": gone} for ids, gone in listed if ids],
        }
        yield Push(
            f"{base}/users",
            orjson.dumps(body),
            headers,
            added={key: plan.added[key] for key in added},
            removed={key: plan.removed[key] for key in removed},
        )


def _webhook_pushes(plan: Plan, connection: Connection, project_id: int) -> Iterator[Push]:
    if plan.full:
        yield from _webhook_pages("members", plan.wanted, plan, connection, project_id)
        return
    # Mixpanel makes both calls at every sync, also when nobody came or left.
    yield from _webhook_pages("add_members", plan.added, plan, connection, project_id)
    yield from _webhook_pages("remove_members", plan.removed, plan, connection, project_id)


def _webhook_pages(
    action: str, members: Mapping[str, Properties], plan: Plan, connection: Connection, project_id: int
) -> Iterator[Push]:
    session = secrets.token_hex(16)
    pages = _chunks(list(members.items())) or [[]]
    for number, page in enumerate(pages, start=1):
        body = {
            "action": action,
            "parameters": {
                "mixpanel_project_id": str(project_id),
                "mixpanel_cohort_id": str(plan.cohort.id),
                "mixpanel_cohort_name": plan.cohort.name,
                "mixpanel_cohort_description": plan.cohort.description,
                "mixpanel_session_id": session,
                "page_info": {"total_pages": len(pages), "page_count": number},
                "members": [member for _key, member in page],
            },
        }
        yield Push(
            connection.webhook_url,
            orjson.dumps(body),
            _webhook_headers(connection),
            action=action,
            added={} if action == "remove_members" else dict(page),
            removed=dict(page) if action == "remove_members" else {},
            replaces=action == "members",
        )


def _webhook_headers(connection: Connection) -> dict[str, str]:
    credentials = f"{WEBHOOK_USER}:{connection.data_import_key}".encode()
    encoded = base64.b64encode(credentials).decode()
    return {"Content-Type": "application/json", "Authorization": f"Basic {encoded}"}


def _chunks(items: list[T]) -> list[list[T]]:
    rest = iter(items)
    return list(iter(lambda: list(islice(rest, PAGE)), []))
