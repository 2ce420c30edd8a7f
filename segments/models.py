"""Segments: named filter trees over users, always live. Braze: creating a segment."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from segments import stores  # noqa: F401 - more models; Django looks for all of them here
from segments.lists import stores as list_stores  # noqa: F401 - these, too
from workspaces.models import User, Workspace


def empty_tree() -> dict[str, object]:
    """The filters of a new segment: no row, everybody."""
    return {"apps": None, "rows": [], "exclude": []}


class Edited(models.Model):
    """What people write, save in versions and archive: segments, and what floors above make like them.

    ``version`` tells the second of two people who save; ``filters`` has the form of ``segments.tree``.
    """

    api_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True, verbose_name=_("tags"))
    filters = models.JSONField(default=empty_tree)
    version = models.IntegerField(default=1, editable=False)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, editable=False, related_name="+")
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    edited_by = models.ForeignKey(User, models.SET_NULL, null=True, editable=False, related_name="+")
    edited_at = models.DateTimeField(_("last edited"), db_default=Now(), editable=False)
    archived_at = models.DateTimeField(_("archived at"), null=True, editable=False)

    class Meta:
        abstract = True
        ordering = ["-edited_at"]

    def __str__(self) -> str:
        return self.name


class Segment(Edited):
    """A named filter tree."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="segments", verbose_name=_("workspace"))
    name = models.CharField(_("segment name"), max_length=200)
    #: The size when it was last computed, for lists.
    size = models.BigIntegerField(_("size"), null=True, editable=False)
    size_at = models.DateTimeField(null=True, editable=False)

    class Meta(Edited.Meta):
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="segment_name_once")]


class SegmentChange(models.Model):
    """One save of a segment: who, when and what it was after it."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="history")
    version = models.IntegerField()
    made_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(db_default=Now())
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    filters = models.JSONField()

    class Meta:
        ordering = ["-version"]
        constraints = [models.UniqueConstraint(fields=["segment", "version"], name="segment_change_once")]

    def __str__(self) -> str:
        return f"{self.segment} {self.version}"


class SegmentView(models.Model):
    """Which version of a segment a person saw last: for "changes since last viewed"."""

    pk = models.CompositePrimaryKey("segment_id", "user_id")
    segment = models.ForeignKey(Segment, models.CASCADE, related_name="views")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    version = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.version}"
