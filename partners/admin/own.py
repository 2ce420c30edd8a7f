"""What one partner has beyond the others: the module ``screens`` in its folder (see ``partners.registry``)."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, cast

from django.conf import settings
from django.http import HttpRequest
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from partners.models import Cohort, Integration
from partners.registry import Partner, modules
from workspaces.admin_base import View, needs
from workspaces.roles import Action

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

    def stop(self, cohort: Cohort) -> None:
        """Give up a pull of the cohort that is under way."""


def own_route(admin: "IntegrationAdmin", address: str, view: View, name: str) -> URLPattern:
    """An address below Technology Partners for people who may manage partners; ``view`` takes the admin first."""
    return admin.route(address, needs(Action.MANAGE_PARTNERS)(view).__get__(admin), name)


def crumbs(shown: Partner | None = None) -> list[tuple[str, str]]:
    """The way to a page below Technology Partners, or below the page of ``shown``: (text, address)."""
    way = [(_("Technology Partners"), reverse("admin:partners_integration_changelist"))]
    if shown:
        way.append((shown.name, reverse("admin:partners_integration_partner", args=[shown.slug])))
    return way


def own_screens(shown: Partner) -> OwnScreens | None:
    """The partner's module, None if it has none. Partners that workspaces named share one."""
    for one, module in modules("screens"):
        if one.slug == shown.slug or (one.is_custom and shown.is_custom):
            return cast(OwnScreens, module)
    return None


def all_routes(admin: "IntegrationAdmin") -> list[URLPattern]:
    """The addresses of all partners' own screens."""
    return [route for _partner, module in modules("screens") for route in cast(OwnScreens, module).routes(admin)]


def interval_of(integration: Integration) -> timedelta:
    """How often dynamic cohorts of this integration are refreshed by us."""
    own = own_screens(integration.partner)
    return own.interval(integration) if own else timedelta(seconds=settings.DYNAMIC_SYNC_INTERVAL)


def only_post(view: View) -> View:
    """Only POST, for a view whose first argument is the admin."""

    def posted(admin: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return require_POST(lambda request: view(admin, request, *args, **kwargs))(request)

    return posted
