"""REST paths, with and without a trailing slash, never by redirect."""

from django.urls import re_path

from currents.api import CurrentDetails, CurrentList, CurrentStatus, EventsView
from currents.metrics import MetricsView

urlpatterns = [
    re_path(r"^currents/events/?$", EventsView.as_view(), name="currents-events"),
    re_path(r"^currents/list/?$", CurrentList.as_view(), name="currents-list"),
    re_path(r"^currents/details/?$", CurrentDetails.as_view(), name="currents-details"),
    re_path(r"^currents/status/?$", CurrentStatus.as_view(), name="currents-status"),
    re_path(r"^metrics/?$", MetricsView.as_view(), name="metrics"),
]
