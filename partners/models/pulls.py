"""Reading cohorts from a partner's query API."""

from typing import Any

from django.db import models
from django.db.models.functions import Now

from partners.models.integrations import Integration
from partners.models.runs import SyncRun
from workspaces.encryption import SecretsField


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
