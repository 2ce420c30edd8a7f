from django.utils.translation import gettext_lazy as _

from partners.registry import Partner

PARTNER = Partner(
    slug="mixpanel",
    name="Mixpanel",
    blurb=_("Import Mixpanel cohorts to target your users by what they did, and export engagement events back."),
    icon="partners/mixpanel.svg",
    supports=frozenset({"webhook", "pull"}),
)
