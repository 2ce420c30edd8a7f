from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate


class BrazecloneConfig(AppConfig):
    name = "brazeclone"

    def ready(self) -> None:
        from brazeclone.schedules import after_migration

        # The signal is sent for apps with models only.
        beat = apps.get_app_config("django_celery_beat")
        post_migrate.connect(after_migration, sender=beat, dispatch_uid="schedules")


class DashboardAdminConfig(AdminConfig):
    """Django's admin with our site class: Unfold dressed as the dashboard."""

    default_site = "brazeclone.dashboard.site.Dashboard"
