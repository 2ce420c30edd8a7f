from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CurrentsConfig(AppConfig):
    name = "currents"
    verbose_name = _("Currents")
