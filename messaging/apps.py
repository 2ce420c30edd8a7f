from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = _("Engagement")

    def ready(self) -> None:
        from messaging import offers, usage  # noqa: F401 - they register with the floors below
