"""Campaigns and Canvases, for now as drafts: what they say (messages) and to whom (an audience).

Braze: creating a campaign, creating a Canvas, targeting users.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from segments.models import Edited
from workspaces.models import Workspace


class Engagement(Edited):
    """What campaigns and Canvases have in common. Their ``filters`` are a part of the audience."""

    workspace = models.ForeignKey(
        Workspace, models.CASCADE, db_index=False, related_name="+", verbose_name=_("workspace")
    )
    #: See ``messaging.messages``.
    messages = models.JSONField(default=list)
    #: The audience, see ``messaging.audience``: users who pass the filters, are in all of these segments (their api
    #: ids) ...
    include = ArrayField(models.UUIDField(), default=list, blank=True)
    #: ... and in none of these.
    exclude = ArrayField(models.UUIDField(), default=list, blank=True)
    #: Every segment that the audience names anywhere, for "where used".
    segments_named = ArrayField(models.UUIDField(), default=list, editable=False)

    class Meta(Edited.Meta):
        abstract = True
        indexes = [
            models.Index(fields=["workspace", "created_at"], name="%(class)s_created"),
            models.Index(fields=["workspace", "edited_at"], name="%(class)s_edited"),
            GinIndex(fields=["segments_named"], name="%(class)s_segments"),
        ]


class Campaign(Engagement):
    """One message, or one on each of several channels, to one audience."""

    class Meta(Engagement.Meta):
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")


class Canvas(Engagement):
    """A journey: whoever is in the entry audience goes through its messages in their order."""

    class Meta(Engagement.Meta):
        verbose_name = _("Canvas")
        verbose_name_plural = _("Canvases")
