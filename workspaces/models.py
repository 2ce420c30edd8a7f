"""Workspaces and what belongs to them: people, apps, REST API keys, data points."""

import uuid
from functools import cache
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from workspaces.keys import NewKey, digest_of, new_key
from workspaces.roles import Action, Role, role_may
from workspaces.sayings import said


class User(AbstractUser):
    """A person who logs in to the dashboard. What they may do follows from their role in a workspace."""

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")

    def role_in(self, workspace: "Workspace") -> str | None:
        """The role of this person in ``workspace``; a superuser is an admin everywhere; None: not a member."""
        if self.is_superuser:
            return Role.ADMIN
        return self.memberships.filter(workspace=workspace).values_list("role", flat=True).first()

    def may(self, action: Action, workspace: "Workspace") -> bool:
        """Whether this person may do ``action`` in ``workspace``."""
        return self.is_active and role_may(self.role_in(workspace), action)


def _time_zones() -> list[tuple[str, str]]:
    import zoneinfo

    return [(name, name) for name in sorted(zoneinfo.available_timezones())]


class Workspace(models.Model):
    """The tenant: owns users, cohorts, segments and Currents. Braze also calls it an app group."""

    api_id = models.UUIDField(_("workspace id"), default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("workspace")
        verbose_name_plural = _("workspaces")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role in one workspace."""

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships", verbose_name=_("person"))
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="memberships", verbose_name=_("workspace"))
    role = models.CharField(_("role"), max_length=20, choices=Role)

    class Meta:
        verbose_name = _("team member")
        verbose_name_plural = _("team")
        constraints = [models.UniqueConstraint(fields=["user", "workspace"], name="one_role_per_workspace")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"


class App(models.Model):
    """An app or site of the workspace; events and devices name it by ``api_id``."""

    class Platform(models.TextChoices):
        IOS = "ios", "iOS"
        ANDROID = "android", "Android"
        WEB = "web", _("Web")

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="apps", verbose_name=_("workspace"))
    api_id = models.UUIDField(_("app id"), default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=100)
    platform = models.CharField(_("platform"), max_length=20, choices=Platform)

    class Meta:
        verbose_name = _("app")
        verbose_name_plural = _("apps")
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="app_name_once")]

    def __str__(self) -> str:
        return self.name


class KeyModel(models.Model):
    """What every key that we issue has: a visible prefix, a digest, who made it and when it was last used."""

    prefix = models.CharField(_("key"), max_length=16, editable=False)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    made_by = models.ForeignKey(
        User, models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("made by")
    )
    made_at = models.DateTimeField(_("made at"), db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    invalidated_at = models.DateTimeField(_("invalidated at"), null=True, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.prefix}…"

    @classmethod
    def make(cls, **fields: Any) -> tuple[Any, NewKey]:
        """Store a new key and return (row, key); ``key.secret`` can be shown now and never again."""
        key = new_key()
        return cls._default_manager.create(prefix=key.prefix, digest=key.digest, **fields), key

    @property
    def is_valid(self) -> bool:
        """Whether requests with this key are still accepted."""
        return self.invalidated_at is None

    def invalidate(self) -> None:
        """Refuse this key from the next request on. Invalidating it again changes nothing."""
        type(self)._default_manager.filter(pk=self.pk, invalidated_at=None).update(invalidated_at=timezone.now())
        self.refresh_from_db(fields=["invalidated_at"])

    def touch(self) -> None:
        """Note that the key was used, at most once a minute, so that a busy key costs no write per request."""
        now = timezone.now()
        if self.last_used_at is None or (now - self.last_used_at).total_seconds() > 60:
            type(self)._default_manager.filter(pk=self.pk).update(last_used_at=now)


class ApiKey(KeyModel):
    """A REST API key of a workspace, with a permission per endpoint (Braze: REST API keys, permissions)."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="api_keys", verbose_name=_("workspace"))
    name = models.CharField(_("name"), max_length=100)
    permissions = ArrayField(
        models.CharField(max_length=60),
        verbose_name=_("permissions"),
        default=list,
        blank=True,
    )
    #: In CIDR notation; none: from everywhere. See ``workspaces.addresses``.
    allowed_ranges = ArrayField(
        models.CharField(max_length=50), verbose_name=_("allowed IP ranges"), default=list, blank=True
    )

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-made_at"]

    @classmethod
    def find(cls, secret: str) -> "ApiKey | None":
        """The valid key that is ``secret``, with its workspace; None when there is none.

        Every request of a program asks: to compose the query and to take its row apart costs more than to run it.
        """
        with connection.cursor() as cursor:
            cursor.execute(_find_statement(), [digest_of(secret)])
            row = cursor.fetchone()
        if row is None:
            return None
        own, theirs = ([field.attname for field in model._meta.concrete_fields] for model in (ApiKey, Workspace))
        key = ApiKey.from_db(connection.alias, own, row[: len(own)])
        key.workspace = Workspace.from_db(connection.alias, theirs, row[len(own) :])
        return key


@cache
def _find_statement() -> str:
    key, workspace = ApiKey._meta, Workspace._meta
    columns = [f'{one.db_table}."{field.column}"' for one in (key, workspace) for field in one.concrete_fields]
    return (
        f"SELECT {', '.join(columns)} FROM {key.db_table} JOIN {workspace.db_table}"  # noqa: S608 - names of ours
        f" ON {workspace.db_table}.id = {key.db_table}.workspace_id"
        f" WHERE {key.db_table}.digest = %s AND {key.db_table}.invalidated_at IS NULL"
    )


class BootstrapKey(models.Model):
    """That ``manage.py bootstrap`` made a key, of whatever kind: rotating invalidates these and nobody else's."""

    digest = models.BinaryField(max_length=32, unique=True)
    made_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.made_at}"

    @classmethod
    def digests(cls) -> "models.QuerySet[BootstrapKey, bytes]":
        """The digests of all of them, for a subquery."""
        return cls.objects.values_list("digest", flat=True)


class Activity(models.Model):
    """Who did what in a workspace: a line of the activity log (see ``workspaces.activity``). Never holds a secret.

    Names are kept as texts, so that the log still tells after a person or a thing is gone.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, related_name="activities")
    at = models.DateTimeField(_("time"), db_default=Now())
    person = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+", verbose_name=_("person"))
    person_name = models.CharField(_("person"), max_length=150)
    flag = models.SmallIntegerField()
    kind = models.CharField(_("kind"), max_length=100)
    object_id = models.TextField(blank=True)
    object_name = models.CharField(_("what"), max_length=200)
    #: See ``workspaces.sayings``.
    said = models.TextField(_("what was done"), blank=True)

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activity log")
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["workspace", "-at", "-id"], name="activity_recent")]

    def __str__(self) -> str:
        return f"{self.person_name}: {self.object_name}"

    @property
    def message(self) -> str:
        """What was done, in the reader's language."""
        return said(self.said, self.flag)


class DataPoints(models.Model):
    """Data points (the billing unit) logged on one day from one source. Braze: data points."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="data_points", verbose_name=_("workspace"))
    day = models.DateField(_("day"))
    source = models.CharField(_("source"), max_length=100)
    count = models.BigIntegerField(_("data points"), default=0)

    class Meta:
        verbose_name = _("data points")
        verbose_name_plural = _("data points")
        constraints = [models.UniqueConstraint(fields=["workspace", "day", "source"], name="data_points_per_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.source}: {self.count}"
