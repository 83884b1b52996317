"""Dates of a cron schedule."""

from datetime import UTC, datetime, timedelta

import pytest

from housing_operator.schedules import ScheduleError, longest_gap, newest_due

CREATED = datetime(2026, 3, 1, tzinfo=UTC)


def at(text):
    return datetime.fromisoformat(f"2026-{text}+00:00")


@pytest.mark.parametrize(
    ("schedule", "now", "expected"),
    [
        ("0 3 * * *", at("03-02T02:59:59"), at("03-01T03:00:00")),
        ("0 3 * * *", at("03-02T03:00:00"), at("03-02T03:00:00")),
        ("0 3 * * *", at("03-02T03:00:59.999"), at("03-02T03:00:00")),
        ("0 3 * * *", at("03-01T02:00:00"), None),
        ("*/5 * * * *", at("03-01T12:07:31"), at("03-01T12:05:00")),
        ("0 3 * * 0", at("03-10T00:00:00"), at("03-08T03:00:00")),
        ("0 0 29 2 *", at("03-10T00:00:00"), None),
    ],
)
def test_the_newest_date_that_is_not_after_now(schedule, now, expected):
    assert newest_due("spec.training.schedule", schedule, CREATED, now) == expected


@pytest.mark.parametrize("schedule", ["99 * * * *", "0 3 31 2 *", "a b c d e", "0 3 * * * *x"])
def test_text_that_is_no_schedule_is_named_with_its_field(schedule):
    with pytest.raises(
        ScheduleError, match=r"spec\.training\.schedule is .*for example 0 3"
    ) as info:
        newest_due("spec.training.schedule", schedule, CREATED, at("03-02T00:00:00"))
    assert repr(schedule) in str(info.value)


@pytest.mark.parametrize(
    ("schedule", "gap"),
    [
        ("0 * * * *", timedelta(hours=1)),
        ("*/5 8-17 * * 1-5", timedelta(days=2, hours=14, minutes=5)),
        ("0 3 * * 1-5", timedelta(days=3)),
        ("0 3 1 * *", timedelta(days=31)),
        ("0 0 29 2 *", timedelta(days=1461)),
    ],
)
def test_the_longest_gap_of_a_schedule_reaches_over_nights_weekends_and_months(schedule, gap):
    assert longest_gap(schedule) == gap


def test_text_that_is_no_schedule_has_no_gap():
    with pytest.raises(ScheduleError, match=r"'99 \* \* \* \*' is not a schedule"):
        longest_gap("99 * * * *")
