"""What is done about the pull request of a plan, towards git and the forge. Each can be repeated.

The journal is written first, so that a commit or a pull request of ours is known as ours whatever happens then; what
was opened is looked for before it is opened again, and a comment or status that is as it should be is not written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.diffing import diff_of
from gitops_rollback.app.executor import Executor, Landing
from gitops_rollback.app.offer_branches import OfferBranches
from gitops_rollback.app.offer_messages import message_about_blocked, message_about_offer
from gitops_rollback.app.owners import owners_at
from gitops_rollback.app.replanning import Replanned
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.view import View
from gitops_rollback.core.delivery import ASKS, OPENED_AT, LeaveToPeople, TellOnce, lands_by_itself, refused_word
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.image_holds import hold_documents
from gitops_rollback.core.offer import Offer, branch_of
from gitops_rollback.core.plan import Plan
from gitops_rollback.core.policy import Policy, PullRequestRules
from gitops_rollback.core.pull_request import (
    Mergeability,
    Merged,
    MergeMethod,
    MergeOutcome,
    PullRequest,
    PullRequestState,
)
from gitops_rollback.core.pull_request_text import STATUS, Shown, body, marker, shown, title
from gitops_rollback.core.rollback import HOLDS, Phase, RollbackRecord, offered
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import Clock, ConfigRepo, Forge, PushOutcome

MERGE_AGAIN_SECONDS = 30.0
CLOSED = -1.0  # in place of an instant
CLOSE_AFTER_SECONDS = 30.0  # what the branch has, the forge may notice by itself


@dataclass(frozen=True)
class Around:
    """What one tick read, for one record. `watched` None: no policy watches its applications any more."""

    view: View
    now: datetime
    watched: Watched | None
    policy: Policy  # that judged it
    executor: Executor

    @property
    def head_policy(self) -> Policy:
        """What the branch's head says: it may only restrict."""
        return self.watched.policy if self.watched is not None else self.policy


@dataclass
class OfferActs:
    """At one forge. All methods raise what git and the forge raise, and LeaseLost."""

    repo: ConfigRepo
    forge: Forge
    clock: Clock
    _merge_after: dict[str, float] = field(default_factory=dict)
    _shown: dict[str, tuple[str, Shown]] = field(default_factory=dict)
    _over_since: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.branches = OfferBranches(self.repo, self.clock)

    def renew(self, record: RollbackRecord, made: Replanned, around: Around) -> None:
        """Put the plan as it is now on the branch: the record first, then the push."""
        offer, plan = record.offer or Offer(), made.plan
        if plan is None:
            return
        head = self.branches.head_for(record, offer, plan)
        self.push(offered(_with_plan(record, plan), offer.with_head(head)), around)

    @crash_point("offer-push")
    def push(self, record: RollbackRecord, around: Around) -> None:
        """Push the newest head, once the journal has it: what could not be written may be of an earlier look.

        Raises: StalledError with the server's words where a rule refuses the branch.
        """
        if not around.executor.put(record):
            return
        refused = self.branches.push(record, around.executor)
        if refused:
            raise StalledError(record.id, refused, Reason.BRANCH_PROTECTED)

    def open(self, record: RollbackRecord, made: Replanned, rules: PullRequestRules, around: Around) -> None:
        """Open it, or take what is known of it at the forge: its answer may have been lost."""
        offer, branch = record.offer, branch_of(record.id, record.applications[0])
        if offer is None or offer.newest is None:
            return
        # One that a person has closed in the meantime counts as well: that was a no.
        found = self.forge.find(branch, self.repo.branch)
        if found is None and made.plan is not None:
            found = self._open(record, made.plan, branch, rules, around)
        if found is None:
            return
        opened = offered(
            replace(record, times={OPENED_AT: around.now, **record.times}),
            replace(offer, number=found.number, url=found.url),
        )
        around.executor.put(opened)
        around.executor.tell(message_about_offer(opened, around.policy))

    @crash_point("offer-open")
    def _open(
        self, record: RollbackRecord, plan: Plan, branch: str, rules: PullRequestRules, around: Around
    ) -> PullRequest:
        around.executor.confirm()
        text = body(record, plan, diff_of(plan, self.repo), lands_by_itself(record, rules))
        owners = owners_at(self.repo, self.forge.kind, around.view.heads.branch, plan.reversal.paths)
        return self.forge.open(branch, self.repo.branch, title(plan), text, rules.labels, owners)

    def merge(self, record: RollbackRecord, found: PullRequest, rules: PullRequestRules, around: Around) -> bool:
        """Let the forge merge our newest head, and no other; True if it did so at once. Not asked at each look."""
        offer, now = record.offer, self.clock.monotonic()
        if offer is None or offer.newest is None or now < self._merge_after.get(record.id, 0.0):
            return False
        # A forge works out within seconds whether one that was just opened can be merged.
        pause = 0.0 if found.mergeability is Mergeability.CHECKING else MERGE_AGAIN_SECONDS
        keep(self._merge_after, record.id, now + pause)
        around.executor.confirm()
        answer = self._ask_to_merge(found, offer.newest.commit, MergeMethod(rules.merge_method))
        if answer.outcome is MergeOutcome.SCHEDULED and not offer.scheduled:
            around.executor.put(offered(record, replace(offer, scheduled=True)))
        if answer.outcome in (MergeOutcome.REFUSED, MergeOutcome.UNAVAILABLE):
            message = f"the forge does not merge pull request #{found.number}: {answer.message}"
            self.tell(TellOnce(record, refused_word(offer), Reason.FORGE_REFUSED, message), around)
        return answer.outcome is MergeOutcome.MERGED

    def approve(self, record: RollbackRecord, found: PullRequest, method: MergeMethod, executor: Executor) -> Landing:
        """Merge the head that a person has approved, now or once nothing is missing; a controller asks again, too."""
        executor.confirm()
        head, message = found.head_sha, self._message(found.head_sha)
        answer = self.forge.merge(found.number, head, method, message)
        words = answer.message or answer.outcome.value
        if answer.outcome is not MergeOutcome.MERGED:
            answer = self.forge.merge_when_ready(found.number, head, method, message)
        if answer.outcome is MergeOutcome.MERGED:
            return Landing(PushOutcome.LANDED)
        if answer.outcome is MergeOutcome.SCHEDULED and record.offer is not None:
            executor.put(offered(record, replace(record.offer, scheduled=True)))
        said = f"approved, and pull request #{found.number} is not merged yet: {words}"
        return Landing(PushOutcome.PROTECTED, said, waits=answer.outcome is not MergeOutcome.REFUSED)

    def _message(self, head: str) -> str:
        return self.repo.commit(head).message if self.repo.has(head) else ""

    @crash_point("offer-merge")
    def _ask_to_merge(self, found: PullRequest, head: str, method: MergeMethod) -> Merged:
        """Where there is no merging by itself, it is merged once nothing is missing."""
        message = self._message(head)
        answer = self.forge.merge_when_ready(found.number, head, method, message)
        if answer.outcome is not MergeOutcome.UNAVAILABLE:
            return answer
        if found.mergeability is Mergeability.CHECKING or found.mergeability is Mergeability.BLOCKED:
            return replace(answer, outcome=MergeOutcome.NOT_READY)
        return self.forge.merge(found.number, head, method, message)

    @crash_point("offer-unschedule")
    def unschedule(self, record: RollbackRecord, found: PullRequest, around: Around) -> None:
        """Take back that the forge merges it."""
        around.executor.confirm()
        self.forge.cancel_merge(found.number)
        if record.offer is not None:
            around.executor.put(offered(record, replace(record.offer, scheduled=False)))

    def leave_to_people(self, left: LeaveToPeople, around: Around) -> None:
        """Nothing of it is merged by itself any more."""
        record = offered(left.record, replace(left.record.offer or Offer(), automatic=False))
        told = TellOnce(record, ASKS, left.reason, f"a person must decide by now: {left.message}")
        self.tell(told, around)

    def tell(self, told: TellOnce, around: Around) -> None:
        """A page. That it was told is kept afterwards: rather twice under one key than never."""
        record = told.record
        offer = (record.offer or Offer()).tell(told.word)
        around.executor.tell(message_about_blocked(record, told.word, told.reason, told.message, around.policy))
        around.executor.put(offered(record, offer))

    # What the forge shows

    def show(self, record: RollbackRecord, trouble: str, around: Around) -> None:
        """Comment and status as the record has it now; once it has ended and all is shown, that is written down."""
        offer = record.offer
        if offer is None or offer.number is None or offer.newest is None:
            self._settle_unopened(record, around)
            return
        how, head = shown(record, trouble), offer.newest.commit
        if self._shown.get(record.id) != (head, how):
            around.executor.confirm()
            self._comment(offer.number, record, how)
            self._status(offer.number, head, how, offer.url)
            keep(self._shown, record.id, (head, how))
        over = record.phase is not Phase.AWAITING_APPROVAL and self._is_closed(record, offer.number, around)
        if over and not record.open:
            around.executor.put(offered(record, replace(offer, settled=True)))

    def _settle_unopened(self, record: RollbackRecord, around: Around) -> None:
        """There is nothing at the forge to settle."""
        if not record.open and record.offer is not None:
            around.executor.put(offered(record, replace(record.offer, settled=True)))

    @crash_point("offer-comment")
    def _comment(self, number: int, record: RollbackRecord, how: Shown) -> None:
        self.forge.comment(number, marker(record), how.comment)

    @crash_point("offer-status")
    def _status(self, number: int, head: str, how: Shown, url: str) -> None:
        self.forge.set_status(head, STATUS, how.state, how.status, url, how.buttons(number))

    def _is_closed(self, record: RollbackRecord, number: int, around: Around) -> bool:
        """It does not stand open any more. What landed the forge may notice by itself, a little later."""
        now = self.clock.monotonic()
        since = self._over_since.get(record.id, now)
        if since == CLOSED:
            return True
        keep(self._over_since, record.id, since)
        if self.forge.get(number).state is PullRequestState.OPEN:
            if record.commit is not None and now - since < CLOSE_AFTER_SECONDS:
                return False
            around.executor.confirm()
            self._close(number)
        keep(self._over_since, record.id, CLOSED)
        return True

    @crash_point("offer-close")
    def _close(self, number: int) -> None:
        self.forge.close(number)


def _with_plan(record: RollbackRecord, plan: Plan) -> RollbackRecord:
    """The record's word on its plan, as it is made now."""
    reversal = plan.reversal
    made = {"base": reversal.base, "tree": reversal.tree, "outcome": reversal.outcome.value}
    evidence = {**record.evidence, "plan": {**made, "paths": list(reversal.paths)}}
    if reversal.holds:
        evidence[HOLDS] = hold_documents(reversal.holds)
    return replace(record, superseded=reversal.superseded, rung=reversal.rung, evidence=evidence)
