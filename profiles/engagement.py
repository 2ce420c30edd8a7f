"""What befell users with messages: received, opened, clicked, converted; counted by day for segments to filter by.

It is read from engagement events that other systems sent (``profiles.received``). Days are UTC. Whoever writes here
holds the row locks of the users, as in ``profiles.counters``. Braze: segmentation filters, retargeting.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final, NamedTuple

from django.db import connection

from profiles.message_stores import EngagementAction as Action
from profiles.message_stores import MessageSource
from profiles.versions import BUMP_SQL, Kind

_ID_LIMIT: Final = 255

#: By the channel's name in event types: our name of the channel.
_CHANNELS: Final = {
    "email": "email",
    "pushnotification": "push",
    "sms": "sms",
    "whatsapp": "whatsapp",
    "webhook": "webhook",
    "inappmessage": "in_app_message",
    "contentcard": "content_card",
    "banner": "banner",
    "line": "line",
    "rcs": "rcs",
}
#: What counts as received where messages are not sent but shown. Braze: received message from campaign.
_SHOWN: Final = frozenset({"inappmessage", "contentcard", "banner"})
_ACTIONS: Final = {
    "Open": Action.OPENED,
    "Read": Action.OPENED,
    "Click": Action.CLICKED,
    "ShortLinkClick": Action.CLICKED,
}
_OF_EMAIL: Final = {
    "Bounce": Action.HARD_BOUNCED,
    "SoftBounce": Action.SOFT_BOUNCED,
    "MarkAsSpam": Action.MARKED_SPAM,
}
_OTHERS: Final = {
    "users.campaigns.Conversion": Action.CONVERTED,
    "users.campaigns.EnrollInControl": Action.IN_CONTROL,
    "users.canvas.Conversion": Action.CONVERTED,
    "users.canvas.Entry": Action.ENTERED,
}


Kinds: Final = MessageSource.Kind
#: Parts of a Canvas or campaign that filters ask for: the part's kind, that of the whole, what its fields in events
#: begin with, and the actions that are kept of it.
_PARTS: Final = (
    (Kinds.STEP, Kinds.CANVAS, "canvas_step", {Action.RECEIVED, Action.OPENED, Action.MACHINE_OPENED, Action.CLICKED}),
    (Kinds.VARIATION, Kinds.CANVAS, "canvas_variation", {Action.ENTERED}),
    (Kinds.VARIANT, Kinds.CAMPAIGN, "message_variation", {Action.RECEIVED}),
)


class Source(NamedTuple):
    """A campaign or Canvas as an event names it, or a part of the ``parent``."""

    kind: str
    source_id: str
    parent: "Source | None" = None


@dataclass(frozen=True, slots=True)
class Touch:
    """Something befell a user at ``time``. ``source`` is None for a message of no campaign and no Canvas.

    ``parts``: the parts of the source that it befell the user with, and what they are called.
    """

    profile_id: int
    action: str
    channel: str
    time: datetime
    source: Source | None = None
    source_name: str = ""
    parts: Mapping[Source, str] = field(default_factory=dict)

    def sources(self) -> Iterator[tuple[Source, str]]:
        """The source, then its parts, each with its name."""
        if self.source:
            yield self.source, self.source_name
            yield from self.parts.items()


def actions_of(event_type: str, properties: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(action, channel) of what an engagement event tells; most events tell one thing, others nothing."""
    if event_type == "users.canvas.Entry" and _is_true(properties.get("in_control_group")):
        return [(Action.ENTERED, ""), (Action.IN_CONTROL, "")]
    if event_type in _OTHERS:
        return [(_OTHERS[event_type], "")]
    prefix, _dot, rest = event_type.partition("users.messages.")
    kind, _dot, verb = rest.partition(".")
    if prefix or kind not in _CHANNELS:
        return []
    if verb == ("Impression" if kind in _SHOWN else "Send"):
        return [(Action.RECEIVED, _CHANNELS[kind])]
    if verb == "Open" and _is_true(properties.get("machine_open")):
        return [(Action.MACHINE_OPENED, _CHANNELS[kind])]
    action = _ACTIONS.get(verb) or (_OF_EMAIL.get(verb) if kind == "email" else None)
    return [(action, _CHANNELS[kind])] if action else []


def source_of(properties: Mapping[str, Any]) -> tuple[Source | None, str]:
    """The Canvas or campaign that an event names, and what it is called there ("": not told)."""
    for kind in (Kinds.CANVAS, Kinds.CAMPAIGN):
        if found := _named(properties, kind.value):
            return Source(kind.value, found[0]), found[1]
    return None, ""


def parts_of(source: Source | None, action: str, properties: Mapping[str, Any]) -> dict[Source, str]:
    """The parts of ``source`` that an event names and that are kept of such an action, and what they are called."""
    if source is None:
        return {}
    parts = {
        Source(kind.value, found[0], source): found[1]
        for kind, whole, name, actions in _PARTS
        if whole == source.kind and action in actions and (found := _named(properties, name))
    }
    alias = properties.get("link_alias")
    if action == Action.CLICKED and isinstance(alias, str) and 0 < len(alias) <= _ID_LIMIT:
        step = next((one for one in parts if one.kind == Kinds.STEP), None)
        if step or source.kind == Kinds.CAMPAIGN:
            parts[Source(Kinds.LINK.value, alias, step or source)] = ""
    return parts


def _named(properties: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    """The id and the name in the fields that begin with ``name``; None without a usable id."""
    found, called = properties.get(f"{name}_id") or properties.get(f"{name}_api_id"), properties.get(f"{name}_name")
    if not isinstance(found, str) or not 0 < len(found) <= _ID_LIMIT:
        return None
    return found, called[:_ID_LIMIT] if isinstance(called, str) else ""


def _is_true(value: Any) -> bool:
    """Storage exports have some booleans as texts."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def record(workspace_id: int, touches: Sequence[Touch]) -> None:
    """Count ``touches`` in the caller's transaction, in a fixed number of statements.

    The caller has locked the profiles, in the order of their ids.
    """
    if not touches:
        return
    sources = _sources(workspace_id, dict(told for one in touches for told in one.sources()))
    daily: dict[tuple[str, int, int, str, date], list[datetime]] = {}
    last: dict[tuple[str, str, int], datetime] = {}
    for one in touches:
        day = one.time.astimezone(UTC).date()
        for source in [sources[source] for source, _name in one.sources()] or [0]:
            daily.setdefault((str(one.action), source, one.profile_id, one.channel, day), []).append(one.time)
        latest = (str(one.action), one.channel, one.profile_id)
        last[latest] = max(last.get(latest, one.time), one.time)
    _store_daily(workspace_id, sorted(daily.items()))
    _store_last(workspace_id, sorted(last.items()))


def _sources(workspace_id: int, names: Mapping[Source, str]) -> dict[Source, int]:
    """The primary keys of the sources; new ones are made, and those with another name by now are renamed.

    A part comes with what it is a part of. At most two statements for the whole ones, for parts, for parts of these.
    """
    found: dict[Source, int] = {}
    ready = [one for one in names if one.parent is None]
    while ready:
        found |= _stored(workspace_id, {one: names[one] for one in ready}, found)
        ready = [one for one in names if one not in found and one.parent in found]
    return found


def _stored(workspace_id: int, names: Mapping[Source, str], parents: Mapping[Source, int]) -> dict[Source, int]:
    """The primary keys of sources whose parents are stored."""
    wanted = {(one.kind, one.source_id, parents[one.parent] if one.parent else None): one for one in names}
    keys = sorted(wanted, key=lambda key: (key[0], key[1], key[2] or 0))
    columns = [[key[part] for key in keys] for part in range(3)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT one.kind, one.source_id, one.parent_id, one.id, one.name FROM profiles_messagesource one
            JOIN unnest(%s::text[], %s::text[], %s::bigint[]) AS wanted (kind, source_id, parent_id)
                ON one.workspace_id = %s AND one.kind = wanted.kind AND one.source_id = wanted.source_id
               AND one.parent_id IS NOT DISTINCT FROM wanted.parent_id
            """,
            [*columns, workspace_id],
        )
        known = {wanted[row[:3]]: row[3:] for row in cursor.fetchall()}
        if all(one in known and names[one] in ("", known[one][1]) for one in names):
            return {one: pk for one, (pk, _name) in known.items()}
        cursor.execute(
            """
            INSERT INTO profiles_messagesource AS old (workspace_id, kind, source_id, parent_id, name)
            SELECT %s, new.kind, new.source_id, new.parent_id, new.name
            FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[]) WITH ORDINALITY
                AS new (kind, source_id, parent_id, name, place)
            ORDER BY place
            ON CONFLICT (workspace_id, kind, source_id, parent_id)
                DO UPDATE SET name = CASE WHEN EXCLUDED.name = '' THEN old.name ELSE EXCLUDED.name END
            RETURNING kind, source_id, parent_id, id
            """,
            [workspace_id, *columns, [names[wanted[key]] for key in keys]],
        )
        return {wanted[row[:3]]: row[3] for row in cursor.fetchall()}


def name_campaign(
    workspace_id: int,
    kind: MessageSource.Kind,
    source_id: str,
    name: str,
    tags: Sequence[str] = (),
    *,
    is_archived: bool = False,
) -> None:
    """Let filters offer a campaign or Canvas under ``name``: for one that is kept here, before any event names it.

    The floor above calls it when a draft is made, changed or archived, in the same transaction; ``source_id`` is the
    id that the draft's events will carry (``campaign_id``, ``canvas_id``), as text. It may be called as often as one
    likes.
    """
    [pk] = _sources(workspace_id, {Source(kind.value, source_id): name}).values()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH changed AS (
                UPDATE profiles_messagesource SET tags = %s, is_archived = %s
                WHERE id = %s AND (tags, is_archived) IS DISTINCT FROM (%s::varchar[], %s)
                RETURNING workspace_id
            )
            INSERT INTO profiles_datachange (workspace_id, kind) SELECT workspace_id, %s FROM changed
            """,
            [list(tags), is_archived, pk, list(tags), is_archived, Kind.ENGAGEMENT],
        )


def _store_daily(workspace_id: int, rows: Sequence[tuple[tuple[str, int, int, str, date], Sequence[datetime]]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO profiles_dailyengagement AS old
                (workspace_id, action, source, profile_id, channel, day, count, last_at)
            SELECT %s, action, source, profile_id, channel, day, count, last_at
            FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::date[], %s::bigint[], %s::timestamptz[])
                WITH ORDINALITY AS new (action, source, profile_id, channel, day, count, last_at, place)
            ORDER BY place
            {_UPSERT_DAILY}
            """,  # noqa: S608 - a constant
            [
                workspace_id,
                *([key[part] for key, _ in rows] for part in range(5)),
                [len(times) for _, times in rows],
                [max(times) for _, times in rows],
            ],
        )


def _store_last(workspace_id: int, rows: Sequence[tuple[tuple[str, str, int], datetime]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH stored AS (
                INSERT INTO profiles_lastengagement AS old (workspace_id, action, channel, profile_id, last_at)
                SELECT %s, action, channel, profile_id, last_at
                FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::timestamptz[])
                    WITH ORDINALITY AS new (action, channel, profile_id, last_at, place)
                ORDER BY place
                {_UPSERT_LAST}
            )
            {BUMP_SQL}
            """,  # noqa: S608 - constants
            [
                workspace_id,
                *([key[part] for key, _ in rows] for part in range(3)),
                [moment for _, moment in rows],
                workspace_id,
                [Kind.ENGAGEMENT],
            ],
        )


_UPSERT_DAILY: Final = """
    ON CONFLICT (workspace_id, action, source, profile_id, channel, day) DO UPDATE SET
        count = old.count + EXCLUDED.count, last_at = greatest(old.last_at, EXCLUDED.last_at)
"""
_UPSERT_LAST: Final = """
    ON CONFLICT (workspace_id, action, channel, profile_id) DO UPDATE SET last_at = EXCLUDED.last_at
        WHERE old.last_at < EXCLUDED.last_at
"""


def move(gone: Sequence[int], survivors: Sequence[int]) -> None:
    """Give what befell each profile of ``gone`` to the profile at its place in ``survivors``, which adds it up.

    The caller has locked all of them.
    """
    pairs = [list(gone), list(survivors)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH moved AS (
                DELETE FROM profiles_dailyengagement one
                USING unnest(%s::bigint[], %s::bigint[]) AS pair (gone, survivor)
                WHERE one.profile_id = pair.gone
                RETURNING one.*, pair.survivor
            )
            INSERT INTO profiles_dailyengagement AS old
                (workspace_id, action, source, profile_id, channel, day, count, last_at)
            SELECT workspace_id, action, source, survivor, channel, day, sum(count), max(last_at)
            FROM moved GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
            {_UPSERT_DAILY}
            """,  # noqa: S608 - a constant
            pairs,
        )
        cursor.execute(
            f"""
            WITH moved AS (
                DELETE FROM profiles_lastengagement one
                USING unnest(%s::bigint[], %s::bigint[]) AS pair (gone, survivor)
                WHERE one.profile_id = pair.gone
                RETURNING one.*, pair.survivor
            )
            INSERT INTO profiles_lastengagement AS old (workspace_id, action, channel, profile_id, last_at)
            SELECT workspace_id, action, channel, survivor, max(last_at)
            FROM moved GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
            {_UPSERT_LAST}
            """,  # noqa: S608 - a constant
            pairs,
        )


def forget(profile_ids: Iterable[int]) -> None:
    """Delete everything that befell these profiles, in the caller's transaction."""
    ids = list(profile_ids)
    with connection.cursor() as cursor:
        for table in ("profiles_dailyengagement", "profiles_lastengagement"):
            cursor.execute(f"DELETE FROM {table} WHERE profile_id = ANY(%s)", [ids])  # noqa: S608
