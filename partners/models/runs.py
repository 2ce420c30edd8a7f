"""Run records: what each export of a cohort brought and did."""

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from partners.models.cohorts import Cohort
from profiles.sets import ProfileSetField


class SyncRun(models.Model):
    """One export of a cohort as it arrived: what came, what it changed, what matched nobody.

    ``received`` = ``added`` + ``removed`` + ``already_there`` + ``unmatched`` for differences, unless an email names
    several users. ``already_there`` counts what asked for what was so: in for a member, out for a non-member.
    Changes without a request of the partner's have runs too: identifiers whose users appeared, and merged users.
    """

    class Source(models.TextChoices):
        PUSH = "push", _("Push")
        WEBHOOK = "webhook", _("Webhook")
        PULL = "pull", _("Pull")
        LATE = "late", _("Late match")
        MERGE = "merge", _("Merge of users")

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
    source = models.CharField(_("source"), max_length=10, choices=Source)
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


class RunSets(models.Model):
    """Whom a run added and removed: the answer to "is this user in it, and why"."""

    run = models.OneToOneField(SyncRun, models.CASCADE, primary_key=True, related_name="sets")
    added = ProfileSetField()
    removed = ProfileSetField()

    def __str__(self) -> str:
        return f"+{len(self.added)} -{len(self.removed)}"
