"""What takes long is estimated while its exact number is on its way."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Page, expect
from pytest_django import Settings

from profiles.live import log_identity
from profiles.models import IdentityChange, Profile
from profiles.sets import ProfileSet, profile_ids, sampled
from segments import engine
from segments.filters import base
from segments.funnels import statistics
from tests.segments.conftest import House, in_cohort
from tests.segments.test_builder_browser import (  # noqa: F401 - fixtures
    add_filter,
    builder,
    choose,
    enter,
    expect_totals,
    world,
)
from workspaces import valkey

JAPAN = {"id": "l2", "filter": "country", "operator": "is_any_of", "value": ["JP"]}


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Callable[[float], None]:
    """Lets filters over profiles take so many seconds, but not those that look at a sample."""
    settings.SEGMENT_ESTIMATE_AFTER = 50
    seconds = [0.0]

    def slowly(where: str, params: Any = (), **more: Any) -> ProfileSet:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(%s)", [seconds[0]])
        return profile_ids(where, params, **more)

    def quickly(sample: ProfileSet) -> Any:
        seconds[0] = 0.0
        return sampled(sample)

    monkeypatch.setattr(base, "profile_ids", slowly)
    monkeypatch.setattr(engine, "sampled", quickly)

    def set_seconds(value: float) -> None:
        seconds[0] = value

    return set_seconds


def rows(*leaves: Any) -> dict[str, Any]:
    return {"rows": [{"id": f"r{number}", "filters": [leaf]} for number, leaf in enumerate(leaves, 1)]}


def numbers(house: House, tree: Any, *, quick: bool = False, channels: bool = False) -> dict[str, Any]:
    return statistics(house.workspace, tree, quick=quick, channels=channels)


def test_it_works(house: House, slow: Callable[[float], None]) -> None:
    slow(5)
    tree = rows(in_cohort("c1"), JAPAN)
    quick = numbers(house, tree, quick=True, channels=True)
    assert (quick["total"], quick["exact"], quick["channels"]) == (1, False, None)
    assert quick["rows"]["r1"] == {"users": 3, "exact": True, "channels": None}
    assert quick["rows"]["r2"] == {"users": 1, "exact": False, "channels": None}
    assert quick["estimates"] == {"l2": 3}
    assert quick["problems"] == []
    exact = numbers(house, tree, channels=True)
    assert (exact["total"], exact["exact"], exact["estimates"]) == (1, True, {})
    assert exact["rows"]["r2"]["exact"] is True


def test_what_is_quick_enough_is_exact_at_once(house: House, settings: Settings) -> None:
    settings.SEGMENT_ESTIMATE_AFTER = 10_000
    quick = numbers(house, rows(JAPAN), quick=True)
    assert (quick["total"], quick["exact"]) == (3, True)


def test_negations_and_exclusions_are_estimated_too(house: House, slow: Callable[[float], None]) -> None:
    slow(5)
    nobody = {**JAPAN, "operator": "is_none_of"}
    tree = {**rows(nobody), "exclude": [{"id": "g", "rows": [{"id": "r", "filters": [in_cohort("c1")]}]}]}
    quick = numbers(house, tree, quick=True)
    assert quick["rows"]["r1"]["users"] == 4
    assert quick["rows"]["g"]["users"] == quick["total"] == 2


def test_an_estimate_is_of_all_users_and_of_a_sample(
    house: House, slow: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Profile.objects.bulk_create(
        Profile(workspace=house.workspace, country="JP" if n % 4 else "DE") for n in range(2000)
    )
    log_identity(house.workspace.pk, IdentityChange.Kind.CREATED, [one.pk for one in made])
    monkeypatch.setattr(engine, "SAMPLE", 400)
    slow(5)
    quick = numbers(house, rows(JAPAN), quick=True)
    assert quick["live"] == 2007
    assert quick["total"] == pytest.approx(1503, rel=0.15)


def test_a_sample_is_even_and_always_the_same() -> None:
    everybody = ProfileSet(range(10_000, 110_000))
    sample = everybody.sample(1000, blocks=10)
    assert len(sample) == 1000
    assert sample == everybody.sample(1000, blocks=10)
    assert sample == sample & everybody
    assert {one // 10_000 for one in sample} == set(range(1, 11))
    assert ProfileSet([1, 2]).sample(10) == ProfileSet([1, 2])
    assert len(everybody.sample(5)) == 5


@pytest.mark.django_db
def test_inside_a_sample_only_that_is_found(house: House) -> None:
    some = ProfileSet(one.pk for one in house.profiles[:2])
    with sampled(some):
        assert profile_ids("workspace_id = %s", [house.workspace.pk]) == some
    assert len(profile_ids("workspace_id = %s", [house.workspace.pk])) == 7


@pytest.mark.django_db(transaction=True)
def test_an_estimate_is_not_kept(house: House, slow: Callable[[float], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SAMPLE", 2)
    slow(5)
    assert numbers(house, rows(JAPAN), quick=True)["exact"] is False
    assert numbers(house, rows(JAPAN))["total"] == 3
    slow(5)
    assert numbers(house, rows(JAPAN), quick=True) | {"moment": None} == numbers(house, rows(JAPAN)) | {"moment": None}


@pytest.mark.django_db(transaction=True)
def test_the_builder_shows_the_estimate_and_then_the_number(
    builder: Page,  # noqa: F811
    slow: Callable[[float], None],
) -> None:
    valkey.valkey().flushdb()
    add_filter(builder, "country", "Country")
    held: list[Any] = []
    builder.route(
        "**/statistics/",
        lambda route: route.continue_() if '"quick":true' in (route.request.post_data or "") else held.append(route),
    )
    slow(5)
    choose(builder, "japan", "Japan")
    expect_totals(builder, "= about 3 (42.86%)")
    expect(builder.get_by_text("About 3 users match this filter.")).to_be_visible()
    expect(builder.get_by_text("Estimated. Exact numbers are on their way…")).to_be_visible()
    builder.wait_for_timeout(100)
    [route] = held
    route.continue_()
    expect(builder.locator(".seg-count")).to_have_text([re.compile(r"Users = 3 \(42\.86%\)")])
    expect(builder.get_by_text("Exact Statistics Calculated")).to_be_visible()
    expect(builder.get_by_text("About 3 users match this filter.")).to_be_hidden()


@pytest.mark.django_db(transaction=True)
def test_refresh_finds_everything_anew(builder: Page) -> None:  # noqa: F811
    add_filter(builder, "country", "Country")
    choose(builder, "japan", "Japan")
    expect_totals(builder, "= 3 (42.86%)")
    # Behind everybody's back, so that only who finds it anew sees it.
    Profile.objects.filter(external_id="user-1").update(country="JP")
    with builder.expect_request(lambda one: "statistics" in one.url) as asked:
        builder.get_by_label("Refresh statistics").click()
    assert '"fresh":true' in (asked.value.post_data or "")
    expect_totals(builder, "= 4 (57.14%)")
