"""Cohorts: the named sets of users that partners own."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from partners.models.integrations import Integration
from profiles.sets import ProfileSetField


class CohortManager(models.Manager["Cohort"]):
    """Leaves the members in the database until they are asked for: a cohort of millions is megabytes."""

    def get_queryset(self) -> "models.QuerySet[Cohort]":
        return super().get_queryset().defer("members")


class Cohort(models.Model):
    """A named set of users owned by a partner; identified by (workspace, partner, cohort_id)."""

    class Source(models.TextChoices):
        PUSH = "push", _("Pushed by the partner")
        WEBHOOK = "webhook", _("Custom webhook")
        PULL = "pull", _("Pulled")

    class Sync(models.TextChoices):
        ONE_TIME = "one_time", _("One-time")
        DYNAMIC = "dynamic", _("Dynamic")

    integration = models.ForeignKey(Integration, models.CASCADE, related_name="cohorts")
    cohort_id = models.CharField(_("cohort id"), max_length=512)
    name = models.CharField(_("name"), max_length=512)
    description = models.TextField(_("description"), blank=True)
    source = models.CharField(_("how it comes"), max_length=10, choices=Source, default=Source.PUSH)
    #: When the partner says that it made the cohort.
    created_at = models.DateTimeField(_("created at"), null=True)
    first_seen_at = models.DateTimeField(db_default=Now(), editable=False)
    last_sync_at = models.DateTimeField(_("last sync"), null=True, editable=False)
    archived_at = models.DateTimeField(_("archived at"), null=True, editable=False)
    members = ProfileSetField()
    #: Live members after the last fold: for lists, which never fold.
    size = models.BigIntegerField(_("size"), default=0, editable=False)
    #: Rises with every change of ``members``, so that what was computed from them can tell that it is old.
    version = models.BigIntegerField(default=0, editable=False)
    #: The waiting list up to here has been matched once more, see ``partners.late``.
    matched_to = models.BigIntegerField(default=0, editable=False)
    # Of a pulled cohort only:
    sync = models.CharField(_("sync"), max_length=10, choices=Sync, blank=True)
    next_pull_at = models.DateTimeField(_("next sync"), null=True, db_index=True)
    paused_at = models.DateTimeField(_("paused at"), null=True, editable=False)
    #: How many users the partner said it has: what a pull will cost.
    partner_count = models.BigIntegerField(null=True, editable=False)

    objects: ClassVar[CohortManager] = CohortManager()

    class Meta:
        verbose_name = _("cohort")
        verbose_name_plural = _("cohorts")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["integration", "cohort_id"], name="cohort_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_pulled(self) -> bool:
        """Whether we fetch it; all others are sent to us."""
        return bool(self.sync)
