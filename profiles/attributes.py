"""The default attributes: which exist, and what becomes of a value that comes for one.

Braze: user attributes object, "Braze user profile fields". Fields that nothing filters by are kept as they came.
"""

import re
import zoneinfo
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from babel import Locale
from babel.core import get_global

from profiles.dates import parse_day, parse_moment
from profiles.identities import EMAIL, EMAIL_LIMIT
from profiles.models import Profile
from profiles.rails_zones import RAILS_ZONES

#: Returned by a converter for a value that changes nothing.
IGNORED: Final = object()


def _is_place(value: Any) -> bool:
    """Whether ``value`` is a ``current_location``: an object with a longitude and a latitude in degrees."""
    if not isinstance(value, Mapping):
        return False
    numbers = {name: one for name, one in value.items() if isinstance(one, int | float) and not isinstance(one, bool)}
    return abs(numbers.get("longitude", 999)) <= 180 and abs(numbers.get("latitude", 999)) <= 90


#: Kept fields that are true or false, and that files of users can set too (Braze: CSV import).
SWITCHES: Final = frozenset({"email_click_tracking_disabled", "email_open_tracking_disabled"})
#: Fields that are kept as they come, each with what tells a value that it can have.
KEPT_FIELDS: Final[dict[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(SWITCHES, lambda value: isinstance(value, bool)),
    "current_location": _is_place,
    "facebook": lambda value: isinstance(value, Mapping),
    "image_url": lambda value: isinstance(value, str),
    "marked_email_as_spam_at": lambda value: parse_moment(value) is not None,
    "twitter": lambda value: isinstance(value, Mapping),
}
#: Says that of a user only push tokens are known; kept on those who were made so, until they have none any more.
FOR_PUSH_ONLY: Final = "push_token_import"
#: Attributes that have tables of their own.
OWN_TABLES: Final = frozenset({"push_tokens", "subscription_groups"})
#: Names in an attributes object that say whom it is about or how to apply it, and a field that Braze removed.
NOT_ATTRIBUTES: Final = frozenset(
    {
        "_merge_objects",
        "_update_existing_only",
        "alias_label",
        "alias_name",
        "bio",
        "braze_id",
        "external_id",
        FOR_PUSH_ONLY,
        "user_alias",
    }
)
#: Changes of these log no data point (Braze: data points).
FREE_FIELDS: Final = frozenset({"email_subscribe", "push_subscribe", "subscription_groups", "push_tokens"})
TEXT_LIMIT: Final = 10_000
#: Phone numbers are looked up by an index, whose entries have limited room.
PHONE_LIMIT: Final = 100
_GENDERS: Final = {
    "male": "M",
    "female": "F",
    "other": "O",
    "not applicable": "N",
    "prefer not to say": "P",
    "unknown": "",
}


class BadFieldError(ValueError):
    """A value that a default attribute cannot have; its text is the error that the API answers."""


class TooLongError(BadFieldError):
    """A text that is longer than the default attribute can be."""


def _text(name: str, value: Any) -> str:
    if type(value) is str and len(value) <= TEXT_LIMIT:
        # Nearly every value, and every attribute comes here.
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadFieldError(f"'{name}' is not valid")
    text = str(value)
    if len(text) > TEXT_LIMIT:
        raise TooLongError(f"'{name}' must be at most {TEXT_LIMIT} characters")
    return text


def _email(name: str, value: Any) -> str:
    """Braze: email validation. White space is refused, not cut off."""
    text = _text(name, value)
    if text and (len(text) > EMAIL_LIMIT or not EMAIL.fullmatch(text)):
        raise BadFieldError("The value provided for the 'email' field is not a valid email.")
    return text


def _phone(name: str, value: Any) -> str:
    """As it came: Braze recommends E.164 and keeps what it cannot send to."""
    text = _text(name, value).strip()
    if len(text) > PHONE_LIMIT:
        raise TooLongError(f"'{name}' must be at most {PHONE_LIMIT} characters")
    return text


def _subscription(name: str, value: Any) -> str:
    if value not in Profile.Subscription.values:
        raise BadFieldError(f"'{name}' must be 'subscribed', 'unsubscribed', or 'opted_in'")
    return str(value)


def _gender(name: str, value: Any) -> str:
    text = _text(name, value).strip().casefold()
    letter = _GENDERS.get(text, text.upper())
    if letter and letter not in _GENDERS.values():
        raise BadFieldError("'gender' must be 'M', 'F', 'O', 'N' or 'P'")
    return letter


@cache
def _countries() -> dict[str, str]:
    """Codes by what people call a country: its code, its three-letter code, its English name."""
    names = {code: name for code, name in Locale("en").territories.items() if re.fullmatch("[A-Z]{2}", code)}
    codes = {name.casefold(): code for code, name in names.items()} | {code.casefold(): code for code in names}
    old = {code.casefold(): new[0] for code, new in get_global("territory_aliases").items() if len(new) == 1}
    return {name: code for name, code in old.items() if code in names and not name.isdigit()} | codes


def _country(name: str, value: Any) -> str:
    """The ISO 3166-1 code as far as it can be told; what names no country clears it (Braze: sets it to null)."""
    return _countries().get(_text(name, value).strip().casefold(), "")


@cache
def _languages() -> frozenset[str]:
    codes = {str(code) for code in (*Locale("en").languages, *get_global("language_aliases"))}
    return frozenset(code for code in codes if re.fullmatch("[a-z]{2,3}", code))


def _language(name: str, value: Any) -> Any:
    """The ISO 639 code; a region or script after it is dropped, an unknown language changes nothing."""
    code = re.split("[-_]", _text(name, value).strip().lower())[0]
    return code if code in _languages() else IGNORED


@cache
def _time_zones() -> dict[str, str]:
    names = {name.casefold(): name for name in zoneinfo.available_timezones()}
    return {name.casefold(): zone for name, zone in RAILS_ZONES.items() if zone.casefold() in names} | names


def _time_zone(name: str, value: Any) -> Any:
    """A name of the IANA database, or one that Ruby on Rails has for it. Braze: only valid time zones are set."""
    return _time_zones().get(_text(name, value).strip().casefold(), IGNORED)


def _birthday(name: str, value: Any) -> Any:
    """The date as it is written: a birthday is the same day in every time zone."""
    day = parse_day(value)
    if day is None:
        raise BadFieldError("'dob' must be a date of the form YYYY-MM-DD")
    return day


def _moment(name: str, value: Any) -> Any:
    moment = parse_moment(value)
    if moment is None:
        raise BadFieldError(f"'{name}' must be a time in ISO 8601")
    return moment


#: By the API's name: the column, how a value becomes its value, and what null sets.
COLUMNS: Final[dict[str, tuple[str, Callable[[str, Any], Any], Any]]] = {
    "country": ("country", _country, ""),
    "date_of_first_session": ("first_used_at", _moment, None),
    "date_of_last_session": ("last_used_at", _moment, None),
    "dob": ("date_of_birth", _birthday, None),
    "email": ("email", _email, ""),
    "email_subscribe": ("email_subscribe", _subscription, Profile.Subscription.SUBSCRIBED.value),
    "first_name": ("first_name", _text, ""),
    "gender": ("gender", _gender, ""),
    "home_city": ("home_city", _text, ""),
    "language": ("language", _language, ""),
    "last_name": ("last_name", _text, ""),
    "phone": ("phone", _phone, ""),
    "push_subscribe": ("push_subscribe", _subscription, Profile.Subscription.SUBSCRIBED.value),
    "time_zone": ("time_zone", _time_zone, ""),
}


def column_value(name: str, value: Any) -> tuple[str, Any] | None:
    """(column, value) for the default attribute ``name``; None when the value changes nothing. Raises BadFieldError."""
    column, convert, cleared = COLUMNS[name]
    if value is None:
        return column, cleared
    converted = convert(name, value)
    return None if converted is IGNORED else (column, converted)
