"""REST paths, with and without a trailing slash, never by redirect."""

from django.urls import re_path

from currents.api import EventsView

urlpatterns = [
    re_path(r"^currents/events/?$", EventsView.as_view(), name="currents-events"),
]
