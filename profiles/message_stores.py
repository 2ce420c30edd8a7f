"""The tables of what befell users with messages, campaigns and Canvases, counted by day."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from workspaces.models import Workspace


class MessageSource(models.Model):
    """What messages came from: a campaign or Canvas that events named or that is a draft of ours, or a part of one.

    ``source_id`` is its id as events give it; of a link, its alias. ``parent`` is what it is a part of: the Canvas of a
    step or a variation, the campaign of a variant, the step or campaign of a link. ``tags`` are those of a draft, and
    ``is_archived`` is true of a draft that is archived.
    """

    class Kind(models.TextChoices):
        CAMPAIGN = "campaign", _("Campaign")
        CANVAS = "canvas", _("Canvas")
        STEP = "step", _("Canvas step")
        VARIATION = "variation", _("Canvas variation")
        VARIANT = "variant", _("Campaign variant")
        LINK = "link", _("Link")

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, related_name="+")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    source_id = models.CharField(_("id"), max_length=255)
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="parts")
    name = models.CharField(_("name"), max_length=255, blank=True)
    tags = ArrayField(models.CharField(max_length=50), default=list, db_default=[], verbose_name=_("tags"))
    is_archived = models.BooleanField(_("archived"), default=False, db_default=False)
    created_at = models.DateTimeField(_("first seen"), db_default=Now())

    class Meta:
        verbose_name = _("campaign or Canvas")
        verbose_name_plural = _("campaigns and Canvases")
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "kind", "source_id", "parent"], name="message_source_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.name or self.source_id

    @property
    def title(self) -> str:
        """How people tell it from others: of a part, with what it is a part of."""
        return f"{self.parent}: {self}" if self.parent else str(self)

    @property
    def is_put_away(self) -> bool:
        """Whether it is archived, or a part of what is."""
        return self.is_archived or (self.parent is not None and self.parent.is_archived)


class EngagementAction(models.TextChoices):
    """What befell a user with a message, a campaign or a Canvas."""

    RECEIVED = "received", _("received")
    OPENED = "opened", _("opened")
    MACHINE_OPENED = "machine", _("opened by a machine")
    CLICKED = "clicked", _("clicked")
    CONVERTED = "converted", _("converted")
    ENTERED = "entered", _("entered")
    IN_CONTROL = "control", _("in the control group")
    HARD_BOUNCED = "bounced", _("hard bounced")
    SOFT_BOUNCED = "softbounce", _("soft bounced")
    MARKED_SPAM = "spam", _("marked as spam")


class DailyEngagement(models.Model):
    """How often one thing befell a user on one day (UTC), by where the message came from and its channel.

    ``source`` is the primary key of a ``MessageSource``, 0 for messages of none (sent by API). What befell a user with
    a part of one is in a row of the part and in one of the whole. ``channel`` is "" for what no message did. Written by
    ``profiles.engagement``.
    """

    pk = models.CompositePrimaryKey("workspace_id", "action", "source", "profile_id", "channel", "day")
    # No constraints in the database, as for ``DailyCount``.
    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, db_constraint=False, related_name="+")
    profile = models.ForeignKey("profiles.Profile", models.CASCADE, db_constraint=False, related_name="engagement")
    action = models.CharField(_("what"), max_length=10, choices=EngagementAction)
    source = models.BigIntegerField()
    channel = models.CharField(_("channel"), max_length=20)
    day = models.DateField(_("day"))
    count = models.BigIntegerField(_("times"), default=0)
    last_at = models.DateTimeField(_("last"))

    class Meta:
        verbose_name = _("daily engagement")
        verbose_name_plural = _("daily engagement")

    def __str__(self) -> str:
        return f"{self.day} {self.action} {self.channel}: {self.count}"


class LastEngagement(models.Model):
    """When one thing befell a user last on a channel, whatever the message came from."""

    pk = models.CompositePrimaryKey("workspace_id", "action", "channel", "profile_id")
    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, db_constraint=False, related_name="+")
    profile = models.ForeignKey("profiles.Profile", models.CASCADE, db_constraint=False, related_name="last_engagement")
    action = models.CharField(_("what"), max_length=10, choices=EngagementAction)
    channel = models.CharField(_("channel"), max_length=20)
    last_at = models.DateTimeField(_("last"))

    class Meta:
        verbose_name = _("last engagement")
        verbose_name_plural = _("last engagement")

    def __str__(self) -> str:
        return f"{self.action} {self.channel}: {self.last_at}"
