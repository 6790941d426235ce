"""From a finished plan to one of several commits, where the policy names a strategy for what it undoes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gitops_rollback.app.choosing import owner_of_weights, settled
from gitops_rollback.app.own_reverse import OwnReverse
from gitops_rollback.app.runs import UNSEEN
from gitops_rollback.app.stepping import Stepper, message_of_step
from gitops_rollback.app.subject import Look
from gitops_rollback.app.workloads import NOBODY
from gitops_rollback.core.errors import Reason, RollbackError
from gitops_rollback.core.guards.facts import answer, ask
from gitops_rollback.core.message import RevertText
from gitops_rollback.core.plan import GuardAnswer, Plan, Reversal, Staged
from gitops_rollback.core.policy import PUSH_MODE, GuardResult, Strategy, Workload
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.strategies.choosing import REVERT_MODE
from gitops_rollback.core.strategies.migration import Unfit, by_hand
from gitops_rollback.core.strategies.planning import BLUE_GREEN, CANARY, MIGRATION
from gitops_rollback.core.strategies.stages import FieldValue, Stages
from gitops_rollback.core.workloads import Progress, rollout_status
from gitops_rollback.ports import ConfigRepo, Objects, Workloads

GUARD = "strategy"
SLOT = "$SLOT"


@dataclass(frozen=True)
class Staging:
    """Writes objects to the clone, and nothing to anybody else. `workloads` shows whether a slot is ready.

    `objects` shows what Flagger has promoted.
    """

    repo: ConfigRepo
    workloads: Workloads = NOBODY
    objects: Objects = UNSEEN

    def planned(
        self, reversal: Reversal, look: Look, records: Iterable[RollbackRecord] = (), migrated: bool = False
    ) -> tuple[Stages | None, tuple[GuardAnswer, ...]]:
        """The steps around the revert. Where the strategy does not fit, a person is asked about the plain revert.

        A sequence that moves data back is a person's to begin, wherever plans are delivered. `migrated`: data moved.
        `records` are the rollbacks before, by whose times `mode: auto` is decided.
        """
        pushes = look.policy.delivery.mode == PUSH_MODE and not reversal.holds
        if not pushes and not any(one.type == MIGRATION for one in look.policy.strategies):
            return None, ()
        try:
            strategies, said = settled(Stepper(self.repo), look, reversal, records, migrated, self.objects)
            stages = Stepper(self.repo).stages(strategies, reversal, migrated)
            if stages is None or not (pushes or stages.coordinated):
                return None, said
            if reversal.holds:
                raise Unfit("an image updater would write between the steps of a coordinated rollback; stop it first")
            self._require_fit(stages, strategies, look)
            doubts = self._unless_of_another_release(stages, strategies, reversal)
        except (Unfit, RollbackError) as error:
            return None, (self._unfit(str(error), look, reversal),)
        again = Stepper(self.repo).run_again(stages, reversal)
        if not (stages.coordinated or again):
            return stages, said
        words = ". ".join((stages.words, *again, *doubts))
        return stages, (*said, ask(GUARD, Reason.MIGRATION_RAN, words, "approve the sequence; it moves data back"))

    def whole(self, stages: Stages | None, reversal: Reversal) -> Reversal:
        """What the plan leaves on the branch in the end, which is what guards judge."""
        return reversal if stages is None else Stepper(self.repo).whole(stages, reversal)

    def _unfit(self, why: str, look: Look, reversal: Reversal) -> GuardAnswer:
        """A person is asked about the plain revert; but not about one that itself moves data back under traffic."""
        named = [one.migration.reverse for one in look.policy.strategies if one.migration is not None]
        for reverse in (one for one in named if one is not None):
            place = FieldValue(reverse.edits.file, reverse.edits.field, reverse.to)
            if Stepper(self.repo).would_set(place, reversal):
                job = f"{reverse.job.namespace}/{reverse.job.name}"
                words = f"{why}; and the plain revert lets Job {job} run while the traffic comes"
                return answer(GUARD, GuardResult.DENY, Reason.STRATEGY_UNFIT, words, by_hand())
        remedy = "mend the policy or the file, or approve the plain revert"
        return ask(GUARD, Reason.STRATEGY_UNFIT, why, remedy)

    def staged(self, plan: Plan, stages: Stages | None, look: Look, text: RevertText) -> Plan:
        """The plan with its first step. Raises: RollbackError."""
        if stages is None:
            return plan
        stepper, base = Stepper(self.repo), plan.reversal.base
        first = stages.steps[0] if stages.steps else None
        if first is None:
            built = stepper.opening(stages, plan.reversal)
        elif first.reverts:
            built = stepper.reverting(first, base, plan.restores, look.policy.chart_versions)
        else:
            built = stepper.step(stages, 1, base)
        types = dict.fromkeys(one.type for one in look.policy.strategies if one.name in stages.strategies)
        staged = replace(plan, staged=Staged(stages, built.tree, built.changes, ""), strategy="+".join(types))
        return in_words(staged, text, look)

    def _require_fit(self, stages: Stages, strategies: Sequence[Strategy], look: Look) -> None:
        """Only the application's own files are edited, and a slot that takes over is there and ready. Raises: Unfit."""
        foreign = [one.path for one in stages.before if one.path not in look.watched.own]
        if foreign:
            raise Unfit(f"{foreign[0]} is no file that {look.name} renders from")
        for strategy in strategies:
            if strategy.name in stages.strategies and strategy.type == CANARY and strategy.mode != REVERT_MODE:
                _require_own_weights(strategy, look)
            if strategy.name in stages.strategies and strategy.type == BLUE_GREEN and strategy.workload is not None:
                self._require_ready(strategy, strategy.workload, _last_value(stages, strategy), look)

    def _require_ready(self, strategy: Strategy, named: Workload, slot: str, look: Look) -> None:
        workload = replace(named, name=named.name.replace(SLOT, slot))
        of = f"strategy {strategy.name}: slot {slot} ({workload.kind} {workload.namespace}/{workload.name})"
        try:
            found = self.workloads.read(look.state, workload).workload
        except RollbackError as error:
            raise Unfit(f"{of}: whether it is ready cannot be seen: {error.message}") from None
        if found is None:
            raise Unfit(f"{of} is not there any more")
        status = rollout_status(found)
        if status.progress is not Progress.COMPLETE:
            raise Unfit(f"{of} is not ready: {status.why}")

    def _unless_of_another_release(
        self, stages: Stages, strategies: Sequence[Strategy], reversal: Reversal
    ) -> tuple[str, ...]:
        """A Job moves back what one release has moved: what an older one did would meet code that cannot read it.

        What a person must make sure of, in words. Raises: Unfit.
        """
        doubts = list[str]()
        for strategy in (one for one in strategies if one.type == MIGRATION and one.name in stages.strategies):
            reverse = strategy.migration.reverse if strategy.migration is not None else None
            moved = () if reverse is None else Stepper(self.repo).changing(reverse.edits, reversal.reverts)
            if reverse is not None and len(moved) > 1:
                named = ", ".join(sha[:12] for sha in moved)
                job = f"{reverse.job.namespace}/{reverse.job.name}"
                of = f"strategy {strategy.name}: {named} may each have moved data, and Job {job} reverses one"
                raise Unfit(f"{of}; ask for them one by one, the newest first, or {by_hand()}")
            if reverse is not None:
                doubts.append(OwnReverse(Stepper(self.repo)).doubt(strategy.name, reverse, reversal))
        return tuple(filter(None, doubts))


def _require_own_weights(strategy: Strategy, look: Look) -> None:
    """Where a controller moves the weights, what git says of them is not what runs. Raises: Unfit."""
    owner = owner_of_weights(look)
    if owner:
        raise Unfit(f"strategy {strategy.name}: {owner} moves the weights by itself")


def in_words(plan: Plan, text: RevertText, look: Look) -> Plan:
    """The plan with the message of its first commit in these words."""
    if plan.staged is None:
        return plan
    message = message_of_step(text, plan.staged.stages, 1, look.target.name)
    return replace(plan, staged=replace(plan.staged, message=message))


def _last_value(stages: Stages, strategy: Strategy) -> str:
    """What the strategy's own field is set to."""
    place = strategy.edits
    values: list[FieldValue] = [one for step in stages.steps for one in step.sets]
    found = [one.value for one in values if place is not None and (one.path, one.field) == (place.file, place.field)]
    return str(found[-1]) if found else ""
