"""What filters over one column of the profiles have in common."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from django.utils.translation import gettext_lazy as _

from profiles.sets import ProfileSet
from segments.filters import comparing, dates, offering
from segments.filters.base import Context, Filter, Leaf, Operator, Option, ProfileFilter, UnusableError
from segments.filters.comparing import Condition, Expression
from segments.filters.quantities import Whole
from segments.filters.subjects import About
from segments.filters.values import Choice


@dataclass(frozen=True)
class WholeNumber(Whole):
    """A whole number that is not about how often."""

    widget: ClassVar[str] = "number"


class TextColumn(ProfileFilter):
    """A column of texts, "" where there is none."""

    column: str
    operators = comparing.STRINGS

    def condition(self, leaf: Leaf, context: Context) -> Condition:
        return comparing.text_condition(leaf, Expression(self.column))

    def search(self, workspace_id: int, query: str, limit: int, subject: About | None = None) -> list[Option]:
        return offering.common(workspace_id, Expression(self.column), query, limit) if self.offers_values else []


class MomentColumn(ProfileFilter):
    """A column of moments of the past."""

    column: str
    operators: tuple[Operator, ...] = dates.PAST

    def condition(self, leaf: Leaf, context: Context) -> Condition:
        if leaf.operator == "is_blank":
            return f"{self.column} IS NULL", []
        return dates.time_condition(leaf, context, self.column)


#: Of filters with a statement that is true of some users, and false of all others.
TRUE_OR_FALSE: Final = (
    Operator("is_true", _("is true")),
    Operator("is_false", _("is false"), negates="is_true"),
)


class YesOrNo(Filter):
    """A filter that is true of some users and false of all others: it finds those, and the engine the others."""

    operators: tuple[Operator, ...] = (Operator("is", _("is"), Choice((("true", _("true")), ("false", _("false"))))),)

    def positive(self, leaf: Leaf) -> tuple[Leaf, bool]:
        return replace(leaf, value="true"), leaf.value == "false"

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        broken = self.unusable(context.workspace_id, leaves)
        return [broken.get(leaf.id) or self.those(leaf, context) for leaf in leaves]

    @abstractmethod
    def those(self, leaf: Leaf, context: Context) -> ProfileSet:
        """The users of whom it is true."""


class YesOrNoColumn(YesOrNo, ProfileFilter):
    """A condition on a row of profiles, in SQL of ours."""

    true_if: ClassVar[str]

    def condition(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return self.true_if, []

    def those(self, leaf: Leaf, context: Context) -> ProfileSet:
        return self.users(leaf, context)
