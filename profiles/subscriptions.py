"""Subscription groups: what users chose. Braze: subscription groups endpoints; users/track, ``subscription_groups``."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import connection

from currents.log import NewEvent, append_events
from profiles.behaviours import REST_API, group_change
from profiles.choices import STATES
from profiles.identities import Identity, everybody, find
from profiles.models import SubscriptionGroup
from profiles.planning import WORKSPACE
from profiles.rows import Row, at_once, lock
from profiles.versions import Kind

_WORDS: Final = {is_subscribed: word for word, is_subscribed in STATES.items()}
_EMAIL: Final = SubscriptionGroup.Channel.EMAIL.value


@dataclass(frozen=True, slots=True)
class Choice:
    """A user is (or is not) to be subscribed to the group with this ``api_id``."""

    profile_id: int
    group: uuid.UUID
    is_subscribed: bool


@dataclass(frozen=True, slots=True)
class Update:
    """Everybody who has one of these names is (or is not) to be subscribed to the group."""

    group: uuid.UUID
    is_subscribed: bool
    external_ids: Sequence[str] = ()
    emails: Sequence[str] = field(default=())
    phones: Sequence[str] = field(default=())


def peers(workspace_id: int, profile_ids: Collection[int], emails: Collection[str]) -> set[int]:
    """The users who have one of these email addresses, or the address of one of these users. None asked: no query."""
    if not profile_ids and not emails:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT one.id FROM (
                SELECT email FROM profiles_profile WHERE id = ANY(%(profiles)s) AND email <> ''
                UNION SELECT unnest(%(emails)s::text[])
            ) wanted CROSS JOIN LATERAL (
                SELECT id FROM profiles_profile WHERE workspace_id = {WORKSPACE} AND email = wanted.email OFFSET 0
            ) one
            """,  # noqa: S608 - a constant
            {"workspace": workspace_id, "profiles": list(profile_ids), "emails": list(emails)},
        )
        return {profile_id for (profile_id,) in cursor.fetchall()}


def unknown_groups(workspace_id: int, groups: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Which of these are the ids of no subscription group of the workspace. None asked: no query."""
    if not groups:
        return set()
    mine = SubscriptionGroup.objects.filter(workspace_id=workspace_id, api_id__in=groups)
    return set(groups) - set(mine.values_list("api_id", flat=True))


def store_choices(
    workspace_id: int,
    rows: Mapping[int, Row],
    choices: Iterable[Choice],
    *,
    spreading: bool = False,
    source: str = REST_API,
) -> list[NewEvent]:
    """Note what the locked users chose; ``spreading``: in a group for email, those with the same address follow.

    Returns an event for each state that really changed, with its ``source``. Unknown groups are passed over. Two
    statements.
    """
    wanted = {(one.profile_id, one.group): one.is_subscribed for one in choices}
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, api_id, channel FROM profiles_subscriptiongroup WHERE workspace_id = %s AND api_id = ANY(%s)",
            [workspace_id, sorted({group for _, group in wanted})],
        )
        groups = {api_id: (pk, channel) for pk, api_id, channel in cursor.fetchall()}
        states = _spread(wanted, groups, rows if spreading else {})
        keys = sorted(states)
        cursor.execute(
            """
            WITH changed AS (
                INSERT INTO profiles_subscriptionstate AS old (profile_id, group_id, is_subscribed)
                SELECT new.profile_id, new.group_id, new.is_subscribed
                FROM unnest(%s::bigint[], %s::bigint[], %s::boolean[]) WITH ORDINALITY
                    AS new (profile_id, group_id, is_subscribed, place)
                ORDER BY place
                ON CONFLICT (profile_id, group_id) DO UPDATE
                SET is_subscribed = EXCLUDED.is_subscribed, changed_at = now()
                WHERE old.is_subscribed <> EXCLUDED.is_subscribed
                RETURNING profile_id, group_id, is_subscribed
            ), noted AS (
                INSERT INTO profiles_datachange (workspace_id, kind) SELECT %s, %s WHERE EXISTS (SELECT FROM changed)
            )
            SELECT profile_id, group_id, is_subscribed FROM changed
            """,
            [
                [one for one, _ in keys],
                [group for _, group in keys],
                [states[key] for key in keys],
                workspace_id,
                Kind.SUBSCRIPTIONS,
            ],
        )
        changed = cursor.fetchall()
    by_pk = {pk: (str(api_id), channel) for api_id, (pk, channel) in groups.items()}
    return [
        _event(rows[profile_id], *by_pk[group], is_subscribed, source) for profile_id, group, is_subscribed in changed
    ]


def _spread(
    wanted: Mapping[tuple[int, uuid.UUID], bool],
    groups: Mapping[uuid.UUID, tuple[int, str]],
    rows: Mapping[int, Row],
) -> dict[tuple[int, int], bool]:
    """States by profile and group, those of ``rows`` with the same address included."""
    by_email: dict[str, list[int]] = {}
    for row in rows.values():
        if row.after["email"]:
            by_email.setdefault(row.after["email"], []).append(row.id)
    states: dict[tuple[int, int], bool] = {}
    for (profile_id, api_id), is_subscribed in wanted.items():
        if api_id not in groups:
            continue
        pk, channel = groups[api_id]
        same = by_email.get(rows[profile_id].after["email"], []) if rows and channel == _EMAIL else []
        states |= dict.fromkeys(((one, pk) for one in (profile_id, *same)), is_subscribed)
    return states


def _event(row: Row, group: str, channel: str, is_subscribed: bool, source: str) -> NewEvent:
    identifier = row.after["email"] if channel == _EMAIL else row.after["phone"]
    return group_change(group, channel, _WORDS[is_subscribed], row.as_user(), identifier, source)


@at_once
def update_states(workspace_id: int, updates: Sequence[Update]) -> None:
    """Apply ``updates`` in their order, in one transaction and a fixed number of statements. Nobody is created."""
    found = find(workspace_id, {Identity("external_id", one) for update in updates for one in update.external_ids})
    by_email = everybody(workspace_id, "email", {one for update in updates for one in update.emails})
    by_phone = everybody(workspace_id, "phone", {one for update in updates for one in update.phones})
    choices = []
    for update in updates:
        ids = {found[name] for one in update.external_ids if (name := Identity("external_id", one)) in found}
        ids.update(*(by_email.get(one, ()) for one in update.emails))
        ids.update(*(by_phone.get(one, ()) for one in update.phones))
        choices += [Choice(profile_id, update.group, update.is_subscribed) for profile_id in sorted(ids)]
    rows = lock(one.profile_id for one in choices)
    append_events(workspace_id, store_choices(workspace_id, rows, choices))
