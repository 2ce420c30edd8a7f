"""Screens 5 and 6: the list of Currents, the form, and the page of one Current."""

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, DELETION
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop
from django.views.decorators.http import require_POST

from currents import dead_letters, lifecycle, monitoring, replays, retention, tasks, trial
from currents.destinations import Destination, destination, destinations
from currents.forms import CurrentForm
from currents.lifecycle import LifecycleError
from currents.log import needs_rebase
from currents.models import Current, DeadLetter
from currents.replay_screens import ReplayScreens, replays_of, target_or_404
from currents.transformations import Transformation
from currents.wakeup import send
from workspaces.admin_base import may, needs, person_in, workspace_in
from workspaces.roles import Action

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

LETTERS_SHOWN = 100
REQUESTS_SHOWN = 50
#: Where the session holds the results of test events until the next page shows them.
RESULTS_KEY = "currents_test_results"


def _send_now(current: Current) -> None:
    send(tasks.deliver, current.pk, True)


#: The buttons of a Current's page: name, what it does, what people are told then.
ACTIONS: "dict[str, tuple[Callable[[Current], None], _StrPromise]]" = {
    "launch": (lifecycle.launch, gettext_lazy("Launched. Events from now on are delivered.")),
    "pause": (lifecycle.pause, gettext_lazy("Paused. Events are kept, and sent after Resume.")),
    "resume": (lifecycle.resume, gettext_lazy("Resumed from where it was paused.")),
    "stop": (lifecycle.stop, gettext_lazy("Stopped. A new launch begins from then.")),
    "cancel-replay": (replays.cancel, gettext_lazy("The replay was cancelled. What it has sent stays sent.")),
    "send-now": (_send_now, gettext_lazy("A worker was told to send what waits.")),
}


def _results_of(request: HttpRequest, current: Current | None) -> list[trial.TestResult] | None:
    """What became of the test events that were sent just now; they are shown once."""
    if request.method != "GET" or current is None:
        return None
    if request.session.get(RESULTS_KEY, {}).get("current") != current.pk:
        return None
    return [trial.TestResult(**one) for one in request.session.pop(RESULTS_KEY)["results"]]


@admin.register(Current)
class CurrentAdmin(ReplayScreens):
    view_action: ClassVar[Action | None] = Action.VIEW_CURRENTS
    edit_action: ClassVar[Action | None] = Action.MANAGE_CURRENTS

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("", self.list_view, "changelist"),
            self.route("keeping/", require_POST(self.keeping_view), "keeping"),
            self.route("create/<slug:slug>/", self.create_view, "create"),
            self.route("<int:pk>/", self.page_view, "page"),
            self.route("<int:pk>/change/", self.edit_view, "change"),
            self.route("<int:pk>/act/", require_POST(self.act_view), "act"),
            self.route("<int:pk>/delete/", require_POST(self.delete_draft_view), "delete"),
            self.route("<int:pk>/dead-letters/", require_POST(self.letters_view), "letters"),
            self.route("<int:pk>/dead-letters/<int:letter>/payload.json", self.payload_view, "payload"),
            *self.replay_urls(),
        ]

    # --- The list ------------------------------------------------------------------------------------------------

    @needs(Action.VIEW_CURRENTS)
    def list_view(self, request: HttpRequest) -> HttpResponse:
        found: QuerySet[Current] = self.get_queryset(request).order_by("name", "pk")
        context = {
            "title": _("Currents"),
            "rows": monitoring.rows(list(found)),
            "destinations": list(destinations()),
            "keeping": retention.keeping(workspace_in(request).pk),
        }
        return self.screen(request, "currents/list.html", context)

    @needs(Action.MANAGE_CURRENTS)
    def keeping_view(self, request: HttpRequest) -> HttpResponse:
        """Set for how many days events are kept at most for a Current that cannot deliver them."""
        workspace = workspace_in(request)
        given = request.POST.get("cap_days", "")
        try:
            retention.set_cap(workspace, int(given) if given.isdecimal() and len(given) < 6 else 0)
        except ValueError:
            limits = retention.keeping(workspace.pk)
            said = _("Give a number of days from %(least)s to %(most)s.")
            messages.error(request, said % {"least": limits.days, "most": limits.most})
        else:
            kept = gettext_noop("What waits is kept for at most %(days)s days.")
            self.log(request, workspace, kept, days=int(given))
            messages.success(request, _(kept) % {"days": int(given)})
        return HttpResponseRedirect(reverse("admin:currents_current_changelist"))

    # --- The form ------------------------------------------------------------------------------------------------

    @needs(Action.MANAGE_CURRENTS)
    def create_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        target = destination(slug)
        if target is None:
            raise Http404
        return self._form(request, target, None)

    @needs(Action.MANAGE_CURRENTS)
    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        current: Current = self.get(request, pk=pk)
        return self._form(request, target_or_404(current), current)

    def _form(self, request: HttpRequest, target: Destination, current: Current | None) -> HttpResponse:
        wish = request.POST.get("wish", "")
        runs = current is not None and current.status in Current.KEEPS
        form = CurrentForm(target, current, request.POST or None, complete=runs or wish in ("launch", "test"))
        if request.method != "POST" or not form.is_valid():
            status = 400 if request.method == "POST" else 200
            return self._show_form(request, form, current, results=_results_of(request, current), status=status)
        try:
            saved = self._save(request, form, current, launch=wish == "launch")
        except LifecycleError as error:
            form.add_error(None, str(error.reason))
            return self._show_form(request, form, current, status=400)
        if wish == "test":
            # A page of its own address: to load it again sends nothing again.
            results = [asdict(one) for one in trial.send_test_events(saved, target)]
            said = [{**one, "message": str(one["message"])} for one in results]
            request.session[RESULTS_KEY] = {"current": saved.pk, "results": said}
            return HttpResponseRedirect(reverse("admin:currents_current_change", args=[saved.pk]))
        return HttpResponseRedirect(reverse("admin:currents_current_page", args=[saved.pk]))

    def _save(self, request: HttpRequest, form: CurrentForm, current: Current | None, *, launch: bool) -> Current:
        """Store what was filled in, and launch if that was asked; all of it or nothing."""
        is_new = current is None
        saved = current or Current(
            workspace=workspace_in(request),
            destination=form.target.slug,
            created_by=person_in(request),
        )
        with transaction.atomic():
            form.apply(saved)
            saved.save()
            lifecycle.select(saved, form.cleaned_data["events"])
            saved.refresh_from_db()
            if form.credentials_change():
                lifecycle.credentials_changed(saved)
            if launch:
                lifecycle.launch(saved)
            self._note(request, saved, is_new=is_new, launch=launch)
        return saved

    def _note(self, request: HttpRequest, saved: Current, *, is_new: bool, launch: bool) -> None:
        if is_new:
            self.log(request, saved, gettext_noop("Created."), ADDITION)
        if launch:
            said = gettext_lazy("Launched. Events from now on are delivered.")
        elif saved.status in Current.KEEPS:
            said = gettext_lazy("Saved. The choice of events counts for events from now on.")
        else:
            said = gettext_lazy("Saved as a draft. It can be launched later.")
        if launch or not is_new:
            self.log(request, saved, said)
        messages.success(request, said)

    def _show_form(
        self,
        request: HttpRequest,
        form: CurrentForm,
        current: Current | None,
        *,
        results: list[trial.TestResult] | None = None,
        status: int = 200,
    ) -> HttpResponse:
        if current is None:
            address = reverse("admin:currents_current_create", args=[form.target.slug])
        else:
            address = reverse("admin:currents_current_change", args=[current.pk])
        context = {
            "title": current.name if current else str(form.target.create_label),
            "crumbs": [(_("Currents"), reverse("admin:currents_current_changelist"))],
            "form": form,
            "current": current,
            "address": address,
            "runs": current is not None and current.status in Current.KEEPS,
            "results": results,
            "accepted": sum(one.accepted for one in results or ()),
            "ways": Transformation.choices,
            "fixed_fields": ", ".join(sorted(form.target.fixed_fields)),
        }
        return self.screen(request, "currents/form.html", context, status=status)

    # --- One Current ---------------------------------------------------------------------------------------------

    @needs(Action.VIEW_CURRENTS)
    def page_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        current: Current = self.get(request, pk=pk)
        lag = monitoring.lags_of([pk]).get(pk, monitoring.Lag())
        types = target_or_404(current).types()
        context = {
            "title": current.name,
            "crumbs": [(_("Currents"), reverse("admin:currents_current_changelist"))],
            "current": current,
            "destination": target_or_404(current),
            "lag": lag,
            "needs_rebase": needs_rebase(),
            "held_back_since": monitoring.held_back_since(lag),
            "hours": monitoring.hours(current),
            "totals": monitoring.totals(current),
            "waiting": current.cursors.filter(replay=None).exclude(last_error="").order_by("-first_failure_at").first(),
            "requests": current.requests.order_by("-id")[:REQUESTS_SHOWN],
            "types": [types[name] for name in current.event_types if name in types],
            "transformations": [
                (name, Transformation(how).label) for name, how in sorted(current.transformations.items())
            ],
            "replays": replays_of(current),
            "held": retention.held_past_time(current),
            "retention_days": settings.EVENT_RETENTION_DAYS,
            **(self._letters(current) if may(request, Action.MANAGE_CURRENTS) else {}),
        }
        return self.screen(request, "currents/page.html", context)

    def _letters(self, current: Current) -> dict[str, Any]:
        return {
            "letters": dead_letters.newest(current, LETTERS_SHOWN),
            "letter_count": current.dead_letters.count(),
            "kept_days": dead_letters.KEPT_DAYS,
        }

    @needs(Action.MANAGE_CURRENTS)
    def act_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One of ACTIONS."""
        current: Current = self.get(request, pk=pk)
        name = request.POST.get("action", "")
        if name not in ACTIONS:
            raise Http404
        act, said = ACTIONS[name]
        try:
            act(current)
        except LifecycleError as error:
            messages.error(request, str(error.reason))
        else:
            self.log(request, current, said)
            messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:currents_current_page", args=[pk]))

    @needs(Action.MANAGE_CURRENTS)
    def delete_draft_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Delete a draft or a stopped Current, with everything that it counted."""
        current: Current = self.get(request, pk=pk)
        if current.status in Current.KEEPS:
            messages.error(request, _("Stop the Current before you delete it."))
            return HttpResponseRedirect(reverse("admin:currents_current_page", args=[pk]))
        self.log(request, current, gettext_noop("Deleted."), DELETION)
        current.delete()
        messages.success(request, _("Deleted."))
        return HttpResponseRedirect(reverse("admin:currents_current_changelist"))

    @needs(Action.MANAGE_CURRENTS)
    def payload_view(self, request: HttpRequest, pk: int, letter: int) -> HttpResponse:
        """The payload of one dead letter, as a file: those that are too long for the page."""
        current: Current = self.get(request, pk=pk)
        found = get_object_or_404(current.dead_letters.defer("source"), pk=letter)
        answer = HttpResponse(dead_letters.pretty(found.payload), content_type="application/json")
        answer["Content-Disposition"] = f'attachment; filename="dead-letter-{letter}.json"'
        return answer

    @needs(Action.MANAGE_CURRENTS)
    def letters_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Retry or discard (``action``) one dead letter (``letter``), or all of them without ``letter``."""
        current: Current = self.get(request, pk=pk)
        action = request.POST.get("action", "")
        if action not in ("retry", "discard"):
            return HttpResponseBadRequest(
                _("The form was sent without an action: nothing was done. Go back and retry.")
            )
        letters: QuerySet[DeadLetter] = current.dead_letters.all()
        one = request.POST.get("letter")
        if one is not None:
            letters = letters.filter(pk=int(one) if one.isdecimal() and len(one) < 19 else 0)
        if action == "retry":
            number = dead_letters.ask_retry(letters)
            said = gettext_noop("To be sent again: %(number)s.")
            send(tasks.deliver, current.pk)
        else:
            number = dead_letters.discard(letters)
            said = gettext_noop("Discarded: %(number)s.")
        self.log(request, current, said, number=number)
        messages.success(request, _(said) % {"number": number})
        return HttpResponseRedirect(reverse("admin:currents_current_page", args=[pk]) + "#dead-letters")
