"""A rollback has not helped: what was tried, and the plans that a person may approve now.

Each plan gets a record of its own, which waits. Nothing of it is pushed before a person says so, and then it is made
anew on what the branch holds by then, with all guards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gitops_rollback.app.blame import MAX_RANGE
from gitops_rollback.app.directory import Directory, Listing
from gitops_rollback.app.observation import Observer
from gitops_rollback.app.proposing import Proposer
from gitops_rollback.app.records import open_record
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.unfollowed import policy_of
from gitops_rollback.app.view import View
from gitops_rollback.core.action import Finish
from gitops_rollback.core.decision import Act, Decision, Proposal
from gitops_rollback.core.errors import Reason, RollbackError, StalledError
from gitops_rollback.core.message import for_people
from gitops_rollback.core.next_plans import (
    CHECKS,
    PLANS,
    TRIED,
    Option,
    Way,
    attempts,
    follows,
    options,
    outdone,
    rival,
    row,
    ways,
)
from gitops_rollback.core.offer import Offer
from gitops_rollback.core.plan import Plan, PlanOutcome
from gitops_rollback.core.policy import PULL_REQUEST_MODE, GuardResult, Policy
from gitops_rollback.core.progress import Progress
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, advance, offered, rollback_id
from gitops_rollback.core.suspects import Attribution
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import ConfigRepo

SHOWN = 3  # commits that a line names
# What went bad is newer, was landed again, or may be; or nobody can tell.
NOT_FAILED = (Reason.OVERTAKEN, Reason.RECREATED, Reason.CAME_BACK, Reason.WRITTEN_BY_ANOTHER, Reason.RUN_UNSEEN)
BECAUSE = {
    Way.NEXT_SUSPECT: "the next one under suspicion",
    Way.WHOLE_RANGE: "part of the whole range",
    Way.REAPPLY: "took something back in vain",
}


@dataclass
class Afterwards:
    """Keeps nothing: what was tried is read from the journal, and what is left of the range from git."""

    repo: ConfigRepo
    directory: Directory
    observer: Observer
    proposer: Proposer

    @crash_point("afterwards")
    def prepared(
        self,
        end: Finish,
        progress: Progress,
        watched: Watched,
        view: View,
        listing: Listing,
        now: datetime,
        offers: bool = False,
    ) -> Finish:
        """The end of a rollback with its table of what was tried, and with the plans that are possible now.

        `offers`: pull requests may be opened. The first plan becomes one where the rollback itself was delivered so.
        That no plan can be made never stands in the way of the end itself: then it is said why.
        """
        if end.outcome is not RollbackOutcome.UNVERIFIED or end.record.commit is None:
            return end
        if end.reason in NOT_FAILED:
            return end
        checks = [
            {"name": one.name, "ok": one.ok, "value": one.value, "message": one.message} for one in progress.checks
        ]
        record = replace(end.record, evidence={**end.record.evidence, CHECKS: checks})
        tried = attempts(record, view.journal.records)
        after = follows(record)
        wanted = () if after is not None and after[1] is Way.REAPPLY else ways(progress.policy.verification.on_failure)
        told: list[dict[str, str]] = []
        plans: list[RollbackRecord] = []
        for way, made in self._made(wanted, tried, watched, view, listing, now):
            if isinstance(made, str):
                told.append({"way": way.value, "rollback": "", "says": "", "why": made})
                continue
            look, plan = made
            told.append({"way": way.value, "rollback": plan.rollback_id, "says": self._says(way, plan), "why": ""})
            ready = Decision(Act.ASK, end.reason, f"{record.id} did not help; {way.words}: {told[-1]['says']}")
            waiting = advance(open_record(plan, look, ready, now, Phase.PENDING), Phase.AWAITING_APPROVAL)
            first = not plans and offers and _by_pull_request(record, progress.policy)
            plans.append(offered(waiting, Offer()) if first else waiting)
        rows = [row(record, end.outcome), *(row(one, one.outcome) for one in tried[1:])]
        evidence = {**record.evidence, TRIED: rows, PLANS: told}
        return replace(end, record=replace(record, evidence=evidence), plans=tuple(plans))

    def ends(self, view: View, but: Collection[str] = ()) -> Iterator[tuple[Finish, Policy]]:
        """The end of each plan that waits though another one was approved, with the policy that says who is told."""
        for record, other in outdone(view.journal.records.values()):
            if record.id not in but:
                message = f"{other.id} was approved instead"
                end = Finish(record, RollbackOutcome.SUPERSEDED, Reason.SUPERSEDED, message)
                yield end, policy_of(record, self.directory)

    def renewed(self, waiting: RollbackRecord, look: Look, view: View, listing: Listing, now: datetime) -> Proposal:
        """A plan that waits, made anew on what the branch holds now; without a plan where nobody may approve it."""
        after, other = follows(waiting), rival(waiting, view.journal.records.values())
        if after is None or waiting.phase is not Phase.AWAITING_APPROVAL or other is not None:
            message = f"{other.id} was approved instead" if other else f"it is {waiting.phase.value}"
            return Proposal(Attribution((), False, Reason.SUPERSEDED, message))
        proposal = self._propose(Option(after[1], waiting.reverts), after[0], waiting, look, view, listing, now)
        if proposal.plan is None:
            return proposal
        return replace(proposal, plan=replace(proposal.plan, rollback_id=waiting.id))

    def _made(
        self,
        wanted: Sequence[Way],
        tried: Sequence[RollbackRecord],
        watched: Watched,
        view: View,
        listing: Listing,
        now: datetime,
    ) -> Iterator[tuple[Way, tuple[Look, Plan] | str]]:
        """Each way with its plan, or with the sentence why there is none."""
        failed = tried[0]
        try:
            look = self._look(watched, view, now, f"{failed.id} did not help")
            found = {option.way: option for option in options(tried, self._line(failed, look, view))}
        except RollbackError as error:
            yield from ((way, f"no plan could be made: {error.message}") for way in wanted)
            return
        for way in wanted:
            option = found[way]
            if option.why:
                yield way, option.why
                continue
            try:
                proposal = self._propose(option, failed.id, failed, look, view, listing, now)
            except RollbackError as error:
                yield way, f"no plan could be made: {error.message}"
                continue
            why = _why_not(way, proposal)
            yield way, why if why or proposal.plan is None else (look, proposal.plan)

    def _look(self, watched: Watched, view: View, now: datetime, message: str) -> Look:
        because = Decision(Act.ROLL_BACK, Reason.REQUESTED, message)
        feeds = self.directory.feeder(watched)
        return self.proposer.followed(self.observer.look_anyway(watched, view, now, feeds, because, measured=False))

    def _line(self, record: RollbackRecord, look: Look, view: View) -> tuple[str, ...]:
        """The commits of the deployed range that change its inputs, without what a rollback of ours took back there."""
        commits = self.repo.commits(record.restores, record.bad_revision, MAX_RANGE) if record.restores else ()
        if len(commits) >= MAX_RANGE:
            raise StalledError(record.id, f"the range is longer than the {MAX_RANGE} commits that are read")
        inside = {commit.sha for commit in commits}
        gone = {
            sha
            for one in view.journal.records.values()
            if one.commit in inside
            for sha in (str(one.commit), *one.reverts)
        }
        return tuple(one.sha for one in commits if one.sha not in gone and look.watched.own.of(one.paths))

    def _propose(
        self,
        option: Option,
        failed: str,
        like: RollbackRecord,
        look: Look,
        view: View,
        listing: Listing,
        now: datetime,
    ) -> Proposal:
        """The plan for the deployment that `like` is about. Raises: RollbackError."""
        proposal = self.proposer.propose_named(
            look, view, listing, now, only=option.reverts, because=BECAUSE[option.way], cascades=False
        )
        plan = proposal.plan
        if plan is None:
            return proposal
        if option.way is Way.REAPPLY and plan.reversal.superseded:
            message = f"{plan.reversal.superseded[0][:12]} has set the same since"
            return Proposal(replace(proposal.attribution, automatic=False, reason=Reason.SUPERSEDES, message=message))
        changes = {fed.name for fed in listing.fed if fed.touches(plan.reversal.paths, plan.reversal.base)}
        names = tuple(name for name in like.applications if name in changes or name == look.name)
        cause = f"after/{failed}/{option.way.value}"
        plan = replace(
            plan,
            rollback_id=rollback_id(self.repo.name, like.applications[0], like.bad_revision, cause),
            applications=names or like.applications,
            bad_revision=like.bad_revision,
            restores=like.restores,
            triggers=like.triggers,
            follows=(failed, option.way.value),
            staged=None,
            upstream=None if option.way is Way.REAPPLY else plan.upstream,
        )
        return replace(proposal, plan=plan)

    def _says(self, way: Way, plan: Plan) -> str:
        shas = plan.reversal.reverts
        named = ", ".join(sha[:12] for sha in shas[:SHOWN]) + (f" and {len(shas) - SHOWN} more" if shas[SHOWN:] else "")
        if way is Way.REAPPLY:
            return f"lands again what {named} took back in vain"
        if way is Way.WHOLE_RANGE:
            return f"undoes {named}, all that is left back to {plan.restores[:12]}"
        return f"undoes {named} {for_people(self.repo.commit(shas[0]).subject)}"


def _by_pull_request(record: RollbackRecord, policy: Policy) -> bool:
    """So the policy wants it, or so the branch had it the last time."""
    return policy.delivery.mode == PULL_REQUEST_MODE or record.offer is not None


def _why_not(way: Way, proposal: Proposal) -> str:
    """Why nobody could approve the plan now; "" where a person can."""
    plan = proposal.plan
    if plan is None:
        return proposal.attribution.message
    if plan.reversal.outcome is PlanOutcome.EMPTY:
        return "it was landed again already" if way is Way.REAPPLY else "it is undone already"
    if plan.reversal.outcome is not PlanOutcome.CLEAN:
        first = next((one for one in plan.reversal.explained if one.path), None)
        return f"{first.path}: {first.why}" if first else plan.reversal.message
    denied = next((answer for answer in plan.guards if answer.result is GuardResult.DENY), None)
    return f"guard {denied.guard} denies it: {denied.message}" if denied else ""
