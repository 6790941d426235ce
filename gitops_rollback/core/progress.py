"""How far an open rollback is: all that one look saw of it and of the applications that its commit changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from gitops_rollback.core.policy import Policy
from gitops_rollback.core.rollback import RollbackRecord, StepRecord
from gitops_rollback.core.runs import RunSeen
from gitops_rollback.core.strategies.gate import Ahead
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.core.verification import CheckResult


@dataclass(frozen=True)
class ApplicationProgress:
    """How far one application is that our commit changed. `state` None: the engine could not be asked."""

    application: str
    state: ApplicationState | None
    converged: bool = False
    applied: bool = False  # what was pushed; converged is more, since it is Healthy with that
    why: str = ""  # why not converged yet
    blocked: bool = False  # an operation still works on a revision without our commit
    gone: bool = False
    anew: bool = False  # another object of the same name stands there, and shows a status of its own
    asked_at: datetime | None = None  # when we asked last, or the last operation of ours for this rollback ended
    failed: str = ""  # our operation ended badly: its message

    @property
    def ends_by(self) -> datetime | None:
        """When the engine gives up by itself what it works on; None if it does not, or works on nothing."""
        operation = self.state.operation if self.state is not None else None
        return operation.ends_by if operation is not None and operation.in_progress else None


@dataclass(frozen=True)
class Progress:
    """All that one look sees of an open rollback."""

    record: RollbackRecord
    policy: Policy
    landed: bool
    applications: tuple[ApplicationProgress, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    held_since: datetime | None = None  # all checks and applications have been good at every look since
    superseded: str = ""  # a waiting plan that nobody needs any more, and why
    landing: StepRecord | None = None  # a waiting plan stands on the branch, by whosever hand: as which commit
    began: datetime | None = None  # when its phase began, as far as the clock can be believed; None: by the record
    watching: datetime | None = None  # since when this process looks at it without a long pause; None: always
    ahead: Ahead | None = None  # commits of its plan that are still to be pushed
    runs: tuple[RunSeen, ...] = ()  # of infrastructure, each done, failed for now, or not yet
    overtaken: str = ""  # what was deployed on top of it is bad by its own triggers, in words; "" while nothing is
    stopped: str = ""  # somebody has stopped the traffic again that its last step started, in words
    came_back: str = ""  # what was taken back where the writer of our branch reads stands there again, in words

    @property
    def applied(self) -> bool:
        """Every application that our commit changed has it."""
        return bool(self.applications) and all(one.applied for one in self.applications)

    @property
    def over(self) -> bool:
        """A plan waits no more: it has landed, or nobody needs it."""
        return bool(self.superseded) or self.landing is not None

    def unseen(self) -> Progress:
        """The same when all that was seen is too old to count: only time itself has passed."""
        why = "it could not be looked at in time"
        applications = tuple(ApplicationProgress(one.application, None, why=why) for one in self.applications)
        checks = tuple(CheckResult(check.name, None, why) for check in self.checks)
        ahead = self.ahead and replace(self.ahead, since=None, checks=(), stable=())
        return replace(self, applications=applications, checks=checks, held_since=None, ahead=ahead, overtaken="")
