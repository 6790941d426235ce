"""The settings of what is done before a rollback is needed, so that it works when it is."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gitops_rollback.app.settings_notifications import TimeOfDay, Zone
from gitops_rollback.app.settings_values import Closed, Duration, Flag
from gitops_rollback.core.breaking import Break
from gitops_rollback.core.drill_schedule import DrillSchedule
from gitops_rollback.core.guards.rules import is_cron
from gitops_rollback.core.heartbeat import OfficeHours, Rhythm
from gitops_rollback.core.policy import ScheduleWindow

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Office(Closed):
    """When somebody reads what is no emergency."""

    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)] = ("mon", "tue", "wed", "thu", "fri")
    start: TimeOfDay = time(9)
    end: TimeOfDay = time(17)
    timezone: Zone = "UTC"

    @model_validator(mode="after")
    def _fits(self) -> Office:
        if self.start >= self.end:
            raise ValueError("end must be later than start")
        return self


def _every(value: timedelta) -> timedelta:
    """The journal is read for a month back: an older one would not be known."""
    if not timedelta(hours=1) <= value <= timedelta(days=28):
        raise ValueError("must be from 1h to 28d")
    return value


class Heartbeat(Closed):
    """A real commit by the way of a rollback, now and then, in repositories where something is automatic."""

    enabled: Flag = True
    every: Annotated[Duration, AfterValidator(_every)] = timedelta(days=7)
    office_hours: Office = Office()

    @property
    def rhythm(self) -> Rhythm:
        office = self.office_hours
        hours = OfficeHours(tuple(DAYS.index(day) for day in office.days), office.start, office.end, office.timezone)
        return Rhythm(self.every if self.enabled else None, hours)


def _cron(value: str) -> str:
    if not is_cron(value):
        raise ValueError('must have the five fields of crontab, like "0 10 * * 2" for Tuesdays at 10:00')
    return value


def _window(value: timedelta) -> timedelta:
    """What was done in it must be known until its end, and the journal is read for a month back."""
    if not timedelta(minutes=10) <= value <= timedelta(days=7):
        raise ValueError("must be from 10m to 7d")
    return value


class DrillWindow(Closed):
    """From each instant of `cron` on for `duration`: one drill of each application that may be drilled."""

    cron: Annotated[str, AfterValidator(_cron)]
    duration: Annotated[Duration, AfterValidator(_window)]
    timezone: Zone = "UTC"


class ScheduledDrills(Closed):
    """Drills that the controller begins by itself, where a policy says `drill: allowed`."""

    windows: Annotated[tuple[DrillWindow, ...], Field(max_length=20)] = ()
    breaks: Annotated[tuple[Break, ...], Field(min_length=1, max_length=10)] = (Break.IMAGE,)
    timeout: Annotated[Duration, AfterValidator(_window)] = timedelta(minutes=30)

    @model_validator(mode="after")
    def _fits(self) -> ScheduledDrills:
        if any(window.duration < self.timeout for window in self.windows):
            raise ValueError("a window must last at least as long as timeout, since a drill ends inside it")
        return self

    @property
    def schedule(self) -> DrillSchedule:
        windows = tuple(ScheduleWindow(one.cron, one.duration, one.timezone) for one in self.windows)
        return DrillSchedule(windows, self.breaks, self.timeout)


class Statuses(Closed):
    """Which commit statuses are set at the forge. With `failing` a pull request that no rollback could undo fails."""

    rollbackable: Flag = True
    hold: Flag = True
    deployed: Flag = True
    rehearsed: Flag = True
    failing: Flag = False
