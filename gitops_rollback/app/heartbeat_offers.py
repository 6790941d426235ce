"""The pull request of a heartbeat: pushed, opened, merged and closed as that of a plan which needs nobody's word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.forge_patience import ForgePatience
from gitops_rollback.core.errors import LeaseLost, Reason, RepositoryUnavailable, RollbackError, StalledError
from gitops_rollback.core.heartbeat import MERGED_WITHIN, Beat, Outcome, branch_of
from gitops_rollback.core.policy import PullRequestRules
from gitops_rollback.core.pull_request import MergeMethod, MergeOutcome, PullRequest, PullRequestState
from gitops_rollback.ports import Clock, ConfigRepo, Forge, PushOutcome

MERGE_AGAIN_SECONDS = 30.0


@dataclass
class HeartbeatOffers:
    """At one forge. Whether it has landed is asked of git, not here."""

    repo: ConfigRepo
    forge: Forge
    clock: Clock

    def __post_init__(self) -> None:
        self.patience = ForgePatience(self.clock.monotonic, self.clock.real_seconds)
        self._merge_after = 0.0  # monotonic seconds

    def deliver(self, beat: Beat, rules: PullRequestRules, now: datetime, executor: Executor) -> Beat:
        """The beat as it is after the one next thing; `message` says what it waits for, where a person should know.

        Raises: StalledError where only a person can go on; LeaseLost; RepositoryUnavailable.
        """
        self.patience.begin()
        if self.patience.waits(beat.id):
            return self._in_time(beat, self.patience.waits(beat.id), now)
        try:
            if beat.number is None:
                return self._opened(beat, rules, now, executor)
            return self._followed(beat, self.forge.get(beat.number), rules, now, executor)
        except (LeaseLost, RepositoryUnavailable, StalledError):
            raise
        except RollbackError as error:
            self.patience.failed(beat.id, error)
            return self._in_time(beat, error.message, now)

    def _opened(self, beat: Beat, rules: PullRequestRules, now: datetime, executor: Executor) -> Beat:
        branch = branch_of(beat.id)
        head = self.repo.head_of(branch)
        if head != beat.commit:
            result = executor.push_branch(branch, beat.commit, head)
            if result.outcome is PushOutcome.PROTECTED:
                raise StalledError(beat.id, f"{branch} refuses our push: {result.message}", Reason.BRANCH_PROTECTED)
            if result.outcome is not PushOutcome.LANDED:
                return self._in_time(beat, f"{branch} could not be pushed: {result.message}", now)
        executor.confirm()
        message = self.repo.commit(beat.commit).message
        title, _, body = message.partition("\n\n")
        found = self.forge.find(branch, self.repo.branch) or self.forge.open(
            branch, self.repo.branch, title, body, rules.labels
        )
        return replace(beat, number=found.number, url=found.url).at("opened", now)

    def _followed(
        self, beat: Beat, found: PullRequest, rules: PullRequestRules, now: datetime, executor: Executor
    ) -> Beat:
        if found.state is PullRequestState.CLOSED:
            by = f" by {found.closed_by}" if found.closed_by else ""
            return beat.ended(Outcome.REFUSED, Reason.REJECTED, f"#{found.number} was closed{by} without being merged")
        if found.state is PullRequestState.MERGED:
            return self._in_time(beat, f"#{found.number} is merged, and not seen on the branch", now)
        words = self._merge(beat, found, rules, executor) if rules.auto_merge else "a person has to merge it"
        if now - beat.begun > MERGED_WITHIN:
            executor.confirm()
            self.forge.close(found.number)
        why = found.why or words or found.mergeability.value
        if not beat.message and now - beat.times.get("opened", now) > rules.land_within:
            beat = replace(beat, message=f"#{found.number} is not merged: {why}", reason=Reason.PULL_REQUEST_BLOCKED)
        return self._in_time(beat, why, now)

    def _merge(self, beat: Beat, found: PullRequest, rules: PullRequestRules, executor: Executor) -> str:
        """Only our own head. What the forge says to it, in words."""
        if found.head_sha != beat.commit or self.clock.monotonic() < self._merge_after:
            return "" if found.head_sha == beat.commit else "somebody else pushed to its branch"
        self._merge_after = self.clock.monotonic() + MERGE_AGAIN_SECONDS
        executor.confirm()
        method, message = MergeMethod(rules.merge_method), self.repo.commit(beat.commit).message
        answer = self.forge.merge_when_ready(found.number, beat.commit, method, message)
        if answer.outcome is MergeOutcome.UNAVAILABLE:
            answer = self.forge.merge(found.number, beat.commit, method, message)
        return answer.message if answer.outcome is not MergeOutcome.MERGED else ""

    def _in_time(self, beat: Beat, why: str, now: datetime) -> Beat:
        """It is given up after a day."""
        if now - beat.begun <= MERGED_WITHIN:
            return beat
        return beat.ended(Outcome.REFUSED, Reason.PULL_REQUEST_BLOCKED, f"not merged within a day: {why}")
