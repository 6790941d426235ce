"""What goes back before the culprit: who needs what it brought, whether each of these may, and with which commits.

All of it is known before anything is written. What does not go, or may not go by itself, asks a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gitops_rollback.app.blame import MAX_RANGE, Blame, Blamer
from gitops_rollback.app.dependencies import needs
from gitops_rollback.app.directory import Directory, Listing
from gitops_rollback.app.observation import Observer
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.view import View
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.companions import in_order
from gitops_rollback.core.decision import Act, Decision, Proposal
from gitops_rollback.core.errors import Reason, RollbackError
from gitops_rollback.core.guards.facts import allow, answer, ask
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.ownership import ours
from gitops_rollback.core.plan import GuardAnswer, PlanOutcome, Reversal
from gitops_rollback.core.policy import PUSH_MODE, GuardResult, Severity
from gitops_rollback.core.strategies.cascade import Dependant, Later, dependants, entangled, gone_back, short, steps_of
from gitops_rollback.core.strategies.migration import Unfit
from gitops_rollback.core.strategies.stages import HOLD, Stages
from gitops_rollback.core.suspects import Suspect
from gitops_rollback.core.trigger import as_before
from gitops_rollback.core.upstream import Upstream
from gitops_rollback.ports import ConfigRepo

GUARD = "cascade"
NAME = "cascade"  # of the strategy, for people
LOOK = "look at the dependants, then approve the plan"
ASKED_OF_THE_WHOLE = frozenset({"dependants", "path-to-damage", "budgets", "cooldown", "tenant"})

Alone = Callable[[Look, Blame], Proposal]  # what would be proposed for one application, whoever needs it


@dataclass(frozen=True)
class Carried:
    """The same blame and steps with all that goes back before; with nothing of the kind they are as they were.

    `known` False: whether there is anything could not be told, or it does not go; then `answers` ask a person.
    """

    blame: Blame
    stages: Stages | None
    answers: tuple[GuardAnswer, ...] = ()
    known: bool = True


@dataclass(frozen=True)
class Cascading:
    """Writes objects to the clone, and nothing to anybody else."""

    repo: ConfigRepo
    directory: Directory
    observer: Observer
    blamer: Blamer

    def carried(
        self, look: Look, blame: Blame, stages: Stages | None, view: View, listing: Listing, now: datetime, alone: Alone
    ) -> Carried:
        """The plan with its cascade, where the policy wants one; it is complete before its first write."""
        reversal = blame.reversal
        if look.policy.cascade is None or reversal is None or reversal.outcome is not PlanOutcome.CLEAN:
            return Carried(blame, stages, known=look.policy.cascade is not None)
        try:
            found, later = self._found(look, blame, listing, view)
            if not found:
                return Carried(blame, stages)
            whole = self._whole(found, blame, reversal, look)
            combined = _combined(found, stages, look)
        except (Unfit, RollbackError) as error:
            return Carried(blame, stages, (ask(GUARD, Reason.GOES_TOGETHER, str(error), LOOK),), known=False)
        answers = [_depth(found, look), *self._entangled(found, later, listing), *_delivered(look)]
        for one in found:
            answers += self._judged(one, look, view, listing, now, alone)
        return Carried(whole, combined, tuple(answers))

    def _found(
        self, look: Look, blame: Blame, listing: Listing, view: View
    ) -> tuple[tuple[Dependant, ...], tuple[Commit, ...]]:
        """Who goes back first, and the commits since the culprit, oldest first."""
        going = tuple(suspect.commit.sha for suspect in blame.attribution.undone)
        since = self.repo.commits(going[-1], view.heads.branch, MAX_RANGE)
        if len(since) >= MAX_RANGE:
            raise Unfit(f"{MAX_RANGE} commits have landed since, and more are not read")
        records = view.journal.records.values()
        gone = {*going, *(sha for record in records for sha in gone_back(record))}
        later = tuple(one for one in reversed(since) if one.sha not in gone and not ours(one, records, None))
        changes = tuple(
            Later(one.sha, frozenset(fed.name for fed in listing.fed if fed.own.of(one.paths))) for one in later
        )
        found = dependants(self._taken_back_with(look, blame, listing), needs(listing, look, engines=True), changes)
        return tuple(one for one in found if self._is_left(one, blame, look)), later

    def _taken_back_with(self, look: Look, blame: Blame, listing: Listing) -> frozenset[str]:
        """One commit may have brought something to several applications: whatever needs one of them counts."""
        reversal = blame.reversal
        touched = [fed.name for fed in listing.fed if reversal and fed.touches(reversal.paths, reversal.base)]
        return frozenset({look.name, *touched})

    def _is_left(self, one: Dependant, blame: Blame, look: Look) -> bool:
        """What somebody has taken back by hand is not there any more."""
        found = self._reverse(one.commits, blame, look)
        if found.outcome not in (PlanOutcome.CLEAN, PlanOutcome.EMPTY):
            raise Unfit(f"{one.why}, and what it changed does not go back cleanly: {found.message}")
        return found.outcome is PlanOutcome.CLEAN

    def _reverse(self, shas: Sequence[str], blame: Blame, look: Look) -> Reversal:
        at = blame.reversal.base if blame.reversal is not None else ""
        return self.repo.reverse(at, shas, good=blame.restores or None, charts=look.policy.chart_versions)

    def _whole(self, found: Sequence[Dependant], blame: Blame, alone: Reversal, look: Look) -> Blame:
        """Everything together, as the branch holds it in the end."""
        if alone.holds:
            raise Unfit("an image updater would write between the steps of a cascade; stop it first")
        blamed = blame.attribution
        why = {sha: one.why for one in found for sha in one.commits}
        commits = [self.repo.commit(sha) for sha in why]
        line = self.repo.commits(blamed.undone[-1].commit.sha, alone.base, MAX_RANGE)
        known = {suspect.commit.sha: suspect for suspect in blamed.undone}
        known |= {one.sha: Suspect(one, look.bad_record, (why[one.sha],)) for one in commits}
        together = in_order([suspect.commit for suspect in known.values()], line)
        reversal = self._reverse([one.sha for one in together], blame, look)
        if reversal.outcome is not PlanOutcome.CLEAN:
            raise Unfit(f"{found[0].why}, and all of it together does not go back cleanly: {reversal.message}")
        attribution = replace(blamed, together=tuple(known[one.sha] for one in together))
        return replace(blame, attribution=attribution, reversal=reversal)

    def _entangled(
        self, found: Sequence[Dependant], later: Sequence[Commit], listing: Listing
    ) -> Iterator[GuardAnswer]:
        """By everything that an application renders from, wherever it lies."""
        going = {sha for one in found for sha in one.commits}
        touched = [
            Later(one.sha, frozenset(fed.name for fed in listing.fed if fed.touches(one.paths, one.sha)))
            for one in later
            if one.sha in going
        ]
        why = entangled(found, touched)
        if why:
            yield ask(GUARD, Reason.GOES_TOGETHER, why, LOOK)

    def _judged(
        self, one: Dependant, look: Look, view: View, listing: Listing, now: datetime, alone: Alone
    ) -> Iterator[GuardAnswer]:
        """Whether one of them may go back without a person, by its own policy and by all guards."""
        watched = next((each for each in listing.watched if each.name == one.application), None)
        if watched is None:
            message = f"{one.why}; no policy names it"
            yield ask(GUARD, Reason.NO_POLICY, message, "name it in a policy, or approve the plan")
            return
        try:
            own = self._look(watched, one, look, view, now)
            blame = self.blamer.named(own, view, self.directory.feeder(watched), "", one.commits, one.why)
            proposal = alone(own, blame)
        except RollbackError as error:
            yield ask(GUARD, error.reason, f"{one.why}: {error.message}", LOOK)
            return
        yield from _allowed(one, own, proposal)
        yield from in_two_places(proposal.plan.upstream if proposal.plan else None, one.why)
        for said in proposal.guards:
            if said.result.rank and said.guard not in ASKED_OF_THE_WHOLE:
                yield replace(said, message=f"{short(one.application)}, which goes back first: {said.message}")

    def _look(self, watched: Watched, one: Dependant, look: Look, view: View, now: datetime) -> Look:
        """Of an application that nothing is wrong with: how it was before its change tells known ground."""
        because = Decision(Act.ROLL_BACK, look.raised.reason, one.why)
        feeds = self.directory.feeder(watched)
        found = self.observer.look_anyway(watched, view, now, feeds, because)
        acting = tuple(as_before(each) for each in found.case.verdicts if each.severity is Severity.AUTO_ROLLBACK)
        return self.blamer.followed(replace(found, raised=replace(because, verdicts=acting)), feeds)


def in_two_places(upstream: Upstream | None, why: str) -> Iterator[GuardAnswer]:
    """A step of a cascade is one commit where the engine reads: at the source of another writer nothing goes back."""
    if upstream is not None:
        message = f"{why}; another writer would bring it again, and its source does not go back step by step"
        yield ask(GUARD, Reason.WRITTEN_BY_ANOTHER, message, "take it back at the source, then approve the plan")


def _combined(found: Sequence[Dependant], stages: Stages | None, look: Look) -> Stages:
    """The steps of the cascade before those of the culprit's own way back."""
    steps = tuple(steps_of(found, look.name))
    if stages is None:
        return Stages((NAME,), steps, (), on_failed=HOLD)
    if stages.never_half:
        raise Unfit(f"{found[0].why}, and what the culprit brought goes back in steps of its own")
    return replace(stages, strategies=(NAME, *stages.strategies), steps=(*steps, *stages.steps))


def _depth(found: Sequence[Dependant], look: Look) -> GuardAnswer:
    rules, deepest = look.policy.cascade, found[0]
    words = "; ".join(one.why for one in found)
    if rules is None or deepest.depth > rules.max_depth:
        result, most = (rules.result, rules.max_depth) if rules else (GuardResult.ASK, 0)
        message = f"{words}: {how_many(deepest.depth, 'level')} would go back first (limit {most})"
        return answer(GUARD, result, Reason.CASCADE_TOO_DEEP, message, LOOK)
    return allow(GUARD, f"{words}: it goes back first")


def _delivered(look: Look) -> Iterator[GuardAnswer]:
    if look.policy.delivery.mode != PUSH_MODE:
        message = "a cascade is several commits, each applied before the next, and no pull request"
        yield ask(GUARD, Reason.GOES_TOGETHER, message, "approve the plan")


def _allowed(one: Dependant, own: Look, proposal: Proposal) -> Iterator[GuardAnswer]:
    """By its own policy, which may not be one that the change itself brought."""
    blamed = proposal.attribution
    if not own.case.in_force:
        message = f"{one.why}; only the branch's head has a policy for it"
        yield ask(GUARD, Reason.NO_POLICY_IN_FORCE, message, LOOK)
    if own.policy.suspend:
        yield ask(GUARD, Reason.SUSPENDED, f"{one.why}; its policy is suspended", LOOK)
    if not own.raised.verdicts:
        message = f"{one.why}; no trigger of its policy acts by itself"
        yield ask(GUARD, Reason.NOT_AUTOMATIC, message, LOOK)
    if not blamed.automatic and blamed.reason is not None:
        yield ask(GUARD, blamed.reason, f"{one.why}: {blamed.message}", LOOK)
