from django.apps import AppConfig
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class PartnersConfig(AppConfig):
    name = "partners"
    verbose_name = _("Partner Integrations")

    def ready(self) -> None:
        from currents import rebase
        from partners import panels  # noqa: F401 - registers with the floor below
        from profiles import live
        from workspaces.data_points import name_sources

        name_sources(_cohorts_of)
        live.register_follower("partners_identitycursor")
        rebase.register(
            rebase.Xids("partners_identitycursor", "xid", "cluster = %(old)s", also="cluster = %(new)s"),
        )


def _cohorts_of(source: str) -> str | None:
    """The name of the data points of a partner's cohorts, in the reader's language (``Partner.cohort_filter_name``)."""
    partner, ending, rest = source.rpartition(" Cohorts")
    return gettext("{partner} Cohorts").format(partner=partner) if ending and not rest else None
