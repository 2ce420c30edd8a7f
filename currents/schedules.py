"""What beat does for Currents."""

from django.utils.translation import gettext_lazy as _

from workspaces.schedules import Schedule

SCHEDULES = [
    Schedule("currents-tick", "currents.tick", 5, _("Deliver events that are due to the Currents.")),
    Schedule(
        "currents-notices", "currents.notices", 60, _("Mail the contacts of Currents what could not be mailed yet.")
    ),
    Schedule("currents-log", "currents.keep_log", 600, _("Make the event log's next days, and drop the old ones.")),
    Schedule(
        "currents-purge",
        "currents.purge",
        3600,
        _("Delete received ids, dead letters and hourly counts that are past their time."),
    ),
]
