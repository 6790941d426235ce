"""Settings of telling people: the places that hear of everything, and the words of messages.

Nothing here does I/O. What each kind of receiver needs is the core's table, the same as for policies.
"""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gitops_rollback.adapters.notifiers.templates import ANY, Template, fault_of
from gitops_rollback.app.settings_values import Closed, HttpUrl, Words
from gitops_rollback.core.handover import ShiftTimes
from gitops_rollback.core.policy import Notification
from gitops_rollback.core.receivers import RECEIVERS, missing_of, place_name, strange_to

MOST_PLACES = 64
MOST_CHARACTERS = 4000  # of a template
EVENTS = (
    *(ANY, "suggested", "started", "verified", "unverified", "refused"),
    *("held", "failed", "blind", "stopped", "folded", "handover"),
)
ReceiverName = Literal["webhook", "slack", "pagerduty", "grafana", "teams", "apprise"]


class SecretName(Closed):
    name: str


class Place(Closed):
    """One place that is told everything (or some events). `name` "" takes one from what it is."""

    to: ReceiverName = "webhook"
    name: str = ""
    url: HttpUrl | None = None
    channel: str = ""
    format: Literal["json", "cloudevents"] = "json"
    tags: tuple[str, ...] = ()
    events: Words = ("*",)
    secret_ref: SecretName | None = None

    @model_validator(mode="after")
    def _whole(self) -> Place:
        given = frozenset(
            key
            for key, said in (
                ("url", self.url),
                ("channel", self.channel),
                ("secretRef", self.secret_ref),
                ("tags", self.tags),
                ("format", "format" in self.model_fields_set),
            )
            if said
        )
        missing, strange = missing_of(self.to, given), strange_to(self.to, given)
        if missing:
            raise ValueError(f"to: {self.to} needs {missing[0]}; {RECEIVERS[self.to].hint}")
        if strange:
            raise ValueError(f"{strange[0]} does not belong to to: {self.to}")
        return self

    @property
    def address(self) -> str:
        """Where it is, as far as that is no secret; "" where only the secret says it."""
        return self.url or RECEIVERS[self.to].url

    @property
    def route(self) -> Notification:
        """The same as the core has it, as if a policy had named it."""
        return Notification(
            events=self.events,
            to=self.to,
            url=self.url or "",
            secret=self.secret_ref.name if self.secret_ref else "",
            format=self.format,
            channel=self.channel,
            tags=self.tags,
        )

    @property
    def label(self) -> str:
        """Its name for people."""
        return self.name or place_name(self.route)


class AuditPlace(Closed):
    """Who gets each line of the audit, signed with the offered secret `secretRef`."""

    url: HttpUrl
    name: str = "audit"
    secret_ref: SecretName | None = None


def _time_of_day(text: object) -> object:
    if isinstance(text, time):
        return text
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", str(text))
    if match is None:
        raise ValueError('must be a time of day like "08:00", quoted')
    return time(int(match[1]), int(match[2]))


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as exc:
        raise ValueError("is no time zone; write one like Europe/London") from exc
    return name


class Shifts(Closed):
    """When shifts change: the settings' places are then told what there is to hand over."""

    at: Annotated[tuple[Annotated[time, BeforeValidator(_time_of_day)], ...], Field(max_length=24)]
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"

    @property
    def times(self) -> ShiftTimes:
        return ShiftTimes(self.at, self.timezone)


TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]
Zone = Annotated[str, AfterValidator(_zone)]


def _template(text: str) -> str:
    fault = fault_of(text)
    if fault:
        raise ValueError(fault)
    return text


Wording = Annotated[str, Field(max_length=MOST_CHARACTERS), AfterValidator(_template)]


class MessageTemplate(Closed):
    """Title and text of one event's messages, as Python's string templates; "" leaves that part as it is."""

    title: Wording = ""
    text: Wording = ""

    @property
    def parsed(self) -> Template:
        return Template(self.title, self.text)


def _event(word: str) -> str:
    if word not in EVENTS:
        raise ValueError(f"is no event; there are {' '.join(EVENTS)}")
    return word


Templates = dict[Annotated[str, AfterValidator(_event)], MessageTemplate]
