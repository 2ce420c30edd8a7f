"""What the filters over daily counts have in common: one condition on what a user did in all, in one query.

Days are those of the counters (``profiles.counters``): UTC. Purchases, sessions and custom events are kinds of one
table; its primary key begins with the workspace, the kind and the name, so a leaf reads what it is about and no more.
"""

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django.db import connection
from django.db.models import Case, IntegerField, Model, QuerySet, Value, When
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from profiles.models import Profile
from profiles.reading import arriving
from profiles.sets import ProfileSet, profile_ids
from profiles.stores import DailyCount
from profiles.versions import Kind
from segments.filters import dates
from segments.filters.base import Context, Filter, Leaf, Option, UnusableError
from segments.filters.facts import Fact, moment_text
from segments.filters.quantities import Quantity, first_day, having, today


def grouped(table: str, where: str, params: Sequence[Any], condition: str, more: Sequence[Any]) -> ProfileSet:
    """The users for whom ``condition`` holds over all of their rows of ``table`` for which ``where`` holds."""
    source = f"(SELECT profile_id FROM {table} WHERE {where} GROUP BY profile_id HAVING {condition}) AS found"  # noqa: S608
    return profile_ids("true", [*params, *more], source=source, column="profile_id")


def about(leaf: Leaf, member: str) -> str:
    """What the leaf is about: that member of its checked subject."""
    return str((leaf.subject or {})[member])


def of_user(table: str, wanted: str, where: str, params: Sequence[Any], profile: Profile) -> tuple[Any, ...]:
    """The SQL expressions ``wanted`` over the rows of one user for which ``where`` holds."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {wanted} FROM {table} WHERE {where} AND profile_id = %s", [*params, profile.pk])  # noqa: S608
        found: tuple[Any, ...] = cursor.fetchone()
        return found


class DailyCounts(Filter):
    """Over the counts of one kind; ``member`` names what of that kind a leaf is about, if it is about one thing."""

    kind: ClassVar[DailyCount.Kind]
    member: ClassVar[str] = ""
    depends_on = frozenset({Kind.COUNTERS})

    def rows(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        """The SQL condition on the rows that the leaf adds up, and its parameters."""
        where, params = "workspace_id = %s AND kind = %s", [context.workspace_id, str(self.kind)]
        if self.member:
            where, params = f"{where} AND name = %s", [*params, about(leaf, self.member)]
        if _has_days(leaf):
            days = [first_day(leaf.value["days"], context), today(context)]
            where, params = f"{where} AND day BETWEEN %s AND %s", [*params, *days]
        return where, params

    @abstractmethod
    def total(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        """The SQL condition on a user's rows together."""

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        return {leaf.id: [self._fact(leaf, profile, context)] for leaf in leaves}

    def _fact(self, leaf: Leaf, profile: Profile, context: Context) -> Fact:
        wanted = "sum(count), sum(money), min(first_at), max(last_at)"
        count, money, first, last = of_user("profiles_dailycount", wanted, *self.rows(leaf, context), profile)
        if not count:
            return Fact(_("The user never did it in that time.") if _has_days(leaf) else _("The user never did it."))
        said: dict[str, Any] = {"count": int(count), "money": f"{money.normalize():f}"}
        said |= {"first": moment_text(first), "last": moment_text(last)}
        # No full stop: times may end with one of their own.
        text = ngettext(
            "The user did it %(count)s time: first on %(first)s, last on %(last)s",
            "The user did it %(count)s times: first on %(first)s, last on %(last)s",
            int(count),
        )
        if self.kind == DailyCount.Kind.PURCHASE:
            text = ngettext(
                "The user did it %(count)s time, for %(money)s in all: first on %(first)s, last on %(last)s",
                "The user did it %(count)s times, for %(money)s in all: first on %(first)s, last on %(last)s",
                int(count),
            )
        return Fact(text % said)

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        broken = self.unusable(context.workspace_id, leaves)
        return [broken.get(leaf.id) or self._find_one(leaf, context) for leaf in leaves]

    def _find_one(self, leaf: Leaf, context: Context) -> ProfileSet:
        return grouped("profiles_dailycount", *self.rows(leaf, context), *self.total(leaf, context))


def _has_days(leaf: Leaf) -> bool:
    return isinstance(leaf.value, dict) and "days" in leaf.value


class Often(Quantity, DailyCounts):
    """How often somebody did it."""

    def total(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return having(leaf, "sum(count)")


class FirstTime(DailyCounts):
    """When somebody did it first."""

    operators = dates.PAST

    def total(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return dates.time_condition(leaf, context, "min(first_at)")


class LastTime(DailyCounts):
    """When somebody did it last."""

    operators = dates.PAST

    def total(self, leaf: Leaf, context: Context) -> tuple[str, list[Any]]:
        return dates.time_condition(leaf, context, "max(last_at)")


def names_like(rows: QuerySet[Any], query: str, limit: int) -> list[str]:
    """The names in ``rows`` that hold what was typed, those first that begin with it."""
    wanted = query.strip()
    order = Case(When(name__istartswith=wanted, then=0), default=Value(1), output_field=IntegerField())
    return list(rows.filter(name__icontains=wanted).order_by(order, "name").values_list("name", flat=True)[:limit])


def unknown_names(
    model: type[Model], workspace_id: int, leaves: Sequence[Leaf], member: str, message: str, event_type: str
) -> dict[str, UnusableError]:
    """By leaf id: ``message`` for leaves about a name that no row of ``model`` has in the workspace. One query.

    One more if there are such: a name that an event of ``event_type`` tells of, which is not counted yet, is known.
    """
    wanted = {about(leaf, member) for leaf in leaves}
    rows: QuerySet[Any] = model._default_manager.filter(workspace=workspace_id, name__in=wanted)
    known = set(rows.values_list("name", flat=True)) if wanted else set()
    known |= arriving(workspace_id, event_type, wanted - known)
    return {
        leaf.id: UnusableError(message % {"name": about(leaf, member)})
        for leaf in leaves
        if about(leaf, member) not in known
    }


def as_options(names: Collection[str]) -> list[Option]:
    """Names to choose from, which are called as they are."""
    return [Option(name, name) for name in names]
