from django.utils.translation import gettext_lazy as _

from partners.registry import Partner

PARTNER = Partner(
    slug="hightouch",
    name="Hightouch",
    blurb=_("Import audiences that Hightouch builds from your data warehouse."),
    icon="partners/hightouch.svg",
)
