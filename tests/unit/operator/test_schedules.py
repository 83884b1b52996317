"""Dates of a cron schedule."""

from datetime import UTC, datetime

import pytest

from housing_operator.schedules import ScheduleError, newest_due

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
