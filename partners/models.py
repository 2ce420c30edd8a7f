"""Partner integrations, their keys, and the cohorts that come in through them."""

import uuid
from datetime import timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from partners.registry import Partner, partner
from profiles.sets import ProfileSetField
from workspaces.encryption import SecretsField
from workspaces.keys import NewKey, digest_of, new_key
from workspaces.models import KeyModel, Workspace


class Integration(models.Model):
    """A workspace's connection with one partner: its keys and its cohorts hang on it."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="integrations", verbose_name=_("workspace"))
    api_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    partner_slug = models.SlugField(_("partner"))
    #: Names the partner itself. Made by us, or adopted from the first request with a valid import key.
    partner_key_prefix = models.CharField(_("partner API key"), max_length=16, blank=True, editable=False)
    partner_key_digest = models.BinaryField(max_length=32, null=True, editable=False)
    #: The order in which the webhook's members are matched, see ``partners.mixpanel.webhook``.
    identifiers = models.JSONField(default=list, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("partner integration")
        verbose_name_plural = _("Technology Partners")
        constraints = [models.UniqueConstraint(fields=["workspace", "partner_slug"], name="integration_once")]

    def __str__(self) -> str:
        return self.partner.name

    @property
    def partner(self) -> Partner:
        found = partner(self.partner_slug)
        assert found is not None  # noqa: S101 - rows are made for registered partners only
        return found

    @property
    def data_point_source(self) -> str:
        """What the data points of its membership changes are counted under."""
        return self.partner.cohort_filter_name

    def make_partner_key(self) -> NewKey:
        """Make a new partner API key, which replaces the one before; ``secret`` can be shown now and never again."""
        key = new_key()
        self.partner_key_prefix, self.partner_key_digest = key.prefix, key.digest
        self.save(update_fields=["partner_key_prefix", "partner_key_digest"])
        return key

    def forget_partner_key(self) -> None:
        """Reset: the next partner API key that arrives with a valid data import key is adopted."""
        self.partner_key_prefix, self.partner_key_digest = "", None
        self.save(update_fields=["partner_key_prefix", "partner_key_digest"])


class DataImportKey(KeyModel):
    """Names the workspace that a cohort goes into; partners send it as ``client_secret``."""

    integration = models.ForeignKey(Integration, models.CASCADE, related_name="import_keys")

    class Meta:
        verbose_name = _("data import key")
        verbose_name_plural = _("data import keys")
        ordering = ["-made_at", "-id"]

    @classmethod
    def find(cls, secret: str) -> "DataImportKey | None":
        """The valid key that is ``secret``, with its integration and workspace; None when there is none."""
        return (
            cls.objects.select_related("integration__workspace")
            .filter(digest=digest_of(secret), invalidated_at=None)
            .first()
        )


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
    # Of a pulled cohort only:
    sync = models.CharField(_("sync"), max_length=10, choices=Sync, blank=True)
    next_pull_at = models.DateTimeField(_("next sync"), null=True, db_index=True)
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


class SyncRun(models.Model):
    """One export of a cohort as it arrived: what came, what it changed, what matched nobody.

    ``received`` = ``added`` + ``removed`` + ``already_there`` + ``unmatched`` for differences, unless an email names
    several users. ``already_there`` counts what asked for what was so: in for a member, out for a non-member.
    """

    class Status(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        INCOMPLETE = "incomplete", _("Incomplete")
        FAILED = "failed", _("Failed")

    class Problem(models.TextChoices):
        """Why a run did not end well; ``error`` holds the other side's own words."""

        REPLACED = "replaced", _("A newer full copy arrived before this one was complete.")
        TIMED_OUT = "timed_out", _("Its pages stopped arriving before all were there.")
        UNAUTHORIZED = "unauthorized", _("The partner refused the service account. Check it in the connection.")
        REFUSED = "refused", _("The partner refused the query.")
        RATE_LIMITED = "rate_limited", _("The partner asked us to wait. The pull goes on by itself.")
        UNREACHABLE = "unreachable", _("The partner could not be reached. The pull is tried again by itself.")
        BAD_ANSWER = "bad_answer", _("The partner's answer could not be read. The pull is tried again by itself.")
        STOPPED = "stopped", _("The pull was stopped.")

    cohort = models.ForeignKey(Cohort, models.CASCADE, related_name="runs", verbose_name=_("cohort"))
    source = models.CharField(_("source"), max_length=10, choices=Cohort.Source)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.RUNNING)
    started_at = models.DateTimeField(_("started"), db_default=Now())
    #: The arrival of the run's last request.
    ended_at = models.DateTimeField(_("ended"), null=True)
    requests = models.IntegerField(_("requests"), default=0)
    received = models.BigIntegerField(_("received"), default=0)
    added = models.BigIntegerField(_("added"), default=0)
    removed = models.BigIntegerField(_("removed"), default=0)
    already_there = models.BigIntegerField(_("already there"), default=0)
    unmatched = models.BigIntegerField(_("unmatched"), default=0)
    data_points = models.BigIntegerField(_("data points"), default=0)
    #: Live members after the run, for the chart of the cohort's size.
    size_after = models.BigIntegerField(_("size afterwards"), null=True)
    problem = models.CharField(_("problem"), max_length=20, choices=Problem, blank=True)
    error = models.TextField(_("error"), blank=True)
    #: The partner's own name of this export, where it gives one.
    session_id = models.CharField(max_length=200, blank=True)
    #: Of a full copy in pages only.
    total_pages = models.IntegerField(null=True)

    class Meta:
        verbose_name = _("sync run")
        verbose_name_plural = _("sync runs")
        ordering = ["-started_at", "-id"]
        indexes = [
            models.Index(fields=["cohort", "-started_at"], name="run_recent"),
            models.Index(fields=["cohort", "session_id"], name="run_session", condition=~models.Q(session_id="")),
        ]

    def __str__(self) -> str:
        return f"{self.cohort} {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def duration(self) -> timedelta | None:
        """From the first request's arrival to the last one's."""
        return self.ended_at - self.started_at if self.ended_at else None

    @property
    def duration_in_words(self) -> str:
        """The duration to the second, such as "1 min 05 s"."""
        if self.duration is None:
            return "–"
        minutes, seconds = divmod(round(self.duration.total_seconds()), 60)
        words = _("%(minutes)d min %(seconds)02d s") if minutes else _("%(seconds)d s")
        return words % {"minutes": minutes, "seconds": seconds}

    @property
    def way(self) -> Promise:
        """How the run came, in one word."""
        return {"push": _("Push"), "webhook": _("Webhook"), "pull": _("Pull")}[self.source]


class RunSets(models.Model):
    """Whom a run added and removed: the answer to "is this user in it, and why"."""

    run = models.OneToOneField(SyncRun, models.CASCADE, primary_key=True, related_name="sets")
    added = ProfileSetField()
    removed = ProfileSetField()

    def __str__(self) -> str:
        return f"+{len(self.added)} -{len(self.removed)}"


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
            models.Index(fields=["digest"], name="unmatched_digest"),
            models.Index(fields=["run"], name="unmatched_run"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.value}"


class PullConnection(models.Model):
    """How to read a partner's cohorts from its query API. For Mixpanel: project id, region and a service account."""

    integration = models.OneToOneField(Integration, models.CASCADE, related_name="pull")
    options = models.JSONField(default=dict)
    secrets: Any = SecretsField()
    updated_at = models.DateTimeField(auto_now=True)
    problem = models.CharField(max_length=20, choices=SyncRun.Problem, blank=True)
    last_error = models.TextField(blank=True)
    #: The partner asked us not to query before this moment.
    wait_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.integration)


class PullQuery(models.Model):
    """One request to a partner's query API: the rate limits are counted over these.

    It hangs on the integration: who removes a connection and makes it anew has no more queries than before.
    """

    integration = models.ForeignKey(Integration, models.CASCADE, related_name="pull_queries")
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["integration", "started_at"], name="pull_query_recent")]

    def __str__(self) -> str:
        return f"{self.started_at}"
