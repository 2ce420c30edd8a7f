"""The lists. A list never changes: who wants other ids makes another list."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from workspaces.models import User, Workspace


class UserList(models.Model):
    """External ids, whether somebody has them by now or not: users who come later are in it, too.

    ``name`` is that of the file; "" for ids that were pasted. The same ids are one list: ``digest`` tells.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, db_index=False, related_name="+")
    api_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=255, blank=True)
    ids = ArrayField(models.TextField())
    count = models.IntegerField(_("ids"))
    digest = models.BinaryField(max_length=32)
    made_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(db_default=Now())
    #: What is to be said of how it was read, to whoever gave it; not stored.
    note: str = ""

    class Meta:
        verbose_name = _("list of users")
        verbose_name_plural = _("lists of users")
        constraints = [models.UniqueConstraint(fields=["workspace", "name", "digest"], name="user_list_once")]

    def __str__(self) -> str:
        return self.name or str(self.api_id)
