"""A workspace's connections with partners, and the keys that name them."""

import uuid

from django.db import connection, models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from partners.registry import Partner, custom_partner, partner
from workspaces.keys import NewKey, digest_of, new_key
from workspaces.models import KeyModel, Workspace


class Integration(models.Model):
    """A workspace's connection with one partner: its keys and its cohorts hang on it."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="integrations", verbose_name=_("workspace"))
    api_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    partner_slug = models.SlugField(_("partner"))
    #: Of a partner that the workspace named itself; empty for those of ``partners.registry``.
    custom_name = models.CharField(_("name"), max_length=60, blank=True)
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
        if self.custom_name:
            return custom_partner(self.partner_slug, self.custom_name)
        found = partner(self.partner_slug)
        assert found is not None  # noqa: S101 - rows without a name of their own are made for registered partners only
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
        """The valid key that is ``secret``, with its integration; None when there is none.

        Both with the columns that a request of a partner needs: it is made for each of them.
        """
        # Not the ORM's statement: making that would be a tenth of a request.
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT k.id, k.last_used_at, k.integration_id, i.workspace_id, i.partner_slug, i.partner_key_digest
                FROM partners_dataimportkey k JOIN partners_integration i ON i.id = k.integration_id
                WHERE k.digest = %s AND k.invalidated_at IS NULL
                """,
                [digest_of(secret)],
            )
            found = cursor.fetchone()
        if found is None:
            return None
        key = cls.from_db(connection.alias, ["id", "last_used_at", "integration_id"], found[:3])
        names = ["id", "workspace_id", "partner_slug", "partner_key_digest"]
        key.integration = Integration.from_db(connection.alias, names, found[2:])
        return key


class KeyUse(models.Model):
    """How many requests came with a data import key in one hour (UTC). Counted elsewhere, see ``partners.metering``."""

    key = models.ForeignKey(DataImportKey, models.CASCADE, related_name="uses")
    hour = models.DateTimeField()
    requests = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "hour"], name="key_use_once")]

    def __str__(self) -> str:
        return f"{self.hour}: {self.requests}"
