"""User profiles and the names they go by. Braze: user profile lifecycle; default attributes; custom attributes."""

import secrets
import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from profiles import message_stores, stores, versions  # noqa: F401 - more models; Django looks for all of them here
from profiles.sets import ProfileSetField
from workspaces.models import App, Workspace

EXTERNAL_ID_LIMIT = 512
RANDOM_BUCKETS = 10_000


def new_braze_id() -> str:
    """A new id of ours: 24 hexadecimal digits."""
    return secrets.token_hex(12)


def new_random_bucket() -> int:
    """A bucket from 0 to 9,999, evenly. Braze: random bucket numbers."""
    return secrets.randbelow(RANDOM_BUCKETS)


class Profile(models.Model):
    """One end user. With an ``external_id`` they are identified, without one anonymous.

    Default attributes are real columns; custom attributes are one jsonb object by name.
    """

    class Subscription(models.TextChoices):
        SUBSCRIBED = "subscribed", _("Subscribed")
        OPTED_IN = "opted_in", _("Opted in")
        UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")

    workspace = models.ForeignKey(
        Workspace, models.CASCADE, db_index=False, related_name="+", verbose_name=_("workspace")
    )
    braze_id = models.CharField(_("braze id"), max_length=24, unique=True, default=new_braze_id, editable=False)
    external_id = models.CharField(_("external id"), max_length=EXTERNAL_ID_LIMIT, null=True)  # noqa: DJ001
    first_name = models.TextField(_("first name"), blank=True, default="", db_default="")
    last_name = models.TextField(_("last name"), blank=True, default="", db_default="")
    email = models.TextField(_("email"), blank=True, default="", db_default="")
    phone = models.TextField(_("phone"), blank=True, default="", db_default="")
    country = models.CharField(_("country"), max_length=2, blank=True, default="", db_default="")
    language = models.CharField(_("language"), max_length=10, blank=True, default="", db_default="")
    home_city = models.TextField(_("home city"), blank=True, default="", db_default="")
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, default="", db_default="")
    gender = models.CharField(_("gender"), max_length=1, blank=True, default="", db_default="")
    date_of_birth = models.DateField(_("date of birth"), null=True)
    email_subscribe = models.CharField(
        _("email subscription"),
        max_length=12,
        choices=Subscription,
        default=Subscription.SUBSCRIBED,
        db_default="subscribed",
    )
    push_subscribe = models.CharField(
        _("push subscription"),
        max_length=12,
        choices=Subscription,
        default=Subscription.SUBSCRIBED,
        db_default="subscribed",
    )
    email_opted_in_at = models.DateTimeField(_("opted in to email"), null=True)
    email_unsubscribed_at = models.DateTimeField(_("unsubscribed from email"), null=True)
    push_opted_in_at = models.DateTimeField(_("opted in to push"), null=True)
    push_unsubscribed_at = models.DateTimeField(_("unsubscribed from push"), null=True)
    random_bucket = models.SmallIntegerField(_("random bucket"), default=new_random_bucket)
    is_test_user = models.BooleanField(_("test user"), default=False, db_default=False)
    custom_attributes = models.JSONField(_("custom attributes"), default=dict, db_default={})
    #: Braze's profile fields that have no column, as they came: ``profiles.attributes.KEPT_FIELDS``. And what the
    #: install was attributed to: ``profiles.attributions``.
    other_fields = models.JSONField(_("other fields"), default=dict, db_default={})
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    updated_at = models.DateTimeField(_("last changed"), db_default=Now())
    first_used_at = models.DateTimeField(_("first used app"), null=True)
    last_used_at = models.DateTimeField(_("last used app"), null=True)

    class Meta:
        verbose_name = _("user profile")
        verbose_name_plural = _("user profiles")
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "external_id"],
                name="external_id_once",
                condition=models.Q(external_id__isnull=False),
                # So that matching external ids reads the index alone: a third less time a match.
                include=["id"],
            )
        ]
        # With the id, a filter is answered from the index alone: for a fifth of the users that is twice as quick.
        indexes = [
            models.Index(fields=["workspace", "country"], include=["id"], name="profile_country"),
            models.Index(fields=["workspace", "language"], include=["id"], name="profile_language"),
            models.Index(fields=["workspace", "email"], name="profile_email"),
            models.Index(fields=["workspace", "phone"], name="profile_phone"),
            models.Index(fields=["workspace", "last_used_at"], include=["id"], name="profile_last_used"),
            models.Index(fields=["workspace"], name="profile_test_user", condition=models.Q(is_test_user=True)),
            models.Index(
                fields=["workspace"],
                name="profile_token_import",
                condition=models.Q(other_fields__has_key="push_token_import"),
            ),
        ]

    def __str__(self) -> str:
        return self.external_id or self.braze_id


class Alias(models.Model):
    """Another name of a user: unique in the workspace by (label, name). Braze: user aliases."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, related_name="+")
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="aliases", verbose_name=_("user profile"))
    label = models.CharField(_("alias label"), max_length=EXTERNAL_ID_LIMIT)
    name = models.CharField(_("alias name"), max_length=EXTERNAL_ID_LIMIT)

    class Meta:
        verbose_name = _("alias")
        verbose_name_plural = _("aliases")
        constraints = [models.UniqueConstraint(fields=["workspace", "label", "name"], name="alias_once")]
        # People search by the name alone.
        indexes = [models.Index(fields=["workspace", "name"], name="alias_name")]

    def __str__(self) -> str:
        return f"{self.label}: {self.name}"


class Device(models.Model):
    """A device that a profile was seen on; the same device id can belong to several profiles over time.

    What is not known is ""; ``ad_tracking`` is "true" or "false". ``told_at``: the time of the newest event that told
    any of it.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, related_name="+")
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="devices", verbose_name=_("user profile"))
    app = models.ForeignKey(App, models.SET_NULL, null=True, related_name="+", verbose_name=_("app"))
    device_id = models.CharField(_("device id"), max_length=EXTERNAL_ID_LIMIT)
    platform = models.CharField(_("platform"), max_length=20, blank=True)
    model = models.CharField(_("device model"), max_length=200, blank=True)
    os_version = models.CharField(_("OS version"), max_length=50, blank=True)
    carrier = models.CharField(_("carrier"), max_length=100, blank=True, default="", db_default="")
    browser = models.CharField(_("browser"), max_length=100, blank=True, default="", db_default="")
    ad_id = models.CharField(_("advertising id"), max_length=100, blank=True, default="", db_default="")
    ad_id_type = models.CharField(_("kind of advertising id"), max_length=20, blank=True, default="", db_default="")
    ad_tracking = models.CharField(_("ad tracking"), max_length=5, blank=True, default="", db_default="")
    told_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        constraints = [
            models.UniqueConstraint(fields=["workspace", "device_id", "profile"], name="device_of_profile_once")
        ]

    def __str__(self) -> str:
        return self.device_id


class AppUse(models.Model):
    """That a profile used an app of the workspace, and when: what "Apps Used" and the filters over one app are made of.

    A version is "" until one is told; the moments beside it say when it was in use, first and last.
    """

    pk = models.CompositePrimaryKey("profile_id", "app_id")
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="app_uses")
    app = models.ForeignKey(App, models.CASCADE, related_name="+")
    first_used_at = models.DateTimeField(_("first used"))
    last_used_at = models.DateTimeField(_("last used"))
    sessions = models.BigIntegerField(_("sessions"), default=0, db_default=0)
    first_purchased_at = models.DateTimeField(_("first purchase"), null=True)
    first_version = models.CharField(_("first version"), max_length=100, default="", db_default="")
    first_version_at = models.DateTimeField(null=True)
    last_version = models.CharField(_("most recent version"), max_length=100, default="", db_default="")
    last_version_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.profile_id} {self.app_id}"


class DeprecatedId(models.Model):
    """An external id that a user had before it was renamed: it names the user until it is removed.

    Braze: external ID migration. No external id is both somebody's own and deprecated.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, related_name="+")
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="deprecated_ids", verbose_name=_("user profile"))
    external_id = models.CharField(_("external id"), max_length=EXTERNAL_ID_LIMIT)

    class Meta:
        verbose_name = _("deprecated external id")
        verbose_name_plural = _("deprecated external ids")
        constraints = [models.UniqueConstraint(fields=["workspace", "external_id"], name="deprecated_id_once")]

    def __str__(self) -> str:
        return self.external_id


class PushToken(models.Model):
    """A device's address for push messages; it belongs to the user who brought it last. Braze: push tokens.

    ``is_foreground``: what is sent there is shown. ``is_provisional``: it is, without a sound, though the user was not
    asked (iOS). ``told_at``: the time of the newest event that told so.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, related_name="+")
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="push_tokens", verbose_name=_("user profile"))
    app = models.ForeignKey(App, models.CASCADE, related_name="+", verbose_name=_("app"))
    token = models.CharField(_("push token"), max_length=EXTERNAL_ID_LIMIT)
    device_id = models.CharField(_("device id"), max_length=EXTERNAL_ID_LIMIT)
    is_foreground = models.BooleanField(_("foreground"), default=True, db_default=True)
    is_provisional = models.BooleanField(_("provisional"), default=False, db_default=False)
    told_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("push token")
        verbose_name_plural = _("push tokens")
        constraints = [models.UniqueConstraint(fields=["workspace", "token", "app"], name="push_token_once")]

    def __str__(self) -> str:
        return f"{self.app}: {self.device_id}"


class PushToStart(models.Model):
    """A token by which push messages can start a Live Activity of an app. Braze: Live Activities."""

    profile = models.ForeignKey(Profile, models.CASCADE, related_name="push_to_start", verbose_name=_("user profile"))
    app = models.ForeignKey(App, models.CASCADE, db_index=False, related_name="+", verbose_name=_("app"))
    token = models.CharField(_("push token"), max_length=EXTERNAL_ID_LIMIT)
    told_at = models.DateTimeField()

    class Meta:
        verbose_name = _("push-to-start token")
        verbose_name_plural = _("push-to-start tokens")
        constraints = [models.UniqueConstraint(fields=["app", "token"], name="push_to_start_once")]

    def __str__(self) -> str:
        return f"{self.app}: {self.profile_id}"


class SubscriptionGroup(models.Model):
    """A subject that users choose to hear about on one channel. Braze: subscription groups.

    An archived one can be neither changed nor chosen for something new; what users chose is kept, and users can still
    choose: nobody's unsubscribing is refused.
    """

    class Channel(models.TextChoices):
        EMAIL = "email", _("Email")
        SMS = "sms", _("SMS")
        WHATSAPP = "whatsapp", "WhatsApp"

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, related_name="subscription_groups")
    api_id = models.UUIDField(_("subscription group id"), default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=255)
    channel = models.CharField(_("channel"), max_length=10, choices=Channel, default=Channel.EMAIL)
    description = models.TextField(_("description"), blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    archived_at = models.DateTimeField(_("archived at"), null=True)
    #: How many users had chosen what at ``counted_at``: see ``profiles.groups.count_states``.
    subscribed = models.BigIntegerField(_("subscribed"), default=0, db_default=0)
    unsubscribed = models.BigIntegerField(_("unsubscribed"), default=0, db_default=0)
    counted_at = models.DateTimeField(_("counted at"), null=True)

    class Meta:
        verbose_name = _("subscription group")
        verbose_name_plural = _("subscription groups")
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="subscription_group_once")]

    def __str__(self) -> str:
        return self.name


class SubscriptionState(models.Model):
    """What a user chose for a subscription group; no row: they never chose (Braze: unknown)."""

    pk = models.CompositePrimaryKey("profile_id", "group_id")
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="subscription_states")
    group = models.ForeignKey(SubscriptionGroup, models.CASCADE, db_index=False, related_name="states")
    is_subscribed = models.BooleanField(_("subscribed"))
    changed_at = models.DateTimeField(_("last changed"), db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["group", "is_subscribed"], name="subscription_group_state")]

    def __str__(self) -> str:
        return f"{self.profile_id} {self.group_id}: {self.is_subscribed}"


class IdentityChange(models.Model):
    """The identity log: which profiles of a workspace came, got a name or went, written in the transaction that did it.

    One row for all profiles of one request. The live-user set is folded from it, and floors above read it too.
    """

    class Kind(models.TextChoices):
        CREATED = "created"
        IDENTIFIED = "identified"
        ALIASED = "aliased"
        MERGED = "merged"
        DELETED = "deleted"

    #: Kinds after which a profile is no longer among the live users.
    ENDS: ClassVar[frozenset[str]] = frozenset({Kind.MERGED, Kind.DELETED})

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, related_name="+")
    xid = models.BigIntegerField(db_default=models.expressions.RawSQL("(pg_current_xact_id()::text::bigint)", ()))
    kind = models.CharField(max_length=10, choices=Kind)
    profile_ids = ArrayField(models.BigIntegerField())
    #: Of a merge: the profile that stays, for each profile that went.
    survivor_ids = ArrayField(models.BigIntegerField(), null=True)
    folded = models.BooleanField(db_default=False)
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "id"], name="identity_unfolded", condition=models.Q(folded=False)),
            models.Index(fields=["workspace", "xid", "id"], name="identity_order"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {len(self.profile_ids)}"


class LiveUsers(models.Model):
    """The set of all profiles of a workspace, folded from the identity log."""

    workspace = models.OneToOneField(Workspace, models.CASCADE, primary_key=True, related_name="+")
    members = ProfileSetField()

    def __str__(self) -> str:
        return f"{len(self.members)}"


class AttributeType(models.TextChoices):
    STRING = "string", _("String")
    NUMBER = "number", _("Number")
    BOOLEAN = "boolean", _("Boolean")
    DATE = "date", _("Date")
    ARRAY = "array", _("Array")
    OBJECT = "object", _("Object")


class CustomAttribute(models.Model):
    """A custom attribute that some profile of the workspace has or had, with the type of its first value.

    ``is_forced``: an admin chose the type, and values are made one of it (``profiles.coercion``).
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, related_name="custom_attributes")
    name = models.CharField(_("name"), max_length=255)
    type = models.CharField(_("type"), max_length=10, choices=AttributeType)
    is_forced = models.BooleanField(_("type is forced"), default=False, db_default=False)
    created_at = models.DateTimeField(_("first seen"), db_default=Now())
    #: How many users had it at ``counted_at``: see ``profiles.catalogue.count_users``.
    users = models.BigIntegerField(_("users"), default=0, db_default=0)
    counted_at = models.DateTimeField(_("counted at"), null=True)

    class Meta:
        verbose_name = _("custom attribute")
        verbose_name_plural = _("custom attributes")
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="custom_attribute_once")]

    def __str__(self) -> str:
        return self.name


class CustomEvent(models.Model):
    """The name of a custom event that came in, with how often."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, related_name="custom_events")
    name = models.CharField(_("name"), max_length=255)
    count = models.BigIntegerField(_("times performed"), default=0)
    created_at = models.DateTimeField(_("first seen"), db_default=Now())
    last_at = models.DateTimeField(_("last seen"), db_default=Now())
    keeps_properties = models.BooleanField(_("keeps properties"), default=False, db_default=False)

    class Meta:
        verbose_name = _("custom event")
        verbose_name_plural = _("custom events")
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="custom_event_once")]

    def __str__(self) -> str:
        return self.name
