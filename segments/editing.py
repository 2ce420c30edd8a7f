"""Changing segments: every change is a new version with its line of history, and the second of two savers is told."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from segments.engine import broken_references
from segments.models import Edited, Segment, SegmentChange, SegmentView
from segments.nesting import nesting_problems
from segments.tree import Tree, TreeError, parse
from segments.words import tree_of
from workspaces.models import User, Workspace

MAX_TAGS = 20
MAX_TAG = 50
MAX_NAME = 200
MAX_DESCRIPTION = 2_000
COPY_ATTEMPTS = 5


class ConflictError(Exception):
    """Somebody has saved it since it was opened: ``version`` is theirs, ``who`` (None: unknown) saved it ``when``."""

    def __init__(self, version: int, who: User | None, when: datetime) -> None:
        super().__init__("It has been saved by somebody else.")
        self.version, self.who, self.when = version, who, when


@dataclass(frozen=True)
class Draft:
    """What a person wants a segment to be: checked by ``draft_of``."""

    name: str
    description: str
    tags: list[str]
    tree: Tree


def draft_of(segment: Segment, data: dict[str, Any]) -> Draft:
    """The draft in ``data`` (``name``, ``description``, ``tags``, ``filters``); what is missing stays as it is.

    Raises ValidationError by field, or TreeError. A filter that points to something gone or archived is refused, unless
    it stands in the saved segment already: one can still rename a segment whose cohort has been archived. So is one
    that makes a segment contain itself.
    """
    name, description = checked_texts(data.get("name", segment.name), data.get("description", segment.description))
    tags = checked_tags(data.get("tags", segment.tags))
    tree = parse(data.get("filters", segment.filters))
    kept = {leaf.question() for leaf in tree_of(segment.filters).leaves()}
    new = {leaf.id for leaf in tree.leaves() if leaf.question() not in kept}
    broken = [*broken_references(tree, segment.workspace_id), *nesting_problems(tree, segment)]
    if broken := [one for one in broken if one.leaf_id in new]:
        raise TreeError(broken)
    return Draft(name, description, tags, tree)


def checked_texts(name: Any, description: Any, missing: str = "") -> tuple[str, str]:
    """Name and description as they are stored. Raises ValidationError by field; ``missing`` asks for a name."""
    if not isinstance(name, str) or not name.strip() or "\x00" in name:
        raise ValidationError({"name": missing or _("Give the segment a name.")})
    if len(name.strip()) > MAX_NAME:
        raise ValidationError({"name": _("Use at most %(most)s characters.") % {"most": MAX_NAME}})
    if not isinstance(description, str) or "\x00" in description:
        raise ValidationError({"description": _("Enter a text.")})
    if len(description) > MAX_DESCRIPTION:
        raise ValidationError({"description": _("Use at most %(most)s characters.") % {"most": MAX_DESCRIPTION}})
    return name.strip(), description.strip()


def checked_tags(tags: Any) -> list[str]:
    """Tags as they are stored. Raises ValidationError by field."""
    if not isinstance(tags, list) or not all(isinstance(tag, str) and "\x00" not in tag for tag in tags):
        raise ValidationError({"tags": _("Give a list of tags.")})
    found = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    if len(found) > MAX_TAGS or any(len(tag) > MAX_TAG for tag in found):
        message = _("Use at most %(count)s tags of at most %(most)s characters.")
        raise ValidationError({"tags": message % {"count": MAX_TAGS, "most": MAX_TAG}})
    return found


def create(workspace: Workspace, user: User, name: Any, description: Any = "", like: Segment | None = None) -> Segment:
    """Make a segment, empty or with the filters and tags of ``like``. Raises ValidationError by field."""
    name, description = checked_texts(name, description)
    segment = Segment(workspace=workspace, name=name, description=description, created_by=user, edited_by=user)
    if like is not None:
        segment.filters, segment.tags = like.filters, like.tags
    with _unique_name(), transaction.atomic():
        segment.save()
        _remember(segment, user)
    return segment


def duplicate(segment: Segment, user: User) -> Segment:
    """A copy under the first free name of the form "Copy of …"."""
    for attempt in count(1):
        taken = set(Segment.objects.filter(workspace=segment.workspace_id).values_list("name", flat=True))
        try:
            return create(segment.workspace, user, copy_name(segment.name, taken), segment.description, like=segment)
        except ValidationError:
            # Somebody has taken the name in this moment.
            if attempt == COPY_ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def copy_name(name: str, taken: Collection[str]) -> str:
    """The first name of the form "Copy of …" that is not ``taken``."""
    base = (_("Copy of %(name)s") % {"name": name})[: MAX_NAME - 6]
    return next(one for one in chain([base], (f"{base} {number}" for number in count(2))) if one not in taken)


def save(segment: Segment, user: User, version: int, draft: Draft) -> Segment:
    """Save ``draft`` over version ``version`` of ``segment`` and return it as it is now.

    Raises ConflictError when the segment has another version by now, ValidationError when the name is taken.
    """
    with _unique_name(), transaction.atomic():
        saved = Segment.objects.filter(pk=segment.pk, version=version).update(
            name=draft.name,
            description=draft.description,
            tags=draft.tags,
            filters=draft.tree.to_json(),
            version=version + 1,
            edited_by=user,
            edited_at=timezone.now(),
            size=None,
            size_at=None,
        )
        if not saved:
            latest = segment.history.select_related("made_by")[0]
            raise ConflictError(latest.version, latest.made_by, latest.made_at)
        segment.refresh_from_db()
        _remember(segment, user)
    return segment


class _unique_name:  # noqa: N801 - reads as a statement
    """Turns the database's refusal of a name that is taken into an error beside the field."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, IntegrityError) and "segment_name_once" in str(error):
            message = _("There is a segment with this name already. Choose another name.")
            raise ValidationError({"name": message}) from None


def _remember(segment: Segment, user: User) -> None:
    SegmentChange.objects.create(
        segment=segment,
        version=segment.version,
        made_by=user,
        name=segment.name,
        description=segment.description,
        tags=segment.tags,
        filters=segment.filters,
    )
    SegmentView.objects.update_or_create(segment=segment, user=user, defaults={"version": segment.version})


def archive(one: Edited, archived: bool) -> None:
    """Archive it or bring it back. What is archived stays as it is and is left out of lists."""
    one.archived_at = timezone.now() if archived else None
    one.save(update_fields=["archived_at"])


def note_view(segment: Segment, user: User) -> int:
    """Note that ``user`` sees the segment as it is now; returns how many changes there were since they last did."""
    seen, first = SegmentView.objects.get_or_create(segment=segment, user=user, defaults={"version": segment.version})
    changes = 0 if first else segment.version - seen.version
    if changes:
        SegmentView.objects.filter(segment=segment, user=user).update(version=segment.version)
    return max(changes, 0)


def note_size(segment: Segment, version: int, size: int) -> None:
    """Keep the size of that version for lists; a version that has been replaced meanwhile is left alone."""
    Segment.objects.filter(pk=segment.pk, version=version).update(size=size, size_at=timezone.now())
