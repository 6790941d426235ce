"""What the application layer carries from one step of the way to the next: who is watched, what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from gitops_rollback.app.closures import Followed
from gitops_rollback.core.decision import Case, Decision
from gitops_rollback.core.paths import Paths
from gitops_rollback.core.policy import Policy, Target
from gitops_rollback.core.regression.past import Watch
from gitops_rollback.core.sync import ApplicationId, ApplicationState, DeploymentRecord, SyncEvent
from gitops_rollback.core.trigger import Level, Phase
from gitops_rollback.ports import Engine


@dataclass(frozen=True)
class Watched:
    """One target of a policy at the branch's head, and the engine's application. `indexes`: its sources in our repo."""

    policy: Policy
    target: Target
    engine: Engine
    state: ApplicationState
    indexes: tuple[int, ...]
    own: Paths

    @property
    def id(self) -> ApplicationId:
        return self.state.id

    @cached_property
    def name(self) -> str:
        """The full name, as it stands in journal, trailers and messages."""
        return str(self.state.id)


@dataclass(frozen=True)
class Look:
    """One look at one application. `event` None: no sync of it is under watch.

    `policy` is the one in force, tightened by the head; `case.in_force` is False where only the head has one.
    """

    watched: Watched
    state: ApplicationState
    policy: Policy
    target: Target
    case: Case
    raised: Decision
    records: tuple[DeploymentRecord, ...] = ()
    event: SyncEvent | None = None
    bad_revision: str = ""
    live_revision: str = ""  # of the newest deployment: another one where the last ones brought nothing
    inputs: Followed | None = None  # what was followed for an alarm; its files are among the own ones then
    watches: tuple[Watch, ...] = ()  # because of earlier deployments, where a trigger learns what is normal

    @property
    def name(self) -> str:
        return self.watched.name

    @property
    def bad_record(self) -> DeploymentRecord:
        """The deployment under watch. Only for a look with an event."""
        if self.event is None:
            raise ValueError(f"{self.name}: no sync is under watch")
        return self.event.record

    @property
    def event_started(self) -> datetime:
        """t0 of the deployment under watch."""
        return self.bad_record.started_at

    @property
    def is_quiet(self) -> bool:
        """Every trigger had data at this look, and none is pending or fires."""
        verdicts = self.case.verdicts
        return bool(verdicts) and all(
            verdict.state.last is not None
            and verdict.state.last.level is Level.FALSE
            and verdict.state.phase in (Phase.INACTIVE, Phase.RESOLVED)
            for verdict in verdicts
        )

    @property
    def is_pending(self) -> bool:
        """A trigger is true, and not yet for long enough."""
        return any(verdict.state.phase is Phase.PENDING for verdict in self.case.verdicts)
