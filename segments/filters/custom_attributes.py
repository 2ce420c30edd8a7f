"""Custom attributes: one filter whose operators follow the attribute's type. Braze: custom attributes, data types.

Values are compared as what they are in the stored JSON: a text never counts as a number, and one that is no date never
fails a comparison of dates.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

from django.db.models import Case, IntegerField, Value, When
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from profiles.models import AttributeType, CustomAttribute
from segments.filters import dates
from segments.filters.base import Context, Leaf, Operator, Option, ProfileFilter, UnusableError
from segments.filters.values import Choice, Number, Several, Text

_BLANK = (
    Operator("is_blank", _("is blank")),
    Operator("is_not_blank", _("is not blank"), negates="is_blank"),
)
_NULL_HINT = _("Users who have no value for this attribute match, as in Braze. To leave them out, add “is not blank”.")
_ZERO_HINT = _("“Exactly 0” also matches users who have no value for this attribute, as in Braze.")
_BOOLEANS = Choice(
    (
        ("true", _("true")),
        ("false", _("false")),
        ("true_or_not_set", _("true or not set")),
        ("false_or_not_set", _("false or not set")),
    )
)

OPERATORS: Final[dict[str, tuple[Operator, ...]]] = {
    AttributeType.STRING: (
        Operator("equals", _("equals"), Text()),
        Operator("does_not_equal", _("does not equal"), Text(), negates="equals"),
        Operator("is_any_of", _("is any of"), Several()),
        Operator("is_none_of", _("is none of"), Several(), negates="is_any_of"),
        Operator("contains", _("contains"), Text()),
        Operator("does_not_contain", _("does not contain"), Text(), negates="contains"),
        *_BLANK,
    ),
    AttributeType.NUMBER: (
        Operator("exactly", _("exactly"), Number(), hint=_ZERO_HINT),
        Operator("does_not_equal", _("does not equal"), Number(), negates="exactly"),
        Operator("more_than", _("more than"), Number()),
        Operator("less_than", _("less than"), Number(), hint=_NULL_HINT),
        Operator("at_least", _("at least"), Number()),
        Operator("at_most", _("at most"), Number(), hint=_NULL_HINT),
        *_BLANK,
    ),
    AttributeType.BOOLEAN: (Operator("is", _("is"), _BOOLEANS), *_BLANK),
    AttributeType.DATE: (*dates.PAST, *dates.FUTURE, *_BLANK),
    AttributeType.ARRAY: _BLANK,
    AttributeType.OBJECT: _BLANK,
}

_VALUE = "(custom_attributes -> %s)"
_TEXT = "(custom_attributes ->> %s)"
_BLANK_SQL = f"coalesce({_VALUE}, 'null') IN ('null', '\"\"', '[]')"
# CASE, unlike AND, is sure to look at the type before the cast.
_NUMBER_SQL = f"(CASE WHEN jsonb_typeof({_VALUE}) = 'number' THEN {_VALUE}::numeric END)"
# The shape keeps out what PostgreSQL also takes for a time, such as "now". LIKE costs a tenth of a regex.
_IS_DATE = f"{_TEXT} LIKE '____-__-__%%' AND pg_input_is_valid({_TEXT}, 'timestamptz')"
_DATE_SQL = f"(CASE WHEN {_IS_DATE} THEN {_TEXT}::timestamptz END)"
_COMPARISONS = {"exactly": "=", "more_than": ">", "less_than": "<", "at_least": ">=", "at_most": "<="}


class CustomAttributes(ProfileFilter):
    """A leaf names the attribute and its type; the type decides which operators there are."""

    key = "custom_attribute"
    name = _("Custom Attributes")
    group = _("Custom Data")
    has_attribute = True
    depends_on = frozenset({"profiles.custom_attributes"})

    def operators_of(self, type_: str = "") -> tuple[Operator, ...]:
        return OPERATORS.get(type_, ())

    def all_operators(self) -> Iterable[tuple[str, Operator]]:
        return [(type_, one) for type_, operators in OPERATORS.items() for one in operators]

    def condition(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        if leaf.operator == "is_blank":
            return _BLANK_SQL, [leaf.attribute]
        if leaf.type == AttributeType.DATE:
            return _date_condition(leaf, context)
        return _CONDITIONS[leaf.type](leaf)

    def search(self, workspace_id: int, query: str, limit: int) -> list[Option]:
        """The workspace's attributes (not their values), by name."""
        wanted = query.strip()
        first = When(name__istartswith=wanted, then=0)
        rows = (
            CustomAttribute.objects.filter(workspace=workspace_id, name__icontains=wanted)
            .order_by(Case(first, default=Value(1), output_field=IntegerField()), "name")
            .values_list("name", "type")[:limit]
        )
        return [Option(name, name, str(AttributeType(type_).label), type_) for name, type_ in rows]

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        known = self._known(workspace_id, {leaf.attribute for leaf in leaves})
        message = _now("No user has ever had the custom attribute “%(name)s”. Choose another one or remove the filter.")
        return {
            leaf.id: UnusableError(message % {"name": leaf.attribute}) for leaf in leaves if leaf.attribute not in known
        }

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[Any]:
        broken = self.unusable(context.workspace_id, leaves)
        return [broken.get(leaf.id) or self._find_one(leaf, context) for leaf in leaves]

    @staticmethod
    def _known(workspace_id: int, names: Collection[str]) -> set[str]:
        return set(
            CustomAttribute.objects.filter(workspace=workspace_id, name__in=names).values_list("name", flat=True)
        )


def _string_condition(leaf: Leaf) -> tuple[str, list[Any]]:
    is_text = f"jsonb_typeof({_VALUE}) = 'string'"
    if leaf.operator == "contains":
        return f"{is_text} AND strpos({_TEXT}, %s) > 0", [leaf.attribute, leaf.attribute, leaf.value]
    wanted = leaf.value if leaf.operator == "is_any_of" else [leaf.value]
    return f"{is_text} AND {_TEXT} = ANY(%s)", [leaf.attribute, leaf.attribute, wanted]


def _number_condition(leaf: Leaf) -> tuple[str, list[Any]]:
    condition = f"{_NUMBER_SQL} {_COMPARISONS[leaf.operator]} %s::numeric"
    # Text, because a float parameter would be compared as a float: 0.1 is then not 0.1.
    params = [leaf.attribute, leaf.attribute, repr(leaf.value)]
    # Braze: "Exactly 0" and "Less Than" include users without a value.
    if leaf.operator in ("less_than", "at_most") or (leaf.operator == "exactly" and leaf.value == 0):
        return f"{condition} OR {_BLANK_SQL}", [*params, leaf.attribute]
    return condition, params


def _boolean_condition(leaf: Leaf) -> tuple[str, list[Any]]:
    wanted, _sep, or_not_set = leaf.value.partition("_")
    condition = f"{_VALUE} = '{'true' if wanted == 'true' else 'false'}'::jsonb"
    if or_not_set:
        return f"{condition} OR {_BLANK_SQL}", [leaf.attribute, leaf.attribute]
    return condition, [leaf.attribute]


def _date_condition(leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
    condition, params = dates.time_condition(leaf, context, _DATE_SQL)
    return condition, [leaf.attribute] * 3 + params


_CONDITIONS: Final[dict[str, Callable[[Leaf], tuple[str, list[Any]]]]] = {
    AttributeType.STRING: _string_condition,
    AttributeType.NUMBER: _number_condition,
    AttributeType.BOOLEAN: _boolean_condition,
}
