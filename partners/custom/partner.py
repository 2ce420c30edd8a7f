from django.utils.translation import gettext_lazy as _

from partners.registry import Partner

#: What all partners have in common that a workspace names itself; slug and name are theirs.
PARTNER = Partner(
    slug="custom",
    name="Custom partner",
    blurb=_("Import cohorts from a program of your own, or from any client of the partner cohort API."),
    icon="partners/custom.svg",
    is_custom=True,
)
