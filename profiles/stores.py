"""The tables beside the profiles: what users did, counted by day; imports of users. Of messages: ``message_stores``."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from workspaces.models import App, User, Workspace


class ExactDecimalField(models.DecimalField):
    """A ``numeric`` without bounds: sums of any prices are exact, and none is too large."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "max_digits": 1_000, "decimal_places": 400})

    def db_type(self, connection: Any) -> str:
        return "numeric"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return value


class DailyCount(models.Model):
    """How often a user did one thing on one day (UTC): what segments filter by. Written by ``profiles.counters``.

    ``name`` is the event's name or the product's id. ``currency`` and ``money`` are of purchases only.
    """

    class Kind(models.TextChoices):
        EVENT = "event", _("Custom event")
        PURCHASE = "purchase", _("Purchase")
        SESSION = "session", _("Session")

    pk = models.CompositePrimaryKey("workspace_id", "kind", "name", "profile_id", "currency", "day")
    # No constraints in the database: a look-up for each row that is written would double the cost of counting.
    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, db_constraint=False, related_name="+")
    profile = models.ForeignKey("profiles.Profile", models.CASCADE, db_constraint=False, related_name="daily_counts")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    name = models.CharField(_("name"), max_length=255)
    currency = models.CharField(_("currency"), max_length=3, default="", db_default="")
    day = models.DateField(_("day"))
    count = models.BigIntegerField(_("times"), default=0)
    money = ExactDecimalField(_("money"), default=0)
    first_at = models.DateTimeField(_("first"))
    last_at = models.DateTimeField(_("last"))

    class Meta:
        verbose_name = _("daily count")
        verbose_name_plural = _("daily counts")

    def __str__(self) -> str:
        return f"{self.day} {self.kind} {self.name}: {self.count}"


class KeptEvent(models.Model):
    """A custom event with its properties, of the events that an admin chose; kept 30 days.

    ``properties`` is flat: the path to a value, parts joined by dots, to the string, number or boolean there, or to a
    list of them.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, db_constraint=False, related_name="+")
    event = models.ForeignKey(
        "profiles.CustomEvent", models.CASCADE, db_index=False, db_constraint=False, related_name="kept"
    )
    profile = models.ForeignKey("profiles.Profile", models.CASCADE, db_constraint=False, related_name="kept_events")
    time = models.DateTimeField(_("time"))
    properties = models.JSONField(_("properties"))

    class Meta:
        verbose_name = _("event with properties")
        verbose_name_plural = _("events with properties")
        indexes = [
            models.Index(fields=["event", "time"], name="kept_event_of_name"),
            models.Index(fields=["time"], name="kept_event_time"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} {self.time}"


class KeptPurchase(models.Model):
    """A purchase of ``count`` pieces with its properties, flat as those of ``KeptEvent``; kept 30 days, too."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, db_constraint=False, related_name="+")
    profile = models.ForeignKey("profiles.Profile", models.CASCADE, db_constraint=False, related_name="kept_purchases")
    product = models.CharField(_("product id"), max_length=255)
    time = models.DateTimeField(_("time"))
    count = models.IntegerField(_("quantity"), default=1)
    properties = models.JSONField(_("properties"))

    class Meta:
        verbose_name = _("purchase with properties")
        verbose_name_plural = _("purchases with properties")
        indexes = [
            models.Index(fields=["workspace", "product", "time"], name="kept_purchase_of_product"),
            models.Index(fields=["time"], name="kept_purchase_time"),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.time}"


class SessionLength(models.Model):
    """How many of a user's sessions lasted so many seconds: what the median is taken of."""

    pk = models.CompositePrimaryKey("workspace_id", "profile_id", "seconds")
    # No constraints in the database, as for ``DailyCount``.
    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, db_constraint=False, related_name="+")
    profile = models.ForeignKey("profiles.Profile", models.CASCADE, db_constraint=False, related_name="session_lengths")
    seconds = models.IntegerField(_("seconds"))
    count = models.BigIntegerField(_("sessions"), default=0)

    class Meta:
        verbose_name = _("session length")
        verbose_name_plural = _("session lengths")

    def __str__(self) -> str:
        return f"{self.seconds} s: {self.count}"


class Uninstall(models.Model):
    """When a user uninstalled an app last; a later use of it says that it is installed again."""

    pk = models.CompositePrimaryKey("app_id", "profile_id")
    app = models.ForeignKey(App, models.CASCADE, db_index=False, related_name="+")
    profile = models.ForeignKey("profiles.Profile", models.CASCADE, related_name="uninstalls")
    uninstalled_at = models.DateTimeField(_("uninstalled"))

    class Meta:
        verbose_name = _("uninstall")
        verbose_name_plural = _("uninstalls")

    def __str__(self) -> str:
        return f"{self.profile_id} {self.app_id}"


class Product(models.Model):
    """The id of a product that somebody bought, for people to choose from."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, related_name="+")
    name = models.CharField(_("product id"), max_length=255)
    created_at = models.DateTimeField(_("first seen"), db_default=Now())

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="product_once")]

    def __str__(self) -> str:
        return self.name


class AppVersion(models.Model):
    """A version of an app that somebody used, for people to choose from."""

    app = models.ForeignKey(App, models.CASCADE, db_index=False, related_name="versions")
    version = models.CharField(_("version"), max_length=100)

    class Meta:
        verbose_name = _("app version")
        verbose_name_plural = _("app versions")
        constraints = [models.UniqueConstraint(fields=["app", "version"], name="app_version_once")]

    def __str__(self) -> str:
        return self.version


class LogCursor(models.Model):
    """How far a reader of ours has read the event log. ``cluster`` is the database cluster that ``xid`` counts in."""

    name = models.CharField(max_length=40, primary_key=True)
    xid = models.BigIntegerField(default=0)
    event = models.BigIntegerField(default=0)
    cluster = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.name}: ({self.xid}, {self.event})"


class FormerName(models.Model):
    """A name that a user had until it was merged away, or removed: see ``profiles.former_names``.

    ``is_removed``: somebody took the name away on purpose, so it means nobody in what comes in later.
    """

    class Kind(models.TextChoices):
        EXTERNAL_ID = "external_id"
        BRAZE_ID = "braze_id"

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, related_name="+")
    profile = models.ForeignKey("profiles.Profile", models.CASCADE, related_name="former_names")
    kind = models.CharField(max_length=11, choices=Kind)
    name = models.TextField()
    is_removed = models.BooleanField(default=False, db_default=False)
    made_at = models.DateTimeField(db_default=models.expressions.RawSQL("clock_timestamp()", ()))

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "name", "kind"], name="former_name"),
            models.Index(fields=["made_at"], name="former_name_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.profile_id}"


class UserImport(models.Model):
    """A CSV file of users: what its columns mean, how far it is worked off, and what came of it.

    ``position`` is the byte that the next chunk begins at: it moves in the transaction that writes the chunk.
    """

    class State(models.TextChoices):
        UPLOADED = "uploaded", _("Columns to be mapped")
        CHECKING = "checking", _("Dry run")
        CHECKED = "checked", _("Checked")
        RUNNING = "running", _("Importing")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    class Failure(models.TextChoices):
        FILE_MISSING = (
            "file_missing",
            _("The file is gone. Web servers and workers must share the directory IMPORT_DIR."),
        )
        UNREADABLE = (
            "unreadable",
            _("From this line on the file cannot be read as CSV: a quotation mark may be missing."),
        )
        INTERNAL = "internal", _("An internal error stopped the import at this line. The log of the worker tells more.")

    WORKING: ClassVar[frozenset[str]] = frozenset({State.CHECKING, State.RUNNING})
    #: States in which the columns can be mapped and the import started.
    OPEN: ClassVar[frozenset[str]] = frozenset({State.UPLOADED, State.CHECKED})

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="user_imports", verbose_name=_("workspace"))
    made_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+", verbose_name=_("made by"))
    made_at = models.DateTimeField(_("uploaded at"), db_default=Now())
    file_name = models.CharField(_("file"), max_length=255)
    #: The name under IMPORT_DIR.
    stored_as = models.CharField(max_length=64, unique=True)
    size = models.BigIntegerField(_("size"), validators=[MinValueValidator(1)])
    delimiter = models.CharField(max_length=1, default=",")
    header = ArrayField(models.TextField())
    #: By column: ``{"target": ..., "type": ...}``; see ``profiles.importing.mapping``.
    mapping = models.JSONField(default=list)
    update_only = models.BooleanField(_("update existing users only"), default=False)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.UPLOADED)
    position = models.BigIntegerField(default=0)
    line = models.BigIntegerField(default=1)
    created = models.BigIntegerField(_("new users"), default=0)
    updated = models.BigIntegerField(_("updated users"), default=0)
    ignored = models.BigIntegerField(_("ignored rows"), default=0)
    refused = models.BigIntegerField(_("refused rows"), default=0)
    error = models.CharField(_("error"), max_length=20, choices=Failure, blank=True)
    started_at = models.DateTimeField(_("started at"), null=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)

    class Meta:
        verbose_name = _("user import")
        verbose_name_plural = _("user imports")
        ordering = ["-made_at", "-pk"]
        indexes = [
            models.Index(
                fields=["id"], name="user_import_working", condition=models.Q(state__in=["checking", "running"])
            )
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_working(self) -> bool:
        return self.state in self.WORKING

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def rows(self) -> int:
        """How many rows were worked off in this run."""
        return self.created + self.updated + self.ignored + self.refused

    @property
    def share(self) -> int:
        """How much of the file is worked off, in percent."""
        return min(100, round(100 * self.position / self.size))


class TriedName(models.Model):
    """A user whom the dry run of an import would make, by a digest of the name; until the dry run ends."""

    pk = models.CompositePrimaryKey("user_import_id", "digest")
    # No constraint in the database, as below.
    user_import = models.ForeignKey(
        UserImport, models.CASCADE, db_index=False, db_constraint=False, related_name="tried_names"
    )
    digest = models.UUIDField()

    def __str__(self) -> str:
        return str(self.digest)


class ImportedUser(models.Model):
    """A user whom a row of an import made or changed."""

    pk = models.CompositePrimaryKey("user_import_id", "profile_id")
    # No constraints in the database: look-ups for each row would double the cost of writing it.
    user_import = models.ForeignKey(
        UserImport, models.CASCADE, db_index=False, db_constraint=False, related_name="users"
    )
    profile = models.ForeignKey("profiles.Profile", models.CASCADE, db_constraint=False, related_name="imports")

    def __str__(self) -> str:
        return f"{self.user_import_id}: {self.profile_id}"


class RefusedRow(models.Model):
    """A row of an import that could not be used, and why; for the CSV of refused rows."""

    class Reason(models.TextChoices):
        CELLS = "cells", _("The row has another number of cells than the header.")
        ENCODING = "encoding", _("The row is not encoded in UTF-8, or holds a character that cannot be stored.")
        NO_ID = "no_id", _("The identifier is missing.")
        BAD_ID = "bad_id", _("The identifier is too long.")
        BAD_VALUE = "bad_value", _("The attribute cannot have this value.")
        TOO_LONG = "too_long", _("The text is too long.")
        NO_NUMBER = "no_number", _("This is not a number, or too large.")
        NO_BOOLEAN = "no_boolean", _("This is neither true nor false.")
        NO_DATE = "no_date", _("This is not a date: write it like 2026-01-31 or 2026-01-31T12:00:00Z.")
        NO_ARRAY = "no_array", _("This is not an array of texts or numbers.")
        NO_OBJECT = "no_object", _("This is not a JSON object that can be stored.")
        NO_GROUP = "no_group", _("No subscription group of this workspace has this ID.")
        NO_STATE = "no_state", _("This is neither subscribed nor unsubscribed.")
        BAD_PHONE = "bad_phone", _("No user can be found by this phone number: write it like +442071838750.")

    user_import = models.ForeignKey(UserImport, models.CASCADE, related_name="refused_rows")
    line = models.BigIntegerField(_("line"))
    column = models.TextField(_("column"))
    value = models.TextField(_("value"))
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)

    def __str__(self) -> str:
        return f"{self.line}: {self.reason}"
