"""A chunk of users written as sets: COPY into a temporary table, then the new users and the known ones by a statement
each. Architecture, decisions 1 (ids are drawn for new users only) and 5.

Locks are taken in the order of ``profiles.tracking``: attribute names, new external ids or aliases, profiles by id.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from django.db import connection

from currents.log import NewEvent, append_events
from profiles.attributes import SWITCHES
from profiles.behaviours import CSV_IMPORT, subscription_changes
from profiles.identities import CONTACTS, Identity, find
from profiles.importing.converting import Record
from profiles.live import log_identity
from profiles.models import RANDOM_BUCKETS, IdentityChange, Profile
from profiles.names import lock_contacts
from profiles.pipelines import pipelined
from profiles.rows import SINCE, MovedError, Row, lock
from profiles.subscriptions import Choice, peers, store_choices
from profiles.versions import kinds_of
from workspaces.data_points import log_data_points

#: The source of the data points that imports log.
SOURCE: Final = "imports"
_TABLE: Final = "profiles_imported"
#: As ``profiles.models`` draws them, but where the rows are.
_NEW_BRAZE_ID: Final = "substr(md5(gen_random_uuid()::text), 1, 24)"
_NEW_BUCKET: Final = f"floor(random() * {RANDOM_BUCKETS})"
_SUBSCRIPTIONS: Final = ("email_subscribe", "push_subscribe")
#: What a new user has in columns that events tell of.
_AT_BIRTH: Final = {"email_subscribe": "subscribed", "push_subscribe": "subscribed", "email": "", "time_zone": ""}


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the rows of a chunk (or would): each made a user, changed one, or named one who does not exist."""

    created: int = 0
    updated: int = 0
    ignored: int = 0
    #: Whom it made or changed.
    profile_ids: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one workspace, each user once; ``columns`` are those of their values, kept fields among them.

    ``sets_groups``: records may say what their users chose for subscription groups.
    """

    workspace_id: int
    columns: Sequence[str]
    custom_types: Mapping[str, str]
    records: Sequence[Record]
    update_only: bool
    sets_groups: bool = False

    @property
    def own_columns(self) -> list[str]:
        """Those of ``columns`` that profiles have."""
        return [name for name in self.columns if name not in SWITCHES]

    @property
    def kept(self) -> str:
        """What a row of the temporary table ``new`` sets in ``other_fields``, in SQL; "" if the file sets nothing."""
        fields = ", ".join(f"'{name}', new.{name}" for name in self.columns if name in SWITCHES)
        return fields and f"jsonb_strip_nulls(jsonb_build_object({fields}))"

    def given(self, record: Record) -> dict[str, Any]:
        """What ``record`` sets, by column."""
        return {name: value for name, value in zip(self.columns, record.values, strict=True) if value is not None}

    @property
    def may_create(self) -> bool:
        return not self.update_only and any(one.identity.kind != "braze_id" for one in self.records[:1])

    @property
    def numbers(self) -> set[Identity]:
        """The phone numbers that it gives to users named by an email address: from then on they mean these users."""
        if "phone" not in self.columns or all(one.identity.kind != "email" for one in self.records[:1]):
            return set()
        place = self.columns.index("phone")
        named = (one for one in self.records if one.identity.kind == "email")
        return {Identity("phone", one.values[place]) for one in named if one.values[place]}

    def written(self, born: Collection[Identity], known: Collection[Identity]) -> Written:
        """What became of its rows, when it made the users ``born`` and changed those ``known``.

        The first row about a new user makes the user, and each row after it changes that user.
        """
        rows = sum(one.rows for one in self.records)
        done = sum(one.rows for one in self.records if one.identity in born or one.identity in known)
        return Written(len(born), done - len(born), rows - done)


def each_user_once(records: Iterable[Record]) -> list[Record]:
    """The records in the order of their users' names; what later rows about a user set is taken over."""
    users: dict[Identity, Record] = {}
    for record in records:
        known = users.setdefault(record.identity, record)
        if known is not record:
            known.add(record)
    return [users[identity] for identity in sorted(users)]


def write(chunk: Chunk, meanwhile: Callable[[], None] = lambda: None) -> Written:
    """Write the users of ``chunk`` in the caller's transaction.

    ``meanwhile`` is called, maybe twice, while PostgreSQL is at work; it must not ask for anything itself.
    """
    if not chunk.records:
        return Written()
    _declare(chunk)
    chunk, known = _each_profile_once(chunk, _find(chunk))
    born: dict[Identity, int] = {}
    with connection.cursor() as cursor:
        _copy(cursor, chunk, known)
        if chunk.may_create and len(known) < len(chunk.records):
            born = _insert(cursor, chunk, meanwhile)
            if len(born) + len(known) < len(chunk.records):
                known |= _find_again(cursor, chunk, known.keys() | born.keys())
        rows = _lock_with_peers(chunk, known | born) if chunk.sets_groups else {}
        events = _update(cursor, chunk, len(known), meanwhile) if known else []
        cursor.execute(f"DROP TABLE {_TABLE}")
    log_identity(chunk.workspace_id, IdentityChange.Kind.CREATED, sorted(born.values()))
    done = [one for one in chunk.records if one.identity in known or one.identity in born]
    events += _events_at_birth(chunk, born) + _store_choices(chunk, known | born, rows)
    append_events(chunk.workspace_id, events)
    log_data_points(chunk.workspace_id, SOURCE, sum(one.points for one in done))
    return replace(chunk.written(born, known), profile_ids=[*born.values(), *known.values()])


def _find(chunk: Chunk) -> dict[Identity, int]:
    """The users who are known. Until the transaction ends nobody else makes one for a contact that has none."""
    known = find(chunk.workspace_id, (one.identity for one in chunk.records))
    if chunk.may_create and chunk.records[0].identity.kind in CONTACTS:
        missing = [one.identity for one in chunk.records if one.identity not in known]
        known |= lock_contacts(chunk.workspace_id, missing)
    return known


def _each_profile_once(chunk: Chunk, known: dict[Identity, int]) -> tuple[Chunk, dict[Identity, int]]:
    """The chunk and its known users with one name for each of these, for one user can have several.

    Such as an email address and a phone number, or a deprecated external id. The last name in order wins.
    """
    if len(set(known.values())) == len(known):
        return chunk, known
    users: dict[int, Record] = {}
    records = []
    for one in chunk.records:
        first = users.setdefault(known[one.identity], one) if one.identity in known else one
        if first is one:
            records.append(one)
        else:
            first.add(one)
    return replace(chunk, records=records), {one.identity: profile_id for profile_id, one in users.items()}


def _declare(chunk: Chunk) -> None:
    """Enter new attributes in the catalogue, with the types that the person chose."""
    names = sorted({name for one in chunk.records for name in one.custom})
    if not names:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_customattribute (workspace_id, name, type)
            SELECT %(workspace)s, new.name, new.type
            FROM unnest(%(names)s::text[], %(types)s::text[]) WITH ORDINALITY AS new (name, type, place)
            WHERE NOT EXISTS (SELECT 1 FROM profiles_customattribute old
                WHERE old.workspace_id = %(workspace)s AND old.name = new.name)
            ORDER BY place ON CONFLICT DO NOTHING
            """,
            {
                "workspace": chunk.workspace_id,
                "names": names,
                "types": [chunk.custom_types[name] for name in names],
            },
        )


def _copy(cursor: Any, chunk: Chunk, known: Mapping[Identity, int]) -> None:
    """The records as a temporary table; ``profile_id`` is null for those whose user is to be made."""
    columns = [(name, _sql_type(name)) for name in chunk.columns]
    cursor.execute(
        f"CREATE TEMPORARY TABLE {_TABLE} (place int, profile_id bigint, name text, label text,"
        f" {''.join(f'{name} {kind}, ' for name, kind in columns)} custom jsonb) ON COMMIT DROP"
    )
    lines = []
    for place, one in enumerate(chunk.records):
        custom = orjson.dumps(one.custom).decode()
        cells = (place, known.get(one.identity), one.identity.name, one.identity.label, *one.values, custom)
        lines.append(_line(cells))
    # One write: psycopg waits for the server after each row that it is given.
    with cursor.copy(f"COPY {_TABLE} FROM STDIN") as copy:
        copy.write("".join(lines))


def _line(cells: Iterable[Any]) -> str:
    """A row in COPY's text format. PostgreSQL: COPY, text format."""
    texts = [_NULL if cell is None else cell if type(cell) is str else str(cell) for cell in cells]
    # One look for the whole row: hardly any has something to escape.
    if _ESCAPED.search("".join([text for text in texts if text is not _NULL])):
        texts = [text if text is _NULL else text.translate(_ESCAPES) for text in texts]
    return "\t".join(texts) + "\n"


_NULL: Final = "\\N"
_ESCAPED: Final = re.compile(r"[\\\t\n\r\b\f\v]")
_ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
)


def _insert(cursor: Any, chunk: Chunk, meanwhile: Callable[[], None]) -> dict[Identity, int]:
    """Make the users whom nobody knew; one that another transaction makes at this moment is left out."""
    kind = chunk.records[0].identity.kind
    since = _since(chunk, lambda column: f"'{_AT_BIRTH[column]}'", lambda column: "NULL")
    columns = ["workspace_id", "braze_id", "random_bucket", *chunk.own_columns, "custom_attributes", *since]
    values = ["%(workspace)s", _NEW_BRAZE_ID, _NEW_BUCKET, *map(_or_default, chunk.own_columns), "new.custom"]
    values += since.values()
    if chunk.kept:
        columns.append("other_fields")
        values.append(chunk.kept)
    if kind in _NAMED:
        statement = f"""
            WITH named AS ({_NAMED[kind]}), made AS (
                INSERT INTO profiles_profile (id, {", ".join(columns)})
                SELECT named.profile_id, {", ".join(values)} FROM {_TABLE} new JOIN named USING (label, name)
            )
            SELECT name, label, profile_id FROM named
        """  # noqa: S608 - names of ours
    else:
        statement = f"""
            INSERT INTO profiles_profile (external_id, {", ".join(columns)})
            SELECT new.name, {", ".join(values)} FROM {_TABLE} new WHERE new.profile_id IS NULL ORDER BY new.place
            ON CONFLICT (workspace_id, external_id) WHERE external_id IS NOT NULL DO NOTHING
            RETURNING external_id, '', id
        """  # noqa: S608 - names of ours
    with pipelined():
        cursor.execute(statement, {"workspace": chunk.workspace_id})
        meanwhile()
        made = cursor.fetchall()
    if kind in CONTACTS:
        # A file can have both; what holds an @ is an address.
        return {Identity("email" if "@" in name else "phone", name): profile_id for name, _, profile_id in made}
    return {Identity(kind, name, label): profile_id for name, label, profile_id in made}


_DRAWN: Final = "nextval(pg_get_serial_sequence('profiles_profile', 'id'))"
#: Several users can have one contact, but whoever makes one for it has locked it: see ``profiles.names``.
_CONTACTED: Final = f"""
    SELECT {_DRAWN} AS profile_id, label, name
    FROM (SELECT label, name FROM {_TABLE} WHERE profile_id IS NULL ORDER BY place OFFSET 0) new"""  # noqa: S608
#: By the kind of names, where it is not profiles that hold them uniquely: what draws an id for each of the names.
_NAMED: Final = {
    # The alias comes first: a lost race leaves nobody without a name behind.
    "alias": f"""
    INSERT INTO profiles_alias (workspace_id, profile_id, label, name)
    SELECT %(workspace)s, {_DRAWN}, label, name FROM {_TABLE} WHERE profile_id IS NULL ORDER BY place
    ON CONFLICT (workspace_id, label, name) DO NOTHING RETURNING profile_id, label, name""",  # noqa: S608
    **dict.fromkeys(CONTACTS, _CONTACTED),
}


def _find_again(cursor: Any, chunk: Chunk, settled: Iterable[Identity]) -> dict[Identity, int]:
    """The users whom others made since we looked: they are updated like all known ones."""
    done = set(settled)
    found = find(chunk.workspace_id, (one.identity for one in chunk.records if one.identity not in done))
    places = {one.identity: place for place, one in enumerate(chunk.records)}
    cursor.execute(
        f"""
        UPDATE {_TABLE} one SET profile_id = new.id
        FROM unnest(%s::int[], %s::bigint[]) AS new (place, id) WHERE one.place = new.place
        """,  # noqa: S608 - a name of ours
        [[places[identity] for identity in found], list(found.values())],
    )
    return found


def _update(cursor: Any, chunk: Chunk, known: int, meanwhile: Callable[[], None]) -> list[NewEvent]:
    """Change the known users, whom it locks in the order of their ids; the events that this causes.

    A user who has all of the values already is not written again. Raises MovedError when one has gone meanwhile.
    """
    cursor.execute(f"ANALYZE {_TABLE}")
    watched = [name for name in _SUBSCRIPTIONS if name in chunk.columns]
    names = ", ".join(f"old.{name}" for name in (*_SUBSCRIPTIONS, "email", "time_zone"))
    cursor.execute(
        f"""
        SELECT new.place, old.external_id, old.braze_id, {names} FROM {_TABLE} new
        JOIN profiles_profile old ON old.id = new.profile_id ORDER BY old.id FOR UPDATE OF old
        """  # noqa: S608 - names of ours
    )
    before = cursor.fetchall()
    if len(before) < known:
        raise MovedError
    changes = [(name, f"COALESCE(new.{name}, old.{name})") for name in chunk.own_columns]
    changes.append(("custom_attributes", "old.custom_attributes || new.custom"))
    if chunk.kept:
        changes.append(("other_fields", f"old.other_fields || {chunk.kept}"))
    changes += _since(chunk, lambda column: f"old.{column}", lambda column: f"old.{column}").items()
    with pipelined():
        cursor.execute(
            f"""
        WITH changed AS (
            UPDATE profiles_profile old
            SET {", ".join(f"{name} = {value}" for name, value in changes)}, updated_at = now()
            FROM {_TABLE} new WHERE old.id = new.profile_id
            AND ({", ".join(f"old.{name}" for name, _ in changes)})
                IS DISTINCT FROM ({", ".join(value for _, value in changes)})
            RETURNING 1
        )
        INSERT INTO profiles_datachange (workspace_id, kind)
        SELECT %s, unnest(%s::text[]) WHERE EXISTS (SELECT FROM changed)
        """,  # noqa: S608 - names of ours
            [chunk.workspace_id, kinds_of(name for name, _ in changes)],
        )
        meanwhile()
    events: list[NewEvent] = []
    for place, external_id, braze_id, *values in before if watched else ():
        old = dict(zip((*_SUBSCRIPTIONS, "email", "time_zone"), values, strict=True))
        events += _subscription_events(chunk, chunk.records[place], old, external_id, braze_id)
    return events


def _since(chunk: Chunk, before: Callable[[str], str], otherwise: Callable[[str], str]) -> dict[str, str]:
    """By column that says since when somebody has opted in or unsubscribed: what it becomes, in SQL.

    ``before`` is the state before, by its column; ``otherwise`` what the column becomes where the state is not new.
    """
    found = {}
    for column in _SUBSCRIPTIONS:
        for state, name in SINCE.items() if column in chunk.columns else ():
            moment = f"{column.removesuffix('_subscribe')}_{name}"
            is_new = f"new.{column} = '{state}' AND {before(column)} <> '{state}'"
            found[moment] = f"CASE WHEN {is_new} THEN now() ELSE {otherwise(moment)} END"
    return found


def _events_at_birth(chunk: Chunk, born: Mapping[Identity, int]) -> list[NewEvent]:
    if not born or not any(name in chunk.columns for name in _SUBSCRIPTIONS):
        return []
    braze_ids = dict(Profile.objects.filter(pk__in=list(born.values())).values_list("pk", "braze_id"))
    return [
        event
        for one in chunk.records
        if one.identity in born
        for event in _subscription_events(
            chunk,
            one,
            _AT_BIRTH,
            one.identity.name if one.identity.kind == "external_id" else None,
            braze_ids[born[one.identity]],
        )
    ]


def _subscription_events(
    chunk: Chunk, record: Record, before: Mapping[str, Any], external_id: str | None, braze_id: str
) -> Iterable[NewEvent]:
    after = {**before, **chunk.given(record)}
    user = {"external_user_id": external_id, "user_id": braze_id, "timezone": after["time_zone"] or None}
    return subscription_changes(before, after, user, CSV_IMPORT)


def _lock_with_peers(chunk: Chunk, ids: Mapping[Identity, int]) -> dict[int, Row]:
    """The users of the chunk, as they will be, and those who share an email address with one who chooses: locked.

    Before any of them is locked by another statement, for all are locked in one order.
    """
    mine = [(ids[one.identity], one) for one in chunk.records if one.identity in ids]
    choosing = {profile_id: chunk.given(one).get("email") for profile_id, one in mine if one.choices}
    emails = {email for email in choosing.values() if email}
    rows = lock({*ids.values(), *peers(chunk.workspace_id, choosing.keys(), emails)})
    for profile_id, one in mine:
        rows[profile_id].after |= chunk.given(one)
    return rows


def _store_choices(chunk: Chunk, ids: Mapping[Identity, int], rows: Mapping[int, Row]) -> list[NewEvent]:
    """Note what the users chose for subscription groups, as ``/users/track`` does; the events that this causes."""
    choices = [
        Choice(ids[one.identity], group, is_subscribed)
        for one in (chunk.records if chunk.sets_groups else ())
        if one.choices and one.identity in ids
        for group, is_subscribed in one.choices.items()
    ]
    return store_choices(chunk.workspace_id, rows, choices, spreading=True, source=CSV_IMPORT)


def _sql_type(column: str) -> str:
    if column in SWITCHES:
        return "boolean"
    kind = Profile._meta.get_field(column).get_internal_type()  # type: ignore[union-attr]
    return {"DateField": "date", "DateTimeField": "timestamptz"}.get(kind, "text")


def _or_default(column: str) -> str:
    """The new user's value in ``column``: an empty cell leaves what the table has for new users."""
    default = _AT_BIRTH.get(column, "")
    return f"new.{column}" if _sql_type(column) != "text" else f"COALESCE(new.{column}, '{default}')"
