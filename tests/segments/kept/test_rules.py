"""Kept sets: used while the data is unchanged, never older than the rule says, whatever is lost or happens at once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from redis import RedisError

from profiles import versions
from profiles.models import Profile
from segments import leaf_cache
from segments.engine import evaluate
from segments.filters.base import ProfileFilter
from segments.tree import parse
from tests.segments.conftest import House, in_cohort
from tests.segments.kept.conftest import AGE, JAPAN, USED, Post, change, finds, leaf, names, run
from workspaces import valkey

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_works(house: House) -> None:
    assert finds(lambda: names(house, JAPAN)) == 1
    with CaptureQueriesContext(connection) as queries:
        assert len(run(house, JAPAN).users) == 3
    assert not any("string_agg(int4send(" in query["sql"] for query in queries)
    assert finds(lambda: names(house, {**JAPAN, "operator": "is_none_of"})) == 0
    assert names(house, {**JAPAN, "operator": "is_none_of"}) == {"1", "2", "4", "5"}


def test_the_number_of_statements_with_kept_sets_does_not_grow(house: House) -> None:
    leaves = [{**JAPAN, "value": [code]} for code in ("JP", "DE", "US", "FR", "IT", "ES", "BR", "IN")]
    run(house, *leaves)
    with CaptureQueriesContext(connection) as one:
        run(house, leaves[0])
    with CaptureQueriesContext(connection) as many:
        run(house, *leaves)
    # The live users (is there news, the set), and what has changed since.
    assert len(one) == len(many) == 3


def test_a_tree_of_cohorts_alone_asks_nothing_of_the_cache(house: House) -> None:
    with CaptureQueriesContext(connection) as queries:
        run(house, in_cohort("c1"))
    assert not any("profiles_datachange" in query["sql"] for query in queries)


# --- What may be lost ------------------------------------------------------------------------------------------------


def test_a_change_that_commits_after_the_read_is_seen(house: House) -> None:
    """Ids of transactions are given before they commit: one that is under way during the read is not stepped over."""
    under_way, read = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            Profile.objects.filter(external_id="user-1").update(country="JP")
            versions.bump(house.workspace.pk, [versions.Kind.ATTRIBUTES])
            under_way.set()
            assert read.wait(20)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert under_way.wait(20)
    with transaction.atomic():
        versions.bump(house.workspace.pk, [versions.Kind.COUNTERS])  # a later transaction, done before the other
    assert names(house, JAPAN) == {"0", "3", "6"}
    assert finds(lambda: names(house, JAPAN)) == 0
    read.set()
    writer.join()
    assert names(house, JAPAN) == {"0", "1", "3", "6"}


def test_a_change_that_is_rolled_back_leaves_kept_sets_alone(house: House) -> None:
    names(house, JAPAN)
    with transaction.atomic():
        versions.bump(house.workspace.pk, [versions.Kind.ATTRIBUTES])
        transaction.set_rollback(True)
    assert finds(lambda: names(house, JAPAN)) == 0


def test_what_a_transaction_has_not_committed_is_for_itself(house: House) -> None:
    with transaction.atomic():
        Profile.objects.filter(external_id="user-1").update(country="JP")
        versions.bump(house.workspace.pk, [versions.Kind.ATTRIBUTES])
        assert names(house, JAPAN) == {"0", "1", "3", "6"}
        transaction.set_rollback(True)
    assert names(house, JAPAN) == {"0", "3", "6"}


def test_valkey_may_be_down_while_data_is_written(house: House, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(house, JAPAN) == {"0", "3", "6"}

    def down(question: Any) -> Any:
        raise RedisError

    monkeypatch.setattr(leaf_cache, "ask", down)
    post("/users/track", {"attributes": [{"external_id": "user-1", "country": "JP"}]})
    assert names(house, JAPAN) == {"0", "1", "3", "6"}
    monkeypatch.undo()
    assert names(house, JAPAN) == {"0", "1", "3", "6"}


def test_sets_of_another_database_are_not_ours(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    names(house, JAPAN)
    monkeypatch.setattr(versions, "_CLUSTER", "'restored'")
    assert finds(lambda: names(house, JAPAN)) == 1


def test_what_is_no_set_is_passed_over(house: House) -> None:
    names(house, JAPAN)
    client = valkey.valkey()
    for key in client.scan_iter("brazeclone:leaves:*"):
        if client.type(key) == b"string":
            client.set(key, b"rubbish")
    assert names(house, JAPAN) == {"0", "3", "6"}


# --- Time ------------------------------------------------------------------------------------------------------------


def test_where_data_changes_all_the_time_a_set_may_be_a_minute_old(house: House, settings: Settings) -> None:
    settings.SEGMENT_CACHE_BUSY_CHANGES = 3
    names(house, JAPAN)
    change(house)
    assert names(house, JAPAN) == {"0", "1", "3", "6"}, "two changes are no bustle"
    change(house)
    change(house, "DE")
    assert names(house, JAPAN) == {"0", "1", "3", "6"}, "busy by now: the kept set is used"
    assert names(house, JAPAN, fresh=True) == {"0", "3", "6"}
    assert names(house, JAPAN) == {"0", "3", "6"}, "what was found anew is kept"
    change(house)
    settings.SEGMENT_CACHE_BUSY_SECONDS = 0
    assert names(house, JAPAN) == {"0", "1", "3", "6"}, "older than it may be"


def test_a_busy_workspace_is_no_reason_to_be_stale_about_other_data(house: House, settings: Settings) -> None:
    settings.SEGMENT_CACHE_BUSY_CHANGES = 4
    names(house, AGE)
    for _time in range(5):
        change(house)
    with transaction.atomic():
        Profile.objects.filter(external_id="user-1").update(custom_attributes={"age": 50})
        versions.bump(house.workspace.pk, [versions.Kind.CUSTOM_ATTRIBUTES])
    assert names(house, AGE) == {"1", "5", "6"}


def test_relative_days_are_kept_for_a_minute(house: House, settings: Settings) -> None:
    assert names(house, USED) == {"0"}
    assert finds(lambda: names(house, USED)) == 0
    later = timezone.now() + timedelta(seconds=settings.SEGMENT_CACHE_BUSY_SECONDS + 1)
    assert finds(lambda: names(house, USED, now=later)) == 1
    calendar = leaf("last_used_app", "after", "2020-01-01")
    names(house, calendar)
    assert finds(lambda: names(house, calendar, now=later)) == 0


def test_nothing_lives_longer_than_the_setting(house: House, settings: Settings) -> None:
    names(house, JAPAN)
    [key] = [one for one in valkey.valkey().scan_iter("brazeclone:leaves:*") if valkey.valkey().type(one) == b"string"]
    assert 0 < valkey.valkey().ttl(key) <= settings.SEGMENT_CACHE_SECONDS
    settings.SEGMENT_CACHE_SECONDS = 0
    assert finds(lambda: names(house, JAPAN)) == 1


def test_notes_are_forgotten_after_the_sets(house: House, settings: Settings) -> None:
    change(house)
    assert versions.forget() == 0
    settings.SEGMENT_CACHE_SECONDS = -versions._GRACE_SECONDS
    assert versions.forget() > 0


def test_a_zone_is_part_of_the_question(house: House) -> None:
    calendar = leaf("last_used_app", "after", "2020-01-01")
    names(house, calendar)
    house.workspace.time_zone = "America/New_York"
    assert finds(lambda: names(house, calendar)) == 1


# --- Room ------------------------------------------------------------------------------------------------------------


def test_the_oldest_make_room(house: House, settings: Settings) -> None:
    codes = ["US", "DE", "FR", "BR", "IN", "ES", "IT", "KR", "MX", "GB", "CA", "AU", "NL", "SE", "PL", "CH"]
    names(house, JAPAN)
    settings.SEGMENT_CACHE_BYTES = 1_500
    for code in codes:
        names(house, {**JAPAN, "value": ["JP", code]})
    client = valkey.valkey()
    kept = [key for key in client.scan_iter("brazeclone:leaves:*") if client.type(key) == b"string"]
    sizes = sum(client.strlen(key) for key in kept)
    assert 0 < sizes <= 1_500
    assert sizes == int(client.hget("brazeclone:leaves:1:sizes", ""))
    assert len(kept) == client.zcard("brazeclone:leaves:1:times") < len(codes)
    assert finds(lambda: names(house, JAPAN)) == 1
    assert finds(lambda: names(house, {**JAPAN, "value": ["JP", codes[-1]]})) == 0


def test_a_set_that_is_too_large_is_not_kept(house: House, settings: Settings) -> None:
    settings.SEGMENT_CACHE_BYTES = 8 * 100
    names(house, JAPAN)
    assert finds(lambda: names(house, JAPAN)) == 1


# --- Two at once -----------------------------------------------------------------------------------------------------


class Slow:
    """Lets finders of a leaf wait until they are told to go on, and counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self.count = 0
        find = ProfileFilter.find

        def slowly(filter_: Any, leaves: Any, context: Any) -> Any:
            self.count += 1
            found = find(filter_, leaves, context)
            self.began.set()
            assert self.go_on.wait(20)
            return found

        monkeypatch.setattr(ProfileFilter, "find", slowly)


def reader(house: House, answers: list[int]) -> threading.Thread:
    def read() -> None:
        answers.append(len(run(house, JAPAN).users))
        connection.close()

    thread = threading.Thread(target=read)
    thread.start()
    return thread


def test_of_two_readers_one_finds_a_set(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, answers = Slow(monkeypatch), list[int]()
    first = reader(house, answers)
    assert slow.began.wait(20)
    looked = threading.Event()
    claimed = leaf_cache.claimed

    def look(keys: Any) -> Any:
        looked.set()
        return claimed(keys)

    monkeypatch.setattr(leaf_cache, "claimed", look)
    second = reader(house, answers)
    assert looked.wait(20)
    slow.go_on.set()
    first.join()
    second.join()
    assert answers == [3, 3]
    assert slow.count == 1


def test_a_writer_between_two_readers_is_seen_by_the_second(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, answers = Slow(monkeypatch), list[int]()
    first = reader(house, answers)
    assert slow.began.wait(20)
    change(house)
    second = reader(house, answers)
    slow.go_on.set()
    first.join()
    second.join()
    assert sorted(answers) == [3, 4]
    assert len(run(house, JAPAN).users) == 4


def test_a_reader_that_died_holds_nobody_up_for_ever(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaf_cache, "CLAIM_SECONDS", 1)
    tree = parse(house.tree(JAPAN))
    found: list[str] = []
    claim = leaf_cache.claim

    def note(keys: Any) -> set[str]:
        found.extend(keys)
        return claim(keys)

    monkeypatch.setattr(leaf_cache, "claim", note)
    evaluate(tree, house.workspace)
    valkey.valkey().flushdb()
    assert claim(found) == set(found)
    assert len(evaluate(tree, house.workspace).users) == 3
