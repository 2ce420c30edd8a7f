"""What has arrived and is on its way into a cohort: changes, full copies, identifiers that wait."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from partners.models.cohorts import Cohort
from partners.models.runs import SyncRun
from profiles.sets import ProfileSetField
from workspaces.models import Workspace


class FullCopy(models.Model):
    """A full copy of a cohort on its way in: its pages gather, then it replaces the members, then this row goes.

    It counts from its ``position`` in the arrival order, the arrival of its first page. What later differences did to
    the members meanwhile is kept in ``later_added`` and ``later_removed``, and done again on top of the copy.
    """

    run = models.OneToOneField(SyncRun, models.CASCADE, primary_key=True, related_name="copy")
    cohort = models.ForeignKey(Cohort, models.CASCADE, related_name="copies")
    position = models.BigIntegerField()
    #: None while a pull does not know yet how many there are.
    total_pages = models.IntegerField(null=True)
    #: When its last missing page arrived; from then on it waits to be folded.
    complete_at = models.DateTimeField(null=True)
    #: The members matched so far: a large copy is matched in several transactions.
    matched = ProfileSetField()
    later_added = ProfileSetField()
    later_removed = ProfileSetField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cohort"], name="one_copy_gathers", condition=models.Q(complete_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.run_id}"


class CohortChange(models.Model):
    """One request's raw change list, appended in arrival order and folded later; the row goes when it has been folded.

    ``changes`` is JSON, see ``partners.changes``. A row with a ``copy`` is one page of a full copy; the others are
    differences, and the fold finds or makes their run.
    """

    cohort = models.ForeignKey(Cohort, models.CASCADE, related_name="changes")
    source = models.CharField(max_length=10, choices=Cohort.Source)
    session_id = models.CharField(max_length=200, blank=True)
    received_at = models.DateTimeField(db_default=Now())
    copy = models.ForeignKey(FullCopy, models.CASCADE, null=True, related_name="pages")
    page = models.IntegerField(null=True)
    identifiers = models.IntegerField()
    changes = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["cohort", "id"], name="change_order")]
        constraints = [models.UniqueConstraint(fields=["copy", "page"], name="page_once")]

    def __str__(self) -> str:
        return f"{self.cohort_id}: {self.identifiers}"


class UnmatchedId(models.Model):
    """An identifier that was to be added to a cohort and matched nobody, waiting for its user to appear.

    With ``cancelled`` it is the trace of a removal that arrived after a full copy still on its way: the identifier
    must not wait when that copy names it.
    """

    cohort = models.ForeignKey(Cohort, models.CASCADE, related_name="unmatched")
    run = models.ForeignKey(SyncRun, models.CASCADE, related_name="unmatched_ids")
    #: Of kind, label and value: an index over these would not hold the longest.
    digest = models.BinaryField(max_length=16)
    kind = models.CharField(_("kind"), max_length=12)
    label = models.CharField(_("alias label"), max_length=512, blank=True)
    value = models.TextField(_("identifier"))
    since = models.DateTimeField(_("since"), db_default=Now())
    #: Where in the arrival order it was last asked for.
    position = models.BigIntegerField()
    cancelled = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cohort", "digest"], name="unmatched_once")]
        indexes = [
            models.Index(fields=["cohort", "id"], name="unmatched_order"),
            models.Index(fields=["cohort"], name="unmatched_cancelled", condition=models.Q(cancelled=True)),
            # What the identity log does not tell of: an email or a device that a user got later.
            models.Index(
                fields=["cohort", "id"], name="unmatched_unlogged", condition=models.Q(kind__in=["email", "device"])
            ),
            models.Index(fields=["digest"], name="unmatched_digest"),
            models.Index(fields=["run"], name="unmatched_run"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.value}"


class IdentityCursor(models.Model):
    """How far cohorts have followed a workspace's identity log, see ``partners.identities``.

    Everything up to (``xid``, ``change``) is done with. ``cluster`` tells whose transaction ids these are.
    """

    workspace = models.OneToOneField(Workspace, models.CASCADE, primary_key=True, related_name="+")
    xid = models.BigIntegerField(default=0)
    change = models.BigIntegerField(default=0)
    cluster = models.BigIntegerField(null=True)
    #: Users who are gone and may still be members of stored sets; every read leaves them out anyway.
    dead = ProfileSetField()
    swept_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"({self.xid}, {self.change})"
