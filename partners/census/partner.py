from django.utils.translation import gettext_lazy as _

from partners.registry import Partner

PARTNER = Partner(
    slug="census",
    name="Census",
    blurb=_("Import segments that Census syncs from your data warehouse."),
    icon="partners/census.svg",
)
