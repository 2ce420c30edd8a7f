"""Which texts are times. Braze: user attributes object, dates."""

from datetime import UTC, date, datetime

import pytest

from profiles.dates import as_stored, parse_day, parse_moment, parse_time


def test_it_works() -> None:
    assert parse_moment("2013-07-16T19:20:30+01:00") == datetime(2013, 7, 16, 18, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2013-07-16", "2013-07-16T00:00:00.000Z"),
        ("2013-07-16 19:20:30", "2013-07-16T19:20:30.000Z"),
        ("2013-07-16T19:20", "2013-07-16T19:20:00.000Z"),
        ("2013-07-16T19:20:30", "2013-07-16T19:20:30.000Z"),
        ("2013-07-16T19:20:30Z", "2013-07-16T19:20:30.000Z"),
        ("2013-07-16T19:20:30.250Z", "2013-07-16T19:20:30.250Z"),
        ("2013-07-16T19:20:30.250999Z", "2013-07-16T19:20:30.250Z"),
        (" 2013-07-16T19:20:30Z ", "2013-07-16T19:20:30.000Z"),
        ("2013-07-16T19:20:30.5Z", "2013-07-16T19:20:30.500Z"),
        ("2013-07-16T19:20:30:250Z", "2013-07-16T19:20:30.250Z"),
        ("2013-07-16T19:20:30:250+0100", "2013-07-16T18:20:30.250Z"),
        ("2013-07-16T19:20:30+1:00", "2013-07-16T18:20:30.000Z"),
        ("2013-07-16T19:20:30-09", "2013-07-17T04:20:30.000Z"),
        ("2013-07-16T19:20:30.123456789Z", "2013-07-16T19:20:30.123Z"),
        ("07/16/2013", "2013-07-16T00:00:00.000Z"),
        ("Tue 07 16 19:20:30.+0100 2013", "2013-07-16T18:20:30.000Z"),
        ("Tue 07 16 19:20:30.UTC 2013", "2013-07-16T19:20:30.000Z"),
        ("Tue Jul 16 19:20:30 GMT 2013", "2013-07-16T19:20:30.000Z"),
        ("0001-01-01", "0001-01-01T00:00:00.000Z"),
    ],
)
def test_every_form_that_braze_names(text: str, stored: str) -> None:
    moment = parse_moment(text)
    assert moment is not None
    assert as_stored(moment) == stored
    assert parse_moment(stored) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "2013",
        "2013-07",
        "2013-13-01",
        "2013-02-30",
        "16/07/2013",
        "3001-01-01",
        "0000-01-01",
        "2013-07-16T24:00:00Z",
        "2013-07-16T25:00:00Z",
        "2013-02-30T00:00:00Z",
        "3001-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "\u0662\u0660\u0661\u0663-07-16T19:20:30Z",
        "0001-01-01T00:00:00+23:00",
        "20130716",
        "Tue Jux 16 19:20:30 GMT 2013",
        "2013-07-16T19:20:30+99:00",
        "x" * 1000,
    ],
)
def test_anything_else_is_no_time(text: str) -> None:
    assert parse_moment(text) is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2013-07-16", date(2013, 7, 16)),
        ("2013-07-16T23:00:00Z", date(2013, 7, 16)),
        ("2013-07-16T23:00:00-05:00", date(2013, 7, 16)),
        ("2013-07-16T01:00:00+09:00", date(2013, 7, 16)),
        ("0001-01-01T00:00:00+23:00", date(1, 1, 1)),
        ("Tue 07 16 23:20:30.-0500 2013", date(2013, 7, 16)),
        ("2013-02-30", None),
        ("", None),
        (7, None),
    ],
)
def test_a_day_is_the_one_that_is_written(text: object, day: date | None) -> None:
    assert parse_day(text) == day


@pytest.mark.parametrize("value", [None, 7, True, ["2013-07-16"]])
def test_only_texts_are_times(value: object) -> None:
    assert parse_moment(value) is None


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2013-07-16T19:20:30+01:00", "2013-07-16T18:20:30.000Z"),
        ("20130716T192030Z", "2013-07-16T19:20:30.000Z"),
        ("20130716T202030.5+0100", "2013-07-16T19:20:30.500Z"),
        ("2013-W29-2", "2013-07-16T00:00:00.000Z"),
        (" 20130716 ", "2013-07-16T00:00:00.000Z"),
        ("9000-01-01T00:00:00Z", "9000-01-01T00:00:00.000Z"),
    ],
)
def test_an_event_has_a_time_in_any_form_of_iso_8601(text: str, stored: str) -> None:
    moment = parse_time(text)
    assert moment is not None
    assert as_stored(moment) == stored


@pytest.mark.parametrize("value", ["", "soon", "2013-02-30", "00010101T000000+2300", "9" * 50, None, 7, True])
def test_what_is_no_time_of_an_event(value: object) -> None:
    assert parse_time(value) is None
