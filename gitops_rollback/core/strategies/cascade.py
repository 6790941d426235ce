"""Which applications need what a rollback takes away, and in which order do they go back before it?

An application needs another by the policy's word or the engine's. It needs what the culprit brought only where it has
changed since then: one that is as it was before goes on without it. Pure, from what git and the engines say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.strategies.migration import Unfit
from gitops_rollback.core.strategies.stages import FINISH, PlannedStep, StepGate, stages_of

Needs = Mapping[str, Collection[str]]  # of each application by full name: those that it needs
MOST = 20  # commits of one cascade


@dataclass(frozen=True)
class Later:
    """A commit since the culprit, and the applications whose inputs it changes."""

    sha: str
    applications: frozenset[str]


@dataclass(frozen=True)
class Dependant:
    """An application that goes back, `depth` levels before the culprit. `commits` are its own since, newest first."""

    application: str
    needs: str  # the application of the plan that it needs, and that is as deep as any
    depth: int
    commits: tuple[str, ...]

    @property
    def why(self) -> str:
        """Why it goes back, as a clause for people."""
        return f"{short(self.application)} changed since, and needs {short(self.needs)}"


def dependants(culprits: Collection[str], needs: Needs, later: Sequence[Later]) -> tuple[Dependant, ...]:
    """Those that go back before the culprit's applications, in this order: what nothing else needs comes first.

    `later` are the commits since the culprit landed, oldest first, without those that go back with it or went back
    already. Raises: Unfit where the changed ones need each other in a circle, where one of the culprit's own changed
    again since and needs another, or too much would go back.
    """
    since, through, depth = dict.fromkeys(culprits, -1), dict[str, str](), dict.fromkeys(culprits, 0)
    waiting = sorted(culprits)
    while waiting:
        needed = waiting.pop()
        for one in sorted(name for name, others in needs.items() if needed in others):
            if _comes_back(one, needed, through):
                raise Unfit(f"{short(one)} and {short(needed)} need each other, so no order exists to go back in")
            first = next((at for at, each in enumerate(later) if at > since[needed] and one in each.applications), None)
            if one in culprits and first is not None:
                raise Unfit(f"{short(one)} was changed with the culprit and again since, and needs {short(needed)}")
            if one in culprits or first is None or (first >= since.get(one, len(later)) and depth[needed] < depth[one]):
                continue
            since[one] = min(first, since.get(one, first))
            if depth.get(one, 0) <= depth[needed]:
                depth[one], through[one] = depth[needed] + 1, needed
            waiting.append(one)
    found = [_dependant(name, through[name], depth[name], later[since[name] :]) for name in through]
    if sum(len(one.commits) for one in found) > MOST:
        raise Unfit(f"more than {MOST} commits would go back before it")
    return tuple(sorted(found, key=lambda one: (-one.depth, one.application)))


def _comes_back(one: str, needed: str, through: Mapping[str, str]) -> bool:
    """`needed` is reached only by way of `one`."""
    while needed != one and needed in through:
        needed = through[needed]
    return needed == one


def _dependant(name: str, needs: str, depth: int, since: Sequence[Later]) -> Dependant:
    return Dependant(name, needs, depth, tuple(one.sha for one in reversed(since) if name in one.applications))


def gone_back(record: RollbackRecord) -> tuple[str, ...]:
    """Those of its reverts that its commits so far have made: what a later one is to make still stands."""
    stages = stages_of(record)
    if stages is None:
        return record.reverts if record.commit is not None else ()
    return tuple(sha for step in record.steps for sha in stages.reverted(step.n, record.reverts))


def entangled(found: Sequence[Dependant], later: Sequence[Later]) -> str:
    """Why one of these commits cannot go back for its application alone, as a sentence; "" where all can."""
    touched = {one.sha: one.applications for one in later}
    for one in found:
        for sha in one.commits:
            others = sorted(touched[sha] - {one.application})
            if others:
                return f"{sha[:12]} changed {short(one.application)} and {short(others[0])}, so neither goes back alone"
    return ""


def steps_of(found: Sequence[Dependant], culprit: str) -> Iterator[PlannedStep]:
    """One commit for each of them."""
    for one in found:
        named = ", ".join(sha[:12] for sha in one.commits)
        gate = StepGate(FINISH, f"go on until {short(culprit)} is back, or land {named} again")
        title = f"revert of {short(one.application)}, which needs {short(one.needs)}"
        yield PlannedStep(title, (), gate, one.commits, one.application)


def short(application: str) -> str:
    """The last part of a full name, for people."""
    return application.rpartition("/")[2]
