"""The REST paths of user data; each answers with and without a trailing slash."""

from django.urls import re_path

from profiles.api.track import TrackView

urlpatterns = [
    re_path(r"^users/track/?$", TrackView.as_view(), name="users_track"),
]
