"""Pure: dates of a cron schedule."""

from __future__ import annotations

from datetime import datetime, timedelta

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
