"""Kinds of values that operators take: how they are checked, described in the JSON Schema and drawn in the builder."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

#: Braze: "is any of" takes at most 256 values.
MAX_VALUES = 256
MAX_TEXT = 512
MAX_DAYS = 36_500
#: Beyond this a JavaScript number, and thus the builder, no longer tells whole numbers apart.
MAX_NUMBER = 9_007_199_254_740_991


class MissingError(ValueError):
    """No value has been given yet: the filter is unfinished."""


@dataclass(frozen=True)
class Value(ABC):
    """A kind of value. ``widget`` names what the builder draws."""

    widget: ClassVar[str] = ""
    #: How long finding the users may take, where the value alone decides that.
    seconds: ClassVar[float | None] = None

    @abstractmethod
    def check(self, value: Any) -> Any:
        """The value in its stored form. Raises ValueError (MissingError: nothing given) with a sentence for people."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the stored form."""

    def words(self, value: Any, labels: dict[str, str]) -> str:
        """The value for people."""
        return str(value)

    def named(self, value: Any) -> list[str]:
        """The names and ids in it whose labels are to be looked up (``Filter.labels``); it may be unchecked."""
        return []


@dataclass(frozen=True)
class NoValue(Value):
    """The operator says all ("is blank"). Stored as null."""

    widget = "none"

    def check(self, value: Any) -> None:
        if value not in (None, ""):
            raise ValueError(_("This comparison takes no value."))

    def schema(self) -> dict[str, Any]:
        return {"type": "null"}

    def words(self, value: Any, labels: dict[str, str]) -> str:
        return ""


@dataclass(frozen=True)
class Text(Value):
    """One text, compared with its case and its spaces."""

    widget = "text"

    def check(self, value: Any) -> str:
        if value in (None, ""):
            raise MissingError(_("Enter a value."))
        return check_text(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}

    def words(self, value: Any, labels: dict[str, str]) -> str:
        return f"“{value}”"


@dataclass(frozen=True)
class Number(Value):
    """A number, whole or not."""

    widget = "number"

    def check(self, value: Any) -> int | float:
        if value in (None, ""):
            raise MissingError(_("Enter a number."))
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(_("Enter a number."))
        if abs(value) > MAX_NUMBER:
            raise ValueError(_("The number is too large."))
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER}


@dataclass(frozen=True)
class Days(Value):
    """A whole number of days, each of 24 hours. Braze: custom attributes, time."""

    widget = "days"

    def check(self, value: Any) -> int:
        if value in (None, ""):
            raise MissingError(_("Enter a number of days."))
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_DAYS:
            raise ValueError(_("Enter a whole number of days from 0 to %(most)s.") % {"most": MAX_DAYS})
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": 0, "maximum": MAX_DAYS}

    def words(self, value: Any, labels: dict[str, str]) -> str:
        return ngettext("%(count)s day", "%(count)s days", value) % {"count": value}


@dataclass(frozen=True)
class Date(Value):
    """A calendar day of the workspace's time zone, as YYYY-MM-DD."""

    widget = "date"

    def check(self, value: Any) -> str:
        if value in (None, ""):
            raise MissingError(_("Choose a date."))
        try:
            found = date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
        except ValueError:
            found = None
        if found is None or not 1900 <= found.year <= 2200:
            raise ValueError(_("Enter a date from 1900 to 2200 as YYYY-MM-DD."))
        return found.isoformat()

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date", "pattern": r"^(19|20|21|22)\d{2}-\d{2}-\d{2}$"}


@dataclass(frozen=True)
class Choice(Value):
    """One of a few fixed values, given as (key, name)."""

    widget = "choice"
    options: tuple[tuple[str, str | Promise], ...] = ()

    def check(self, value: Any) -> str:
        if value in (None, ""):
            raise MissingError(_("Choose a value."))
        if not isinstance(value, str) or value not in dict(self.options):
            raise ValueError(
                _("Choose one of these values: %(values)s.") % {"values": ", ".join(key for key, _name in self.options)}
            )
        return value

    def schema(self) -> dict[str, Any]:
        return {"enum": [key for key, _name in self.options]}

    def words(self, value: Any, labels: dict[str, str]) -> str:
        return str(dict(self.options).get(value, value))


@dataclass(frozen=True)
class Several(Value):
    """One to 256 texts. ``search``: they are chosen from those that the filter offers, else typed freely."""

    search: bool = False

    @property
    def widget(self) -> str:  # type: ignore[override]
        return "search" if self.search else "texts"

    def check(self, value: Any) -> list[str]:
        if value in (None, "", []):
            raise MissingError(_("Choose a value.") if self.search else _("Enter a value."))
        if not isinstance(value, list):
            raise ValueError(_("Give a list of values."))
        if len(value) > MAX_VALUES:
            raise ValueError(_("Give at most %(most)s values.") % {"most": MAX_VALUES})
        return list(dict.fromkeys(check_text(one) for one in value))

    def schema(self) -> dict[str, Any]:
        item = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
        return {"type": "array", "items": item, "minItems": 1, "maxItems": MAX_VALUES}

    def words(self, value: Any, labels: dict[str, str]) -> str:
        return ", ".join(f"“{labels.get(one, one)}”" for one in value)

    def named(self, value: Any) -> list[str]:
        return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def check_text(value: Any) -> str:
    """The text itself. Raises ValueError for what is none, or cannot be stored."""
    if not isinstance(value, str) or not value:
        raise ValueError(_("Enter a text."))
    if len(value) > MAX_TEXT:
        raise ValueError(_("Enter at most %(most)s characters.") % {"most": MAX_TEXT})
    if "\x00" in value:
        raise ValueError(_("The character NUL cannot be used."))
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(_("The text holds a broken character.")) from None
    return value
