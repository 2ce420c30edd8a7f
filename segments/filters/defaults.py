"""Filters over default attributes: country, language, email subscription, last use, external id.

Braze: segmentation filters (names, and the groups after its categories); each is one condition on a real column.
"""

from collections.abc import Collection
from typing import Any, ClassVar

from babel import Locale
from babel.core import UnknownLocaleError
from django.db import connection
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from profiles.models import Profile
from segments.filters import dates
from segments.filters.base import Context, Leaf, Operator, Option, ProfileFilter
from segments.filters.values import Choice, Several, Text

DEMOGRAPHIC = _("Demographic Attributes")


class CodeFilter(ProfileFilter):
    """A column of codes with known names. A code that some user has can be chosen even if it has no name."""

    column: ClassVar[str]
    operators = (
        Operator("is_any_of", _("is any of"), Several(search=True)),
        Operator("is_none_of", _("is none of"), Several(search=True), negates="is_any_of"),
        Operator("is_blank", _("is blank")),
        Operator("is_not_blank", _("is not blank"), negates="is_blank"),
    )

    def names(self) -> dict[str, str]:
        """The known codes and their names in the reader's language."""
        raise NotImplementedError

    def condition(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        if leaf.operator == "is_blank":
            return f"{self.column} = ''", []
        return f"{self.column} = ANY(%s)", [leaf.value]

    def search(self, workspace_id: int, query: str, limit: int) -> list[Option]:
        names = self.names()
        codes = dict.fromkeys([*self._codes_in_use(workspace_id), *sorted(names, key=lambda code: names[code])])
        wanted = query.casefold().strip()
        found = (Option(code, names.get(code, code), code) for code in codes)
        return [one for one in found if wanted in one.label.casefold() or wanted == one.value.casefold()][:limit]

    def labels(self, workspace_id: int, values: Collection[str]) -> dict[str, str]:
        names = self.names()
        return {one: names[one] for one in values if one in names}

    def _codes_in_use(self, workspace_id: int) -> list[str]:
        # Steps from one value of the (workspace, column) index to the next, so it costs a probe per code, not per user.
        step = f"SELECT min({self.column}) FROM profiles_profile WHERE workspace_id = %s AND {self.column} > "  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                WITH RECURSIVE codes(code) AS (
                    ({step} '') UNION ALL SELECT ({step} code) FROM codes WHERE code IS NOT NULL
                ) SELECT code FROM codes WHERE code IS NOT NULL
                """,  # noqa: S608
                [workspace_id, workspace_id],
            )
            return [code for (code,) in cursor.fetchall()]


def _locale() -> Locale:
    try:
        return Locale.parse(get_language() or "en", sep="-")
    except (ValueError, UnknownLocaleError):
        return Locale.parse("en")


class Country(CodeFilter):
    key = "country"
    name = _("Country")
    group = DEMOGRAPHIC
    column = "country"
    depends_on = frozenset({"profiles.country"})

    def names(self) -> dict[str, str]:
        return {code: name for code, name in _locale().territories.items() if len(code) == 2 and code.isalpha()}


class Language(CodeFilter):
    key = "language"
    name = _("Language")
    group = DEMOGRAPHIC
    column = "language"
    depends_on = frozenset({"profiles.language"})

    def names(self) -> dict[str, str]:
        return {code: name for code, name in _locale().languages.items() if len(code) == 2}


class EmailSubscription(ProfileFilter):
    key = "email_subscription_status"
    name = _("Email Subscription Status")
    group = _("Channel Subscription Behavior")
    depends_on = frozenset({"profiles.email_subscribe"})
    _states = Choice(tuple((state.value, state.label) for state in Profile.Subscription))
    operators = (
        Operator("is", _("is"), _states),
        Operator("is_not", _("is not"), _states, negates="is"),
    )

    def condition(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return "email_subscribe = %s", [leaf.value]


class LastUsedApp(ProfileFilter):
    key = "last_used_app"
    name = _("Last Used App")
    group = _("Sessions")
    depends_on = frozenset({"profiles.last_used_at"})
    operators = dates.PAST

    def condition(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return dates.time_condition(leaf, context, "last_used_at")


class ExternalUserId(ProfileFilter):
    key = "external_user_id"
    name = _("External User ID")
    group = _("Other Filters")
    depends_on = frozenset({"profiles.external_id"})
    operators = (
        Operator("equals", _("equals"), Text()),
        Operator("does_not_equal", _("does not equal"), Text(), negates="equals"),
        Operator("is_any_of", _("is any of"), Several()),
        Operator("is_none_of", _("is none of"), Several(), negates="is_any_of"),
        Operator("is_blank", _("is blank")),
        Operator("is_not_blank", _("is not blank"), negates="is_blank"),
    )

    def condition(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        if leaf.operator == "is_blank":
            return "external_id IS NULL", []
        wanted = leaf.value if leaf.operator == "is_any_of" else [leaf.value]
        return "external_id = ANY(%s)", [wanted]
