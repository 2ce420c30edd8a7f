"""Partner Integrations > Technology Partners: the list, and each partner's page with its keys, cohorts and runs."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from partners.admin.cohorts import CohortAdmin
from partners.admin.own import all_routes, crumbs, interval_of, own_screens
from partners.health import health_of, latest_runs, latest_syncs
from partners.models import Cohort, DataImportKey, Integration
from partners.registry import Partner, custom_partner, partner, partners
from workspaces.admin_base import WorkspaceAdmin, needs, workspace_in
from workspaces.keys import NewKey
from workspaces.roles import Action

LAST_RUNS = 15


@admin.register(Integration)
class IntegrationAdmin(WorkspaceAdmin):
    """One partner's connection with the workspace. The row is made when its first key is."""

    view_action = Action.VIEW_COHORTS
    edit_action = Action.MANAGE_PARTNERS

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.list_screen, "changelist"),
            self.route("<slug:slug>/", self.partner_screen, "partner"),
            self.route("<slug:slug>/keys/generate/", self.generate_key, "generate_key"),
            self.route("<slug:slug>/keys/<int:pk>/invalidate/", require_POST(self.invalidate_key), "invalidate_key"),
            self.route("<slug:slug>/partner-key/generate/", self.generate_partner_key, "generate_partner_key"),
            self.route("<slug:slug>/partner-key/reset/", require_POST(self.reset_partner_key), "reset_partner_key"),
            *CohortAdmin(Cohort, self.admin_site).pages("cohorts/"),
            *all_routes(self),
        ]

    @needs(Action.VIEW_COHORTS)
    def list_screen(self, request: HttpRequest) -> HttpResponse:
        rows = self.get_queryset(request).annotate(
            valid_keys=Count("import_keys", Q(import_keys__invalidated_at=None), distinct=True),
            cohort_count=Count("cohorts", Q(cohorts__archived_at=None), distinct=True),
        )
        integrations = {row.partner_slug: row for row in rows}
        cards = [(one, integrations.get(one.slug)) for one in partners()]
        cards += [(row.partner, row) for row in integrations.values() if row.custom_name]
        context = {"title": _("Technology Partners"), "cards": cards, "custom": custom_partner("", "")}
        return self.screen(request, "partners/technology_partners.html", context)

    @needs(Action.VIEW_COHORTS)
    def partner_screen(self, request: HttpRequest, slug: str) -> HttpResponse:
        return self.show(request, self.partner_of(request, slug))

    def partner_of(self, request: HttpRequest, slug: str) -> Partner:
        """The partner with that slug: a registered one, or one that the workspace has named. Raises Http404."""
        shown = partner(slug)
        if shown is None:
            integration = self.of(request, slug)
            if integration is None:
                raise Http404
            shown = integration.partner
        return shown

    def show(self, request: HttpRequest, shown: Partner, **extra: Any) -> HttpResponse:
        """The partner's page. ``extra``: a key that was just made, a form with errors."""
        integration = self.of(request, shown.slug)
        own = own_screens(shown)
        keys = _keys(integration)
        connected = any(key.is_valid for key in keys)
        context = {
            "title": shown.name,
            "crumbs": crumbs(),
            "partner": shown,
            "integration": integration,
            "endpoint": settings.PUBLIC_URL,
            "keys": keys,
            "connected": connected,
            "own_template": own.TEMPLATE if own else None,
            **_cohorts(integration, connected=connected, with_archived="archived" in request.GET),
            **(own.context(request, integration) if own else {}),
            **extra,
        }
        return self.screen(request, "partners/partner.html", context)

    def of(self, request: HttpRequest, slug: str) -> Integration | None:
        """The chosen workspace's integration with that partner, if there is one."""
        found: Integration | None = self.get_queryset(request).filter(partner_slug=slug).first()
        return found

    def made(self, request: HttpRequest, slug: str) -> Integration:
        """The same, made if need be. Raises Http404 for an unknown partner."""
        shown = self.partner_of(request, slug)
        return Integration.objects.get_or_create(workspace=workspace_in(request), partner_slug=shown.slug)[0]

    def existing(self, request: HttpRequest, slug: str) -> Integration:
        """The same; raises Http404 where there is none."""
        found = self.of(request, slug)
        if found is None:
            raise Http404
        return found

    def back(self, slug: str) -> HttpResponseRedirect:
        """To the partner's page."""
        return HttpResponseRedirect(reverse("admin:partners_integration_partner", args=[slug]))

    @needs(Action.MANAGE_PARTNERS)
    def generate_key(self, request: HttpRequest, slug: str) -> HttpResponse:
        if request.method != "POST":
            return self.back(slug)
        integration = self.made(request, slug)
        row, key = DataImportKey.make(integration=integration, made_by=request.user)
        self.log(request, integration, gettext_noop("Generated the data import key %(key)s."), key=row)
        return self._show_once(request, integration, key, _("Your new data import key"))

    @needs(Action.MANAGE_PARTNERS)
    def invalidate_key(self, request: HttpRequest, slug: str, pk: int) -> HttpResponse:
        integration = self.existing(request, slug)
        key = integration.import_keys.filter(pk=pk).first()
        if key is None:
            raise Http404
        if key.is_valid:
            key.invalidate()
            self.log(request, integration, gettext_noop("Invalidated the data import key %(key)s."), key=key)
            self.message_user(request, _("The data import key %(key)s is refused from now on.") % {"key": key})
        return self.back(slug)

    @needs(Action.MANAGE_PARTNERS)
    def generate_partner_key(self, request: HttpRequest, slug: str) -> HttpResponse:
        if request.method != "POST":
            return self.back(slug)
        integration = self.made(request, slug)
        key = integration.make_partner_key()
        self.log(request, integration, gettext_noop("Generated the partner API key %(key)s…."), key=key.prefix)
        return self._show_once(request, integration, key, _("Your new partner API key"))

    @needs(Action.MANAGE_PARTNERS)
    def reset_partner_key(self, request: HttpRequest, slug: str) -> HttpResponse:
        integration = self.existing(request, slug)
        integration.forget_partner_key()
        self.log(request, integration, gettext_noop("Reset the partner API key."))
        self.message_user(
            request, _("The next partner API key that arrives with a valid data import key is accepted and kept.")
        )
        return self.back(slug)

    def _show_once(self, request: HttpRequest, integration: Integration, key: NewKey, title: str) -> HttpResponse:
        # The secret is in this one answer and nowhere else: not in a redirect, not in the session, not in a cache.
        made = {"title": title, "secret": key.secret}
        return never_cache(lambda request: self.show(request, integration.partner, made=made))(request)


def _keys(integration: Integration | None) -> list[DataImportKey]:
    """The keys, each with ``requests``: how many came with it in the last 24 hours."""
    if integration is None:
        return []
    since = timezone.now() - timedelta(hours=24)
    recent = Coalesce(Sum("uses__requests", filter=Q(uses__hour__gte=since)), 0)
    return list(integration.import_keys.select_related("made_by").annotate(requests=recent))


def _cohorts(integration: Integration | None, *, connected: bool, with_archived: bool) -> dict[str, Any]:
    """The cohorts with their health, and the last runs. Four queries, however many cohorts and runs there are."""
    if integration is None:
        return {"cohorts": [], "runs": [], "archived_count": 0, "with_archived": False}
    interval = interval_of(integration)
    cohorts: dict[int, Cohort] = {one.pk: one for one in integration.cohorts.all()}
    shown = [one for one in cohorts.values() if with_archived or not one.archived_at]
    latest = latest_syncs(shown)
    return {
        "cohorts": [(one, health_of(one, latest.get(one.pk), interval, connected=connected)) for one in shown],
        "runs": [(run, cohorts[run.cohort_id]) for run in latest_runs(cohorts.values(), LAST_RUNS)],
        "archived_count": sum(one.archived_at is not None for one in cohorts.values()),
        "with_archived": with_archived,
    }
