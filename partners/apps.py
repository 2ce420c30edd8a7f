from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PartnersConfig(AppConfig):
    name = "partners"
    verbose_name = _("Partner Integrations")

    def ready(self) -> None:
        from partners import panels  # noqa: F401 - registers with the floor below
