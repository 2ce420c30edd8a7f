"""Retargeting: what befell users with one campaign, Canvas or part of one, or with all that have a tag.

It is what engagement events told (``profiles.engagement``). Campaigns, Canvases and their parts are named by their ids,
as events give them (``segments.filters.sources``). Filters over any message are in ``any_message``. Braze: segmentation
filters, retargeting.
"""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from profiles.message_stores import EngagementAction as Action
from profiles.message_stores import MessageSource
from profiles.models import Profile
from profiles.sets import ProfileSet
from profiles.versions import Kind
from segments.filters import dates
from segments.filters.base import Context, Leaf, Operator, Option, Text, UnusableError
from segments.filters.behaviours import about, grouped, of_user
from segments.filters.facts import Fact, moment_text
from segments.filters.quantities import Quantity, Times, comparisons, having
from segments.filters.sources import CAMPAIGN, CANVAS, STEP, TAG, VARIANT, VARIATION, Named, Scope
from segments.filters.subjects import About
from segments.filters.values import Choice, Days, Several

GROUP: Final = _("Retargeting")
OPENED: Final = (Action.OPENED, Action.MACHINE_OPENED)

#: What a user can have done with messages of a campaign or Canvas: key, name, actions, channel ("": any).
INTERACTIONS: Final[tuple[tuple[str, str | Promise, tuple[str, ...], str], ...]] = (
    ("opened", _("opened any message"), OPENED, ""),
    ("clicked", _("clicked any message"), (Action.CLICKED,), ""),
    ("opened_email", _("opened email"), OPENED, "email"),
    ("opened_email_machine", _("opened email (machine opens)"), (Action.MACHINE_OPENED,), "email"),
    ("opened_email_other", _("opened email (other opens)"), (Action.OPENED,), "email"),
    ("clicked_email", _("clicked email"), (Action.CLICKED,), "email"),
    ("opened_push", _("opened push notification"), OPENED, "push"),
    ("clicked_in_app_message", _("clicked in-app message"), (Action.CLICKED,), "in_app_message"),
    ("clicked_content_card", _("clicked Content Card"), (Action.CLICKED,), "content_card"),
    ("clicked_banner", _("clicked Banner"), (Action.CLICKED,), "banner"),
    ("clicked_sms", _("clicked a link in an SMS"), (Action.CLICKED,), "sms"),
    ("read_whatsapp", _("read WhatsApp message"), OPENED, "whatsapp"),
)


def befell_fact(table: str, wanted: str, where: str, params: Sequence[Any], profile: Profile) -> Fact:
    """What rows of ``table`` say of one user; ``wanted`` is how often (0: it is not told) and when last."""
    count, last = of_user(table, wanted, where, params, profile)
    if last is None:
        return Fact(_now("It never happened to the user."))
    said = {"count": count, "last": moment_text(last)}
    if not count:
        return Fact(_now("It happened to the user last on %(last)s") % said)
    text = ngettext(
        "It happened to the user %(count)s time, last on %(last)s",
        "It happened to the user %(count)s times, last on %(last)s",
        int(count),
    )
    return Fact(text % said)


class SourceFilter(Quantity):
    """Over what the scope leads to: a condition on all that befell a user with it, by day."""

    group = GROUP
    depends_on = frozenset({Kind.ENGAGEMENT})

    def __init__(self, key: str, name: Text, scope: Scope) -> None:
        self.key, self.name, self.scope = key, name, scope
        self.subject = scope.subject

    @abstractmethod
    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        """The SQL condition on the daily rows of the sources, and its parameters."""

    def total(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        """The SQL condition on a user's rows together."""
        return "true", []

    def where(self, leaf: Leaf, sources: list[int], context: Context) -> tuple[str, list[Any]]:
        """The SQL condition on all daily rows, and its parameters."""
        rows, params = self.rows(leaf, context)
        return f"workspace_id = %s AND source = ANY(%s) AND {rows}", [context.workspace_id, sources, *params]

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        known = self._known(context.workspace_id, leaves)
        return [
            self._fault(leaf, known) or self._find_one(leaf, known[self.named(leaf)].sources, context)
            for leaf in leaves
        ]

    def _find_one(self, leaf: Leaf, sources: list[int], context: Context) -> ProfileSet:
        return grouped("profiles_dailyengagement", *self.where(leaf, sources, context), *self.total(leaf, context))

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        known = self._known(context.workspace_id, leaves)
        return {
            leaf.id: [self.fact(leaf, found.sources, profile, context)]
            for leaf in leaves
            if (found := known.get(self.named(leaf)))
        }

    def fact(self, leaf: Leaf, sources: list[int], profile: Profile, context: Context) -> Fact:
        """What the rows of one user say."""
        where, params = self.where(leaf, sources, context)
        return befell_fact("profiles_dailyengagement", "sum(count), max(last_at)", where, params, profile)

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        known = self._known(workspace_id, leaves)
        return {leaf.id: why for leaf in leaves if (why := self._fault(leaf, known))}

    def named(self, leaf: Leaf) -> str:
        """What the leaf is about, as it names it."""
        return about(leaf, self.scope.member)

    def _known(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, Named]:
        return self.scope.found(workspace_id, {self.named(leaf) for leaf in leaves})

    def _fault(self, leaf: Leaf, known: Mapping[str, Named]) -> UnusableError | None:
        return self.scope.fault(self.named(leaf), known.get(self.named(leaf)))

    def search_subjects(
        self, workspace_id: int, query: str, limit: int, member: str = "", subject: About | None = None
    ) -> list[Option]:
        return self.scope.offered(workspace_id, query, limit)

    def subject_labels(self, workspace_id: int, names: Collection[str]) -> dict[str, str]:
        return self.scope.labels(workspace_id, names)


def _ever(did: Text, did_not: Text) -> tuple[Operator, ...]:
    return Operator("has", did), Operator("has_not", did_not, negates="has")


def _in_days(did: Text, did_not: Text) -> tuple[Operator, ...]:
    return (
        Operator("has_in_days", did, Days()),
        Operator("has_not_in_days", did_not, Days(), negates="has_in_days"),
    )


_RECEIVED: Final = (
    *_ever(_("has received"), _("has not received")),
    *_in_days(_("has received in the last"), _("has not received in the last")),
    *comparisons(Times()),
)
_CONVERTED: Final = (
    *_ever(_("has converted"), _("has not converted")),
    *_in_days(_("has converted in the last"), _("has not converted in the last")),
)
_ENTERED: Final = (
    *_ever(_("has entered"), _("has not entered")),
    *_in_days(_("has entered in the last"), _("has not entered in the last")),
)
_IN_GROUP: Final = _ever(_("is in it"), _("is not in it"))


class Befell(SourceFilter):
    """Whether ``action`` befell somebody, ever or in the last days (each of 24 hours), and how often."""

    def __init__(self, key: str, name: Text, scope: Scope, action: Action, operators: tuple[Operator, ...]) -> None:
        super().__init__(key, name, scope)
        self.action, self.operators = action, operators

    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        where, params = "action = %s", [str(self.action)]
        if leaf.operator == "has_in_days":
            since = context.now - timedelta(days=leaf.value)
            return f"{where} AND last_at >= %s", [*params, since]
        return where, params

    def total(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return ("true", []) if leaf.operator in ("has", "has_in_days") else having(leaf, "sum(count)")


class InCanvasControlGroup(Befell):
    """Braze: it only evaluates users who entered the Canvas, so who never did is neither in the group nor not in it."""

    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        if leaf.operator == "has":
            return super().rows(leaf, context)
        return "action = ANY(%s)", [[str(Action.ENTERED), str(Action.IN_CONTROL)]]

    def total(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return ("true", []) if leaf.operator == "has" else ("bool_and(action <> %s)", [str(Action.IN_CONTROL)])

    def fact(self, leaf: Leaf, sources: list[int], profile: Profile, context: Context) -> Fact:
        where = "workspace_id = %s AND source = ANY(%s) AND action = ANY(%s)"
        given = [context.workspace_id, sources, [str(Action.ENTERED), str(Action.IN_CONTROL)]]
        wanted = "count(*), coalesce(bool_or(action = 'control'), false)"
        entered, is_in = of_user("profiles_dailyengagement", wanted, where, given, profile)
        if not entered:
            return Fact(_now("The user never entered the Canvas."))
        if is_in:
            return Fact(_now("The user entered the Canvas and was in its control group."))
        return Fact(_now("The user entered the Canvas and was not in its control group."))


class LastReceived(SourceFilter):
    """When somebody received a message of it last."""

    operators = dates.PAST

    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return "action = %s", [str(Action.RECEIVED)]

    def total(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return dates.time_condition(leaf, context, "max(last_at)")


class Interacted(SourceFilter):
    """Whether somebody opened or clicked a message of it."""

    _kinds = Choice(tuple((key, name) for key, name, _actions, _channel in INTERACTIONS))
    operators = (
        Operator("has", _("has"), _kinds),
        Operator("has_not", _("has not"), _kinds, negates="has"),
    )

    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        _key, _name, actions, channel = next(one for one in INTERACTIONS if one[0] == leaf.value)
        where, params = "action = ANY(%s)", [[str(one) for one in actions]]
        return (f"{where} AND channel = %s", [*params, channel]) if channel else (where, params)


#: Whether somebody clicked a link that has one of some aliases.
CLICKED_ALIAS: Final = (
    Operator("has", _("has clicked"), Several(search=True)),
    Operator("has_not", _("has not clicked"), Several(search=True), negates="has"),
)


class ClickedAlias(SourceFilter):
    """Whether somebody clicked a link of it, by the link's alias. Braze: link aliasing, in emails."""

    operators = CLICKED_ALIAS

    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return "action = %s", [str(Action.CLICKED)]

    def where(self, leaf: Leaf, sources: list[int], context: Context) -> tuple[str, list[Any]]:
        links = MessageSource.objects.filter(parent__in=sources, kind=MessageSource.Kind.LINK, source_id__in=leaf.value)
        return super().where(leaf, [*links.values_list("pk", flat=True)], context)

    def search(self, workspace_id: int, query: str, limit: int, subject: About | None = None) -> list[Option]:
        """The aliases of links of it that somebody clicked."""
        named = str((subject or {}).get(self.scope.member, ""))
        found = self.scope.found(workspace_id, {named}).get(named)
        return aliases_like(workspace_id, query, limit, found.sources if found else [])


def aliases_like(workspace_id: int, query: str, limit: int, sources: Sequence[int] | None = None) -> list[Option]:
    """Aliases of clicked links (of these sources) that hold what was typed."""
    links = MessageSource.objects.filter(workspace=workspace_id, kind=MessageSource.Kind.LINK)
    mine = links if sources is None else links.filter(parent__in=sources)
    found = mine.filter(source_id__icontains=query.strip()).order_by("source_id")
    return [Option(one, one) for one in found.values_list("source_id", flat=True).distinct()[:limit]]


_ENTERED_ONLY: Final = (
    Operator("has", _("is in it")),
    Operator("has_not", _("is not in it"), hint=_("Only users who entered the Canvas are looked at.")),
)
FILTERS: Final[tuple[SourceFilter, ...]] = (
    Befell("received_campaign", _("Received Message from Campaign"), CAMPAIGN, Action.RECEIVED, _RECEIVED),
    Befell("received_campaign_variant", _("Received Campaign Variant"), VARIANT, Action.RECEIVED, _RECEIVED),
    Befell("received_canvas", _("Received Message from Canvas"), CANVAS, Action.RECEIVED, _RECEIVED),
    Befell("received_canvas_step", _("Received Message from Canvas Step"), STEP, Action.RECEIVED, _RECEIVED),
    Befell(
        "received_with_tag", _("Received Message from Campaign or Canvas with Tag"), TAG, Action.RECEIVED, _RECEIVED
    ),
    LastReceived("last_received_from_campaign", _("Last Received Message from Specific Campaign"), CAMPAIGN),
    LastReceived("last_received_from_canvas", _("Last Received Message from Specific Canvas"), CANVAS),
    LastReceived("last_received_from_canvas_step", _("Last Received Message from Specific Canvas Step"), STEP),
    LastReceived("last_received_with_tag", _("Last Received Message from Campaign or Canvas With Tag"), TAG),
    Interacted("clicked_opened_campaign", _("Clicked/Opened Campaign"), CAMPAIGN),
    Interacted("clicked_opened_canvas", _("Clicked/Opened Canvas"), CANVAS),
    Interacted("clicked_opened_step", _("Clicked/Opened Step"), STEP),
    Interacted("clicked_opened_with_tag", _("Clicked/Opened Campaign or Canvas With Tag"), TAG),
    ClickedAlias("clicked_alias_in_campaign", _("Clicked Alias in Campaign"), CAMPAIGN),
    ClickedAlias("clicked_alias_in_canvas_step", _("Clicked Alias in Canvas Step"), STEP),
    Befell("converted_from_campaign", _("Converted From Campaign"), CAMPAIGN, Action.CONVERTED, _CONVERTED),
    Befell("converted_from_canvas", _("Converted From Canvas"), CANVAS, Action.CONVERTED, _CONVERTED),
    Befell("in_campaign_control_group", _("In Campaign Control Group"), CAMPAIGN, Action.IN_CONTROL, _IN_GROUP),
    InCanvasControlGroup(
        "in_canvas_control_group", _("In Canvas Control Group"), CANVAS, Action.IN_CONTROL, _ENTERED_ONLY
    ),
    Befell("entered_canvas", _("Entered Canvas"), CANVAS, Action.ENTERED, _ENTERED),
    Befell("entered_canvas_variation", _("Entered Canvas Variation"), VARIATION, Action.ENTERED, _ENTERED),
)
