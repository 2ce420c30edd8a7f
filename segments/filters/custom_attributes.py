"""Custom attributes: one filter whose operators follow the attribute's type. Braze: custom attributes, data types."""

from collections.abc import Sequence
from typing import Any, Final

from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from profiles.models import AttributeType, CustomAttribute, Profile
from profiles.versions import Kind
from segments.filters import comparing, offering
from segments.filters.base import Context, Leaf, Operator, Option, ProfileFilter, UnusableError
from segments.filters.comparing import Expression, Json
from segments.filters.facts import Fact, value_fact
from segments.filters.subjects import About, Attribute

GROUP: Final = _("Custom Data")
OPERATORS: Final[dict[str, tuple[Operator, ...]]] = {
    AttributeType.STRING: comparing.STRINGS,
    AttributeType.NUMBER: comparing.numbers(null_counts=True),
    AttributeType.BOOLEAN: comparing.BOOLEANS,
    AttributeType.DATE: comparing.TIMES,
    AttributeType.ARRAY: comparing.ARRAYS,
    AttributeType.OBJECT: comparing.BLANK,
}


def name_in(leaf: Leaf) -> str:
    """The attribute that a checked leaf is about."""
    return str((leaf.subject or {})["name"])


def value_of(name: str) -> Json:
    """The value of the custom attribute ``name`` of a row of profiles."""
    return Json("(custom_attributes -> %s)", (name,), Expression("(custom_attributes ->> %s)", (name,)))


class AttributeFilter(ProfileFilter):
    """A filter that is about a custom attribute, which has to exist. ``types`` are those that it is for."""

    group = GROUP
    depends_on = frozenset({Kind.CUSTOM_ATTRIBUTES})
    types: tuple[str, ...] = tuple(AttributeType.values)

    def search_subjects(
        self, workspace_id: int, query: str, limit: int, member: str = "", subject: About | None = None
    ) -> list[Option]:
        """The workspace's attributes, by name."""
        wanted = query.strip()
        first = When(name__istartswith=wanted, then=0)
        rows = self._attributes(workspace_id).filter(type__in=self.types, name__icontains=wanted)
        ordered = rows.order_by(Case(first, default=Value(1), output_field=IntegerField()), "name")
        found = ordered.values_list("name", "type")[:limit]
        return [Option(name, name, str(AttributeType(type_).label), type_) for name, type_ in found]

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        return {leaf.id: [value_fact(profile.custom_attributes.get(name_in(leaf)))] for leaf in leaves}

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        names = {name_in(leaf) for leaf in leaves}
        known = set(self._attributes(workspace_id).filter(name__in=names).values_list("name", flat=True))
        message = _now("No user has ever had the custom attribute “%(name)s”. Choose another one or remove the filter.")
        return {
            leaf.id: UnusableError(message % {"name": name_in(leaf)}) for leaf in leaves if name_in(leaf) not in known
        }

    @staticmethod
    def _attributes(workspace_id: int) -> QuerySet[CustomAttribute]:
        return CustomAttribute.objects.filter(workspace=workspace_id)


class CustomAttributes(AttributeFilter):
    """A leaf names the attribute and its type; the type decides which operators there are."""

    key = "custom_attribute"
    name = _("Custom Attributes")
    subject = Attribute(tuple(OPERATORS))
    offers_values = True

    def operators_by_kind(self) -> dict[str, tuple[Operator, ...]]:
        return OPERATORS

    def condition(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        type_, value = str((leaf.subject or {})["type"]), value_of(name_in(leaf))
        condition, params = comparing.json_condition(type_, leaf, context, value)
        if comparing.counts_blank(type_, leaf):
            blank, more = comparing.blank(value)
            return f"{condition} OR {blank}", [*params, *more]
        return condition, params

    def search(self, workspace_id: int, query: str, limit: int, subject: About | None = None) -> list[Option]:
        """Values of a string or array attribute that some users have."""
        name, type_ = (subject or {}).get("name"), (subject or {}).get("type")
        if not isinstance(name, str) or "\x00" in name or type_ not in (AttributeType.STRING, AttributeType.ARRAY):
            return []
        value = value_of(name)
        found = value.of("(CASE WHEN jsonb_typeof([x]) = 'string' THEN [x] #>> '{}' END)")
        if type_ == AttributeType.ARRAY:
            found = value.of("jsonb_array_elements_text(CASE WHEN jsonb_typeof([x]) = 'array' THEN [x] ELSE '[]' END)")
        return offering.common(workspace_id, found, query, limit)
