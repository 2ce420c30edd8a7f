"""Times as Braze's API takes them, and as its exports write them.

Braze: user attributes object, "Custom attribute data types", dates.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

_ISO: Final = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,:](?P<fraction>\d{1,9}))?)?"
    r"\s?(?P<zone>Z|[+-]\d{1,2}(?::?\d\d)?)?)?",
    re.ASCII,
)
_AMERICAN: Final = re.compile(r"(?P<month>\d\d)/(?P<day>\d\d)/(?P<year>\d{4})", re.ASCII)
_VERBOSE: Final = re.compile(
    r"[A-Za-z]{3} (?P<month>\d\d|[A-Z][a-z]{2}) (?P<day>\d\d) (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
    r"[. ]?(?P<zone>Z|UTC|GMT|[+-]\d{1,2}(?::?\d\d)?) (?P<year>\d{4})",
    re.ASCII,
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FORMATS: Final = (_ISO, _AMERICAN, _VERBOSE)
#: The form that most clients send; Python reads it many times faster than we take it apart.
_USUAL: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{3}|\.[0-9]{6})?Z"
)
#: Later years are stored as strings (Braze: dates).
LAST_YEAR: Final = 3000


def parse_moment(text: object) -> datetime | None:
    """The moment that ``text`` names, in UTC (also when it names no zone); None if it has none of Braze's formats."""
    written = _written(text)
    if written is None or written.tzinfo is UTC:
        return written
    try:
        return written.astimezone(UTC)
    except OverflowError:
        return None


def parse_day(text: object) -> date | None:
    """The date that ``text`` shows, in whatever zone it does; None if it has none of Braze's formats."""
    written = _written(text)
    return written and written.date()


def parse_time(text: object) -> datetime | None:
    """The moment of an event. A text that must be a time may have any form of ISO 8601 and any year; as an attribute's
    value, ``20130716`` would be taken for one though it may be a number or a code.
    """
    moment = parse_moment(text)
    if moment is not None or not isinstance(text, str) or len(text) > 40:
        return moment
    try:
        found = datetime.fromisoformat(text.strip())
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _written(text: object) -> datetime | None:
    """The time that ``text`` shows, in the zone that it names, or else in UTC; None if it has none of the formats."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    if _USUAL.fullmatch(text):
        return _usual_moment(text)
    for form in _FORMATS:
        if found := form.fullmatch(text.strip()):
            return _moment({name: value for name, value in found.groupdict().items() if value})
    return None


def _usual_moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.year <= LAST_YEAR else None


def _moment(parts: dict[str, str]) -> datetime | None:
    if parts["month"] in _MONTHS:
        parts["month"] = str(_MONTHS.index(parts["month"]) + 1)
    elif not parts["month"].isdigit():
        return None
    fields = {name: int(parts.get(name, 0)) for name in ("year", "month", "day", "hour", "minute", "second")}
    fraction = int(parts.get("fraction", "0").ljust(6, "0")[:6])
    if fields["year"] > LAST_YEAR:
        return None
    try:
        return datetime(**fields, microsecond=fraction, tzinfo=_zone(parts.get("zone", "Z")))
    except (ValueError, OverflowError):
        return None


def _zone(text: str) -> timezone:
    if text in ("Z", "UTC", "GMT"):
        return UTC
    sign, digits = text[0], text[1:].replace(":", "")
    hours, minutes = (digits, "0") if len(digits) <= 2 else (digits[:-2], digits[-2:])
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == "-" else offset)


def as_stored(moment: datetime) -> str:
    """The one form in which a date attribute is stored: UTC with milliseconds, so that texts sort as the moments do."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def iso(moment: datetime | None) -> str | None:
    """As Braze's exports write a moment, which is how dates are stored: 2026-01-31T23:59:59.000Z. None for none."""
    return None if moment is None else as_stored(moment)
