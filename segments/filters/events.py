"""Custom events: whether, how often and when a user performed one, also by its properties.

Braze: segmentation filters, custom events. Events without conditions are counted by day for ever; with conditions on
properties, of events whose properties an admin has chosen to keep, in the last 30 days.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any, ClassVar, Final

from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from profiles.behaviours import CUSTOM_EVENT
from profiles.models import CustomEvent
from profiles.occurrences import PROPERTY_DAYS, KeptProperty, kept_properties
from profiles.reading import arriving
from profiles.sets import ProfileSet
from profiles.stores import DailyCount
from segments.filters import properties
from segments.filters.base import Context, Leaf, Operator, Option, Text, UnusableError
from segments.filters.behaviours import DailyCounts, FirstTime, LastTime, Often, about, as_options, grouped, names_like
from segments.filters.quantities import DAYS_HINT, Times, comparisons, first_day, having, times_in_days
from segments.filters.subjects import MAX_NAME, About, OneOf, Subject, checked_name
from segments.filters.values import MissingError

GROUP: Final = _("Custom Events")
_SEARCH: Final = _("Search for a custom event")
_CHOOSE: Final = _("Choose a custom event.")
#: Properties are offered from so many of the newest events.
LOOKED_AT: Final = 2_000


@dataclass(frozen=True)
class OccurrenceWhere(Subject):
    """A custom event or product, with conditions on its properties: at least one of them, if ``needs_conditions``.

    ``label`` and ``missing`` as those of ``OneOf``.
    """

    widget: ClassVar[str] = "event"
    label: Text
    missing: Text
    needs_conditions: bool = False

    def check(self, subject: Any) -> dict[str, Any]:
        if not subject or not subject.get("name"):
            raise MissingError(str(self.missing))
        if unknown := [str(name)[:60] for name in subject if name not in ("name", "where")]:
            raise ValueError(_now("“%(name)s” is not known here.") % {"name": unknown[0]})
        found: dict[str, Any] = {"name": checked_name(subject["name"])}
        if where := properties.check(subject.get("where", [])):
            found["where"] = where
        elif self.needs_conditions:
            raise MissingError(_now("Add a condition on a property."))
        return found

    def properties(self, kind: str) -> dict[str, Any]:
        return {"name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME}, "where": properties.schema()}

    def schema(self, kind: str) -> dict[str, Any]:
        found = super().schema(kind)
        return found if self.needs_conditions else {**found, "required": ["name"]}

    def words(self, subject: About, labels: Mapping[str, str]) -> str:
        event, where = f"“{subject['name']}”", subject.get("where")
        if not where:
            return event
        return _now("%(event)s with %(conditions)s") % {"event": event, "conditions": properties.words(where)}

    def definition(self) -> dict[str, Any]:
        return {
            **super().definition(),
            "label": str(self.label),
            "empty": {"name": "", "where": []},
            "needsConditions": self.needs_conditions,
            **properties.definition(),
        }


def where_of(leaf: Leaf) -> list[dict[str, Any]]:
    """The conditions on properties of a checked leaf."""
    return (leaf.subject or {}).get("where") or []


def name_of(subject: About | None) -> str:
    """The event or product of a subject that may be unchecked."""
    return str((subject or {}).get("name", ""))[:MAX_NAME].replace("\x00", "")


def property_options(known: Iterable[KeptProperty], query: str, limit: int) -> list[Option]:
    """Properties that hold what was typed, with their types."""
    wanted = query.strip().casefold()
    return [
        Option(one.property, one.property, str(properties.TYPES.get(one.type, "")), one.type)
        for one in known
        if wanted in one.property.casefold()
    ][:limit]


def since_day(days: int, context: Context) -> datetime:
    """When the first of the last so many calendar days (UTC) began."""
    return datetime.combine(first_day(days, context), time.min, tzinfo=UTC)


class EventFilter(DailyCounts):
    """Over one custom event."""

    group = GROUP
    kind = DailyCount.Kind.EVENT
    member = "name"
    subject: Subject | None = OneOf(member="name", label=_SEARCH, missing=_CHOOSE)

    def search_subjects(
        self, workspace_id: int, query: str, limit: int, member: str = "", subject: About | None = None
    ) -> list[Option]:
        """Custom events by name; for the member ``property``, properties of the chosen event."""
        if member != "property":
            return as_options(names_like(CustomEvent.objects.filter(workspace=workspace_id), query, limit))
        event = CustomEvent.objects.filter(workspace=workspace_id, name=name_of(subject)).first()
        found = kept_properties(event.pk, newest=LOOKED_AT) if event else []
        return property_options(found, query, limit)

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        known = self._known(workspace_id, leaves)
        return self._broken(workspace_id, leaves, known)

    @staticmethod
    def _broken(
        workspace_id: int, leaves: Sequence[Leaf], known: Mapping[str, CustomEvent]
    ) -> dict[str, UnusableError]:
        """By leaf id. An event that was accepted and is not counted yet has been performed, by users still unknown."""
        unknown = {name for leaf in leaves if (name := about(leaf, "name")) not in known}
        known = {**known, **dict.fromkeys(arriving(workspace_id, CUSTOM_EVENT, unknown), CustomEvent())}
        return {leaf.id: why for leaf in leaves if (why := _fault(leaf, known))}

    @staticmethod
    def _known(workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, CustomEvent]:
        """The events that the leaves are about, by name. One query."""
        names = {about(leaf, "name") for leaf in leaves}
        return {one.name: one for one in CustomEvent.objects.filter(workspace=workspace_id, name__in=names)}


def _fault(leaf: Leaf, known: Mapping[str, CustomEvent]) -> UnusableError | None:
    name = about(leaf, "name")
    if name not in known:
        message = _now(
            "No user has ever performed the custom event “%(name)s”. Choose another one or remove the filter."
        )
        return UnusableError(message % {"name": name})
    if where_of(leaf) and not known[name].keeps_properties:
        message = _now(
            "The properties of the custom event “%(name)s” are not kept. Have them kept on the event's page under"
            " Custom Events, or remove the conditions."
        )
        return UnusableError(message % {"name": name})
    return None


class EventsWithProperties(EventFilter, Often):
    """How often somebody performed an event, or an event whose properties fulfil conditions."""

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        known = self._known(context.workspace_id, leaves)
        broken = self._broken(context.workspace_id, leaves, known)
        return [broken.get(leaf.id) or self._count(leaf, context, known) for leaf in leaves]

    def _count(self, leaf: Leaf, context: Context, known: Mapping[str, CustomEvent]) -> ProfileSet:
        if not where_of(leaf):
            return self._find_one(leaf, context)
        days = leaf.value["days"] if isinstance(leaf.value, dict) else PROPERTY_DAYS
        said, params = properties.all_conditions(where_of(leaf), context)
        where = f"event_id = %s AND time BETWEEN %s AND %s AND {said}"
        given = [known[about(leaf, "name")].pk, since_day(days, context), context.now, *params]
        return grouped("profiles_keptevent", where, given, *self._total_of_rows(leaf))

    def _total_of_rows(self, leaf: Leaf) -> tuple[str, list[Any]]:
        return ("true", []) if leaf.operator == "performed" else having(leaf, "count(*)")

    def total(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return ("true", []) if leaf.operator == "performed" else super().total(leaf, context)


class CustomEventPerformed(EventsWithProperties):
    key = "custom_event"
    name = _("Custom Event")
    subject = OccurrenceWhere(_SEARCH, _CHOOSE)
    _hint = _("With conditions on properties, events of the last 30 days count.")
    operators = (
        Operator("performed", _("was performed"), hint=_hint),
        Operator("not_performed", _("was not performed"), negates="performed", hint=_hint),
        *comparisons(Times(), _hint),
    )


class FirstDidCustomEvent(EventFilter, FirstTime):
    key = "first_did_custom_event"
    name = _("First Did Custom Event")


class LastDidCustomEvent(EventFilter, LastTime):
    key = "last_did_custom_event"
    name = _("Last Did Custom Event")


class CustomEventInDays(EventFilter, Often):
    key = "custom_event_in_days"
    name = _("X Custom Event In Y Days")
    operators = comparisons(times_in_days(), DAYS_HINT)


class CustomEventPropertyInDays(EventsWithProperties):
    key = "custom_event_property_in_days"
    name = _("X Custom Event Property In Y Days")
    subject = OccurrenceWhere(_SEARCH, _CHOOSE, needs_conditions=True)
    operators = comparisons(times_in_days(PROPERTY_DAYS), DAYS_HINT)


FILTERS: Final = (
    CustomEventPerformed(),
    FirstDidCustomEvent(),
    LastDidCustomEvent(),
    CustomEventInDays(),
    CustomEventPropertyInDays(),
)
