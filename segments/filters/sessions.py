"""Sessions and the use of single apps: how many, when first and last, in which version.

Braze: segmentation filters, sessions and app. The use of any app is in ``app_use``; here are those that count, and
those over one app of the workspace.
"""

import re
from abc import abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from profiles.models import AppUse, Profile
from profiles.sets import ProfileSet, profile_ids
from profiles.stores import AppVersion, DailyCount
from profiles.stores import Uninstall as UninstallRow
from profiles.versions import Kind
from segments.filters import dates
from segments.filters.api_ids import by_api_id
from segments.filters.base import Context, Filter, Leaf, Operator, Option, Text, UnusableError
from segments.filters.behaviours import Often, about, grouped, of_user
from segments.filters.columns import TRUE_OR_FALSE, WholeNumber
from segments.filters.facts import Fact, moment_text, value_fact
from segments.filters.quantities import DAYS_HINT, Quantity, Times, comparisons, having, times_in_days
from segments.filters.subjects import About, OneOf, Subject
from segments.filters.values import Several
from segments.filters.values import Text as TextValue
from workspaces.models import App

SESSIONS: Final = _("Sessions")
APP: Final = _("App")


class SessionCount(Often):
    key = "session_count"
    name = _("Session Count")
    group = SESSIONS
    kind = DailyCount.Kind.SESSION
    operators = comparisons(Times())


class SessionsInDays(Often):
    key = "sessions_in_days"
    name = _("X Sessions In Last Y Days")
    group = SESSIONS
    kind = DailyCount.Kind.SESSION
    operators = comparisons(times_in_days(), DAYS_HINT)


class AppFilter(Filter):
    """About one app."""

    subject: Subject | None = OneOf(member="app", label=_("Search for an app"), missing=_("Choose an app."))
    depends_on = frozenset({Kind.DEVICES})

    @abstractmethod
    def those(self, leaf: Leaf, app: App, context: Context) -> ProfileSet:
        """The users of whom it is true of this app."""

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        apps = _apps(context.workspace_id, leaves)
        return [
            self.those(leaf, app, context) if (app := apps.get(about(leaf, "app"))) else _gone(leaf) for leaf in leaves
        ]

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        uses = {str(one.app.api_id): one for one in AppUse.objects.filter(profile=profile).select_related("app")}
        return {leaf.id: [_fact(uses.get(about(leaf, "app")))] for leaf in leaves}

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        apps = _apps(workspace_id, leaves)
        return {leaf.id: _gone(leaf) for leaf in leaves if about(leaf, "app") not in apps}

    def search_subjects(
        self, workspace_id: int, query: str, limit: int, member: str = "", subject: About | None = None
    ) -> list[Option]:
        apps = App.objects.filter(workspace=workspace_id, name__icontains=query.strip()).order_by("name")
        return [Option(str(app.api_id), app.name, str(app.get_platform_display())) for app in apps[:limit]]

    def subject_labels(self, workspace_id: int, names: Collection[str]) -> dict[str, str]:
        return {api_id: app.name for api_id, app in _named(workspace_id, names).items()}


def _fact(use: AppUse | None) -> Fact:
    if use is None:
        return Fact(_now("The user has never used the app."))
    said: dict[str, Any] = {
        "first": moment_text(use.first_used_at),
        "last": moment_text(use.last_used_at),
        "sessions": use.sessions,
        "version": use.last_version or "–",
    }
    text = ngettext(
        "The user used the app first on %(first)s and last on %(last)s, in %(sessions)s session."
        " Most recent version: %(version)s.",
        "The user used the app first on %(first)s and last on %(last)s, in %(sessions)s sessions."
        " Most recent version: %(version)s.",
        use.sessions,
    )
    return Fact(text % said)


def _apps(workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, App]:
    return _named(workspace_id, {about(leaf, "app") for leaf in leaves})


def _named(workspace_id: int, api_ids: Collection[str]) -> dict[str, App]:
    """The apps with these ids, by the id as it was given. One query."""
    return by_api_id(App.objects.filter(workspace=workspace_id), api_ids)


def _gone(leaf: Leaf) -> UnusableError:
    message = _now("The app “%(id)s” does not exist any more. Choose another one or remove the filter.")
    return UnusableError(message % {"id": about(leaf, "app")})


class AppUseFilter(AppFilter):
    """A condition on the row that says how a user used the app."""

    @abstractmethod
    def condition(self, leaf: Leaf, app: App, context: Context) -> tuple[str, list[Any]]:
        """The SQL condition and its parameters."""

    def those(self, leaf: Leaf, app: App, context: Context) -> ProfileSet:
        condition, params = self.condition(leaf, app, context)
        return profile_ids(
            f"app_id = %s AND ({condition})", [app.pk, *params], source="profiles_appuse", column="profile_id"
        )


class SessionCountForApp(Quantity, AppUseFilter):
    key = "session_count_for_app"
    name = _("Session Count For App")
    group = SESSIONS
    operators = comparisons(Times())

    def condition(self, leaf: Leaf, app: App, context: Context) -> tuple[str, list[Any]]:
        return having(leaf, "sessions")


class MomentOfApp(AppUseFilter):
    """When somebody did something with the app, by the column that tells it."""

    operators = dates.PAST

    def __init__(self, key: str, name: Text, group: Text, column: str) -> None:
        self.key, self.name, self.group, self.column = key, name, group, column

    def condition(self, leaf: Leaf, app: App, context: Context) -> tuple[str, list[Any]]:
        return dates.time_condition(leaf, context, self.column)


class InstallFilter(AppFilter):
    """Whether an app is or was installed."""

    operators = TRUE_OR_FALSE

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        used = super().facts(leaves, profile, context)
        gone = {str(one.app.api_id): one for one in UninstallRow.objects.filter(profile=profile).select_related("app")}
        return {
            leaf.id: [*used[leaf.id], *(_gone_fact(one) for one in [gone.get(about(leaf, "app"))] if one)]
            for leaf in leaves
        }


class HasApp(InstallFilter):
    """Braze: whoever has ever installed it, also those who have uninstalled it."""

    key = "has_app"
    name = _("Has App")
    group = APP

    def those(self, leaf: Leaf, app: App, context: Context) -> ProfileSet:
        tables = ("profiles_appuse", "profiles_uninstall")
        return ProfileSet.union(
            profile_ids("app_id = %s", [app.pk], source=table, column="profile_id") for table in tables
        )


class Uninstalled(InstallFilter):
    """Whoever uninstalled it and did not use it again since then."""

    key = "uninstalled"
    name = _("Uninstalled")
    group = _("Uninstall")

    def those(self, leaf: Leaf, app: App, context: Context) -> ProfileSet:
        used_since = (
            "SELECT FROM profiles_appuse use WHERE use.profile_id = gone.profile_id AND use.app_id = gone.app_id"
            " AND use.last_used_at >= gone.uninstalled_at"
        )
        where = f"gone.app_id = %s AND NOT EXISTS ({used_since})"
        return profile_ids(where, [app.pk], source="profiles_uninstall AS gone", column="gone.profile_id")


def _gone_fact(one: UninstallRow) -> Fact:
    said = _now("The user uninstalled the app last on %(moment)s")
    return Fact(said % {"moment": moment_text(one.uninstalled_at)})


@dataclass(frozen=True)
class Seconds(WholeNumber):
    """A length of time."""

    most: int = 31 * 86_400

    def words(self, value: Any, labels: dict[str, str]) -> str:
        return ngettext("%(count)s second", "%(count)s seconds", value) % {"count": value}


class MedianSessionDuration(Filter):
    """The median length of somebody's sessions in any app; of an even number, the mean of the middle two."""

    key = "median_session_duration"
    name = _("Median Session Duration")
    group = SESSIONS
    depends_on = frozenset({Kind.COUNTERS})
    operators = comparisons(Seconds(), _("In seconds. Users of whom no session has ended do not match."))
    _median = "(min(seconds) FILTER (WHERE upto * 2 >= n) + min(seconds) FILTER (WHERE upto * 2 > n)) / 2.0"
    _sessions = """(
        SELECT profile_id, seconds, sum(count) OVER (PARTITION BY profile_id ORDER BY seconds) AS upto,
               sum(count) OVER (PARTITION BY profile_id) AS n
        FROM profiles_sessionlength WHERE workspace_id = %s{of_user}
    ) AS lengths"""

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        sessions = self._sessions.format(of_user="")
        return [grouped(sessions, "true", [context.workspace_id], *having(leaf, self._median)) for leaf in leaves]

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        sessions = self._sessions.format(of_user=" AND profile_id = %s")
        given = [context.workspace_id, profile.pk]
        [median] = of_user(sessions, f"round({self._median}, 1)", "true", given, profile)
        return {leaf.id: [value_fact(median)] for leaf in leaves}


def version_key(version: str) -> tuple[int, ...]:
    """What versions are ordered by: their numbers, trailing zeros left out, so that 1.10 follows 1.9 and 2 is 2.0."""
    numbers = [int(one) for one in re.findall(r"[0-9]+", version)]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


class VersionFilter(AppUseFilter):
    """Over a version of one app. There are few versions, so those that match are found first, then who has them.

    Braze: "less than" also matches users of whom no version is known.
    """

    group = APP
    column: ClassVar[str]
    _hint = _(
        "Users of whom no version of this app is known match, as in Braze. To leave them out, add “is not blank”."
    )
    _same = (
        Operator("is_any_of", _("is any of"), Several(search=True)),
        Operator("is_none_of", _("is none of"), Several(search=True), negates="is_any_of"),
    )
    _order = (
        Operator("more_than", _("greater than"), TextValue()),
        Operator("at_least", _("greater than or equal to"), TextValue()),
        Operator("less_than", _("less than"), TextValue(), negates="at_least", hint=_hint),
        Operator("at_most", _("less than or equal to"), TextValue(), negates="more_than", hint=_hint),
        Operator("is_not_blank", _("is not blank")),
        Operator("is_blank", _("is blank"), negates="is_not_blank"),
    )
    operators: tuple[Operator, ...] = (*_same, *_order)

    def condition(self, leaf: Leaf, app: App, context: Context) -> tuple[str, list[Any]]:
        if leaf.operator == "is_not_blank":
            return f"{self.column} <> ''", []
        if leaf.operator == "is_any_of":
            return f"{self.column} = ANY(%s)", [leaf.value]
        wanted = version_key(leaf.value)
        known = AppVersion.objects.filter(app=app).values_list("version", flat=True)
        found = [
            one
            for one in known
            if version_key(one) > wanted or (leaf.operator == "at_least" and version_key(one) == wanted)
        ]
        return f"{self.column} = ANY(%s)", [found]

    def search(self, workspace_id: int, query: str, limit: int, subject: About | None = None) -> list[Option]:
        """Versions of the chosen app, the newest first."""
        app = _named(workspace_id, {str((subject or {}).get("app", ""))})
        known = AppVersion.objects.filter(app__in=app.values(), version__icontains=query.strip())
        found = sorted(known.values_list("version", flat=True), key=version_key, reverse=True)
        return [Option(one, one) for one in found[:limit]]


class MostRecentAppVersion(VersionFilter):
    key = "most_recent_app_version"
    name = _("Most Recent App Version Name")
    column = "last_version"


class MostRecentAppVersionNumber(VersionFilter):
    """In the order of the numbers in it. Senders tell one version of an app: its name is its number."""

    key = "most_recent_app_version_number"
    name = _("Most Recent App Version Number")
    column = "last_version"
    operators = VersionFilter._order


class FirstAppVersion(VersionFilter):
    key = "first_app_version"
    name = _("First App Version Name")
    column = "first_version"


FILTERS: Final[tuple[Filter, ...]] = (
    SessionCount(),
    SessionCountForApp(),
    SessionsInDays(),
    MomentOfApp("first_used_specific_app", _("First Used Specific App"), SESSIONS, "first_used_at"),
    MomentOfApp("last_used_specific_app", _("Last Used Specific App"), SESSIONS, "last_used_at"),
    MedianSessionDuration(),
    HasApp(),
    Uninstalled(),
    MostRecentAppVersion(),
    MostRecentAppVersionNumber(),
    FirstAppVersion(),
)
