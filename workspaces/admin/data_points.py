"""Analytics > Data Points: how many were logged, by day and source. Braze: data points."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.contrib import admin
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _

from workspaces.admin_base import WorkspaceAdmin, needs
from workspaces.data_points import source_name
from workspaces.models import DataPoints
from workspaces.roles import Action

SPANS = (30, 90, 365)


@dataclass(frozen=True)
class Day:
    """A bar of the chart: ``share`` is its height in per cent of the highest."""

    day: date
    sources: dict[str, int]
    share: float

    @property
    def total(self) -> int:
        return sum(self.sources.values())


@admin.register(DataPoints)
class DataPointsAdmin(WorkspaceAdmin):
    """Read only. Days are days in UTC, as data points are counted."""

    view_action = Action.VIEW_DATA_POINTS

    def get_urls(self) -> list[URLPattern]:
        return [self.route("", self.list_screen, "changelist")]

    @needs(Action.VIEW_DATA_POINTS)
    def list_screen(self, request: HttpRequest) -> HttpResponse:
        span = next((one for one in SPANS if request.GET.get("days") == str(one)), SPANS[0])
        today = datetime.now(UTC).date()
        rows = self.get_queryset(request).filter(day__gt=today - timedelta(days=span))
        days = _days(list(rows.values_list("day", "source", "count")), today, span)
        by_source = rows.values_list("source").annotate(count=Sum("count")).order_by("-count", "source")
        month = self.get_queryset(request).filter(day__gte=today.replace(day=1)).aggregate(sum=Sum("count"))["sum"] or 0
        context = {
            "title": _("Data Points"),
            "days": days,
            "listed": [one for one in reversed(days) if one.total],
            "by_source": [(source_name(source), count) for source, count in by_source],
            "total": sum(one.total for one in days),
            "month": month,
            "span": span,
            "spans": SPANS,
        }
        return self.screen(request, "workspaces/data_points.html", context)


def _days(rows: list[tuple[date, str, int]], today: date, span: int) -> list[Day]:
    """Every day of the span, the oldest first, also those without data points."""
    found: dict[date, dict[str, int]] = defaultdict(dict)
    for day, source, count in sorted(rows):
        found[day][source_name(source)] = found[day].get(source_name(source), 0) + count
    highest = max((sum(sources.values()) for sources in found.values()), default=0) or 1
    every = [today - timedelta(days=back) for back in reversed(range(span))]
    return [Day(day, found[day], 100 * sum(found[day].values()) / highest) for day in every]
