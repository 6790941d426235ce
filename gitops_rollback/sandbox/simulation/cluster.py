"""What every simulated engine has in common: the truth of what it runs, and what it told whom of it, and when."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import ClassVar

from gitops_rollback.core.sync import ApplicationState, Health, Operation
from gitops_rollback.sandbox.simulation.databases import Databases
from gitops_rollback.sandbox.simulation.remote import Remote
from gitops_rollback.sandbox.simulation.schedule import START, Schedule
from gitops_rollback.sandbox.simulation.story import Story
from gitops_rollback.sandbox.simulation.truth import Stretch, Truth

LATELY = timedelta(seconds=20)  # so long a replica may act on what it was shown


@dataclass(frozen=True)
class Shown:
    """What the engine told a replica of an application, and when."""

    at: datetime
    state: ApplicationState


@dataclass(frozen=True)
class Move:
    """The engine began to make `revision` of an application at this time."""

    at: datetime
    revision: str


@dataclass
class Cluster(ABC):
    """All applications; one for all replicas. Times that it tells have whole seconds."""

    engine: ClassVar[str]  # as policies call it
    prefix: ClassVar[str]  # before an application's short name

    schedule: Schedule
    remote: Remote
    truth: Truth
    story: Story
    random: Random
    url: str
    down_until: datetime = START
    databases: Databases | None = None  # where releases move data
    told: dict[tuple[str, str], Health] = field(default_factory=dict)  # (replica, application) -> its newest word
    shown: dict[tuple[str, str], tuple[Shown, ...]] = field(default_factory=dict)  # the whole words of late
    sync_asked: Callable[[str, str, str], None] = lambda _who, _application, _identity: None
    requested: Callable[[str, str, str], None] = lambda _who, _object, _identity: None
    begun: dict[tuple[str, str], datetime] = field(default_factory=dict)  # (application, revision) -> first sync of it

    @abstractmethod
    def start(self, names: Iterable[str], manual: Iterable[str], revision: str, since: datetime) -> None:
        """Applications that have been running `revision` since then; nothing syncs the manual ones by itself."""

    @abstractmethod
    def live(self, name: str) -> str:
        """The revision that was applied last."""

    @abstractmethod
    def was_healthy(self, name: str, at: datetime) -> bool:
        """By the engine's own word then, or a moment before; True where nobody remembers that any more."""

    @abstractmethod
    def moving(self, name: str, bad: str) -> Move | None:
        """What the engine makes, or made last, of an application, if that is another change than that to `bad`."""

    @abstractmethod
    def is_newer(self, name: str, told: Operation, bad: str) -> bool:
        """True if an operation that was told of is such another change."""

    @abstractmethod
    def sync(self, name: str, info: Mapping[str, str], by: str = "gitops-rollback") -> bool:
        """Make it apply the branch's head now; False while another operation runs."""

    def settle(self, _name: str) -> None:
        """Something that ran beside an application has ended."""
        return

    def shows(self, who: str, name: str, state: ApplicationState) -> None:
        """A replica is told this of an application; what it was told lately is kept, the newest comes last."""
        now, known = self.schedule.now, self.shown.get((who, name), ())
        self.shown[who, name] = (*(one for one in known if now - one.at <= LATELY), Shown(now, state))
        newest = max(self.shown[who, name], key=lambda one: one.state.health_changed_at or START)
        self.told[who, name] = newest.state.health  # an older state that is shown late tells nothing new

    def content(self, name: str, revision: str) -> str:
        """What of the application's own files the engine takes for a change: here each byte."""
        return self.truth.inputs(name, revision)

    def stretches(self, name: str) -> tuple[Stretch, ...]:
        """All contents that ever ran, oldest first."""
        return self.truth.stretches(name, lambda run: self.content(name, run.revision))

    def began(self, name: str, revision: str) -> datetime | None:
        """When the engine began to make the application what `revision` says; None if it never did."""
        return self.begun.get((name, revision))

    def ran(self, name: str, revision: str) -> bool:
        """True if this revision was ever synced to the application, to its end or not."""
        return (name, revision) in self.begun or any(one.revision == revision for one in self.truth.runs(name))

    @property
    def second(self) -> datetime:
        """Now, as an engine writes it."""
        return self.schedule.now.replace(microsecond=0)
