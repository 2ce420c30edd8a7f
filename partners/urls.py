"""REST addresses of the cohorts' ways in; each with and without a slash at its end, never by redirect."""

from django.urls import re_path

from partners.api import CohortName, CohortUsers
from partners.mixpanel.webhook import Webhook

urlpatterns = [
    re_path(r"^partners/mixpanel/webhook/(?P<integration_id>[^/]+)/?$", Webhook.as_view(), name="mixpanel_webhook"),
    re_path(r"^partners/(?P<partner_slug>[^/]+)/cohorts/?$", CohortName.as_view(), name="cohort_name"),
    re_path(r"^partners/(?P<partner_slug>[^/]+)/cohorts/users/?$", CohortUsers.as_view(), name="cohort_users"),
]
