"""What a user has of what a filter asks about, said in words: why they match it, or not."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from profiles.models import Profile
from workspaces.roles import Action

#: Of a long value so much is shown.
_SHOWN: Final = 300


@dataclass(frozen=True)
class Fact:
    """A sentence about a user; ``address`` is a page that tells more, for those who may ``action``."""

    text: str
    address: str = ""
    action: Action | None = None


def value_fact(value: Any, shown: str = "") -> Fact:
    """What the user has; ``shown`` is how people call it, if not by the value itself."""
    if value is None or value in ("", [], {}):
        return Fact(_("The user has no value."))
    return Fact(_("The user's value: %(value)s") % {"value": shown or _text(value)})


def column_fact(profile: Profile, column: str) -> Fact:
    """What the user has in a column of their profile."""
    value = getattr(profile, column)
    field: Any = Profile._meta.get_field(column)
    return value_fact(value, str(dict(field.flatchoices).get(value, "")) if field.choices else "")


def names_fact(names: Iterable[str]) -> Fact:
    """Which of several things the user has."""
    found = sorted(names)
    return value_fact(found, ", ".join(f"“{name}”" for name in found)[:_SHOWN])


def moment_text(moment: datetime) -> str:
    """A time in the reader's zone."""
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, date):
        return date_format(value, "DATE_FORMAT")
    if isinstance(value, str):
        return f"“{value[:_SHOWN]}”"
    if isinstance(value, dict | list | bool):
        return json.dumps(value, ensure_ascii=False)[:_SHOWN]
    return str(value)
