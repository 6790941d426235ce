"""The settings of what is done before a rollback is needed, so that it works when it is."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

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


class Heartbeat(Closed):
    """A real commit by the way of a rollback, now and then, in repositories where something is automatic."""

    enabled: Flag = True
    every: Annotated[Duration, Field(ge=timedelta(hours=1), le=timedelta(days=28))] = timedelta(days=7)
    office_hours: Office = Office()

    @property
    def rhythm(self) -> Rhythm:
        office = self.office_hours
        hours = OfficeHours(tuple(DAYS.index(day) for day in office.days), office.start, office.end, office.timezone)
        return Rhythm(self.every if self.enabled else None, hours)
