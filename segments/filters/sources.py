"""What messages came from, for filters to be about: one campaign, Canvas or part of one, or all with a tag."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Final, NamedTuple

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.utils.translation import gettext_lazy as _

from profiles.message_stores import MessageSource
from segments.filters.base import Option, Text, UnusableError
from segments.filters.subjects import OneOf, Subject

Kind = MessageSource.Kind


class Named(NamedTuple):
    """What is called by one id or tag: the primary keys of its sources. ``archived``: what is archived of it, or ""."""

    sources: list[int]
    archived: str = ""


class Scope(ABC):
    """What the leaves of a filter can be about; ``member`` is where their subjects name it."""

    member: str
    subject: Subject
    gone: Text
    archived: Text = ""

    @abstractmethod
    def found(self, workspace_id: int, named: Collection[str]) -> dict[str, Named]:
        """The sources, by how leaves name them; without what there is none of. One query."""

    @abstractmethod
    def offered(self, workspace_id: int, query: str, limit: int) -> list[Option]:
        """What to offer for what was typed, best first."""

    def labels(self, workspace_id: int, named: Collection[str]) -> dict[str, str]:
        """How these are called; one without an entry is called as it is named."""
        return {}

    def fault(self, named: str, found: Named | None) -> UnusableError | None:
        """Why a leaf about it has no set, if so: it is not there, or archived."""
        if found is None:
            return UnusableError(str(self.gone) % {"id": named})
        return UnusableError(str(self.archived) % {"name": found.archived}) if found.archived else None


class _Words(NamedTuple):
    label: Text
    choose: Text
    gone: Text
    archived: Text


_WORDS: Final[dict[str, _Words]] = {
    Kind.CAMPAIGN: _Words(
        _("Search for a campaign"),
        _("Choose a campaign."),
        _("There is no campaign with the id “%(id)s”. Choose another one or remove the filter."),
        _("The campaign “%(name)s” is archived. Choose another one or remove the filter."),
    ),
    Kind.CANVAS: _Words(
        _("Search for a Canvas"),
        _("Choose a Canvas."),
        _("There is no Canvas with the id “%(id)s”. Choose another one or remove the filter."),
        _("The Canvas “%(name)s” is archived. Choose another one or remove the filter."),
    ),
    Kind.STEP: _Words(
        _("Search for a Canvas step"),
        _("Choose a Canvas step."),
        _("There is no Canvas step with the id “%(id)s”. Choose another one or remove the filter."),
        _("The Canvas of the step “%(name)s” is archived. Choose another one or remove the filter."),
    ),
    Kind.VARIATION: _Words(
        _("Search for a Canvas variation"),
        _("Choose a Canvas variation."),
        _("There is no Canvas variation with the id “%(id)s”. Choose another one or remove the filter."),
        _("The Canvas of the variation “%(name)s” is archived. Choose another one or remove the filter."),
    ),
    Kind.VARIANT: _Words(
        _("Search for a campaign variant"),
        _("Choose a campaign variant."),
        _("There is no campaign variant with the id “%(id)s”. Choose another one or remove the filter."),
        _("The campaign of the variant “%(name)s” is archived. Choose another one or remove the filter."),
    ),
}


class OneSource(Scope):
    """One source of a kind, by its id. Those are offered that events named, or that are drafts of ours.

    Nothing archived is offered, nor a part of it, and a leaf that names it has no set.
    """

    def __init__(self, kind: MessageSource.Kind) -> None:
        words = _WORDS[kind]
        self.kind, self.member, self.gone, self.archived = kind, kind.value, words.gone, words.archived
        self.subject = OneOf(member=self.member, label=words.label, missing=words.choose)

    def found(self, workspace_id: int, named: Collection[str]) -> dict[str, Named]:
        by_id: dict[str, list[MessageSource]] = {}
        for one in self._rows(workspace_id).filter(source_id__in=named):
            by_id.setdefault(one.source_id, []).append(one)
        return {
            source_id: Named([one.pk for one in rows], next((one.title for one in rows if one.is_put_away), ""))
            for source_id, rows in by_id.items()
        }

    def offered(self, workspace_id: int, query: str, limit: int) -> list[Option]:
        """By the name of it or of what it is a part of, or by the whole id."""
        wanted = query.strip()
        order = Case(When(name__istartswith=wanted, then=0), default=Value(1), output_field=IntegerField())
        rows = self._rows(workspace_id).exclude(Q(is_archived=True) | Q(parent__is_archived=True))
        held = Q(name__icontains=wanted) | Q(parent__name__icontains=wanted) | Q(source_id=wanted)
        found = rows.filter(held).order_by(order, "parent__name", "name", "pk")[:limit]
        return [Option(one.source_id, one.title, one.source_id if one.name else "") for one in found]

    def labels(self, workspace_id: int, named: Collection[str]) -> dict[str, str]:
        return {one.source_id: one.title for one in self._rows(workspace_id).filter(source_id__in=named)}

    def _rows(self, workspace_id: int) -> QuerySet[MessageSource]:
        return MessageSource.objects.filter(workspace=workspace_id, kind=self.kind).select_related("parent")


class WithTag(Scope):
    """All campaigns and Canvases that have a tag now. Events do not tell tags: drafts of ours have them.

    A leaf points to the tag: it also counts those that are archived.
    """

    member = "tag"
    subject = OneOf(member="tag", label=_("Search for a tag"), missing=_("Choose a tag."))
    gone = _("No campaign and no Canvas has the tag “%(id)s”. Choose another one or remove the filter.")

    def found(self, workspace_id: int, named: Collection[str]) -> dict[str, Named]:
        pks: dict[str, list[int]] = {}
        rows = MessageSource.objects.filter(workspace=workspace_id, tags__overlap=list(named))
        for tags, pk in rows.values_list("tags", "pk"):
            for tag in set(tags) & set(named):
                pks.setdefault(tag, []).append(pk)
        return {tag: Named(sources) for tag, sources in pks.items()}

    def offered(self, workspace_id: int, query: str, limit: int) -> list[Option]:
        wanted = query.strip().casefold()
        tagged = MessageSource.objects.filter(workspace=workspace_id).exclude(tags=[]).values_list("tags", flat=True)
        tags = sorted({tag for tags in tagged for tag in tags if wanted in tag.casefold()})
        return [Option(tag, tag) for tag in tags[:limit]]


CAMPAIGN: Final = OneSource(Kind.CAMPAIGN)
CANVAS: Final = OneSource(Kind.CANVAS)
STEP: Final = OneSource(Kind.STEP)
VARIATION: Final = OneSource(Kind.VARIATION)
VARIANT: Final = OneSource(Kind.VARIANT)
TAG: Final = WithTag()
