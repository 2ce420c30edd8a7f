"""The REST paths of user data; each answers with and without a trailing slash."""

from django.urls import re_path

from profiles.api.aliases import NewAliasView, UpdateAliasView
from profiles.api.catalogue import CustomAttributesView, EventListView, EventsView
from profiles.api.export import ExportIdsView
from profiles.api.external_ids import RemoveView, RenameView
from profiles.api.identity import DeleteView, IdentifyView, MergeView
from profiles.api.subscriptions import StatusGetView, StatusSetV2View, StatusSetView, UserStatusView
from profiles.api.track import BulkTrackView, TrackView

urlpatterns = [
    re_path(r"^users/track/?$", TrackView.as_view(), name="users_track"),
    re_path(r"^users/track/bulk/?$", BulkTrackView.as_view(), name="users_track_bulk"),
    re_path(r"^users/alias/new/?$", NewAliasView.as_view(), name="users_alias_new"),
    re_path(r"^users/alias/update/?$", UpdateAliasView.as_view(), name="users_alias_update"),
    re_path(r"^users/identify/?$", IdentifyView.as_view(), name="users_identify"),
    re_path(r"^users/merge/?$", MergeView.as_view(), name="users_merge"),
    re_path(r"^users/delete/?$", DeleteView.as_view(), name="users_delete"),
    re_path(r"^users/external_ids/rename/?$", RenameView.as_view(), name="users_external_ids_rename"),
    re_path(r"^users/external_ids/remove/?$", RemoveView.as_view(), name="users_external_ids_remove"),
    re_path(r"^users/export/ids/?$", ExportIdsView.as_view(), name="users_export_ids"),
    re_path(r"^subscription/status/get/?$", StatusGetView.as_view(), name="subscription_status_get"),
    re_path(r"^subscription/status/set/?$", StatusSetView.as_view(), name="subscription_status_set"),
    re_path(r"^v2/subscription/status/set/?$", StatusSetV2View.as_view(), name="subscription_status_set_v2"),
    re_path(r"^subscription/user/status/?$", UserStatusView.as_view(), name="subscription_user_status"),
    re_path(r"^custom_attributes/?$", CustomAttributesView.as_view(), name="custom_attributes"),
    re_path(r"^events/list/?$", EventListView.as_view(), name="events_list"),
    re_path(r"^events/?$", EventsView.as_view(), name="events"),
]
