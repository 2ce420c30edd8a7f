"""Profile fields that are kept as they came: the last place, connected accounts.

Braze: segmentation filters, location, social activity; user attributes object, the fields of the same names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from profiles.models import Profile
from profiles.versions import Kind
from segments.filters import comparing
from segments.filters.base import Context, Leaf, Operator, ProfileFilter
from segments.filters.columns import YesOrNoColumn
from segments.filters.comparing import Condition, Expression
from segments.filters.facts import Fact, value_fact
from segments.filters.quantities import Part, Parts
from segments.filters.values import Number

LOCATION: Final = _("Location")
SOCIAL: Final = _("Social Activity")
#: Of the Earth, in kilometres.
RADIUS: Final = 6371.0088


class KeptField(ProfileFilter):
    """About one field of those."""

    field: ClassVar[str]
    depends_on = frozenset({Kind.ATTRIBUTES})

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        return {leaf.id: [value_fact(profile.other_fields.get(self.field))] for leaf in leaves}


def _is_there(field: str) -> str:
    return f"coalesce(other_fields -> '{field}', 'null') NOT IN ('null', '{{}}', '\"\"')"


def _number(path: str) -> Expression:
    """The number at a path in the kept fields, as an SQL numeric; null where there is none."""
    value = f"(other_fields #> '{path}')"
    return Expression(f"(CASE WHEN jsonb_typeof({value}) = 'number' THEN {value}::numeric END)")


@dataclass(frozen=True)
class Within(Number):
    """A number between two others."""

    least: float = 0
    most: float = 0

    def check(self, value: Any) -> int | float:
        found = super().check(value)
        if not self.least <= found <= self.most:
            bounds = {"least": self.least, "most": self.most}
            raise ValueError(_now("Enter a number from %(least)s to %(most)s.") % bounds)
        return found

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self.least, "maximum": self.most}


def _circle() -> Parts:
    """``{"latitude": …, "longitude": …, "kilometers": …}``."""
    said: str | Promise = _("%(kilometers)s km around %(latitude)s, %(longitude)s")
    return Parts(
        (
            Part("kilometers", Within(least=0.001, most=20_100), _("Kilometers"), after=_("km around")),
            Part("latitude", Within(least=-90, most=90), _("Latitude"), before=_("latitude")),
            Part("longitude", Within(least=-180, most=180), _("Longitude"), before=_("longitude")),
        ),
        said,
    )


class MostRecentLocation(KeptField):
    """The last place of which a user's position is known, in a circle. Distances are those on a sphere."""

    key = "most_recent_location"
    name = _("Most Recent Location")
    group = LOCATION
    field = "current_location"
    operators = (
        Operator("is_within", _("is within"), _circle()),
        Operator("is_not_within", _("is not within"), _circle(), negates="is_within"),
    )

    def condition(self, leaf: Leaf, context: Context) -> Condition:
        latitude, longitude = (_number(f"{{current_location,{name}}}").sql for name in ("latitude", "longitude"))
        # The haversine formula, which is exact for short distances, too.
        half_chord = (
            f"sin(radians({latitude}::float8 - %s::float8) / 2) ^ 2 + cos(radians(%s::float8))"
            f" * cos(radians({latitude}::float8)) * sin(radians({longitude}::float8 - %s::float8) / 2) ^ 2"
        )
        at, circle = leaf.value["latitude"], leaf.value
        condition = f"2 * {RADIUS} * asin(least(1, sqrt({half_chord}))) <= %s::float8"
        return condition, [at, at, circle["longitude"], circle["kilometers"]]


class LocationAvailable(YesOrNoColumn, KeptField):
    key = "location_available"
    name = _("Location Available")
    group = LOCATION
    field = "current_location"
    true_if = " AND ".join(
        f"{_number(f'{{current_location,{name}}}').sql} IS NOT NULL" for name in ("latitude", "longitude")
    )


class ConnectedFacebook(YesOrNoColumn, KeptField):
    key = "connected_facebook"
    name = _("Connected Facebook")
    group = SOCIAL
    field = "facebook"
    true_if = _is_there("facebook")


class ConnectedTwitter(YesOrNoColumn, KeptField):
    key = "connected_twitter"
    name = _("Connected Twitter")
    group = SOCIAL
    field = "twitter"
    true_if = _is_there("twitter")


class KeptNumber(KeptField):
    """A number in such a field."""

    group = SOCIAL
    path: ClassVar[str]
    operators = tuple(one for one in comparing.numbers(null_counts=False) if "blank" not in one.key)

    def condition(self, leaf: Leaf, context: Context) -> Condition:
        return comparing.number_condition(leaf, _number(self.path))


class FacebookFriends(KeptNumber):
    key = "facebook_friends"
    name = _("Number of Facebook Friends")
    field, path = "facebook", "{facebook,num_friends}"


class TwitterFollowers(KeptNumber):
    key = "twitter_followers"
    name = _("Number of Twitter Followers")
    field, path = "twitter", "{twitter,followers_count}"


FILTERS: Final[tuple[ProfileFilter, ...]] = (
    MostRecentLocation(),
    LocationAvailable(),
    ConnectedFacebook(),
    ConnectedTwitter(),
    FacebookFriends(),
    TwitterFollowers(),
)
