"""The event log, the Currents that export it, and where each of them stands (architecture: the event log is a log)."""

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from currents.fields import CurrentTransaction, JsonTextField, StatementTime
from workspaces.encryption import SecretsField
from workspaces.models import User, Workspace

SHARDS = 16
#: The longest that a part batch may wait for more events, in seconds.
MAX_FLUSH_INTERVAL = 15 * 60


class Event(models.Model):
    """One engagement event, append-only, written in the transaction of what caused it: see ``currents.log``.

    ``payload`` is the event as it travels between Currents and HTTP receivers, without what has a column of its own:
    ``{"user": {"user_id", "device_id", "timezone"}, "properties": {...}}``, unknown fields included.
    Readers order by (xid, id) and stop below the snapshot's xmin.

    The table is partitioned by the UTC day of ``received_at`` (migration 0002, ``currents.partitions``). It has no
    unique index: one would have to hold the day, so it would promise nothing, and cost each event that is written.
    """

    xid = models.BigIntegerField(db_default=CurrentTransaction(), editable=False)
    # No constraint in the database: it would cost a look-up for each event that is written.
    workspace = models.ForeignKey(
        Workspace, models.CASCADE, db_index=False, db_constraint=False, related_name="+", verbose_name=_("workspace")
    )
    shard = models.SmallIntegerField()
    event_id = models.CharField(_("event id"), max_length=200)
    event_type = models.CharField(_("event type"), max_length=100)
    time = models.BigIntegerField(_("time"), help_text=_("Seconds since 1970, UTC."))
    external_user_id = models.TextField(_("external id"), null=True)  # noqa: DJ001 - null: an anonymous user
    payload: Any = JsonTextField()
    received_at = models.DateTimeField(_("received at"), db_default=StatementTime())
    #: Whether it came in by ``POST /currents/events``; everything else was caused here.
    from_outside = models.BooleanField(db_default=False)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            models.Index(fields=["workspace", "shard", "xid", "id"], name="event_order"),
            BrinIndex(fields=["received_at"], name="event_received"),
            models.Index(fields=["xid", "id"], name="event_from_outside", condition=models.Q(from_outside=True)),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"


class ReceivedEventId(models.Model):
    """Ids of events that came from outside, so that a repeated one is stored once. Partitioned by hash of its key."""

    pk = models.CompositePrimaryKey("workspace_id", "event_id")
    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, db_constraint=False, related_name="+")
    event_id = models.CharField(max_length=200)
    day = models.DateField()

    class Meta:
        indexes = [BrinIndex(fields=["day"], name="received_day")]

    def __str__(self) -> str:
        return self.event_id


class LogMark(models.Model):
    """What the transaction ids were at a moment: ties the order of the log to its partitions (``currents.marks``).

    Below ``first_xid`` everything had ended then; from ``next_xid`` on nothing had begun.
    """

    taken_at = models.DateTimeField(primary_key=True)
    first_xid = models.BigIntegerField()
    next_xid = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.taken_at:%Y-%m-%d %H:%M} {self.first_xid}"


class EventKeeping(models.Model):
    """How long a workspace's events wait, at most, for a Current that cannot deliver them."""

    workspace = models.OneToOneField(Workspace, models.CASCADE, primary_key=True, related_name="+")
    cap_days = models.PositiveSmallIntegerField(_("days"))

    def __str__(self) -> str:
        return f"{self.cap_days}"


class LogCluster(models.Model):
    """The database cluster whose transaction ids the log holds: one row. See ``currents.rebase``."""

    system_identifier = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.system_identifier)


class Current(models.Model):
    """A Currents connector: exports chosen event types of its workspace to one destination."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")
        FAILED = "failed", _("Failed")
        STOPPED = "stopped", _("Stopped")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="currents", verbose_name=_("workspace"))
    api_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("integration name"), max_length=100)
    contact_email = models.EmailField(_("contact email"))
    destination = models.CharField(_("destination"), max_length=40)
    options = models.JSONField(default=dict, editable=False)
    secrets: Any = SecretsField()
    event_types = ArrayField(models.CharField(max_length=100), default=list, verbose_name=_("events"))
    #: What is done to fields on their way out: name at the destination -> "remove" or "hash" (``transformations``).
    transformations = models.JSONField(default=dict, editable=False)
    #: Null: as the installation is set.
    flush_interval = models.PositiveSmallIntegerField(
        _("flush interval"), null=True, blank=True, validators=[MaxValueValidator(MAX_FLUSH_INTERVAL)]
    )
    requests_in_flight = models.PositiveSmallIntegerField(
        _("requests in flight"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(SHARDS)]
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.DRAFT, editable=False)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, editable=False, related_name="+")
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("last edited"), auto_now=True)
    launched_at = models.DateTimeField(_("launched at"), null=True, editable=False)
    failed_at = models.DateTimeField(_("failed at"), null=True, editable=False)
    failure = models.TextField(_("last error"), blank=True, editable=False)
    #: While Failed: when to try again whether the destination lets us in.
    probe_at = models.DateTimeField(null=True, editable=False)

    #: The states in which events are kept for it.
    KEEPS: ClassVar[frozenset[str]] = frozenset({Status.ACTIVE, Status.PAUSED, Status.FAILED})

    class Meta:
        verbose_name = _("Current")
        verbose_name_plural = _("Currents")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def flush_seconds(self) -> float:
        """How long a part batch waits for more events."""
        own = self.flush_interval
        return float(settings.CURRENTS_FLUSH_INTERVAL if own is None else own)

    @property
    def max_in_flight(self) -> int:
        """How many requests may be under way at once: the Current's own limit never exceeds the installation's."""
        limit: int = settings.CURRENTS_REQUESTS_IN_FLIGHT
        return min(limit, self.requests_in_flight or limit)


class EventSelection(models.Model):
    """Which event types a Current sends from transaction ``from_xid`` on: launches and edits never rewrite the past."""

    current = models.ForeignKey(Current, models.CASCADE, related_name="selections")
    from_xid = models.BigIntegerField()
    event_types = ArrayField(models.CharField(max_length=100))
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["from_xid", "id"]

    def __str__(self) -> str:
        return f"{self.from_xid}: {len(self.event_types)}"


class Replay(models.Model):
    """Events of a stretch of the log sent once more, beside live delivery, with cursors of its own (``replays``).

    Events received from ``from_time`` on and before ``to_time``, of ``event_types``, written by transactions below
    ``end_xid``. ``expected`` is how many those are; with ``expected_more`` there are more than that.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")

    current = models.ForeignKey(Current, models.CASCADE, related_name="replays")
    from_time = models.DateTimeField(_("from"))
    to_time = models.DateTimeField(_("to"))
    end_xid = models.BigIntegerField()
    event_types = ArrayField(models.CharField(max_length=100))
    state = models.CharField(_("status"), max_length=10, choices=State, default=State.RUNNING)
    expected = models.BigIntegerField()
    expected_more = models.BooleanField(default=False)
    delivered = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(_("started at"), db_default=Now())
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("replay")
        verbose_name_plural = _("replays")
        constraints = [
            models.UniqueConstraint(fields=["current"], name="one_running_replay", condition=models.Q(state="running"))
        ]

    def __str__(self) -> str:
        return f"{self.from_time:%Y-%m-%d %H:%M} – {self.to_time:%Y-%m-%d %H:%M}"

    @property
    def processed(self) -> int:
        """How many events it is done with."""
        return self.delivered + self.refused + self.skipped

    @property
    def percent(self) -> int | None:
        """How far it is; None while nobody knows how many events there are."""
        if self.state == self.State.DONE:
            return 100
        if self.expected_more:
            return None
        return min(99, self.processed * 100 // self.expected) if self.expected else 0


class Cursor(models.Model):
    """How far one shard of a Current has been delivered, who works on it now, and how often the next batch has failed.

    A replay has cursors of its own; a Current's live delivery has those without a replay.

    Everything up to (``xid``, ``event``) is done with. ``lease`` is the token of the worker that holds the shard until
    ``leased_until``; a free shard keeps the moment at which it was let go, and the longest free one is served first.
    ``batch_limit`` is how many events the next request may hold while a refused batch is split; 0: as many as fit.
    ``counted`` events wait up to (``counted_xid``, ``counted_event``), null: none (``currents.waiting``).
    """

    current = models.ForeignKey(Current, models.CASCADE, related_name="cursors")
    replay = models.ForeignKey(Replay, models.CASCADE, null=True, related_name="cursors")
    shard = models.SmallIntegerField()
    xid = models.BigIntegerField(default=0)
    event = models.BigIntegerField(default=0)
    counted = models.IntegerField(default=0)
    counted_xid = models.BigIntegerField(null=True)
    counted_event = models.BigIntegerField(null=True)
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    attempt = models.IntegerField(default=0)
    batch_limit = models.IntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    first_failure_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["current", "shard"], name="cursor_per_shard", condition=models.Q(replay__isnull=True)
            ),
            models.UniqueConstraint(fields=["replay", "shard"], name="replay_cursor_per_shard"),
        ]

    def __str__(self) -> str:
        return f"{self.shard}: ({self.xid}, {self.event})"


class DeliveryRequest(models.Model):
    """One request to the destination, kept for the Current's page."""

    current = models.ForeignKey(Current, models.CASCADE, related_name="requests")
    shard = models.SmallIntegerField(_("shard"))
    started_at = models.DateTimeField(_("started at"))
    milliseconds = models.IntegerField(_("duration"))
    events = models.IntegerField(_("events"))
    status = models.IntegerField(_("answer"), null=True)
    error = models.TextField(_("error"), blank=True)
    is_replay = models.BooleanField(_("replay"), default=False)

    class Meta:
        verbose_name = _("request")
        verbose_name_plural = _("requests")
        indexes = [models.Index(fields=["current", "-started_at"], name="request_recent")]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S} {self.status}"


class Outcome(models.TextChoices):
    """What became of an event that a Current looked at."""

    DELIVERED = "delivered", _("Delivered")
    DEAD_LETTER = "dead_letter", _("Refused by the destination")
    NO_EXTERNAL_ID = "no_external_id", _("User without an external id")
    TOO_OLD = "too_old", _("Before 2010-01-01")
    TOO_LARGE = "too_large", _("Over 900 KB")
    NOT_SELECTED = "not_selected", _("Event type not selected at the time")
    LOST = "lost", _("Lost: it waited longer than events are kept")


class DeliveryCount(models.Model):
    """How many events of a Current had one outcome in one hour (UTC), and the id of the last of them."""

    current = models.ForeignKey(Current, models.CASCADE, related_name="counts")
    hour = models.DateTimeField()
    outcome = models.CharField(max_length=20, choices=Outcome)
    count = models.BigIntegerField(default=0)
    example = models.TextField(blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["current", "hour", "outcome"], name="count_per_hour")]

    def __str__(self) -> str:
        return f"{self.hour} {self.outcome}: {self.count}"


class RequestTime(models.Model):
    """All requests of a Current by how long they took: those of at most ``limit`` milliseconds, above the next lower.

    What metrics are made of, so that every process tells the same.
    """

    #: The upper bounds in milliseconds; what takes longer is in the last, which has no bound.
    LIMITS: ClassVar[tuple[int, ...]] = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 2**31 - 1)

    current = models.ForeignKey(Current, models.CASCADE, related_name="request_times")
    limit = models.IntegerField()
    count = models.BigIntegerField(default=0)
    milliseconds = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["current", "limit"], name="request_time_per_limit")]

    def __str__(self) -> str:
        return f"≤ {self.limit} ms: {self.count}"


class Notice(models.Model):
    """A mail to a Current's contact: written in the transaction of what it tells, sent by a worker or by beat."""

    class Kind(models.TextChoices):
        FAILED = "failed", _("The destination refuses the credentials")
        RECOVERED = "recovered", _("The destination accepts it again")
        KEPT = "kept", _("Events are kept past their time")
        LOST = "lost", _("Events were lost at the cap")

    current = models.ForeignKey(Current, models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=10, choices=Kind)
    facts = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    attempt = models.SmallIntegerField(default=0)
    #: Who takes it holds it until then; also when to try again.
    leased_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["leased_until"], name="notice_waiting", condition=models.Q(sent_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.created_at:%Y-%m-%d %H:%M}"


class DeadLetter(models.Model):
    """An event that the destination refused for good, with the destination's own reason.

    ``payload`` is what was sent, without the destination's secrets; ``source`` is the event in the log's own terms
    (``currents.log.LoggedEvent``), so that Retry sends it as the Current would send it today.
    """

    current = models.ForeignKey(Current, models.CASCADE, related_name="dead_letters")
    event_id = models.CharField(_("event id"), max_length=200)
    event_type = models.CharField(_("event type"), max_length=100)
    reason = models.TextField(_("reason"))
    field = models.CharField(_("field"), max_length=200, blank=True)
    payload: Any = JsonTextField(_("payload"))
    source: Any = JsonTextField()
    created_at = models.DateTimeField(_("refused at"), db_default=Now())
    #: When Retry was asked for; a worker takes it, and holds it until ``leased_until``.
    retry_at = models.DateTimeField(_("retry"), null=True)
    leased_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")
        indexes = [
            models.Index(fields=["current", "-created_at"], name="dead_letter_recent"),
            models.Index(
                fields=["current", "retry_at"], name="dead_letter_retry", condition=models.Q(retry_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"
