"""What one partner has beyond the others: the module ``screens`` in its folder (see ``partners.registry``)."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, cast

from django.conf import settings
from django.http import HttpRequest
from django.urls import URLPattern

from partners.models import Cohort, Integration
from partners.registry import modules

if TYPE_CHECKING:
    from partners.admin.integrations import IntegrationAdmin


class OwnScreens(Protocol):
    """What such a module has."""

    #: Draws the partner's own panels with what ``context`` returns.
    TEMPLATE: str

    def routes(self, admin: "IntegrationAdmin") -> list[URLPattern]:
        """Addresses below the partner's page."""

    def context(self, request: HttpRequest, integration: Integration | None) -> dict[str, Any]:
        """What the partner's panels show; no integration: nothing was connected yet."""

    def interval(self, integration: Integration) -> timedelta:
        """How often the dynamic cohorts that we pull are refreshed."""

    def sync_now(self, cohort: Cohort) -> None:
        """Pull a cohort as soon as possible."""


def own_screens(slug: str) -> OwnScreens | None:
    """The partner's module, None if it has none."""
    return next((cast(OwnScreens, module) for one, module in modules("screens") if one.slug == slug), None)


def all_routes(admin: "IntegrationAdmin") -> list[URLPattern]:
    """The addresses of all partners' own screens."""
    return [route for _, module in modules("screens") for route in cast(OwnScreens, module).routes(admin)]


def interval_of(integration: Integration) -> timedelta:
    """How often dynamic cohorts of this integration are refreshed by us."""
    own = own_screens(integration.partner_slug)
    return own.interval(integration) if own else timedelta(seconds=settings.DYNAMIC_SYNC_INTERVAL)
