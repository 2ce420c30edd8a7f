"""``GET /metrics``: how Currents do, for Prometheus. The figures are the database's, so all processes tell the same.

Prometheus: exposition formats, text-based format 0.0.4.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from itertools import accumulate
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse
from rest_framework.authentication import get_authorization_header
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from currents import monitoring, openapi
from currents.models import Current, Outcome, RequestTime
from currents.monitoring import Health
from workspaces.models import ApiKey
from workspaces.rest import ApiKeyAuthentication, HasEndpointPermission

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


@dataclass
class Metric:
    """One metric with its samples: (suffix of its name, labels, value)."""

    name: str
    kind: str
    help: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)

    def add(self, labels: Labels, value: float, suffix: str = "") -> None:
        """Add a sample."""
        self.samples.append((suffix, labels, value))

    def lines(self) -> Iterator[str]:
        """The metric in the text format."""
        yield f"# HELP {self.name} {_escape(self.help, quotes=False)}"
        yield f"# TYPE {self.name} {self.kind}"
        for suffix, labels, value in self.samples:
            inside = ",".join(f'{name}="{_escape(text)}"' for name, text in labels.items())
            yield f"{self.name}{suffix}{{{inside}}} {int(value) if float(value).is_integer() else value}"


def metrics(currents: Iterable[Current]) -> str:
    """The metrics of these Currents as text: a fixed number of statements."""
    status = Metric("brazeclone_current_status", "gauge", "1 for the state that the Current is in.")
    lag = Metric("brazeclone_current_lag_events", "gauge", "Selected events that wait (counted up to a limit).")
    seconds = Metric("brazeclone_current_lag_seconds", "gauge", "For how long the oldest waiting event has waited.")
    delivered = Metric("brazeclone_current_delivered_events_total", "counter", "Events that the destination took.")
    failed = Metric("brazeclone_current_failed_events_total", "counter", "Events that were refused, or lost.")
    skipped = Metric("brazeclone_current_skipped_events_total", "counter", "Events that are not sent, by reason.")
    letters = Metric("brazeclone_current_dead_letters", "gauge", "Dead letters that wait for a person.")
    took = Metric("brazeclone_current_request_duration_seconds", "histogram", "How long requests took.")
    for one in monitoring.health(list(currents)):
        labels = _labels(one.current)
        status.add({**labels, "status": one.current.status}, 1)
        lag.add(labels, one.lag.events)
        seconds.add(labels, one.lag.seconds)
        delivered.add(labels, one.counts[Outcome.DELIVERED])
        for outcome in sorted(monitoring.FAILURES):
            failed.add({**labels, "reason": outcome.value}, one.counts[outcome])
        for outcome in monitoring.SKIPS:
            skipped.add({**labels, "reason": outcome.value}, one.counts[outcome])
        letters.add(labels, one.dead_letters)
        _add_times(took, labels, one)
    lines = [line for one in (status, lag, seconds, delivered, failed, skipped, letters, took) for line in one.lines()]
    return "\n".join(lines) + "\n"


def _labels(current: Current) -> dict[str, str]:
    return {
        "workspace": current.workspace.name,
        "current": str(current.api_id),
        "name": current.name,
        "destination": current.destination,
    }


def _add_times(metric: Metric, labels: Labels, one: Health) -> None:
    """A histogram's buckets hold everything up to their bound."""
    numbers = [one.times.get(limit, (0, 0))[0] for limit in RequestTime.LIMITS]
    for limit, number in zip(RequestTime.LIMITS, accumulate(numbers), strict=True):
        bound = "+Inf" if limit == RequestTime.LIMITS[-1] else f"{limit / 1000:g}"
        metric.add({**labels, "le": bound}, number, "_bucket")
    metric.add(labels, sum(milliseconds for _count, milliseconds in one.times.values()) / 1000, "_sum")
    metric.add(labels, sum(numbers), "_count")


def _escape(text: str, *, quotes: bool = True) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


class _MetricsAuthentication(ApiKeyAuthentication):
    """The token of METRICS_TOKEN opens all workspaces, an API key its own."""

    def authenticate(self, request: Request) -> tuple[None, Any] | None:
        scheme, _, secret = get_authorization_header(request).partition(b" ")
        token = settings.METRICS_TOKEN.encode()
        if token and scheme.lower() == b"bearer" and compare_digest(secret.strip(), token):
            return None, _ALL
        return super().authenticate(request)


class _MayRead(HasEndpointPermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.auth is _ALL or super().has_permission(request, view)


class _AnyFormat(BaseContentNegotiation):
    """There is one format, whatever a scraper says that it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


_ALL: Final = object()


class MetricsView(APIView):
    """``GET /metrics``, for the token of METRICS_TOKEN or an API key with the permission ``currents.metrics``."""

    endpoint = "currents.metrics"
    authentication_classes = [_MetricsAuthentication]
    permission_classes = [_MayRead]
    content_negotiation_class = _AnyFormat

    @openapi.metrics
    def get(self, request: Request) -> HttpResponse:
        found = Current.objects.select_related("workspace").exclude(status=Current.Status.DRAFT).order_by("pk")
        if isinstance(request.auth, ApiKey):
            found = found.filter(workspace=request.auth.workspace_id)
        return HttpResponse(metrics(found), content_type=CONTENT_TYPE)
