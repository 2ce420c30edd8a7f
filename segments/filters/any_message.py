"""Retargeting, whatever a message came from: when something befell a user last, by channel, or at all.

Braze: segmentation filters, retargeting. Over one campaign or Canvas: ``messages``.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from profiles.message_stores import EngagementAction as Action
from profiles.message_stores import MessageSource
from profiles.models import Profile
from profiles.sets import ProfileSet, profile_ids
from profiles.versions import Kind
from segments.filters import dates
from segments.filters.base import Context, Filter, Leaf, Operator, Option, Text, UnusableError
from segments.filters.behaviours import grouped
from segments.filters.columns import TRUE_OR_FALSE
from segments.filters.facts import Fact
from segments.filters.messages import CLICKED_ALIAS, GROUP, OPENED, aliases_like, befell_fact
from segments.filters.quantities import DAYS_HINT, Quantity, comparisons, first_day, having, times_in_days, today
from segments.filters.subjects import About

_Source = MessageSource.Kind
_RECEIVED: Final = Action.RECEIVED
_DAILY: Final = "profiles_dailyengagement"
_LAST: Final = "profiles_lastengagement"
#: Of daily rows, those that are about a campaign or Canvas as a whole: parts have rows of their own.
_OF_KINDS: Final = "source IN (SELECT id FROM profiles_messagesource WHERE workspace_id = %s AND kind = ANY(%s))"


class AnyMessage(Filter):
    """Over messages of anything: a condition on when these actions befell a user last, on one channel or any ("")."""

    group = GROUP
    depends_on = frozenset({Kind.ENGAGEMENT})
    table = _LAST

    def __init__(self, key: str, name: Text, *actions: Action, channel: str = "") -> None:
        self.key, self.name, self.actions, self.channel = key, name, actions, channel

    @abstractmethod
    def total(self, leaf: Leaf, context: Context, last: str) -> tuple[str, list[Any]]:
        """The SQL condition on a user's rows together, of which ``last`` is an SQL expression: when it was last."""

    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        """The SQL condition on the rows of the actions and the channel, and its parameters."""
        where, params = "workspace_id = %s AND action = ANY(%s)", [context.workspace_id, [str(a) for a in self.actions]]
        return (f"{where} AND channel = %s", [*params, self.channel]) if self.channel else (where, params)

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        wanted = "0, max(last_at)"
        return {leaf.id: [befell_fact(self.table, wanted, *self.rows(leaf, context), profile)] for leaf in leaves}

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        return [self._find_one(leaf, context) for leaf in leaves]

    def _find_one(self, leaf: Leaf, context: Context) -> ProfileSet:
        where, params = self.rows(leaf, context)
        if self.table == _LAST and self.channel and len(self.actions) == 1:
            # A user has one such row: it says all.
            condition, more = self.total(leaf, context, "last_at")
            return profile_ids(
                f"{where} AND {condition}", [*params, *more], source="profiles_lastengagement", column="profile_id"
            )
        return grouped(self.table, where, params, *self.total(leaf, context, "max(last_at)"))


class LastMessage(AnyMessage):
    """When it befell somebody last, or never."""

    operators = (
        *dates.PAST,
        Operator("is_not_blank", _("is not blank")),
        Operator("is_blank", _("is blank"), negates="is_not_blank"),
    )

    def total(self, leaf: Leaf, context: Context, last: str) -> tuple[str, list[Any]]:
        return ("true", []) if leaf.operator == "is_not_blank" else dates.time_condition(leaf, context, last)


class LastEnrolledInControl(LastMessage):
    """When somebody fell into the control group of a campaign last. Braze: of campaigns, not of Canvases."""

    table = _DAILY

    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        where, params = super().rows(leaf, context)
        return f"{where} AND {_OF_KINDS}", [*params, context.workspace_id, [_Source.CAMPAIGN.value]]


class EverBefell(AnyMessage):
    """Whether it befell somebody at all."""

    operators = TRUE_OR_FALSE

    def total(self, leaf: Leaf, context: Context, last: str) -> tuple[str, list[Any]]:
        return "true", []


class NeverReceived(EverBefell):
    """Whether no message of a campaign or Canvas ever came to somebody; those of neither do not count."""

    table = _DAILY
    operators = (
        Operator("is_true", _("is true"), negates="is_false"),
        Operator("is_false", _("is false")),
    )

    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        where, params = super().rows(leaf, context)
        whole = [_Source.CAMPAIGN.value, _Source.CANVAS.value]
        return f"{where} AND {_OF_KINDS}", [*params, context.workspace_id, whole]


class ClickedAliasAnywhere(AnyMessage):
    """Whether somebody clicked a link with one of these aliases, in whatever campaign or Canvas."""

    table = _DAILY
    operators = CLICKED_ALIAS

    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        where, params = super().rows(leaf, context)
        links = "SELECT id FROM profiles_messagesource WHERE workspace_id = %s AND kind = %s AND source_id = ANY(%s)"
        return f"{where} AND source IN ({links})", [*params, context.workspace_id, _Source.LINK.value, leaf.value]

    def total(self, leaf: Leaf, context: Context, last: str) -> tuple[str, list[Any]]:
        return "true", []

    def search(self, workspace_id: int, query: str, limit: int, subject: About | None = None) -> list[Option]:
        return aliases_like(workspace_id, query, limit)


class SoftBounced(Quantity):
    """How often messages to somebody bounced softly in the last days, whatever they came from."""

    key = "soft_bounced"
    name = _("Soft Bounced")
    group = GROUP
    depends_on = frozenset({Kind.ENGAGEMENT})
    operators = comparisons(times_in_days(), DAYS_HINT)

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        return [grouped(_DAILY, *self._rows(leaf, context), *having(leaf, "sum(count)")) for leaf in leaves]

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        wanted = "sum(count)::bigint, max(last_at)"
        return {leaf.id: [befell_fact(_DAILY, wanted, *self._rows(leaf, context), profile)] for leaf in leaves}

    @staticmethod
    def _rows(leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        days = [first_day(leaf.value["days"], context), today(context)]
        params = [context.workspace_id, str(Action.SOFT_BOUNCED), *days]
        return "workspace_id = %s AND action = %s AND day BETWEEN %s AND %s", params


FILTERS: Final[tuple[Filter, ...]] = (
    NeverReceived("never_received_message", _("Has Never Received a Message from Campaign or Canvas Step"), _RECEIVED),
    LastMessage("last_received_any_message", _("Last Received Any Message"), _RECEIVED),
    LastMessage("last_received_email", _("Last Received Email"), _RECEIVED, channel="email"),
    LastMessage("last_received_push", _("Last Received Push"), _RECEIVED, channel="push"),
    LastMessage("last_received_sms", _("Last Received SMS"), _RECEIVED, channel="sms"),
    LastMessage("last_received_whatsapp", _("Last Received WhatsApp"), _RECEIVED, channel="whatsapp"),
    LastMessage("last_received_webhook", _("Last Received Webhook"), _RECEIVED, channel="webhook"),
    LastMessage(
        "last_in_app_message_impression", _("Last In App Message Impression"), _RECEIVED, channel="in_app_message"
    ),
    LastMessage("last_engaged_with_message", _("Last Engaged With Message"), *OPENED, Action.CLICKED),
    LastEnrolledInControl("last_enrolled_in_control_group", _("Last Enrolled in Any Control Group"), Action.IN_CONTROL),
    ClickedAliasAnywhere("clicked_alias_anywhere", _("Clicked Alias in Any Campaign or Canvas Step"), Action.CLICKED),
    EverBefell("hard_bounced", _("Hard Bounced"), Action.HARD_BOUNCED),
    EverBefell("marked_as_spam", _("Has Marked You As Spam"), Action.MARKED_SPAM),
    SoftBounced(),
)
