"""The tables beside the segments: exports of their users, and how large they were each day."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from profiles.sets import ProfileSetField
from workspaces.models import ApiKey, User, Workspace


class SegmentExport(models.Model):
    """An export of a segment's users to a file: what is asked for, how far it is written, and what came of it.

    ``users`` is who is exported, from the moment when the segment was evaluated until the file is complete.
    ``position`` is the last of them who is in the file and ``size`` how many bytes it has then: both move together,
    chunk by chunk.
    """

    class Format(models.TextChoices):
        CSV = "csv", _("CSV")
        ZIP = "zip", _("JSON lines, zip")
        GZIP = "gzip", _("JSON lines, gzip")

    class Source(models.TextChoices):
        DASHBOARD = "dashboard", _("Dashboard")
        REST = "rest", _("REST API")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Exporting")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    class Failure(models.TextChoices):
        ARCHIVED = "archived", _("The segment has been archived. Bring it back from the archive and export it again.")
        BROKEN = "broken", _("Correct the filters of the segment and export it again.")
        FILE_MISSING = (
            "file_missing",
            _("The file is gone. Web servers and workers must share the directory EXPORT_DIR."),
        )
        INTERNAL = "internal", _("An internal error stopped the export. The log of the worker tells more.")

    WORKING: ClassVar[frozenset[str]] = frozenset({State.WAITING, State.RUNNING})

    workspace = models.ForeignKey(
        Workspace, models.CASCADE, related_name="segment_exports", verbose_name=_("workspace")
    )
    segment = models.ForeignKey("segments.Segment", models.CASCADE, related_name="exports", verbose_name=_("segment"))
    source = models.CharField(_("asked for in"), max_length=10, choices=Source)
    format = models.CharField(_("format"), max_length=10, choices=Format)
    #: Names of ``profiles.exporting.FIELDS``, and custom attributes as ``segments.exporting.fields`` writes them.
    fields = ArrayField(models.TextField(), verbose_name=_("fields"))
    #: The file's name without its ending; Braze: object_prefix.
    prefix = models.CharField(max_length=64, unique=True, editable=False)
    made_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+", verbose_name=_("made by"))
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="+", verbose_name=_("API key"))
    made_at = models.DateTimeField(_("asked for at"), db_default=Now())
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    failure = models.CharField(_("failure"), max_length=20, choices=Failure, blank=True)
    #: What is wrong with which filter, when that is the failure; by language, for whoever reads it.
    detail = models.JSONField(default=dict)
    users = ProfileSetField()
    total = models.BigIntegerField(_("users"), null=True)
    done = models.BigIntegerField(_("users in the file"), default=0)
    chunks = models.IntegerField(default=0)
    position = models.BigIntegerField(default=0)
    size = models.BigIntegerField(_("size"), default=0)
    started_at = models.DateTimeField(_("started at"), null=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    #: From then on the file cannot be downloaded, and is deleted.
    expires_at = models.DateTimeField(_("available until"), null=True)
    callback_url = models.TextField(blank=True)
    #: When the callback is to be called next; null: not any more.
    callback_at = models.DateTimeField(null=True)
    callback_attempts = models.SmallIntegerField(default=0)
    callback_error = models.TextField(blank=True)

    class Meta:
        verbose_name = _("segment export")
        verbose_name_plural = _("segment exports")
        ordering = ["-pk"]
        constraints = [
            # Braze: at most one export of a segment at a time; one that a person waits for stands beside it.
            models.UniqueConstraint(
                fields=["segment", "source"],
                condition=models.Q(state__in=["waiting", "running"]),
                name="segment_export_one_at_a_time",
            )
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=models.Q(state__in=["waiting", "running"]), name="segment_export_work"
            ),
            models.Index(fields=["callback_at"], condition=~models.Q(callback_at=None), name="segment_export_callback"),
        ]

    def __str__(self) -> str:
        return self.prefix

    @property
    def is_working(self) -> bool:
        return self.state in self.WORKING

    @property
    def is_available(self) -> bool:
        """Whether the file can be downloaded."""
        return self.state == self.State.DONE and self.expires_at is not None and timezone.now() < self.expires_at

    @property
    def problem(self) -> str:
        """What is wrong with which filter, in the reader's language; "" if that is not the failure."""
        return self.detail.get(get_language()) or next(iter(self.detail.values()), "")

    @property
    def share(self) -> int:
        """How much is written, in percent."""
        return 100 if self.total == 0 else min(100, round(100 * self.done / (self.total or 1)))


class SegmentSize(models.Model):
    """How many users were in a segment on a day of its workspace's time zone. A day without a row was not counted."""

    pk = models.CompositePrimaryKey("segment_id", "day")
    segment = models.ForeignKey("segments.Segment", models.CASCADE, db_index=False, related_name="sizes")
    day = models.DateField(_("day"))
    size = models.BigIntegerField(_("size"))

    class Meta:
        verbose_name = _("size of a segment")
        verbose_name_plural = _("sizes of segments")

    def __str__(self) -> str:
        return f"{self.day}: {self.size}"
