from django.utils.translation import gettext_lazy as _

from partners.registry import Partner

PARTNER = Partner(
    slug="segment",
    name="Segment",
    blurb=_("Import Segment Engage audiences as cohorts and use them in segments."),
    icon="partners/segment.svg",
)
