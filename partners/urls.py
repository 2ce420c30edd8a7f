"""REST addresses of the cohorts' ways in; each with and without a slash at its end, never by redirect."""

from django.urls import re_path

from partners.api import CohortName, CohortUsers
from partners.registry import modules

urlpatterns = [
    *(pattern for _, module in modules("urls") for pattern in module.urlpatterns),
    re_path(r"^partners/(?P<partner_slug>[^/]+)/cohorts/?$", CohortName.as_view(), name="cohort_name"),
    re_path(r"^partners/(?P<partner_slug>[^/]+)/cohorts/users/?$", CohortUsers.as_view(), name="cohort_users"),
]
