"""Which messages users get and can get: subscriptions, addresses, push tokens.

Braze: segmentation filters, channel subscription behavior.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from profiles.message_stores import EngagementAction
from profiles.models import Profile, PushToken, SubscriptionGroup, SubscriptionState
from profiles.sets import ProfileSet, profile_ids
from profiles.versions import Kind
from segments.filters import comparing, dates
from segments.filters.api_ids import by_api_id
from segments.filters.base import Context, Filter, Leaf, Operator, Option, ProfileFilter, Text, UnusableError
from segments.filters.behaviours import about, of_user
from segments.filters.columns import TRUE_OR_FALSE, MomentColumn, YesOrNo, YesOrNoColumn
from segments.filters.comparing import Condition
from segments.filters.devices import GROUP as DEVICES
from segments.filters.facts import Fact, names_fact, value_fact
from segments.filters.sessions import AppFilter
from segments.filters.subjects import About, OneOf
from segments.filters.values import Choice
from workspaces.models import App

GROUP: Final = _("Channel Subscription Behavior")
_UNSUBSCRIBED: Final = Profile.Subscription.UNSUBSCRIBED.value


class SubscriptionStatus(ProfileFilter):
    """The state of one channel."""

    group = GROUP
    column: ClassVar[str]
    depends_on = frozenset({Kind.SUBSCRIPTIONS})
    _states = Choice(tuple((state.value, state.label) for state in Profile.Subscription))
    operators = (
        Operator("is", _("is"), _states),
        Operator("is_not", _("is not"), _states, negates="is"),
    )

    def condition(self, leaf: Leaf, context: Context) -> Condition:
        return f"{self.column} = %s", [leaf.value]


class EmailSubscription(SubscriptionStatus):
    key = "email_subscription_status"
    name = _("Email Subscription Status")
    column = shows = "email_subscribe"


class PushSubscription(SubscriptionStatus):
    key = "push_subscription_status"
    name = _("Push Subscription Status")
    column = shows = "push_subscribe"


class SubscriptionGroupFilter(Filter):
    """What users chose for one subscription group; who never chose is unknown. Braze: subscription groups."""

    key = "subscription_group"
    name = _("Subscription Group")
    group = GROUP
    subject = OneOf(label=_("Search for a subscription group"), missing=_("Choose a subscription group."))
    depends_on = frozenset({Kind.SUBSCRIPTIONS})
    _states = Choice((("subscribed", _("subscribed")), ("unsubscribed", _("unsubscribed")), ("unknown", _("unknown"))))
    operators = (
        Operator("is", _("is"), _states),
        Operator("is_not", _("is not"), _states, negates="is"),
    )

    def positive(self, leaf: Leaf) -> tuple[Leaf, bool]:
        """Who never chose is found as everybody but those who did."""
        found, negated = super().positive(leaf)
        return (replace(found, value="known"), not negated) if found.value == "unknown" else (found, negated)

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        groups = _groups(context.workspace_id, {about(leaf, "id") for leaf in leaves})
        broken = _faults(leaves, groups)
        return [broken.get(leaf.id) or self._find_one(leaf, groups[about(leaf, "id")]) for leaf in leaves]

    @staticmethod
    def _find_one(leaf: Leaf, group: SubscriptionGroup) -> ProfileSet:
        wanted = {"subscribed": [True], "unsubscribed": [False], "known": [True, False]}[leaf.value]
        return profile_ids(
            "group_id = %s AND is_subscribed = ANY(%s)",
            [group.pk, wanted],
            source="profiles_subscriptionstate",
            column="profile_id",
        )

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        return _faults(leaves, _groups(workspace_id, {about(leaf, "id") for leaf in leaves}))

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        rows = SubscriptionState.objects.filter(profile=profile).values_list("group__api_id", "is_subscribed")
        known = {str(api_id): "subscribed" if is_subscribed else "unsubscribed" for api_id, is_subscribed in rows}
        names = dict(self._states.options)
        return {
            leaf.id: [value_fact(state, str(names[state]))]
            for leaf in leaves
            for state in [known.get(about(leaf, "id"), "unknown")]
        }

    def search_subjects(
        self, workspace_id: int, query: str, limit: int, member: str = "", subject: About | None = None
    ) -> list[Option]:
        mine = SubscriptionGroup.objects.filter(workspace=workspace_id, archived_at=None)
        rows = mine.filter(name__icontains=query.strip())
        return [
            Option(str(one.api_id), one.name, str(one.get_channel_display())) for one in rows.order_by("name")[:limit]
        ]

    def subject_labels(self, workspace_id: int, names: Collection[str]) -> dict[str, str]:
        return {api_id: one.name for api_id, one in _groups(workspace_id, names).items()}


def _groups(workspace_id: int, api_ids: Collection[str]) -> dict[str, SubscriptionGroup]:
    """The subscription groups with these ids, by the id as it was given. One query."""
    return by_api_id(SubscriptionGroup.objects.filter(workspace=workspace_id), api_ids)


def _faults(leaves: Sequence[Leaf], known: Mapping[str, SubscriptionGroup]) -> dict[str, UnusableError]:
    """By leaf id: what is wrong with the groups that leaves are about, of which ``known`` are those that there are."""
    return {leaf.id: why for leaf in leaves if (why := _fault(about(leaf, "id"), known.get(about(leaf, "id"))))}


def _fault(api_id: str, group: SubscriptionGroup | None) -> UnusableError | None:
    if group is None:
        message = _now(
            "The subscription group “%(id)s” does not exist any more. Choose another one or remove the filter."
        )
        return UnusableError(message % {"id": api_id})
    if group.archived_at:
        message = _now("The subscription group “%(name)s” is archived. Choose another one or remove the filter.")
        return UnusableError(message % {"name": group.name})
    return None


def reached_by_email(workspace_id: int) -> ProfileSet:
    """Who has an address and has not unsubscribed, of whom no email bounced for good or was marked as spam.

    Braze: segmentation filters, Email Available.
    """
    told = "coalesce(other_fields -> 'marked_email_as_spam_at', 'null') <> 'null'"
    able = profile_ids(
        f"workspace_id = %s AND email <> '' AND email_subscribe <> %s AND NOT {told}", [workspace_id, _UNSUBSCRIBED]
    )
    return able - profile_ids(*_lost_by_email(workspace_id), source="profiles_lastengagement", column="profile_id")


def _lost_by_email(workspace_id: int) -> tuple[str, list[Any]]:
    """The SQL condition on what befell users last: what ends emails to them."""
    actions = [EngagementAction.HARD_BOUNCED.value, EngagementAction.MARKED_SPAM.value]
    return "workspace_id = %s AND action = ANY(%s)", [workspace_id, actions]


class EmailAvailable(YesOrNo):
    """Who can be reached by email."""

    key = "email_available"
    name = _("Email Available")
    group = GROUP
    depends_on = frozenset({Kind.ATTRIBUTES, Kind.SUBSCRIPTIONS, Kind.ENGAGEMENT})

    def those(self, leaf: Leaf, context: Context) -> ProfileSet:
        return reached_by_email(context.workspace_id)

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        state = value_fact(profile.email_subscribe, profile.get_email_subscribe_display())
        found = [value_fact(profile.email), state]
        where, params = _lost_by_email(context.workspace_id)
        [times] = of_user("profiles_lastengagement", "count(*)", where, params, profile)
        if times or profile.other_fields.get("marked_email_as_spam_at"):
            found.append(Fact(_now("An email to the user bounced for good, or the user marked one as spam.")))
        return {leaf.id: found for leaf in leaves}


class PhoneAvailable(YesOrNoColumn):
    """Has a phone number."""

    key = "phone_available"
    name = _("Phone Number Available")
    group = GROUP
    shows = "phone"
    depends_on = frozenset({Kind.ATTRIBUTES})
    true_if = "phone <> ''"


class ChosenAt(MomentColumn):
    """When somebody last opted in to a channel, or unsubscribed from it."""

    group = GROUP
    depends_on = frozenset({Kind.SUBSCRIPTIONS})
    operators = (*dates.PAST, *comparing.BLANK)

    def __init__(self, key: str, name: Text, column: str) -> None:
        self.key, self.name, self.column, self.shows = key, name, column, column


class PushTokenFilter(Filter):
    """Who has a push token of apps on some platform."""

    group = GROUP
    depends_on = frozenset({Kind.DEVICES, Kind.SUBSCRIPTIONS})

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        names = PushToken.objects.filter(profile=profile).values_list("app__name", flat=True).distinct()
        return {leaf.id: [names_fact(names)] for leaf in leaves}


def _with_token(apps: list[int], condition: str = "true") -> ProfileSet:
    where = f"app_id = ANY(%s) AND ({condition})"
    return profile_ids(where, [apps], source="profiles_pushtoken", column="profile_id")


#: Of a token: what is sent there is shown.
_SHOWN: Final = "is_foreground OR is_provisional"


def _apps(workspace_id: int, platform: str = "") -> list[int]:
    apps = App.objects.filter(workspace=workspace_id, **({"platform": platform} if platform else {}))
    return list(apps.order_by("pk").values_list("pk", flat=True))


class PushTokenAvailable(YesOrNo, PushTokenFilter):
    """Has a push token of any app, subscribed or not."""

    key = "push_token_available"
    name = _("Push Token Available")

    def those(self, leaf: Leaf, context: Context) -> ProfileSet:
        return _with_token(_apps(context.workspace_id))


class PushEnabled(PushTokenFilter):
    """Has a push token where messages are shown, if only provisionally, and has not unsubscribed from push."""

    key = "push_enabled"
    name = _("Foreground Push Enabled")
    _platforms = Choice((("any", _("any platform")), *((one.value, one.label) for one in App.Platform)))
    operators = (
        Operator("is_on", _("on"), _platforms),
        Operator("is_not_on", _("not on"), _platforms, negates="is_on"),
    )

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        gone = _without_push(context)
        platforms = ["" if leaf.value == "any" else leaf.value for leaf in leaves]
        return [_with_token(_apps(context.workspace_id, one), _SHOWN) - gone for one in platforms]


class BackgroundPushEnabled(YesOrNo, PushTokenFilter):
    """Has a push token of any app and has not unsubscribed from push."""

    key = "background_or_foreground_push_enabled"
    name = _("Background or Foreground Push Enabled")

    def those(self, leaf: Leaf, context: Context) -> ProfileSet:
        return _with_token(_apps(context.workspace_id)) - _without_push(context)


def _without_push(context: Context) -> ProfileSet:
    return profile_ids("workspace_id = %s AND push_subscribe = %s", [context.workspace_id, _UNSUBSCRIBED])


class TokenForApp(AppFilter):
    """Has a push token of one app for which ``condition`` (SQL) holds. The subscription does not matter (Braze)."""

    operators = TRUE_OR_FALSE

    def __init__(self, key: str, name: Text, group: Text, condition: str) -> None:
        self.key, self.name, self.group, self.condition = key, name, group, condition

    def those(self, leaf: Leaf, app: App, context: Context) -> ProfileSet:
        return _with_token([app.pk], self.condition)


class PushToStartForApp(AppFilter):
    """Has a token by which push messages start Live Activities of one app."""

    key = "push_to_start_registered_for_app"
    name = _("Live Activities Push to Start Registered for App")
    group = DEVICES
    operators = TRUE_OR_FALSE

    def those(self, leaf: Leaf, app: App, context: Context) -> ProfileSet:
        return profile_ids("app_id = %s", [app.pk], source="profiles_pushtostart", column="profile_id")


FILTERS: Final[tuple[Filter, ...]] = (
    EmailAvailable(),
    EmailSubscription(),
    ChosenAt("email_opt_in_date", _("Email Opt In Date"), "email_opted_in_at"),
    ChosenAt("email_unsubscribed_date", _("Email Unsubscribed Date"), "email_unsubscribed_at"),
    PushEnabled(),
    TokenForApp("push_enabled_for_app", _("Foreground Push Enabled for App"), GROUP, _SHOWN),
    BackgroundPushEnabled(),
    PushSubscription(),
    ChosenAt("push_opt_in_date", _("Push Opt In Date"), "push_opted_in_at"),
    ChosenAt("push_unsubscribed_date", _("Push Unsubscribed Date"), "push_unsubscribed_at"),
    PushTokenAvailable(),
    PhoneAvailable(),
    SubscriptionGroupFilter(),
    TokenForApp("provisionally_authorized_on_ios", _("Provisionally Authorized on iOS"), DEVICES, "is_provisional"),
    PushToStartForApp(),
)
