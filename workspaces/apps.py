from django.apps import AppConfig
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy as _


class WorkspacesConfig(AppConfig):
    name = "workspaces"
    verbose_name = _("Settings")

    def ready(self) -> None:
        from workspaces import checks  # noqa: F401 - registers itself
        from workspaces.activity import copy_entry

        post_save.connect(copy_entry, sender="admin.LogEntry", dispatch_uid="activity")
