from django.utils.translation import gettext_lazy as _

from partners.registry import Partner

PARTNER = Partner(
    slug="amplitude",
    name="Amplitude",
    blurb=_("Import Amplitude cohorts to target your users by how they use your product."),
    icon="partners/amplitude.svg",
)
