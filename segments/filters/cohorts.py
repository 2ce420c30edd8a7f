"""``<Partner> Cohorts``: who is in a cohort that a partner sent.

A leaf names cohorts by the partner's own cohort id, so it still means the same when the partner sends a cohort anew.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Case, IntegerField, Value, When
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from partners.models import Cohort
from partners.reading import cohort_members, read_members
from partners.registry import Partner
from profiles.models import Profile
from profiles.sets import ProfileSet
from segments.filters.base import Context, Filter, Leaf, Operator, Option, UnusableError
from segments.filters.facts import Fact
from segments.filters.subjects import About
from segments.filters.values import Several
from workspaces.roles import Action

#: Slugs of partners that a workspace has named itself are no longer than this, see ``partners.custom.forms``.
CUSTOM_KEY: Final = r"[a-z0-9][a-z0-9-]{0,39}_cohorts"

#: The cohorts that leaves name, by the partner's id: pk, name, archived_at.
Known = dict[str, dict[str, Any]]


def key_of(partner_slug: str) -> str:
    """The key of the filter over that partner's cohorts."""
    return f"{partner_slug}_cohorts"


class CohortFilter(Filter):
    """All leaves of an evaluation read their cohorts together; a leaf over several is their union."""

    group = _("User Attributes")
    depends_on = frozenset({"partners.cohorts"})
    operators = (
        Operator("includes", _("includes"), Several(search=True)),
        Operator("does_not_include", _("does not include"), Several(search=True), negates="includes"),
    )

    def __init__(self, partner: Partner) -> None:
        self.partner_slug = partner.slug
        self.key = key_of(partner.slug)
        self.name = format_lazy(_("{partner} Cohorts"), partner=partner.name)

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        known = self._cohorts(context.workspace_id, leaves)
        broken = self._broken(leaves, known)
        usable = [leaf for leaf in leaves if leaf.id not in broken]
        read = read_members(context.workspace_id, {known[one]["pk"] for leaf in usable for one in leaf.value})
        context.waiting.append(read.waiting)
        return [
            broken.get(leaf.id) or ProfileSet.union(read.sets[known[one]["pk"]] for one in leaf.value)
            for leaf in leaves
        ]

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        return self._broken(leaves, self._cohorts(workspace_id, leaves))

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        known = self._cohorts(context.workspace_id, leaves)
        members = cohort_members(context.workspace_id, {row["pk"] for row in known.values()})
        return {
            leaf.id: [_membership(known[one], profile, members) for one in leaf.value if one in known]
            for leaf in leaves
        }

    def search(self, workspace_id: int, query: str, limit: int, subject: About | None = None) -> list[Option]:
        cohorts = Cohort.objects.filter(
            integration__workspace=workspace_id, integration__partner_slug=self.partner_slug, archived_at=None
        )
        wanted = query.strip()
        if wanted:
            cohorts = cohorts.filter(name__icontains=wanted) | cohorts.filter(cohort_id=wanted)
        first = When(name__istartswith=wanted, then=0)
        order = Case(first, default=Value(1), output_field=IntegerField())
        rows = cohorts.order_by(order, "name", "pk").values_list("cohort_id", "name", "size")[:limit]
        return [Option(cohort_id, name, _users(size)) for cohort_id, name, size in rows]

    def labels(self, workspace_id: int, values: Collection[str]) -> dict[str, str]:
        return dict(
            Cohort.objects.filter(
                integration__workspace=workspace_id, integration__partner_slug=self.partner_slug, cohort_id__in=values
            ).values_list("cohort_id", "name")
        )

    def _cohorts(self, workspace_id: int, leaves: Sequence[Leaf]) -> Known:
        wanted = {one for leaf in leaves for one in leaf.value}
        rows = Cohort.objects.filter(
            integration__workspace=workspace_id, integration__partner_slug=self.partner_slug, cohort_id__in=wanted
        ).values("pk", "cohort_id", "name", "archived_at")
        return {row["cohort_id"]: {**row} for row in rows}

    @staticmethod
    def _broken(leaves: Sequence[Leaf], known: Known) -> dict[str, UnusableError]:
        return {leaf.id: UnusableError(text) for leaf in leaves for text in _faults(leaf, known)}


def _membership(cohort: dict[str, Any], profile: Profile, members: Mapping[int, ProfileSet]) -> Fact:
    """Whether the user is in the cohort, and where it says why."""
    said = (
        _now("In the cohort “%(name)s”.")
        if profile.pk in members[cohort["pk"]]
        else _now("Not in the cohort “%(name)s”.")
    )
    query = urlencode({"user": profile.external_id or profile.braze_id})
    address = f"{reverse('admin:partners_cohort_cohort', args=[cohort['pk']])}?{query}#lookup"
    return Fact(said % cohort, address, Action.VIEW_COHORTS)


def _faults(leaf: Leaf, known: Known) -> Iterator[str]:
    """The first thing that is wrong with the leaf's cohorts, if anything is."""
    for one in leaf.value:
        if one not in known:
            yield _now("The cohort with the id “%(id)s” does not exist. Choose another one or remove it.") % {"id": one}
            return
        if known[one]["archived_at"]:
            yield _now("The cohort “%(name)s” is archived. Choose another one or remove it.") % known[one]
            return


def _users(count: int) -> str:
    return ngettext("%(count)s user", "%(count)s users", count) % {"count": intcomma(count)}
