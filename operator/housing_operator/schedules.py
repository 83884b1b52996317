"""Pure: dates of a cron schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from cronsim import CronSim, CronSimError


class ScheduleError(ValueError):
    """Text that is no schedule; the message names the field and the value."""


def newest_due(field: str, schedule: str, after: datetime, now: datetime) -> datetime | None:
    """The newest date of a schedule that is not after now; None when there is none after `after`.

    Args:
        field: of the spec, for the message.
        schedule: five cron fields, in the time zone of `now`.
        after: dates up to this one do not count.
        now: with a time zone.

    Raises:
        ScheduleError: when the text is no schedule.

    """
    # Backwards means strictly before, in whole minutes.
    until = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    try:
        found = next(CronSim(schedule, until, reverse=True), None)
    except CronSimError as error:
        raise ScheduleError(
            f"{field} is {schedule!r}, which is not a schedule ({error}): give minute, hour, day of "
            "month, month and day of week in UTC, for example 0 3 * * *"
        ) from error
    return found if found is not None and found > after else None


_FEWEST_DATES = 13
"""A year of a monthly schedule."""

_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
_WEEK_AND_A_DAY = timedelta(days=8)


@lru_cache(maxsize=1024)
def longest_gap(schedule: str) -> timedelta | None:
    """The longest time between two dates of a schedule; None when it has none.

    Args:
        schedule: five cron fields, in UTC.

    Raises:
        ScheduleError: when the text is no schedule.

    """
    dates: list[datetime] = []
    try:
        for date in CronSim(schedule, _MONDAY):
            dates.append(date)
            if len(dates) >= _FEWEST_DATES and date - _MONDAY > _WEEK_AND_A_DAY:
                break
    except CronSimError as error:
        raise ScheduleError(f"{schedule!r} is not a schedule: {error}") from error
    return max((after - before for before, after in pairwise(dates)), default=None)
