"""The screens of a replay: choose the stretch, see how many events that is, start it, watch it."""

from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from currents import replays
from currents.destinations import Destination
from currents.lifecycle import LifecycleError, target_of
from currents.models import Current, Replay
from currents.partitions import partitions
from currents.tasks import replay
from currents.wakeup import send
from workspaces.admin_base import WorkspaceAdmin, needs, person_in
from workspaces.roles import Action

REPLAYS_SHOWN = 5


class ReplayForm(forms.Form):
    """From a moment, or between two, in the workspace's time zone."""

    FORMATS: ClassVar[list[str]] = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]

    begin = forms.DateTimeField(label=gettext_lazy("Events received from"), input_formats=FORMATS)
    end = forms.DateTimeField(
        label=gettext_lazy("Until"),
        help_text=gettext_lazy("Left empty: until now."),
        input_formats=FORMATS,
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            # An input of this type takes one format only, whatever the language.
            field.widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 1}, format=self.FORMATS[0])

    def clean(self) -> dict[str, Any]:
        """The stretch begins in the past, and before it ends."""
        begin, end = self.cleaned_data.get("begin"), self.cleaned_data.get("end")
        if begin and begin >= timezone.now():
            self.add_error("begin", _("This moment is not in the past."))
        elif begin and end and end <= begin:
            self.add_error("end", _("The end must come after the beginning."))
        return self.cleaned_data


class ReplayScreens(WorkspaceAdmin):
    """What the admin of Currents has for replays."""

    def replay_urls(self) -> list[URLPattern]:
        """The addresses below a Current."""
        return [
            self.route("<int:pk>/replay/", self.replay_view, "replay"),
            self.route("<int:pk>/replays/", self.replays_view, "replays"),
        ]

    @needs(Action.MANAGE_CURRENTS)
    def replay_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The form; with ``wish=preview`` the number of events, with ``wish=start`` the replay begins."""
        current: Current = self.get(request, pk=pk)
        form = ReplayForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return self._replay_form(request, current, form, status=400 if request.method == "POST" else 200)
        begin, end = form.cleaned_data["begin"], form.cleaned_data["end"]
        if request.POST.get("wish") != "start":
            found = replays.preview(current, begin, end or timezone.now())
            return self._replay_form(request, current, form, preview=found)
        try:
            made = replays.start(current, begin, end, person_in(request))
        except LifecycleError as error:
            form.add_error(None, str(error.reason))
            return self._replay_form(request, current, form, status=400)
        send(replay, made.pk)
        said = gettext_lazy("The replay has begun.")
        self.log(request, current, said)
        messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:currents_current_page", args=[pk]) + "#replays")

    @needs(Action.VIEW_CURRENTS)
    def replays_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The panel of replays by itself: the page asks for it while one is running."""
        current: Current = self.get(request, pk=pk)
        context = {"current": current, "destination": target_or_404(current), "replays": replays_of(current)}
        return self.screen(request, "currents/_replays.html", context)

    def _replay_form(
        self,
        request: HttpRequest,
        current: Current,
        form: ReplayForm,
        *,
        preview: replays.Preview | None = None,
        status: int = 200,
    ) -> HttpResponse:
        days = partitions()
        context = {
            "title": _("Replay"),
            "crumbs": [
                (_("Currents"), reverse("admin:currents_current_changelist")),
                (current.name, reverse("admin:currents_current_page", args=[current.pk])),
            ],
            "current": current,
            "destination": target_or_404(current),
            "form": form,
            "preview": preview,
            "log_begins": days[0].start if days else None,
        }
        return self.screen(request, "currents/replay.html", context, status=status)


def target_or_404(current: Current) -> Destination:
    """The destination of a Current. Raises Http404 when it is not registered (any more)."""
    try:
        return target_of(current)
    except LifecycleError:
        raise Http404 from None


def replays_of(current: Current) -> list[Replay]:
    """A Current's latest replays, the newest first."""
    return list(current.replays.order_by("-id")[:REPLAYS_SHOWN])
