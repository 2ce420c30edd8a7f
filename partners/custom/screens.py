"""Partners that a workspace names itself: making, renaming and removing one."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.contrib.admin.models import ADDITION, DELETION
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from partners.admin.own import crumbs, only_post, own_route
from partners.custom.forms import CustomPartnerForm
from partners.models import Cohort, Integration
from workspaces.admin_base import workspace_in

if TYPE_CHECKING:
    from partners.admin.integrations import IntegrationAdmin

TEMPLATE: Final = "partners/custom/panels.html"


def routes(admin: "IntegrationAdmin") -> list[URLPattern]:
    """Addresses of partners that a workspace names itself."""
    return [
        own_route(admin, "custom/add/", add, "custom_add"),
        own_route(admin, "custom/<slug:slug>/rename/", rename, "custom_rename"),
        own_route(admin, "custom/<slug:slug>/remove/", only_post(remove), "custom_remove"),
    ]


def context(request: HttpRequest, integration: Integration | None) -> dict[str, Any]:
    """Whether the partner can be removed: as long as it has no cohorts."""
    return {"removable": integration is not None and not integration.cohorts.exists()}


def interval(integration: Integration) -> timedelta:
    """Nothing is pulled from these partners."""
    return timedelta(seconds=settings.DYNAMIC_SYNC_INTERVAL)


def sync_now(cohort: Cohort) -> None:
    """Raises Http404: nothing is pulled from these partners."""
    raise Http404


def stop(cohort: Cohort) -> None:
    """Nothing is pulled from these partners."""


def add(admin: "IntegrationAdmin", request: HttpRequest) -> HttpResponse:
    """Name a new partner."""
    form = CustomPartnerForm(workspace_in(request), request.POST or None)
    if request.method == "POST" and form.is_valid():
        integration = form.save()
        admin.log(request, integration, gettext_noop("Added the partner."), ADDITION)
        admin.message_user(request, _("“%(name)s” is added.") % {"name": integration.custom_name})
        return admin.back(integration.partner_slug)
    return _form(admin, request, form, _("Add Custom Partner"))


def rename(admin: "IntegrationAdmin", request: HttpRequest, slug: str) -> HttpResponse:
    """Give a partner another name; its slug, keys and cohorts stay."""
    integration = _own(admin, request, slug)
    form = CustomPartnerForm(workspace_in(request), request.POST or None, integration=integration)
    if request.method == "POST" and form.is_valid():
        form.save()
        admin.log(request, integration, gettext_noop("Renamed the partner."))
        admin.message_user(request, _("The partner is called “%(name)s” now.") % {"name": integration.custom_name})
        return admin.back(slug)
    return _form(admin, request, form, _("Rename %(name)s") % {"name": integration.custom_name})


def remove(admin: "IntegrationAdmin", request: HttpRequest, slug: str) -> HttpResponse:
    """Remove a partner that has no cohorts; its keys go with it."""
    integration = _own(admin, request, slug)
    if integration.cohorts.exists():
        admin.message_user(
            request, _("A partner with cohorts cannot be removed. Archive the cohorts instead."), "error"
        )
        return admin.back(slug)
    admin.log(request, integration, gettext_noop("Removed the partner."), DELETION)
    admin.message_user(request, _("“%(name)s” is removed.") % {"name": integration.custom_name})
    integration.delete()
    return HttpResponseRedirect(reverse("admin:partners_integration_changelist"))


def _own(admin: "IntegrationAdmin", request: HttpRequest, slug: str) -> Integration:
    integration = admin.existing(request, slug)
    if not integration.custom_name:
        raise Http404
    return integration


def _form(admin: "IntegrationAdmin", request: HttpRequest, form: CustomPartnerForm, title: str) -> HttpResponse:
    way = crumbs(form.integration.partner if form.integration else None)
    return admin.screen(
        request,
        "partners/custom/form.html",
        {"title": title, "crumbs": way, "form": form, "endpoint": settings.PUBLIC_URL, "back": way[-1][1]},
    )
