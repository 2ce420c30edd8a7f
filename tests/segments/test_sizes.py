"""Sizes day by day: counted once whatever else is broken, drawn on the page, read by ``/segments/data_series``."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from segments import sizes, tasks
from segments.models import Segment
from segments.stores import SegmentSize
from tests.segments.conftest import House, build_house, in_cohort
from workspaces.models import ApiKey, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def segment(house: House) -> Segment:
    return house.segment(filters=house.tree(in_cohort("c1")))


@pytest.fixture
def series(house: House, segment: Segment) -> Any:
    """Asks for the data series of the segment."""
    _row, made = ApiKey.make(workspace=house.workspace, name="test", permissions=["segments.data_series"])

    def get(**query: Any) -> Any:
        query = {"segment_id": str(segment.api_id), "length": 3, **query}
        return Client().get("/segments/data_series", query, headers={"Authorization": f"Bearer {made.secret}"})

    return get


def counted() -> list[tuple[str, int]]:
    return list(SegmentSize.objects.order_by("segment__name", "day").values_list("segment__name", "size"))


def on(segment: Segment, day: str, size: int) -> None:
    SegmentSize.objects.create(segment=segment, day=date.fromisoformat(day), size=size)


def test_it_works(segment: Segment, series: Any) -> None:
    assert not sizes.note_sizes()
    answer = series()
    assert answer.status_code == 200
    today = timezone.localtime(timezone.now(), sizes.ZoneInfo("Asia/Tokyo")).date()
    assert answer.json() == {"message": "success", "data": [{"time": today.isoformat(), "size": 3}]}


def test_each_segment_once_a_day(house: House, segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes.note_sizes()
    evaluated: list[Any] = []
    evaluate = sizes.evaluate
    monkeypatch.setattr(sizes, "evaluate", lambda *given: (evaluated.append(given), evaluate(*given))[1])
    house.segment("Later")
    sizes.note_sizes()
    assert len(evaluated) == 1
    assert counted() == [("Example", 3), ("Later", 7)]


def test_the_day_is_that_of_the_workspace() -> None:
    evening = datetime(2026, 1, 31, 20, tzinfo=UTC)
    assert sizes.day_in(Workspace(time_zone="Asia/Tokyo"), evening) == date(2026, 2, 1)
    assert sizes.day_in(Workspace(time_zone="UTC"), evening) == date(2026, 1, 31)


def test_broken_and_archived_segments_keep_no_other_from_its_number(
    house: House, segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.segment("A broken one", filters=house.tree(in_cohort("c9")))
    house.segment("A wrong one", filters={"rows": 1})
    house.segment("An archived one", archived_at=timezone.now())
    failing = house.segment("An unlucky one")
    parse = sizes.parse

    def fail(filters: Any) -> Any:
        if filters == failing.filters:
            raise ZeroDivisionError
        return parse(filters)

    monkeypatch.setattr(sizes, "parse", fail)
    build_house("Other").segment("Theirs", filters=house.tree(in_cohort("c1")))
    sizes.note_sizes()
    assert counted() == [("Example", 3), ("Theirs", 3)]


def test_after_a_while_other_work_gets_its_turn(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[str] = []
    monkeypatch.setattr(tasks, "wake_up", woken.append)
    monkeypatch.setattr(sizes.note_sizes, "__defaults__", (-1.0,))
    tasks.note_sizes()
    assert (woken, counted()) == ([sizes.TASK], [])
    monkeypatch.setattr(sizes.note_sizes, "__defaults__", (60.0,))
    tasks.note_sizes()
    assert (len(woken), counted()) == (1, [("Example", 3)])


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({"ending_at": "2026-01-05T12:00:00Z"}, [3, 5]),
        ({"ending_at": "2026-01-05T12:00:00Z", "length": 1}, [5]),
        ({"ending_at": "2026-01-04"}, [3]),
        ({"ending_at": "2026-01-05T23:59:59-5:00"}, [5, 6]),
        ({"ending_at": "2026-01-05T12:00:00 09:00"}, [3, 5]),
        ({"ending_at": "2026-01-05T20:00:00Z"}, [5, 6]),
        ({"ending_at": "2026-01-06T12:00:00", "length": 100}, [3, 5, 6]),
    ],
)
def test_which_days(segment: Segment, series: Any, query: dict[str, Any], days: list[int]) -> None:
    for day in (3, 5, 6):
        on(segment, f"2026-01-{day:02}", day)
    assert [one["size"] for one in series(**query).json()["data"]] == days


@pytest.mark.parametrize(
    "query",
    [
        *({"length": one} for one in ("", 0, 101, "x")),
        *({"ending_at": one} for one in ("x", "0001-01-01", "9999-12-31T23:59:59Z")),
        {"segment_id": "x"},
    ],
    ids=str,
)
def test_refusals(series: Any, query: dict[str, Any]) -> None:
    assert series(**query).status_code == 400


def test_another_workspaces_sizes_are_not_there(series: Any) -> None:
    assert series(segment_id=str(build_house("Other").segment("Theirs").api_id)).status_code == 400


def test_a_chart_has_a_bar_for_each_day_since_the_first(segment: Segment) -> None:
    assert sizes.chart(segment, date(2026, 1, 4), 100) == []
    on(segment, "2026-01-01", 5)
    on(segment, "2026-01-03", 10)
    bars = sizes.chart(segment, date(2026, 1, 4), 100)
    assert [(bar.size, bar.share) for bar in bars] == [(5, 50), (None, 0), (10, 100), (None, 0)]
    assert sizes.chart(segment, date(2026, 1, 4), 2)[0].day == date(2026, 1, 3)
    assert bars[-1].day - bars[0].day == timedelta(days=3)
