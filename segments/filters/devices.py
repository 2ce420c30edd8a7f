"""The devices that users were seen on: how many, which model, platform and version of the operating system.

Braze: segmentation filters, devices. A user matches when one of their devices does.
"""

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from profiles.models import Device, Profile
from profiles.sets import ProfileSet, profile_ids
from profiles.versions import Kind
from segments.filters import comparing
from segments.filters.base import Context, Filter, Leaf, Operator, Option, UnusableError, within_limit
from segments.filters.base import Text as Name
from segments.filters.behaviours import grouped
from segments.filters.columns import TRUE_OR_FALSE, WholeNumber
from segments.filters.comparing import Condition, Expression
from segments.filters.facts import Fact, names_fact, value_fact
from segments.filters.limits import TooLongError, time_limit
from segments.filters.quantities import Quantity, comparisons, having
from segments.filters.subjects import About, OneOf
from segments.filters.values import Several, Text
from workspaces.models import App

GROUP: Final = _("Devices")
ADVERTISING: Final = _("Advertising Use Cases")
#: The operating systems that Braze's SDKs run on, by the platform that events tell.
SYSTEMS: Final[dict[str, Name]] = {
    **{one.value: one.label for one in App.Platform},
    "kindle": "Fire OS (Kindle)",
    "macos": "macOS",
    "roku": "Roku",
    "tvos": "tvOS",
    "windows": "Windows",
}
_LOOK_SECONDS: Final = 0.4


class DeviceFilter(Filter):
    """A condition on one device."""

    group = GROUP
    depends_on = frozenset({Kind.DEVICES})

    @abstractmethod
    def condition(self, leaf: Leaf) -> Condition:
        """The SQL condition on a row of devices, and its parameters."""

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        return [self._find_one(leaf, context) for leaf in leaves]

    def _find_one(self, leaf: Leaf, context: Context) -> ProfileSet | UnusableError:
        operator = self.operator(leaf.operator, leaf.subject)
        assert operator is not None  # noqa: S101 - the tree was checked
        condition, params = self.condition(leaf)
        return within_limit(
            operator.value,
            lambda: profile_ids(
                f"workspace_id = %s AND ({condition})",
                [context.workspace_id, *params],
                source="profiles_device",
                column="profile_id",
            ),
        )

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        rows = Device.objects.filter(profile=profile).values_list("platform", "model", "os_version")
        return {leaf.id: [names_fact({" ".join(filter(None, row)) for row in rows})] for leaf in leaves}


class DeviceCount(Quantity):
    """Whoever was seen on none has 0."""

    key = "device_count"
    name = _("Device Count")
    group = GROUP
    depends_on = frozenset({Kind.DEVICES})
    operators = comparisons(WholeNumber())

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        where, params = "workspace_id = %s", [context.workspace_id]
        return [grouped("profiles_device", where, params, *having(leaf, "count(*)")) for leaf in leaves]

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        count = Device.objects.filter(profile=profile).count()
        return {leaf.id: [value_fact(count)] for leaf in leaves}


class DeviceText(DeviceFilter):
    """A text that is known of a device, by its column."""

    operators = (
        Operator("is_any_of", _("is any of"), Several()),
        Operator("is_none_of", _("is none of"), Several(), negates="is_any_of"),
        *comparing.PATTERNS,
    )
    offers_values = True

    def __init__(self, key: str, name: Name, column: str) -> None:
        self.key, self.name, self.column = key, name, column

    def condition(self, leaf: Leaf) -> Condition:
        return comparing.text_condition(leaf, Expression(self.column))

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        held = {one for one in Device.objects.filter(profile=profile).values_list(self.column, flat=True) if one}
        return {leaf.id: [names_fact(held)] for leaf in leaves}

    def search(self, workspace_id: int, query: str, limit: int, subject: About | None = None) -> list[Option]:
        """Texts of some devices, the commonest first."""
        try:
            with time_limit(_LOOK_SECONDS), connection.cursor() as cursor:
                cursor.execute(
                    f"""
                    SELECT said FROM (
                        SELECT {self.column} AS said FROM profiles_device WHERE workspace_id = %s
                        AND {self.column} <> '' AND strpos(lower({self.column}), lower(%s)) > 0 LIMIT 5000
                    ) AS held GROUP BY said ORDER BY count(*) DESC, said LIMIT %s
                    """,  # noqa: S608 - a name of ours
                    [workspace_id, query.strip(), limit],
                )
                return [Option(said, said) for (said,) in cursor.fetchall()]
        except TooLongError:
            return []


class AdvertisingId(DeviceFilter):
    """The advertising id of a device, of one kind (Braze: Currents, ``ad_id_type``)."""

    group = ADVERTISING
    operators = (
        *comparing.EQUALITY,
        *comparing.PATTERNS,
        Operator("is_not_blank", _("is not blank")),
        Operator("is_blank", _("is blank"), negates="is_not_blank"),
    )

    def __init__(self, key: str, name: Name, kind: str) -> None:
        self.key, self.name, self.kind = key, name, kind

    def condition(self, leaf: Leaf) -> Condition:
        mine = "ad_id_type = %s AND ad_id <> ''"
        if leaf.operator == "is_not_blank":
            return mine, [self.kind]
        said, params = comparing.text_condition(leaf, Expression("ad_id"))
        return f"{mine} AND ({said})", [self.kind, *params]

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        mine = Device.objects.filter(profile=profile, ad_id_type=self.kind).exclude(ad_id="")
        return {leaf.id: [names_fact(set(mine.values_list("ad_id", flat=True)))] for leaf in leaves}


class AdTrackingEnabled(DeviceFilter):
    """Somebody lets advertisers track them on one of their devices."""

    key = "ad_tracking_enabled"
    name = _("Ad Tracking Enabled")
    group = ADVERTISING
    operators = TRUE_OR_FALSE

    def condition(self, leaf: Leaf) -> Condition:
        return "ad_tracking = 'true'", []

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        told = {one for one in Device.objects.filter(profile=profile).values_list("ad_tracking", flat=True) if one}
        return {leaf.id: [names_fact(told)] for leaf in leaves}


class DeviceOs(DeviceFilter):
    key = "device_os"
    name = _("Device OS")
    operators = (
        Operator("is_any_of", _("is any of"), Several(search=True)),
        Operator("is_none_of", _("is none of"), Several(search=True), negates="is_any_of"),
    )

    def condition(self, leaf: Leaf) -> Condition:
        return "platform = ANY(%s)", [leaf.value]

    def search(self, workspace_id: int, query: str, limit: int, subject: About | None = None) -> list[Option]:
        return _platforms(query)

    def labels(self, workspace_id: int, values: Any) -> dict[str, str]:
        return _named(values)


def _platforms(query: str) -> list[Option]:
    wanted = query.strip().casefold()
    return [Option(one, str(name)) for one, name in SYSTEMS.items() if wanted in str(name).casefold() or wanted == one]


def _named(values: Any) -> dict[str, str]:
    return {one: str(name) for one, name in SYSTEMS.items() if one in values}


@dataclass(frozen=True)
class Version(Text):
    """A version: numbers joined by dots."""

    def check(self, value: Any) -> str:
        text = super().check(value)
        if not re.fullmatch(_VERSION, text):
            raise ValueError(_now("Enter a version as numbers joined by dots, such as 17.4."))
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_VERSION}$"}

    def words(self, value: Any, labels: dict[str, str]) -> str:
        return str(value)


_PARTS: Final = 4
_VERSION: Final = r"\d{1,9}(\.\d{1,9}){0,3}"
#: The first version in a text such as "iOS 17.4", as so many numbers; 17 is 17.0.0.0.
_SQL_VERSION: Final = (
    r"(string_to_array(substring(os_version FROM '\d{1,9}(?:\.\d{1,9}){0,3}') || '.0.0.0', '.')::int[])[1:4]"
)


class DeviceOsVersion(DeviceFilter):
    """Versions of one operating system, in their order: 9 comes before 10."""

    key = "device_os_version"
    name = _("Device OS Version Number")
    subject = OneOf(member="os", label=_("Choose an operating system"), missing=_("Choose an operating system."))
    operators = (
        Operator("exactly", _("is exactly"), Version()),
        Operator("more_than", _("is above"), Version()),
        Operator("at_least", _("is above or equal to"), Version()),
        Operator("less_than", _("is below"), Version()),
        Operator("at_most", _("is below or equal to"), Version()),
    )

    def condition(self, leaf: Leaf) -> Condition:
        numbers = [int(one) for one in leaf.value.split(".")]
        sign = comparing.COMPARISONS[leaf.operator]
        padded = [*numbers, *[0] * (_PARTS - len(numbers))]
        return f"platform = %s AND {_SQL_VERSION} {sign} %s::int[]", [(leaf.subject or {})["os"], padded]

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        message = _now("“%(name)s” is no operating system. Choose another one or remove the filter.")
        names = {leaf.id: str((leaf.subject or {})["os"]) for leaf in leaves}
        return {
            leaf_id: UnusableError(message % {"name": name}) for leaf_id, name in names.items() if name not in SYSTEMS
        }

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        broken = self.unusable(context.workspace_id, leaves)
        return [broken.get(leaf.id) or self._find_one(leaf, context) for leaf in leaves]

    def search_subjects(
        self, workspace_id: int, query: str, limit: int, member: str = "", subject: About | None = None
    ) -> list[Option]:
        return _platforms(query)

    def subject_labels(self, workspace_id: int, names: Any) -> dict[str, str]:
        return _named(names)


FILTERS: Final[tuple[Filter, ...]] = (
    DeviceText("device_carrier", _("Device Carrier"), "carrier"),
    DeviceCount(),
    DeviceText("device_model", _("Device Model"), "model"),
    DeviceOs(),
    DeviceOsVersion(),
    DeviceText("web_browser", _("Web Browser"), "browser"),
    AdvertisingId("device_idfa", _("Device IDFA"), "ios_idfa"),
    AdvertisingId("device_google_ad_id", _("Device Google Ad ID"), "google_ad_id"),
    AdvertisingId("device_roku_ad_id", _("Device Roku Ad ID"), "roku_ad_id"),
    AdvertisingId("device_windows_ad_id", _("Device Windows Ad ID"), "windows_ad_id"),
    AdTrackingEnabled(),
)
