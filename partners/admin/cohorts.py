"""The page of one cohort: its size, its runs, who matched nobody, and whether and why a user is in it."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_POST

from partners import reading
from partners.admin.own import crumbs, interval_of, own_screens
from partners.csvs import unmatched_csv
from partners.health import health_of, latest_syncs
from partners.lookup import look_up
from partners.models import Cohort, SyncRun
from partners.usage import uses_of
from profiles.live import live_users
from workspaces.admin_base import WorkspaceAdmin, needs, searched, workspace_in
from workspaces.roles import Action

RUNS_A_PAGE = 25
CHART_BARS = 60
#: Not "now": the partner may allow no further query for a while. The page says when the next one is due.
STARTS = gettext_noop("The sync of “%(name)s” starts as soon as the partner's limits allow it.")


@admin.register(Cohort)
class CohortAdmin(WorkspaceAdmin):
    """Cohorts come from partners: here they are looked at, synced and archived."""

    view_action = Action.VIEW_COHORTS
    edit_action = Action.MANAGE_PARTNERS
    workspace_path = "integration__workspace"

    def get_urls(self) -> list[URLPattern]:
        return [self.route("", self.list_screen, "changelist")]

    def pages(self, below: str) -> list[URLPattern]:
        """The pages of single cohorts. They lie ``below`` Technology Partners, which stays marked in the left bar."""
        return [
            self.route(f"{below}<int:pk>/", self.cohort_screen, "cohort"),
            self.route(f"{below}<int:pk>/unmatched.csv", self.unmatched, "unmatched"),
            self.route(f"{below}<int:pk>/sync/", require_POST(self.sync_now), "sync"),
            self.route(f"{below}<int:pk>/pause/", require_POST(self.pause), "pause"),
            self.route(f"{below}<int:pk>/resume/", require_POST(self.resume), "resume"),
            self.route(f"{below}<int:pk>/archive/", require_POST(self.archive), "archive"),
            self.route(f"{below}<int:pk>/unarchive/", require_POST(self.unarchive), "unarchive"),
        ]

    @needs(Action.VIEW_COHORTS)
    def list_screen(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:partners_integration_changelist"))

    @needs(Action.VIEW_COHORTS)
    def cohort_screen(self, request: HttpRequest, pk: int) -> HttpResponse:
        cohort = self._cohort(request, pk)
        workspace_id = workspace_in(request).pk
        members = reading.cohort_members(workspace_id, [pk])[pk]
        cohort = self._cohort(request, pk)
        wanted = searched(request, "user")
        integration = cohort.integration
        connected = integration.import_keys.filter(invalidated_at=None).exists()
        latest = latest_syncs([cohort]).get(pk)
        context = {
            "title": cohort.name,
            "crumbs": crumbs(integration.partner),
            "cohort": cohort,
            "size": members.intersection_size(live_users(workspace_id)),
            "pending": reading.pending([pk]),
            "health": health_of(cohort, latest, interval_of(integration), connected=connected),
            "runs": Paginator(cohort.runs.all(), RUNS_A_PAGE).get_page(request.GET.get("page")),
            "chart": list(_chart(cohort)),
            "unmatched_count": cohort.unmatched.filter(cancelled=False).count(),
            "uses": uses_of(cohort),
            "wanted": wanted,
            "found": look_up(cohort, members, wanted) if wanted else None,
        }
        return self.screen(request, "partners/cohort.html", context)

    @needs(Action.VIEW_COHORTS)
    def unmatched(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        cohort = self._cohort(request, pk)
        response = StreamingHttpResponse(unmatched_csv(cohort), content_type="text/csv; charset=utf-8")
        name = slugify(cohort.name) or f"cohort-{cohort.pk}"
        response["Content-Disposition"] = f'attachment; filename="{name}-unmatched.csv"'
        return response

    @needs(Action.MANAGE_PARTNERS)
    def sync_now(self, request: HttpRequest, pk: int) -> HttpResponse:
        cohort = self._cohort(request, pk)
        own = own_screens(cohort.integration.partner)
        if own is None or not cohort.is_pulled or cohort.archived_at or cohort.paused_at:
            raise Http404
        own.sync_now(cohort)
        self.log(request, cohort, gettext_noop("Asked for a sync."))
        self.message_user(request, _(STARTS) % {"name": cohort.name})
        return self._back(cohort)

    @needs(Action.MANAGE_PARTNERS)
    def pause(self, request: HttpRequest, pk: int) -> HttpResponse:
        cohort = self._pulled_again_and_again(request, pk)
        if cohort.paused_at is None:
            Cohort.objects.filter(pk=pk).update(paused_at=timezone.now(), next_pull_at=None)
            if own := own_screens(cohort.integration.partner):
                own.stop(cohort)
            self.log(request, cohort, gettext_noop("Paused the pulls."))
            self.message_user(request, _("“%(name)s” is not pulled until you resume.") % {"name": cohort.name})
        return self._back(cohort)

    @needs(Action.MANAGE_PARTNERS)
    def resume(self, request: HttpRequest, pk: int) -> HttpResponse:
        cohort = self._pulled_again_and_again(request, pk)
        if cohort.paused_at is not None:
            Cohort.objects.filter(pk=pk).update(paused_at=None)
            if own := own_screens(cohort.integration.partner):
                own.sync_now(cohort)
            self.log(request, cohort, gettext_noop("Resumed the pulls."))
            self.message_user(request, _(STARTS) % {"name": cohort.name})
        return self._back(cohort)

    def _pulled_again_and_again(self, request: HttpRequest, pk: int) -> Cohort:
        """The cohort, if it is one that we refresh by ourselves. Raises Http404."""
        cohort = self._cohort(request, pk)
        if cohort.sync != Cohort.Sync.DYNAMIC or cohort.archived_at:
            raise Http404
        return cohort

    @needs(Action.MANAGE_PARTNERS)
    def archive(self, request: HttpRequest, pk: int) -> HttpResponse:
        cohort = self._cohort(request, pk)
        if cohort.archived_at is None:
            Cohort.objects.filter(pk=pk).update(archived_at=timezone.now())
            if own := own_screens(cohort.integration.partner):
                own.stop(cohort)
            self.log(request, cohort, gettext_noop("Archived the cohort."))
            self.message_user(request, _("The cohort “%(name)s” is archived.") % {"name": cohort.name})
        return HttpResponseRedirect(_partner_page(cohort))

    @needs(Action.MANAGE_PARTNERS)
    def unarchive(self, request: HttpRequest, pk: int) -> HttpResponse:
        cohort = self._cohort(request, pk)
        Cohort.objects.filter(pk=pk).update(archived_at=None)
        self.log(request, cohort, gettext_noop("Took the cohort out of the archive."))
        self.message_user(request, _("The cohort “%(name)s” is in use again.") % {"name": cohort.name})
        return self._back(cohort)

    def _cohort(self, request: HttpRequest, pk: int) -> Cohort:
        found: Cohort = self.get(request, pk=pk)
        return found

    def _back(self, cohort: Cohort) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:partners_cohort_cohort", args=[cohort.pk]))


def _partner_page(cohort: Cohort) -> str:
    return reverse("admin:partners_integration_partner", args=[cohort.integration.partner_slug])


def _chart(cohort: Cohort) -> Iterator[dict[str, Any]]:
    """The size after each of the last runs, oldest first; ``share`` in percent of the largest."""
    sizes = cohort.runs.filter(status=SyncRun.Status.DONE, size_after__isnull=False).values_list(
        "ended_at", "size_after"
    )
    latest = [(moment, size or 0) for moment, size in sizes[:CHART_BARS]]
    largest = max((size for _, size in latest), default=0) or 1
    for moment, size in reversed(latest):
        yield {"moment": moment, "size": size, "share": round(100 * size / largest)}
