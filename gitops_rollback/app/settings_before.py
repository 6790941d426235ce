"""The settings of what is done before a rollback is needed, so that it works when it is."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gitops_rollback.app.settings_notifications import TimeOfDay, Zone
from gitops_rollback.app.settings_values import Closed, Duration, Flag
from gitops_rollback.core.heartbeat import OfficeHours, Rhythm

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


class Statuses(Closed):
    """Which commit statuses are set at the forge. With `failing` a pull request that no rollback could undo fails."""

    rollbackable: Flag = True
    hold: Flag = True
    deployed: Flag = True
    failing: Flag = False
