"""Mixpanel's users as identifiers of ours, in the order that the integration prefers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from partners.changes import EMAIL, EXTERNAL_ID, NOBODY, Group
from partners.models import Integration
from partners.validation import storable

BRAZE_EXTERNAL_ID: Final = "$braze_external_id"
DISTINCT_ID: Final = "mixpanel_distinct_id"

#: What a user can be matched by, in the default order: the first that a member has decides.
IDENTIFIERS: Final = {
    BRAZE_EXTERNAL_ID: _("The property $braze_external_id only"),
    DISTINCT_ID: _("Mixpanel's distinct id only"),
    "email": _("The email address only: one that several users share adds them all"),
}


def identifiers_of(integration: Integration) -> list[str]:
    """The identifiers that members of this integration are matched by, the preferred one first."""
    chosen = [name for name in integration.identifiers if name in IDENTIFIERS]
    return chosen or list(IDENTIFIERS)


def as_groups(members: Iterable[Mapping[str, Any]], preferred: list[str], *, remove: bool) -> list[Group]:
    """Change groups for ``members``. Raises ParseError for an identifier that cannot be stored.

    A member without any of the ``preferred`` identifiers names nobody: it is counted as unmatched.
    """
    by_kind: dict[str, list[str]] = defaultdict(list)
    for member in members:
        name, value = next(((name, text) for name in preferred if (text := _text(member.get(name)))), ("", ""))
        kind = EMAIL if name == "email" else EXTERNAL_ID if name else NOBODY
        by_kind[kind].append(storable(value, f"Each `{name}`"))
    return [Group(kind, remove, values) for kind, values in by_kind.items()]


def _text(value: Any) -> str:
    """An identifier as text: Mixpanel sends numbers where the project uses numbers."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)
