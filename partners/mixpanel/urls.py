"""The REST address that only Mixpanel has."""

from django.urls import re_path

from partners.mixpanel.webhook import Webhook

urlpatterns = [
    re_path(r"^partners/mixpanel/webhook/(?P<integration_id>[^/]+)/?$", Webhook.as_view(), name="mixpanel_webhook"),
]
