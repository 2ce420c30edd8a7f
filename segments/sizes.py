"""How large segments were, day by day: counted once a day, for the chart and ``/segments/data_series``."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from partners.locks import only_one
from segments.engine import evaluate
from segments.models import Segment
from segments.stores import SegmentSize
from segments.tree import TreeError, parse
from workspaces.models import Workspace

log = logging.getLogger(__name__)

TASK: Final = "segments.note_sizes"
#: A task goes on in a new message after so many seconds, so that other work gets its turn.
TURN_SECONDS: Final = 120.0
_LOCK: Final = 0x73697A65


def day_in(workspace: Workspace, moment: datetime | None = None) -> date:
    """The day of a moment (now) in the workspace's time zone."""
    return timezone.localtime(moment or timezone.now(), ZoneInfo(workspace.time_zone)).date()


def note_sizes(seconds: float = TURN_SECONDS) -> bool:
    """Count every segment that has no size of today, for about ``seconds``; returns whether some are left.

    A segment that is archived, or has a filter without a set, has no size that day; the others are counted anyway.
    """
    deadline = time.monotonic() + seconds
    with only_one(_LOCK, 0) as mine:
        for segment, day in _uncounted() if mine else ():
            if time.monotonic() > deadline:
                return True
            _count(segment, day)
    return False


def _uncounted() -> Iterator[tuple[Segment, date]]:
    for workspace in Workspace.objects.order_by("pk"):
        day = day_in(workspace)
        counted = SegmentSize.objects.filter(segment__workspace=workspace, day=day).values("segment_id")
        segments = Segment.objects.filter(workspace=workspace, archived_at=None).exclude(pk__in=counted)
        for segment in segments.order_by("pk"):
            segment.workspace = workspace
            yield segment, day


def _count(segment: Segment, day: date) -> None:
    try:
        size = len(evaluate(parse(segment.filters), segment.workspace).users)
    except TreeError:
        return
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # One segment that cannot be evaluated keeps no other from its number.
        log.exception("The segment %s is not counted", segment.pk)
        return
    SegmentSize.objects.bulk_create([SegmentSize(segment=segment, day=day, size=size)], ignore_conflicts=True)


def series(segment: Segment, last: date, days: int) -> list[tuple[date, int]]:
    """The sizes of up to ``days`` days until ``last``, oldest first; days without a count are absent."""
    first = date.fromordinal(max(1, last.toordinal() - days + 1))
    rows = SegmentSize.objects.filter(segment=segment, day__range=(first, last)).order_by("day")
    return list(rows.values_list("day", "size"))


@dataclass(frozen=True)
class Bar:
    """A day of the chart; ``size`` None: not counted. ``share`` in percent of the largest."""

    day: date
    size: int | None
    share: float


def chart(segment: Segment, last: date, days: int) -> list[Bar]:
    """A bar for each day from the first that was counted on; none when none was."""
    sizes = dict(series(segment, last, days))
    if not sizes:
        return []
    largest = max(sizes.values()) or 1
    first = min(sizes)
    wanted = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [Bar(day, sizes.get(day), 100 * sizes.get(day, 0) / largest) for day in wanted]
