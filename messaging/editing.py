"""Changing campaigns and Canvases: the second of two people who save is told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from messaging.audience import Audience, audience_of, parse_audience
from messaging.messages import Message, new_id, read_messages, stored
from messaging.models import Campaign, Engagement
from profiles.engagement import name_campaign
from profiles.message_stores import MessageSource
from segments import editing
from segments.editing import ConflictError, checked_tags, checked_texts, copy_name
from segments.models import Segment
from workspaces.models import User, Workspace

Kind = TypeVar("Kind", bound=Engagement)


@dataclass(frozen=True)
class Draft:
    """What a person wants a campaign or a Canvas to be: checked by ``draft_of``."""

    name: str
    description: str
    tags: list[str]
    messages: list[Message]
    audience: Audience


def draft_of(engagement: Engagement, data: dict[str, Any]) -> Draft:
    """The draft in ``data`` (the members are those of ``content_of``); what is missing stays as it is.

    Raises ValidationError by field, or TreeError for the audience.
    """
    data = {**content_of(engagement), **data}
    name, description = checked_texts(data["name"], data["description"], _("Enter a name."))
    messages = read_messages(
        data["messages"],
        known={one["id"] for one in engagement.messages},
        once_per_channel=isinstance(engagement, Campaign),
    )
    audience = parse_audience(data, audience_of(engagement), engagement.workspace_id)
    return Draft(name, description, checked_tags(data["tags"]), messages, audience)


def content_of(engagement: Engagement) -> dict[str, Any]:
    """All that a person edits, as it is stored."""
    return {
        "name": engagement.name,
        "description": engagement.description,
        "tags": engagement.tags,
        "messages": engagement.messages,
        **audience_of(engagement).to_json(),
    }


def create(
    model: type[Kind], workspace: Workspace, user: User, name: Any, description: Any, segments: Sequence[Segment] = ()
) -> Kind:
    """Make a draft for the users in all of ``segments``. Raises ValidationError by field."""
    name, description = checked_texts(name, description, _("Enter a name."))
    made = model(workspace=workspace, name=name, description=description, created_by=user, edited_by=user)
    made.include = [one.api_id for one in segments]
    made.segments_named = made.include
    with transaction.atomic():
        made.save(force_insert=True)
        _offer_to_filters(made)
    return made


def duplicate(engagement: Kind, user: User) -> Kind:
    """A copy under the first free name of the form "Copy of …"; its messages get ids of their own."""
    model = type(engagement)
    mine = model._default_manager.filter(workspace=engagement.workspace_id)
    name = copy_name(engagement.name, set(mine.values_list("name", flat=True)))
    copy = model(workspace_id=engagement.workspace_id, name=name, created_by=user, edited_by=user)
    for field in ("description", "tags", "include", "exclude", "filters", "segments_named"):
        setattr(copy, field, getattr(engagement, field))
    copy.messages = [replace(one, id=new_id()).to_json() for one in stored(engagement.messages)]
    with transaction.atomic():
        copy.save(force_insert=True)
        _offer_to_filters(copy)
    return copy


@transaction.atomic
def save(engagement: Kind, user: User, version: int, draft: Draft) -> Kind:
    """Save ``draft`` over version ``version`` and return it as it is now.

    Raises ConflictError when there is another version by now.
    """
    mine: models.QuerySet[Kind] = type(engagement)._default_manager.filter(pk=engagement.pk)
    saved = mine.filter(version=version).update(
        **_columns(draft), version=version + 1, edited_by=user, edited_at=timezone.now()
    )
    now = mine.select_related("edited_by").get()
    if not saved:
        raise ConflictError(now.version, now.edited_by, now.edited_at)
    _offer_to_filters(now)
    return now


@transaction.atomic
def archive(engagement: Engagement, archived: bool) -> None:
    """Archive it or bring it back. Filters over what is archived, or over a part of it, have no set and say so."""
    editing.archive(engagement, archived)
    _offer_to_filters(type(engagement)._default_manager.get(pk=engagement.pk))


def _offer_to_filters(engagement: Engagement) -> None:
    """Filters over who received or opened it can name it, by the id that its events will carry."""
    name_campaign(
        engagement.workspace_id,
        source_kind(engagement),
        str(engagement.api_id),
        engagement.name,
        engagement.tags,
        is_archived=engagement.archived_at is not None,
    )


def source_kind(engagement: Engagement) -> MessageSource.Kind:
    """What it is among the sources of messages."""
    return MessageSource.Kind.CAMPAIGN if isinstance(engagement, Campaign) else MessageSource.Kind.CANVAS


def _columns(draft: Draft) -> dict[str, Any]:
    return {
        "name": draft.name,
        "description": draft.description,
        "tags": draft.tags,
        "messages": [one.to_json() for one in draft.messages],
        "segments_named": draft.audience.segments(),
        **draft.audience.to_json(),
    }
