from django.utils.translation import gettext_lazy as _

from partners.registry import Partner

PARTNER = Partner(
    slug="heap",
    name="Heap",
    blurb=_("Import Heap segments as cohorts to target your users by what they did on your site and in your app."),
    icon="partners/heap.svg",
)
