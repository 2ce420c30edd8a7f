"""What beat does for Currents."""

from django.utils.translation import gettext_lazy as _

from workspaces.schedules import Schedule

SCHEDULES = [
    Schedule("currents-tick", "currents.tick", 5, _("Deliver events that are due to the Currents.")),
    Schedule("currents-purge", "currents.purge", 3600, _("Delete events that are past their retention.")),
]
