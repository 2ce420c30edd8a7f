"""Who can get a message on a channel. Braze: measuring segment size, "Total reachable users", and each channel's page.

A user is reached by email with an address of which nothing bounced for good or was marked as spam; by SMS with a phone
number and a subscription to one of the workspace's groups for SMS that are not archived; by push with a token of an app
of the platform; and not where they have unsubscribed from the channel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from profiles.models import Profile, SubscriptionGroup
from profiles.reading import count_for_read
from profiles.sets import ProfileSet, profile_ids
from profiles.versions import Kind
from segments.filters.base import Context
from segments.filters.subscriptions import reached_by_email
from segments.finding import find_all
from segments.leaf_cache import LeafSet, Question
from workspaces.models import App

#: The channels whose data we hold, in Braze's order.
CHANNELS: Final[dict[str, str | Promise]] = {
    "email": _("Email"),
    "sms": _("SMS"),
    "web_push": _("Web Push"),
    "ios_push": _("iOS Push"),
    "android_push": _("Android Push"),
}
_PLATFORMS: Final = {
    "web_push": App.Platform.WEB,
    "ios_push": App.Platform.IOS,
    "android_push": App.Platform.ANDROID,
}
_GONE: Final = Profile.Subscription.UNSUBSCRIBED.value


@dataclass(frozen=True)
class Reach:
    """Who can get a message on each channel, in a workspace. ``fresh``: found anew, as before a send."""

    workspace_id: int
    fresh: bool = False

    @cached_property
    def channels(self) -> dict[str, ProfileSet]:
        """By channel: everybody who can be reached. Some of them may be gone."""
        count_for_read(self.workspace_id, fresh=self.fresh)
        context = Context(self.workspace_id, ZoneInfo("UTC"), timezone.now(), fresh=self.fresh)
        answers = find_all([self._question(channel) for channel in CHANNELS], context)
        sets = [answer.users if isinstance(answer, LeafSet) else ProfileSet() for answer in answers]
        return dict(zip(CHANNELS, sets, strict=True))

    def of(self, users: ProfileSet) -> dict[str, int]:
        """By channel: how many of ``users`` can be reached."""
        return {channel: users.intersection_size(reached) for channel, reached in self.channels.items()}

    def _question(self, channel: str) -> Question:
        if channel == "email":
            kinds = {Kind.ATTRIBUTES, Kind.SUBSCRIPTIONS, Kind.ENGAGEMENT}
            return _question(channel, [], kinds, lambda: reached_by_email(self.workspace_id))
        if channel == "sms":
            groups = [*self._sms_groups]
            kinds = {Kind.ATTRIBUTES, Kind.SUBSCRIPTIONS}
            return _question(channel, groups, kinds, lambda: self._by_sms(groups))
        apps = [pk for pk, platform in self._apps if platform == _PLATFORMS[channel]]
        return _question(channel, apps, {Kind.DEVICES, Kind.SUBSCRIPTIONS}, lambda: self._by_push(apps))

    @cached_property
    def _apps(self) -> list[tuple[int, str]]:
        return list(App.objects.filter(workspace=self.workspace_id).order_by("pk").values_list("pk", "platform"))

    @cached_property
    def _sms_groups(self) -> list[int]:
        groups = SubscriptionGroup.objects.filter(workspace=self.workspace_id, channel=SubscriptionGroup.Channel.SMS)
        return list(groups.filter(archived_at=None).order_by("pk").values_list("pk", flat=True))

    def _by_sms(self, groups: list[int]) -> ProfileSet:
        subscribed = profile_ids(
            "group_id = ANY(%s) AND is_subscribed", [groups], source="profiles_subscriptionstate", column="profile_id"
        )
        return subscribed & profile_ids("workspace_id = %s AND phone <> ''", [self.workspace_id])

    def _by_push(self, apps: list[int]) -> ProfileSet:
        condition = "app_id = ANY(%s) AND (is_foreground OR is_provisional)"
        tokens = profile_ids(condition, [apps], source="profiles_pushtoken", column="profile_id")
        return tokens - profile_ids("workspace_id = %s AND push_subscribe = %s", [self.workspace_id, _GONE])


def _question(channel: str, ids: list[int], kinds: set[Kind], find: Callable[[], ProfileSet]) -> Question:
    return Question(("reached by", channel, *ids), frozenset({*kinds, Kind.IDENTITY}), lambda _context: find())
