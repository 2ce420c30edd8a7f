"""Regular expressions: what PostgreSQL refuses is refused with its reason, and none runs for ever."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from profiles.models import Profile
from profiles.sets import ProfileSet
from segments.engine import evaluate
from segments.filters import regex
from segments.filters.base import UnusableError, within_limit
from segments.filters.columns import TextColumn
from segments.filters.limits import TooLongError, time_limit
from segments.filters.regex import Regex
from segments.tree import TreeError, parse
from tests.segments.conftest import House

pytestmark = pytest.mark.django_db


def leaf(pattern: str, operator: str = "matches_regex") -> dict[str, Any]:
    return {"filter": "email_address", "operator": operator, "value": pattern}


def matching(house: House, pattern: str, operator: str = "matches_regex") -> list[str]:
    users = evaluate(parse(house.tree(leaf(pattern, operator))), house.workspace).users
    return sorted(str(one) for one in Profile.objects.filter(pk__in=list(users)))


def test_it_works(house: House) -> None:
    assert matching(house, r"^USER-[12]@") == ["user-1", "user-2"]


def test_users_without_a_value_never_match(house: House) -> None:
    assert matching(house, "x*") == ["user-1", "user-2", "user-4", "user-5"]
    assert matching(house, "user-1", "does_not_match_regex") == ["user-2", "user-4", "user-5"]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "parentheses () not balanced"),
        ("[a", "brackets [] not balanced"),
        ("a{2,1}", "invalid repetition count(s)"),
        ("*a", "quantifier operand invalid"),
        ("\\", "invalid escape \\ sequence"),
        ("a{1,300}", "invalid repetition count(s)"),
    ],
)
def test_what_is_no_regular_expression_is_refused_with_the_reason(house: House, pattern: str, reason: str) -> None:
    with pytest.raises(TreeError, match="Row 1, filter 1: The regular expression is not valid") as refused:
        parse(house.tree(leaf(pattern)))
    assert reason in str(refused.value)


@pytest.mark.parametrize("pattern", ["((((a{1,200}){1,200}){1,200}){1,200}){1,200}", "(x{1,200}){1,200}"])
def test_one_that_is_too_complex_is_refused(house: House, pattern: str) -> None:
    for _again in range(2):
        with pytest.raises(TreeError, match=r"Row 1, filter 1: The regular expression is not valid: .*too complex"):
            parse(house.tree(leaf(pattern)))
    assert matching(house, "user-1") == ["user-1"]


def test_one_that_takes_too_much_room_as_it_runs_is_named(house: House, monkeypatch: Any) -> None:
    monkeypatch.setattr(TextColumn, "condition", lambda *_given: ("email ~* %s", ["(x{1,200}){1,200}"]))
    found = evaluate(parse(house.tree([leaf("fine")])), house.workspace)
    assert "Row 1, filter 1: The regular expression is too complex" in str(found.problems[0])


def test_its_length_is_bounded(house: House) -> None:
    with pytest.raises(TreeError, match="Use at most 255 characters in a regular expression"):
        parse(house.tree(leaf("a" * 256)))


def test_each_is_checked_once(house: House) -> None:
    parse(house.tree(leaf("once|only")))
    with CaptureQueriesContext(connection) as queries:
        parse(house.tree(leaf("once|only"), leaf("once|only")))
    assert len(queries) == 0


def test_one_that_takes_too_long_is_stopped_and_the_row_named(house: House, monkeypatch: Any) -> None:
    monkeypatch.setattr(Regex, "seconds", 0.05)
    monkeypatch.setattr(TextColumn, "condition", lambda *_given: ("pg_sleep(60) IS NOT NULL", []))
    found = evaluate(parse(house.tree([leaf("fine")])), house.workspace)
    assert "Row 1, filter 1: The regular expression takes too long" in str(found.problems[0])
    assert found.final is None
    # What comes after it goes on without a limit.
    assert len(evaluate(parse(house.tree()), house.workspace).users) == 7


def test_the_check_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(regex, "CHECK_SECONDS", 0.05)
    with pytest.raises(TooLongError), time_limit(0.05), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(60)")


def test_a_shorter_limit_around_it_holds() -> None:
    def sleep() -> ProfileSet:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")
        return ProfileSet()

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '50ms'")
    with pytest.raises(OperationalError, match="statement timeout"):
        within_limit(Regex(), sleep)


def test_the_limit_is_gone_afterwards() -> None:
    with time_limit(5):
        pass
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_other_filters_have_no_limit() -> None:
    assert not isinstance(within_limit(TextColumn.operators[0].value, ProfileSet), UnusableError)
