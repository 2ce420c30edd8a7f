"""Who users are: country, city, language, time zone, age, birthday, gender, names.

Braze: segmentation filters, demographic attributes.
"""

import zoneinfo
from abc import abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, ClassVar, Final

from babel import Locale
from babel.core import UnknownLocaleError
from django.db import connection
from django.utils.translation import get_language
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from profiles.attributes import BadFieldError, column_value
from profiles.models import Profile
from profiles.versions import Kind
from segments.filters import comparing, days_of_year
from segments.filters.base import Context, Leaf, Operator, Option, ProfileFilter, Text
from segments.filters.columns import TextColumn, WholeNumber
from segments.filters.comparing import Condition, Expression
from segments.filters.facts import Fact, value_fact
from segments.filters.subjects import About
from segments.filters.values import Several

GROUP: Final = _("Demographic Attributes")
MAX_AGE: Final = 150


@dataclass(frozen=True)
class Codes(Several):
    """Codes of the default attribute ``attribute``, brought into the form that profiles store."""

    search: bool = True
    attribute: str = ""
    #: Says with %(code)s that it is none.
    unknown: Text = ""

    def check(self, value: Any) -> list[str]:
        return list(dict.fromkeys(self._stored(one) for one in super().check(value)))

    def _stored(self, given: str) -> str:
        try:
            found = column_value(self.attribute, given)
        except BadFieldError:
            found = None
        if not found or not found[1]:
            raise ValueError(str(self.unknown) % {"code": given[:60]})
        return str(found[1])


def _of_codes(attribute: str, unknown: Text) -> tuple[Operator, ...]:
    codes = Codes(attribute=attribute, unknown=unknown)
    return (
        Operator("is_any_of", _("is any of"), codes),
        Operator("is_none_of", _("is none of"), codes, negates="is_any_of"),
        *comparing.BLANK,
    )


class CodeFilter(ProfileFilter):
    """A column of codes with known names. A code that some user has can be chosen even if it has no name."""

    group = GROUP
    column: ClassVar[str]
    depends_on = frozenset({Kind.ATTRIBUTES})
    #: Whether an index begins with (workspace, column), so that the codes that users have are found at once.
    is_indexed: ClassVar[bool] = False

    @abstractmethod
    def names(self) -> dict[str, str]:
        """The known codes and their names in the reader's language."""

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        code = getattr(profile, self.column)
        return {leaf.id: [value_fact(code, self.names().get(code, code))] for leaf in leaves}

    def condition(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        if leaf.operator == "is_blank":
            return f"{self.column} = ''", []
        return f"{self.column} = ANY(%s)", [leaf.value]

    def search(self, workspace_id: int, query: str, limit: int, subject: About | None = None) -> list[Option]:
        names = self.names()
        in_use = self._codes_in_use(workspace_id) if self.is_indexed else []
        codes = dict.fromkeys([*in_use, *sorted(names, key=lambda code: names[code])])
        wanted = query.casefold().strip()
        found = (Option(code, name := names.get(code, code), code if code != name else "") for code in codes)
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
    column = "country"
    is_indexed = True
    operators = _of_codes(
        "country", _("“%(code)s” is no country. Choose one from the list, or give a code such as JP.")
    )

    def names(self) -> dict[str, str]:
        return {code: name for code, name in _locale().territories.items() if len(code) == 2 and code.isalpha()}


class City(TextColumn):
    key = "city"
    name = _("City")
    group = GROUP
    column = shows = "home_city"
    depends_on = frozenset({Kind.ATTRIBUTES})
    offers_values = True


class Language(CodeFilter):
    key = "language"
    name = _("Language")
    column = "language"
    is_indexed = True
    operators = _of_codes(
        "language", _("“%(code)s” is no language. Choose one from the list, or give a code such as ja.")
    )

    def names(self) -> dict[str, str]:
        return {code: name for code, name in _locale().languages.items() if len(code) == 2}


@cache
def _time_zones() -> frozenset[str]:
    # It is read from the disk.
    return frozenset(zoneinfo.available_timezones())


class TimeZone(CodeFilter):
    key = "time_zone"
    name = _("Time Zone")
    column = "time_zone"
    operators = _of_codes(
        "time_zone", _("“%(code)s” is no time zone. Choose one from the list, or give a name such as Asia/Tokyo.")
    )

    def names(self) -> dict[str, str]:
        return {name: name for name in _time_zones()}


class Gender(CodeFilter):
    key = "gender"
    name = _("Gender")
    column = "gender"
    operators = _of_codes("gender", _("“%(code)s” is no gender. Choose one from the list: F, M, O, N or P."))

    def names(self) -> dict[str, str]:
        return {
            "F": _now("Female"),
            "M": _now("Male"),
            "O": _now("Other"),
            "N": _now("Not applicable"),
            "P": _now("Prefer not to say"),
        }


class Age(ProfileFilter):
    """Full years since the date of birth, today in the workspace's time zone."""

    key = "age"
    name = _("Age")
    group = GROUP
    shows = "date_of_birth"
    depends_on = frozenset({Kind.ATTRIBUTES})
    _years = WholeNumber(most=MAX_AGE)
    operators = (
        Operator("exactly", _("is exactly"), _years),
        Operator("does_not_equal", _("is not exactly"), _years, negates="exactly"),
        Operator("more_than", _("is more than"), _years),
        Operator("less_than", _("is less than"), _years),
        Operator("at_least", _("is at least"), _years),
        Operator("at_most", _("is at most"), _years),
        *comparing.BLANK,
    )

    def condition(self, leaf: Leaf, context: Context) -> Condition:
        if leaf.operator == "is_blank":
            return "date_of_birth IS NULL", []
        today = context.now.astimezone(context.zone).date()
        since, next_since = _years_before(today, leaf.value), _years_before(today, leaf.value + 1)
        return {
            "exactly": ("date_of_birth <= %s AND date_of_birth > %s", [since, next_since]),
            "more_than": ("date_of_birth <= %s", [next_since]),
            "less_than": ("date_of_birth > %s", [since]),
            "at_least": ("date_of_birth <= %s", [since]),
            "at_most": ("date_of_birth > %s", [next_since]),
        }[leaf.operator]


def _years_before(day: date, years: int) -> date:
    """The last date of birth with which somebody is ``years`` old on ``day``: February 29 is reached on March 1."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return date(day.year - years, 2, 28)


class Birthday(ProfileFilter):
    """The month and the day of the date of birth."""

    key = "birthday"
    name = _("Birthday")
    group = GROUP
    shows = "date_of_birth"
    depends_on = frozenset({Kind.ATTRIBUTES})
    operators = (*days_of_year.OPERATORS, *comparing.BLANK)
    _day = Expression("(extract(month FROM date_of_birth) * 100 + extract(day FROM date_of_birth))")

    def condition(self, leaf: Leaf, context: Context) -> Condition:
        if leaf.operator == "is_blank":
            return "date_of_birth IS NULL", []
        return days_of_year.condition(leaf, context, self._day)


class FirstName(TextColumn):
    key = "first_name"
    name = _("First Name")
    group = GROUP
    column = shows = "first_name"
    depends_on = frozenset({Kind.ATTRIBUTES})


class UnformattedPhoneNumber(TextColumn):
    """The digits of the phone number alone."""

    key = "unformatted_phone_number"
    name = _("Unformatted Phone Number")
    group = GROUP
    column = r"regexp_replace(phone, '\D', '', 'g')"
    shows = "phone"
    depends_on = frozenset({Kind.ATTRIBUTES})


class LastName(TextColumn):
    key = "last_name"
    name = _("Last Name")
    group = GROUP
    column = shows = "last_name"
    depends_on = frozenset({Kind.ATTRIBUTES})


FILTERS: Final = (
    Country(),
    City(),
    Language(),
    TimeZone(),
    Age(),
    Birthday(),
    Gender(),
    UnformattedPhoneNumber(),
    FirstName(),
    LastName(),
)
