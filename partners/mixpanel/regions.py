"""Where Mixpanel's query API is, by the region that a project lives in."""

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SANDBOX = "sandbox"

_HOSTS = {
    "us": "https://mixpanel.com",
    "eu": "https://eu.mixpanel.com",
    "in": "https://in.mixpanel.com",
}
_NAMES = {"us": _("United States"), "eu": _("European Union"), "in": _("India")}


def region_choices() -> list[tuple[str, str | Promise]]:
    """The regions that a form offers; "Sandbox" is one where MIXPANEL_SANDBOX_URL is set."""
    sandbox: list[tuple[str, str | Promise]] = [(SANDBOX, _("Sandbox"))] if settings.MIXPANEL_SANDBOX_URL else []
    return [*_NAMES.items(), *sandbox]


def query_host(region: str) -> str | None:
    """The address of the region's query API, without a path; None for a region that is not offered (any more)."""
    return (settings.MIXPANEL_SANDBOX_URL or None) if region == SANDBOX else _HOSTS.get(region)
