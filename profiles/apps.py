from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProfilesConfig(AppConfig):
    name = "profiles"
    verbose_name = _("Audience")

    def ready(self) -> None:
        from workspaces.data_points import name_source

        name_source("attributes", _("Attributes"))
        name_source("events", _("Custom events"))
        name_source("purchases", _("Purchases"))
        name_source("imports", _("Imports of users"))
