"""What Mixpanel's page has beyond the others': the custom webhook, and the connection that we pull cohorts by."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from partners.admin.own import crumbs, only_post, own_route
from partners.mixpanel import limits, pull
from partners.mixpanel.forms import ConnectionForm, MatchingForm
from partners.mixpanel.limits import MustWait
from partners.mixpanel.query import ListedCohort, QueryError
from partners.models import Cohort, Integration, PullConnection

if TYPE_CHECKING:
    from partners.admin.integrations import IntegrationAdmin

SLUG: Final = "mixpanel"
TEMPLATE: Final = "partners/mixpanel/panels.html"
WEBHOOK_USER: Final = "brazeclone"


def routes(admin: "IntegrationAdmin") -> list[URLPattern]:
    """Addresses below Mixpanel's page."""
    return [
        own_route(admin, "mixpanel/connection/", connection_screen, "mixpanel_connection"),
        own_route(admin, "mixpanel/connection/remove/", only_post(disconnect), "mixpanel_disconnect"),
        own_route(admin, "mixpanel/connection/cohorts/", only_post(load_cohorts), "mixpanel_load_cohorts"),
        own_route(admin, "mixpanel/connection/choose/", only_post(choose_cohorts), "mixpanel_choose_cohorts"),
        own_route(admin, "mixpanel/matching/", only_post(set_matching), "mixpanel_matching"),
    ]


def context(request: HttpRequest, integration: Integration | None) -> dict[str, Any]:
    """The webhook's address, and the connection with the cohorts that can be chosen."""
    if integration is None:
        return {}
    connection = _connection(integration)
    return {
        "webhook_url": settings.PUBLIC_URL + reverse("mixpanel_webhook", args=[integration.api_id]),
        "webhook_user": WEBHOOK_USER,
        "matching": MatchingForm(initial={"by": integration.identifiers[0] if integration.identifiers else ""}),
        "connection": connection,
        **(_pull_context(connection) if connection else {}),
    }


def _pull_context(connection: PullConnection) -> dict[str, Any]:
    syncs = dict(connection.integration.cohorts.exclude(sync="").values_list("cohort_id", "sync"))
    interval = limits.interval_of(connection)
    return {
        "region": dict(ConnectionForm(connection=connection).fields["region"].choices).get(  # type: ignore[attr-defined]
            connection.options.get("region")
        ),
        "listing": [
            {"cohort": one, "sync": syncs.get(one.id, ""), "queries": limits.pages_of(one.count, connection)}
            for one in pull.listing(connection)
        ],
        "listed_at": parse_datetime(connection.options.get("listed_at", "")),
        "interval_minutes": round(interval.total_seconds() / 60),
        "is_slow": interval > timedelta(seconds=settings.DYNAMIC_SYNC_INTERVAL),
        "queries_left": limits.queries_left(connection),
        "queries_an_hour": settings.MIXPANEL_QUERIES_PER_HOUR,
    }


def interval(integration: Integration) -> timedelta:
    """How often dynamic cohorts can really be pulled."""
    connection = _connection(integration)
    return limits.interval_of(connection) if connection else timedelta(seconds=settings.DYNAMIC_SYNC_INTERVAL)


def sync_now(cohort: Cohort) -> None:
    """Pull a cohort as soon as the limits allow."""
    pull.sync_now(cohort)


def stop(cohort: Cohort) -> None:
    """Give up a pull of the cohort that is under way."""
    pull.stop(cohort)


def connection_screen(admin: "IntegrationAdmin", request: HttpRequest) -> HttpResponse:
    """The form of the connection; a new one lists the project's cohorts at once, which tests the credentials."""
    integration = admin.of(request, SLUG)
    connection = _connection(integration) if integration else None
    form = ConnectionForm(request.POST or None, connection=connection)
    if request.method == "POST" and form.is_valid():
        integration = admin.made(request, SLUG)
        connection = form.save(integration)
        admin.log(request, integration, gettext_noop("Saved the connection to Mixpanel's query API."))
        _load(request, connection)
        return admin.back(SLUG)
    shown = {
        "title": _("Mixpanel Connection"),
        "crumbs": crumbs(admin.partner_of(request, SLUG)),
        "form": form,
        "connection": connection,
    }
    return admin.screen(request, "partners/mixpanel/connection.html", shown)


def disconnect(admin: "IntegrationAdmin", request: HttpRequest) -> HttpResponse:
    """Remove the connection: pulls stop, the cohorts and their members stay."""
    integration = admin.existing(request, SLUG)
    for cohort in integration.cohorts.exclude(sync=""):
        pull.stop(cohort)
    integration.cohorts.exclude(sync="").update(sync="", next_pull_at=None, paused_at=None)
    PullConnection.objects.filter(integration=integration).delete()
    admin.log(request, integration, gettext_noop("Removed the connection to Mixpanel's query API."))
    admin.message_user(
        request, _("The connection is removed. Its cohorts keep their members and are not pulled any more.")
    )
    return admin.back(SLUG)


def load_cohorts(admin: "IntegrationAdmin", request: HttpRequest) -> HttpResponse:
    """Ask Mixpanel which cohorts there are."""
    _load(request, _existing(admin, request))
    return admin.back(SLUG)


def _load(request: HttpRequest, connection: PullConnection) -> None:
    try:
        found = len(pull.refresh_listing(connection))
    except MustWait:
        messages.warning(request, _("Mixpanel allows no further query just now. Try again in some minutes."))
    except QueryError as error:
        messages.error(request, f"{error.problem.label} ({error.detail})" if error.detail else error.problem.label)
    else:
        text = ngettext("Mixpanel lists %(count)s cohort.", "Mixpanel lists %(count)s cohorts.", found)
        messages.success(request, text % {"count": found})


def choose_cohorts(admin: "IntegrationAdmin", request: HttpRequest) -> HttpResponse:
    """Take over, for each listed cohort, whether it is pulled: the fields are named ``sync-<cohort id>``."""
    connection = _existing(admin, request)
    listed: list[ListedCohort] = pull.listing(connection)
    known = dict(connection.integration.cohorts.values_list("cohort_id", "sync"))
    changed = []
    for one in listed:
        sync = request.POST.get(f"sync-{one.id}", known.get(one.id, ""))
        if sync in {"", *Cohort.Sync.values} and sync != known.get(one.id, ""):
            changed.append(pull.choose(connection, one, sync))
    for cohort in changed:
        admin.log(request, cohort, gettext_noop("Changed how the cohort is pulled."))
    if any(cohort.is_pulled for cohort in changed):
        pull.wake(connection)
    text = ngettext(
        "The choice of %(count)s cohort is saved.", "The choice of %(count)s cohorts is saved.", len(changed)
    )
    admin.message_user(request, text % {"count": len(changed)})
    return admin.back(SLUG)


def set_matching(admin: "IntegrationAdmin", request: HttpRequest) -> HttpResponse:
    """Choose what users are matched by."""
    integration = admin.existing(request, SLUG)
    form = MatchingForm(request.POST)
    if not form.is_valid():
        raise Http404
    chosen = form.cleaned_data["by"]
    integration.identifiers = [chosen] if chosen else []
    integration.save(update_fields=["identifiers"])
    admin.log(request, integration, gettext_noop("Changed what Mixpanel's users are matched by."))
    admin.message_user(request, _("Saved. It counts for what arrives from now on."))
    return admin.back(SLUG)


def _connection(integration: Integration) -> PullConnection | None:
    return PullConnection.objects.select_related("integration").filter(integration=integration).first()


def _existing(admin: "IntegrationAdmin", request: HttpRequest) -> PullConnection:
    connection = _connection(admin.existing(request, SLUG))
    if connection is None:
        raise Http404
    return connection
