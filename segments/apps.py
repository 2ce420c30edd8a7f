from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SegmentsConfig(AppConfig):
    name = "segments"
    verbose_name = _("Engagement")

    def ready(self) -> None:
        from segments import nesting, panels, usage  # noqa: F401 - they register what they know
