from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProfilesConfig(AppConfig):
    name = "profiles"
    verbose_name = _("Audience")

    def ready(self) -> None:
        from currents.rebase import Xids, register
        from workspaces.data_points import name_source

        register(
            Xids("profiles_identitychange", "xid", "made_at < %(restored_at)s"),
            Xids("profiles_logcursor", "xid", "cluster = %(old)s", also="cluster = %(new)s"),
        )
        name_source("attributes", _("Attributes"))
        name_source("events", _("Custom events"))
        name_source("purchases", _("Purchases"))
        name_source("imports", _("Imports of users"))
