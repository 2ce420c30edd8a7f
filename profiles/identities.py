"""Whom an object of a request is about: names to profiles.

Braze: user profile lifecycle; users are named by external id (also a deprecated one), braze id, alias, email or phone.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from django.db import connection

from profiles.models import EXTERNAL_ID_LIMIT
from profiles.planning import WORKSPACE

#: An index entry has room for so many bytes.
ALIAS_BYTES: Final = 2_500
EMAIL_LIMIT: Final = 320
# Of the part before the @, a character that is no dot: of ASCII, letters, digits and _-^+$'&#/!%*=?`|~; beyond, all but
# white space, controls, what is invisible, and what is no character.
_MAILBOX: Final = (
    r"[^\s\x00-\x1f\x7f-\x9f\"(),.:;<>@\[\\\]{}"
    r"\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\uf8ff\ufeff\ufff9-\uffff\U000e0000-\U0010ffff]"
)
_LABEL: Final = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
# Gmail has no mailbox of one character. Microsoft's domains have a rule of their own for what is before a plus sign.
_AT_GMAIL: Final = r"(?!.@(?i:(?:gmail|googlemail)\.com)\Z)"
_AT_MICROSOFT: Final = (
    r"(?:(?![^@]*@(?:[^@]*\.)?(?i:msn|hotmail|outlook|live)\.)"
    r"|(?=[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*[+@]))"
)
#: Braze: email validation. The host has two labels or more, of which the last is not of digits alone and has, as all
#: top-level domains have, two characters or more. Braze's own expression lets a dot follow a dot; its list of accepted
#: characters ("only between letters or other characters") and RFC 5322 do not. Nothing can match in two ways, so that
#: the time is linear.
EMAIL: Final = re.compile(
    rf"(?=[^@]{{1,64}}@){_AT_GMAIL}{_AT_MICROSOFT}"
    rf"{_MAILBOX}+(?:\.{_MAILBOX}+)*@(?:{_LABEL}\.)+(?![0-9]+\Z)(?=..){_LABEL}"
)
PHONE: Final = re.compile(r"\+?[0-9][0-9 ().-]{5,30}")


Contactable = Literal["external_id", "email", "phone"]
#: Kinds of names that several users can have, and that identify where no other name is given.
CONTACTS: Final = ("email", "phone")


class BadIdentityError(ValueError):
    """An object that does not say whom it is about; its text is the error that the API answers."""


class Identity(NamedTuple):
    """One name of a user; an alias has its label with it, a push token its app. Sorts in locking order.

    A tuple, because a request makes and looks up hundreds of them.
    """

    kind: Literal["external_id", "braze_id", "alias", "email", "phone", "push_token"]
    name: str
    label: str = ""


def identity_of(source: Mapping[str, Any]) -> Identity:
    """The one identity that an object of ``/users/track`` gives. Raises BadIdentityError if it gives none.

    An email address, or else a phone number, identifies only where no other name is given (Braze: track users).
    """
    external_id, alias, braze_id = source.get("external_id"), source.get("user_alias"), source.get("braze_id")
    if (external_id is not None) + (alias is not None) + (braze_id is not None) > 1:
        raise BadIdentityError("You must specify only one of 'external_id', 'user_alias' or 'braze_id'")
    if external_id is not None:
        return Identity("external_id", name_of(source, "external_id"))
    if alias is not None:
        return alias_of(alias)
    if braze_id is not None:
        return Identity("braze_id", name_of(source, "braze_id"))
    return _contact(source)


def _contact(source: Mapping[str, Any]) -> Identity:
    if source.get("email") is not None:
        return Identity("email", email_of(source, "email"))
    if source.get("phone") is not None:
        return Identity("phone", phone_of(source, "phone"))
    raise BadIdentityError("'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required")


def alias_of(source: Any) -> Identity:
    """The alias that a user alias object gives. Raises BadIdentityError."""
    if not isinstance(source, Mapping):
        raise BadIdentityError("'user_alias' must be an object with 'alias_name' and 'alias_label'")
    return alias(name_of(source, "alias_name"), name_of(source, "alias_label"))


def alias(name: str, label: str) -> Identity:
    """The alias of that name and label. Raises BadIdentityError when the two are too long to be looked up together."""
    if len(name.encode()) + len(label.encode()) > ALIAS_BYTES:
        raise BadIdentityError(f"The alias name and label must be at most {ALIAS_BYTES} bytes together")
    return Identity("alias", name, label)


def name_of(source: Mapping[str, Any], key: str) -> str:
    """The name under ``key``; a number is taken for its digits. Raises BadIdentityError."""
    value = source.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise BadIdentityError(f"'{key}' must be a non-empty string")
    if len(value) > EXTERNAL_ID_LIMIT:
        raise BadIdentityError(f"'{key}' must be at most {EXTERNAL_ID_LIMIT} characters")
    return value


def email_of(source: Mapping[str, Any], key: str) -> str:
    """The email address under ``key``; Braze refuses white space around it, too. Raises BadIdentityError."""
    value = source.get(key)
    if not isinstance(value, str) or len(value) > EMAIL_LIMIT or not EMAIL.fullmatch(value):
        raise BadIdentityError("The value provided for the 'email' field is not a valid email.")
    return value


def phone_of(source: Mapping[str, Any], key: str) -> str:
    """The phone number under ``key``. Raises BadIdentityError."""
    value = source.get(key)
    text = value.strip() if isinstance(value, str) else ""
    if not PHONE.fullmatch(text):
        raise BadIdentityError("The value provided for the 'phone' field is not a valid phone number.")
    return text


def find(workspace_id: int, identities: Iterable[Identity]) -> dict[Identity, int]:
    """The ids of the profiles that have these names, in one statement; a name that nobody has is left out.

    Of several users with one email address or phone number, an identified one goes before an anonymous one, and then
    the one that was changed last (Braze: track users, frequently asked questions).
    """
    names: dict[str, list[str]] = {}
    labels: list[str] = []
    apps: list[str] = []
    for one in sorted(set(identities)):
        names.setdefault(one.kind, []).append(one.name)
        if one.kind == "alias":
            labels.append(one.label)
        elif one.kind == "push_token":
            apps.append(one.label)
    if not names:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "\nUNION ALL\n".join(_FIND[kind] for kind in names),
            {"workspace": workspace_id, "labels": labels, "apps": apps, **names},
        )
        return {
            Identity(kind, name, label): profile_id for kind, name, label, profile_id in cursor.fetchall() if profile_id
        }


def everybody(workspace_id: int, column: Contactable, values: Collection[str]) -> dict[str, list[int]]:
    """The ids of all profiles that have one of these values in ``column``, by value. No values: no query.

    A deprecated external id is its user's, too. Braze: external ID migration.
    """
    found: dict[str, list[int]] = {}
    if not values:
        return found
    if column == "external_id":
        named = find(workspace_id, (Identity("external_id", value) for value in values))
        return {one.name: [profile_id] for one, profile_id in named.items()}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT wanted.value, one.id FROM unnest(%(values)s::text[]) AS wanted (value) CROSS JOIN LATERAL (
                SELECT id FROM profiles_profile WHERE workspace_id = {WORKSPACE} AND {column} = wanted.value OFFSET 0
            ) one ORDER BY one.id
            """,  # noqa: S608 - names of ours
            {"workspace": workspace_id, "values": sorted(set(values))},
        )
        for value, profile_id in cursor.fetchall():
            found.setdefault(value, []).append(profile_id)
    return found


# Each kind by its own index, each name by a probe of it: see ``profiles.planning``.
_BY_CONTACT: Final = """
    SELECT '{column}', wanted.name, '', best.id FROM unnest(%({column})s::text[]) AS wanted (name) CROSS JOIN LATERAL (
        SELECT profile.id FROM profiles_profile profile
        WHERE profile.workspace_id = {workspace} AND profile.{column} = wanted.name
        ORDER BY profile.external_id IS NULL, profile.updated_at DESC, profile.id LIMIT 1
    ) best"""
_FIND: Final = {
    "external_id": f"""
    SELECT 'external_id', wanted.name, '', coalesce(
        (SELECT id FROM profiles_profile WHERE workspace_id = {WORKSPACE} AND external_id = wanted.name LIMIT 1),
        (SELECT profile_id FROM profiles_deprecatedid
         WHERE workspace_id = {WORKSPACE} AND external_id = wanted.name LIMIT 1))
    FROM unnest(%(external_id)s::text[]) AS wanted (name)""",  # noqa: S608 - a constant
    "braze_id": f"""
    SELECT 'braze_id', wanted.name, '',
        (SELECT id FROM profiles_profile WHERE workspace_id = {WORKSPACE} AND braze_id = wanted.name LIMIT 1)
    FROM unnest(%(braze_id)s::text[]) AS wanted (name)""",  # noqa: S608 - a constant
    "alias": f"""
    SELECT 'alias', wanted.name, wanted.label, alias.profile_id
    FROM unnest(%(alias)s::text[], %(labels)s::text[]) AS wanted (name, label) CROSS JOIN LATERAL (
        SELECT profile_id FROM profiles_alias
        WHERE workspace_id = {WORKSPACE} AND label = wanted.label AND name = wanted.name LIMIT 1
    ) alias""",  # noqa: S608 - a constant
    "push_token": f"""
    SELECT 'push_token', wanted.token, wanted.app, token.profile_id
    FROM unnest(%(push_token)s::text[], %(apps)s::text[]) AS wanted (token, app)
    JOIN workspaces_app app ON app.workspace_id = %(workspace)s AND app.api_id::text = wanted.app
    CROSS JOIN LATERAL (
        SELECT profile_id FROM profiles_pushtoken
        WHERE workspace_id = {WORKSPACE} AND token = wanted.token AND app_id = app.id LIMIT 1
    ) token""",  # noqa: S608 - a constant
    "email": _BY_CONTACT.format(workspace=WORKSPACE, column="email"),
    "phone": _BY_CONTACT.format(workspace=WORKSPACE, column="phone"),
}


@dataclass(frozen=True, slots=True)
class Contact:
    """An email address or phone number, with which of its users is meant. Braze: ``prioritization``.

    ``who`` is ``identified``, ``unidentified`` or empty (either); ``pick`` is ``most_recently_updated``,
    ``least_recently_updated`` or empty (there must be one only). ``picks_first``: picked before asking who it is.
    """

    identity: Identity
    who: str = ""
    pick: str = ""
    picks_first: bool = False


def contact_of(source: Mapping[str, Any], key: Literal["email", "phone"]) -> Contact:
    """The contact that an object with ``prioritization`` gives. Raises BadIdentityError."""
    identity = Identity(key, email_of(source, key) if key == "email" else phone_of(source, key))
    order = source.get("prioritization")
    if not isinstance(order, list) or not order or not all(isinstance(one, str) for one in order):
        raise BadIdentityError(f"'prioritization' must be an array of strings beside '{key}'")
    who = [one for one in order if one in ("identified", "unidentified")]
    pick = [one for one in order if one in ("most_recently_updated", "least_recently_updated")]
    if len(who) > 1 or len(pick) > 1 or len(who) + len(pick) < len(order):
        raise BadIdentityError(
            "'prioritization' may hold one of 'identified' and 'unidentified', and one of 'most_recently_updated' "
            "and 'least_recently_updated'"
        )
    return Contact(identity, "".join(who), "".join(pick), picks_first=bool(pick) and order[0] in pick)


def find_contacts(workspace_id: int, contacts: Sequence[Contact]) -> list[int | None]:
    """The one profile that each contact means, in their order; None where there is none, or more than one."""
    if not contacts:
        return []
    found: dict[int, list[tuple[int, bool]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND_CONTACTS,
            {
                "workspace": workspace_id,
                "kinds": [one.identity.kind for one in contacts],
                "names": [one.identity.name for one in contacts],
                "who": ["" if one.picks_first else one.who for one in contacts],
                "oldest": [one.pick == "least_recently_updated" for one in contacts],
            },
        )
        for place, profile_id, identified in cursor.fetchall():
            found.setdefault(place - 1, []).append((profile_id, identified))
    return [_meant(one, found.get(place, [])) for place, one in enumerate(contacts)]


def _meant(contact: Contact, candidates: Sequence[tuple[int, bool]]) -> int | None:
    if not candidates or (len(candidates) > 1 and not contact.pick):
        return None
    profile_id, identified = candidates[0]
    if contact.picks_first and contact.who and identified != (contact.who == "identified"):
        return None
    return profile_id


# Two are enough to know that there is more than one.
_ONE_CONTACT: Final = """
    SELECT place, two.id, two.identified FROM wanted CROSS JOIN LATERAL (
        SELECT profile.id, profile.external_id IS NOT NULL AS identified FROM profiles_profile profile
        WHERE profile.workspace_id = {workspace} AND profile.{column} = wanted.name
          AND (who = '' OR (profile.external_id IS NOT NULL) = (who = 'identified'))
        ORDER BY CASE WHEN oldest THEN profile.updated_at END,
                 CASE WHEN NOT oldest THEN profile.updated_at END DESC, profile.id LIMIT 2
    ) two WHERE kind = '{column}'"""
_FIND_CONTACTS: Final = f"""
    WITH wanted AS (
        SELECT * FROM unnest(%(kinds)s::text[], %(names)s::text[], %(who)s::text[], %(oldest)s::boolean[])
        WITH ORDINALITY AS wanted (kind, name, who, oldest, place)
    ),
    found AS ({_ONE_CONTACT.format(workspace=WORKSPACE, column="email")} UNION ALL
              {_ONE_CONTACT.format(workspace=WORKSPACE, column="phone")})
    SELECT place, id, identified FROM found
"""  # noqa: S608 - constants
