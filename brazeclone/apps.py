from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class BrazecloneConfig(AppConfig):
    name = "brazeclone"


class DashboardAdminConfig(AdminConfig):
    """Django's admin with our site class: Unfold dressed as the dashboard."""

    default_site = "brazeclone.dashboard.site.Dashboard"
