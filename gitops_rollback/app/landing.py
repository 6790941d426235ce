"""Gets a plan onto the branch: push, and on a lost race decide anew, a bounded number of times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gitops_rollback.app.executor import Executor, Landing
from gitops_rollback.app.observing import ObservingExecutor
from gitops_rollback.app.proposing import Proposer
from gitops_rollback.app.retrying import PushRetries
from gitops_rollback.app.subject import Look
from gitops_rollback.core.action import Land, Note
from gitops_rollback.core.decision import Act, Decision
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.policy import PULL_REQUEST_MODE
from gitops_rollback.ports import PushOutcome

TRY_AGAIN = (PushOutcome.REJECTED, PushOutcome.LOCKED)


@dataclass
class Lander:
    """`again` looks, decides and plans anew; None: it was decided otherwise, and that has been done.

    `landed` hears of a push that the branch has taken. `offers`: where the branch refuses us, a pull request may be
    opened.
    """

    executor: Executor | ObservingExecutor
    proposer: Proposer
    retries: PushRetries = field(default_factory=PushRetries)
    landed: Callable[[], None] = lambda: None
    offers: bool = False

    def land(self, land: Land, look: Look, again: Callable[[], tuple[Land, Look] | None]) -> None:
        """Nothing is pushed once something newer has been deployed."""
        landing = Landing(PushOutcome.REJECTED)
        for _ in self.retries:
            if self.proposer.moved_on(look):
                self._note(look, Decision(Act.LEAVE, Reason.SUPERSEDED, "a newer sync came first"), None)
                return
            landing = self.executor.land(land, look)
            if landing.outcome not in TRY_AGAIN:
                self._after(landing, land, look)
                return
            renewed = again()
            if renewed is None:
                return
            land, look = renewed
        self._give_up(landing, land, look)

    def _after(self, landing: Landing, land: Land, look: Look) -> None:
        """UNKNOWN needs nothing here: the next tick's fetch reads the remote first, and finds our commit or not."""
        if landing.outcome is PushOutcome.LANDED:
            self.landed()
        elif landing.outcome is PushOutcome.PROTECTED:
            self._refused(f"the branch refuses our push: {landing.message}", land, look)
        elif landing.outcome is PushOutcome.REWOUND:
            text = "the branch was moved back while we pushed: a person must look at it"
            self._note(look, Decision(Act.HOLD, Reason.BRANCH_REWRITTEN, text), land)

    def _refused(self, text: str, land: Land, look: Look) -> None:
        """A rule of the branch stands against the push alone: by pull request the plan still needs no person's word."""
        if self.offers and look.policy.delivery.on_rejected == PULL_REQUEST_MODE:
            words = f"{land.decision.message}; {text}"
            decision = Decision(Act.ROLL_BACK, Reason.BRANCH_PROTECTED, words, land.decision.verdicts)
            self.executor.note(Note(decision, land.plan, offers=True), look)
        else:
            self._note(look, Decision(Act.ASK, Reason.BRANCH_PROTECTED, text), land)

    def _give_up(self, landing: Landing, land: Land, look: Look) -> None:
        if landing.outcome is PushOutcome.LOCKED:
            text = f"the remote's ref stays locked: {landing.message}"
            self._note(look, Decision(Act.HOLD, Reason.REMOTE_REF_LOCKED, text), land)
        else:
            self._note(look, Decision(Act.HOLD, Reason.PUSH_REJECTED, "others kept pushing first"), land)

    def _note(self, look: Look, decision: Decision, land: Land | None) -> None:
        self.executor.note(Note(decision, land.plan if land else None), look)
