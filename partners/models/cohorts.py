"""Cohorts: the named sets of users that partners own."""

from collections.abc import Collection
from typing import Any, ClassVar, NamedTuple

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from partners.models.integrations import Integration
from profiles.sets import ProfileSet, ProfileSetField, set_cursor


class StoredMembers(NamedTuple):
    """How a cohort's members are stored: what a sync writes follows the change, not the cohort.

    A fold of few users writes who ``joined`` and who ``left`` since the ``base`` was written, see ``partners.storing``.
    """

    base: ProfileSet = ProfileSet()
    joined: ProfileSet = ProfileSet()
    left: ProfileSet = ProfileSet()

    def members(self) -> ProfileSet:
        """Everybody."""
        return (self.base - self.left) | self.joined if self.joined or self.left else self.base


def stored_members(cohort_ids: Collection[int]) -> dict[int, StoredMembers]:
    """The members of these cohorts, by id. One statement."""
    with set_cursor() as cursor:
        cursor.execute(
            "SELECT id, base_members, joined_since, left_since FROM partners_cohort WHERE id = ANY(%s)",
            [list(cohort_ids)],
        )
        return {cohort_id: StoredMembers(*parts) for cohort_id, *parts in cursor.fetchall()}


class CohortManager(models.Manager["Cohort"]):
    """Leaves the members in the database until they are asked for: a cohort of millions is megabytes."""

    def get_queryset(self) -> "models.QuerySet[Cohort]":
        return super().get_queryset().defer("base_members", "joined_since", "left_since")


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
    # See ``StoredMembers``.
    base_members = ProfileSetField()
    joined_since = ProfileSetField()
    left_since = ProfileSetField()
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

    _stored: StoredMembers | None = None
    _members: ProfileSet | None = None

    @property
    def stored(self) -> StoredMembers:
        """The members as they are stored, read when they are first asked for."""
        if self._stored is None:
            self._stored = stored_members([self.pk])[self.pk]
        return self._stored

    @property
    def members(self) -> ProfileSet:
        """The members; may hold users who are gone, see ``profiles.live``. Written by ``partners.storing``."""
        if self._members is None:
            self._members = self.stored.members()
        return self._members

    @members.setter
    def members(self, members: ProfileSet) -> None:
        """Of a new cohort."""
        self._stored, self._members = StoredMembers(members), members
        self.base_members = members

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """As Django's; the members are read again, too."""
        self._stored = self._members = None
        super().refresh_from_db(*args, **kwargs)

    @property
    def is_pulled(self) -> bool:
        """Whether we fetch it; all others are sent to us."""
        return bool(self.sync)
