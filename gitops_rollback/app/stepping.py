"""A plan of several commits in the repository: the commit of each step, and what the branch holds of them.

Where a plan stands is read anew from the branch at each look; the journal only says what was planned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from gitops_rollback.app.trees import content_at, edited
from gitops_rollback.core.action import Step
from gitops_rollback.core.commit import Commit, FileChange
from gitops_rollback.core.errors import ObjectMissing, Reason, RollbackError, StalledError
from gitops_rollback.core.manifest_fields import FieldFault, Value, read_field, set_fields
from gitops_rollback.core.manifest_presence import value_at, with_field, without_field
from gitops_rollback.core.message import RevertText, StepText, for_people, revert_message, step_message
from gitops_rollback.core.plan import Plan, PlanOutcome, Reversal
from gitops_rollback.core.policy import ChartVersions, FileField, Policy, Strategy
from gitops_rollback.core.rollback import Phase, RollbackRecord, StepRecord, advance
from gitops_rollback.core.strategies.gate import Ahead
from gitops_rollback.core.strategies.migration import Read, Sides
from gitops_rollback.core.strategies.planning import chosen, planned
from gitops_rollback.core.strategies.stages import (
    DROP,
    PUT,
    STAGES,
    FieldValue,
    PlannedStep,
    Stages,
    stages_of,
    unfinished,
)
from gitops_rollback.ports import ConfigRepo

MAX_LATER = 200  # commits after ours among which the next one of the plan is looked for


@dataclass(frozen=True)
class Built:
    """A step as a tree on a head. No `changes`: what it would bring is there already.

    `superseded` are later commits that it takes back, too.
    """

    tree: str
    changes: tuple[FileChange, ...]
    rung: int | None = None
    superseded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stepper:
    """Writes objects to the clone, and nothing to anybody else."""

    repo: ConfigRepo

    def stages(self, strategies: Sequence[Strategy], reversal: Reversal, migrated: bool = False) -> Stages | None:
        """The commits around the revert; None where the revert alone is the plan. Raises: Unfit, RollbackError.

        `migrated`: what ran with the change moved data.
        """
        if reversal.outcome is not PlanOutcome.CLEAN or reversal.tree is None or not strategies:
            return None
        read = self.reader(reversal)
        found = planned(chosen(strategies, reversal.paths, read, migrated), read)
        return None if found is None else self._unless_nothing_is_left(found, reversal)

    def reader(self, reversal: Reversal) -> Read:
        """Each file as the revert leaves it, and as it is at the plan's base."""
        restored, head, known = str(reversal.tree), reversal.base, dict[str, Sides]()

        def read(path: str) -> Sides:
            if path not in known:
                known[path] = Sides(content_at(self.repo, restored, path), content_at(self.repo, head, path))
            return known[path]

        return read

    def opening(self, stages: Stages, reversal: Reversal) -> Built:
        """The first commit of a plan whose first commit is the revert. Raises: RollbackError."""
        tree, changes = edited(
            self.repo, reversal.base, str(reversal.tree), self._set(str(reversal.tree), stages.setting)
        )
        return Built(tree, changes, reversal.rung)

    def changing(self, place: FileField, shas: Sequence[str]) -> tuple[str, ...]:
        """Which of these commits give a field another value; where none does, which change its file."""
        touched = [one for one in map(self.repo.commit, shas) if place.file in one.paths and one.parents]
        found = [one.sha for one in touched if self.sets(place, one)]
        return tuple(found or [one.sha for one in touched])

    def sets(self, place: FileField, commit: Commit) -> bool:
        """True if this commit gives the field another value."""
        field = FieldValue(place.file, place.field, None)
        sides = (commit.sha, *commit.parents[:1])
        return place.file in commit.paths and len({self._value(side, field) for side in sides}) > 1

    def whole(self, stages: Stages, reversal: Reversal) -> Reversal:
        """The same inverse with the fields as the steps leave them: what stands on the branch in the end."""
        files = self._set(str(reversal.tree), _lasting(stages), missing_ok=True)
        tree, changes = edited(self.repo, reversal.base, str(reversal.tree), files)
        return replace(reversal, tree=tree, changes=changes)

    def run_again(self, stages: Stages, reversal: Reversal) -> tuple[str, ...]:
        """Which fields that let a Job run name an earlier one with the revert, in words: that may run once more."""
        planned_for = {(one.path, one.field): one.value for one in stages.before}
        switches = (one for one in stages.before if (one.path, one.field) in _switches(stages))
        found = ((one, self._value(str(reversal.tree), one)) for one in switches)
        return tuple(
            f"{one.path}: {one.field} is {value[0]!r} again with the revert, and what that runs may run once more"
            for one, value in found
            if value is not None and value[0] != planned_for[one.path, one.field]
        )

    def would_set(self, place: FieldValue, reversal: Reversal) -> bool:
        """The inverse alone gives the field this value, which it has not now."""
        now, after = (self._value(str(side), place) for side in (reversal.base, reversal.tree))
        return after is not None and after != now and str(after[0]) == str(place.value)

    def _unless_nothing_is_left(self, stages: Stages, reversal: Reversal) -> Stages | None:
        """Where the steps undo all that the culprit did, no revert follows; where one equals it, it is the plan."""
        head = self.repo.tree(reversal.base)
        stepped, _ = edited(self.repo, reversal.base, head, self._set(reversal.base, stages.sets))
        stages = replace(stages, closes=self.whole(stages, reversal).tree != stepped)
        return None if stages.total == 1 and stepped == reversal.tree else stages

    def step(self, stages: Stages, n: int, head: str) -> Built:
        """Step `n` that only sets fields, on `head`. Raises: RollbackError where a field has no place any more."""
        step = stages.planned(n)
        sets = () if step is None else step.sets
        tree, changes = edited(self.repo, head, self.repo.tree(head), self._set(head, sets))
        return Built(tree, changes)

    def built(self, record: RollbackRecord, stages: Stages, n: int, head: str, charts: ChartVersions) -> Built:
        """Step `n` on `head`, whether it sets fields or is the revert. Raises: RollbackError."""
        step = stages.planned(n)
        if step is None:
            made = self._closing(record, stages, head, charts)
        elif step.reverts:
            made = self.reverting(step, head, record.restores, charts)
        else:
            return self.step(stages, n, head)
        self._require_nothing_newer(record, made)
        return made

    def _require_nothing_newer(self, record: RollbackRecord, made: Built) -> None:
        """What somebody has set since the plan began nobody has agreed to take back. Raises: StalledError."""
        first = record.steps[0].commit or ""
        ours = {one.commit for one in record.steps}
        newer = [sha for sha in made.superseded if sha not in ours and not self.repo.is_ancestor(sha, first)]
        if newer:
            named = ", ".join(sha[:12] for sha in newer)
            raise StalledError(record.id, f"its revert would also take back what {named} set since", Reason.SUPERSEDES)

    def reverting(self, step: PlannedStep, head: str, restores: str, charts: ChartVersions) -> Built:
        """A step that takes another application back. Raises: StalledError where that does not go any more."""
        found = self.repo.reverse(head, step.reverts, good=restores or None, charts=charts)
        if found.outcome not in (PlanOutcome.CLEAN, PlanOutcome.EMPTY) or found.tree is None:
            raise StalledError(step.application, f"its revert: {found.message}", Reason.REVERT_CONFLICT)
        return Built(found.tree, found.changes, found.rung, found.superseded)

    def _closing(self, record: RollbackRecord, stages: Stages, head: str, charts: ChartVersions) -> Built:
        """The revert with the plan's fields as they are at the head; else it would conflict with our own steps.

        A field that let a Job run has done what it was set for: it goes back with the rest.
        """
        kept = self._at(head, [one for one in stages.before if (one.path, one.field) not in _switches(stages)])
        base = head
        files = self._set(head, stages.before)
        if files:
            date = self.repo.commit(head).committed_at
            base = self.repo.write_files(head, files, "side of a plan\n", date)
        culprits = stages.reverted(stages.revert, record.reverts)
        found = self.repo.reverse(base, culprits, good=record.restores or None, charts=charts)
        if found.outcome not in (PlanOutcome.CLEAN, PlanOutcome.EMPTY) or found.tree is None:
            raise StalledError(record.id, f"the revert after the steps: {found.message}", Reason.REVERT_CONFLICT)
        files = self._set(found.tree, kept, missing_ok=True)
        tree, changes = edited(self.repo, head, found.tree, files)
        if stages.setting:
            tree, changes = edited(self.repo, head, tree, self._set(tree, stages.setting))
        later = tuple(sha for sha in found.superseded if sha != base or base == head)
        return Built(tree, changes, found.rung, later)

    def _at(self, treeish: str, fields: Sequence[FieldValue]) -> tuple[FieldValue, ...]:
        """The same fields with what they hold at a commit; those that are not there are left out."""
        found = ((one, self._value(treeish, one)) for one in fields)
        return tuple(replace(one, value=value[0]) for one, value in found if value is not None)

    def _value(self, treeish: str, one: FieldValue) -> tuple[Value] | None:
        content = content_at(self.repo, treeish, one.path)
        try:
            return None if content is None else (read_field(content, one.field),)
        except FieldFault:
            return None

    def field(self, treeish: str, one: FieldValue) -> FieldValue | None:
        """The same field with what it holds there; None where it is not there."""
        return next(iter(self._at(treeish, [one])), None)

    def _set(self, treeish: str, sets: Sequence[FieldValue], missing_ok: bool = False) -> dict[str, bytes]:
        """The files of a tree with these fields set."""
        files: dict[str, bytes] = {}
        for path, values in groupby(sorted(sets, key=lambda one: one.path), lambda one: one.path):
            content = content_at(self.repo, treeish, path)
            known = [one for one in values if not missing_ok or self._value(treeish, one) is not None]
            if not known:
                continue
            try:
                if content is None:
                    raise FieldFault("the file is gone")
                files[path] = _with(content, known)
            except FieldFault as fault:
                raise StalledError(path, str(fault), Reason.STRATEGY_UNFIT) from None
        return files

    # What the branch holds

    def as_on_branch(self, record: RollbackRecord, head: str, charts: ChartVersions) -> RollbackRecord:
        """The record with those of its commits that the branch has and the journal has not heard of.

        Trailers alone prove nothing: such a commit is ours if it is just what the plan has for that step.
        """
        stages = stages_of(record)
        while stages is not None and unfinished(record) and record.commit is not None:
            found = self._next_on(record, stages, head, charts)
            if found is None:
                return record
            record = replace(record, steps=(*record.steps, found))
        return record

    def _next_on(self, record: RollbackRecord, stages: Stages, head: str, charts: ChartVersions) -> StepRecord | None:
        try:
            later = self.repo.commits(record.commit, head, MAX_LATER)
        except ObjectMissing:
            return None
        for commit in reversed(later):
            n = _step_of(commit, record)
            if n > record.steps[-1].n and n <= stages.total and self._is_planned(record, stages, n, commit, charts):
                blobs = {change.path: change.new_blob for change in commit.changes}
                return StepRecord(n, stages.total, commit.sha, blobs, commit.committed_at)
        return None

    def _is_planned(
        self, record: RollbackRecord, stages: Stages, n: int, commit: Commit, charts: ChartVersions
    ) -> bool:
        try:
            planned_tree = self.built(record, stages, n, commit.parents[0], charts).tree
        except RollbackError:
            return False
        return planned_tree == self.repo.tree(commit.sha)

    def ahead(
        self, record: RollbackRecord, head: str, built_on: Callable[[Stages, Sequence[Commit]], str] | None = None
    ) -> Ahead | None:
        """What is still to come of an open rollback; None where all of its commits are on the branch.

        `built_on` tells who has changed by the commits since that needs what goes back, in words.
        """
        if not unfinished(record) or record.commit is None:
            return None
        stages, done = stages_of(record), record.steps[-1].n
        if stages is None or stages.total != record.steps[-1].of:
            return Ahead(None, done)
        foreign = self._foreign(record.commit, stages, head) or self._undone(record, stages, head)
        if not foreign and stages.cascade and built_on is not None:
            foreign = built_on(stages, self.repo.commits(record.commit, head, MAX_LATER))
        return Ahead(stages, done, foreign)

    def _foreign(self, ours: str, stages: Stages, head: str) -> str:
        """Which field of the plan somebody else has set since our commit, in words; "" for none."""
        for one in stages.before:
            put, now = self._value(ours, one), self._value(head, one)
            if put != now:
                shown = "gone" if now is None else repr(now[0])
                return (
                    f"{one.path}: {one.field} is {shown} by now, and not {put[0]!r} as we left it"
                    if put
                    else (f"{one.path}: {one.field} is not what we left")
                )
        return ""

    def _undone(self, record: RollbackRecord, stages: Stages, head: str) -> str:
        """Which file of an application that went back somebody has changed since, in words; "" for none."""
        for step in record.steps:
            for path, blob in step.blobs.items():
                if step.n <= len(stages.cascade) and self.repo.entry_id(head, path) != blob:
                    return f"{path} is not as step {step.n} left it any more"
        return ""

    def stopped_again(self, record: RollbackRecord, head: str) -> str:
        """Which field of a plan whose commits are all there stops the traffic at the head, in words; "" for none."""
        stages = None if unfinished(record) else stages_of(record)
        stopping = {} if stages is None else {(one.path, one.field): one for step in stages.steps for one in step.sets}
        for one in (one for step in (stages.after if stages else ()) for one in step.sets):
            stop, now = stopping.get((one.path, one.field)), self._value(head, one)
            if stop is not None and now is not None and now[0] == stop.value != one.value:
                left = f"{one.path}: {one.field} is {now[0]!r} again, and not {one.value!r} as we left it"
                return f"{left}: somebody else has stopped the traffic, so nothing shows that what came back serves"
        return ""

    # Words

    def message(self, stages: Stages, step: Step, policy: Policy, rung: int | None) -> str:
        """The commit message of a later step."""
        record = step.record
        reverts = tuple(self.repo.commit(sha) for sha in record.reverts)
        text = RevertText(
            rollback_id=record.id,
            reverts=reverts,
            why=(f"{record.reason}: {step.message}.",),
            applications=record.applications,
            policy=record.policy,
            triggers=record.triggers,
            restores=record.restores,
            bad_revision=record.bad_revision,
            rung=rung,
            requested_by=record.requested_by,
        )
        return message_of_step(text, stages, step.n, _name(record, policy))


def _switches(stages: Stages) -> frozenset[tuple[str, str]]:
    """The fields that let a Job run: what they say holds until it has completed."""
    steps = (step for step in stages.steps if step.gate is not None and step.gate.job is not None)
    return frozenset((one.path, one.field) for step in steps for one in step.sets)


def _lasting(stages: Stages) -> tuple[FieldValue, ...]:
    """What the steps set for good."""
    return tuple(one for one in stages.sets if (one.path, one.field) not in _switches(stages))


def _with(content: bytes, values: Sequence[FieldValue]) -> bytes:
    """The file with all of these fields as they are to be. Raises: FieldFault."""
    for one in values:
        if one.how == DROP:
            content = without_field(content, one.field)
        elif one.how == PUT and not value_at(content, one.field):
            content = with_field(content, one.field, one.value)
        else:
            content = set_fields(content, {one.field: one.value})
    return content


def landed_record(record: RollbackRecord, plan: Plan, commit: str, now: datetime) -> RollbackRecord:
    """The record of a rollback whose `commit` is on the branch."""
    changes = plan.staged.changes if plan.staged else plan.reversal.changes
    of = plan.staged.stages.total if plan.staged else 1
    step = StepRecord(1, of, commit, {change.path: change.new_blob for change in changes}, now)
    if plan.staged:
        record = replace(record, evidence={**record.evidence, STAGES: plan.staged.stages.document})
    return advance(advance(replace(record, steps=(step,)), Phase.PUSHING), Phase.SYNCING, now)


def message_of_step(text: RevertText, stages: Stages, n: int, name: str) -> str:
    """Step `n` in words: the one that reverts says so, even where it only sets a field."""
    going = stages.reverted(n, [one.sha for one in text.reverts])
    if going:
        first = (f"{for_people(stages.title(n)).capitalize()}, so it goes back first.",) if n < stages.revert else ()
        reverts = tuple(one for one in text.reverts if one.sha in going)
        why = (*first, *text.why, *_skipped(stages, n))
        return revert_message(replace(text, reverts=reverts, why=why, step=f"{n}/{stages.total}"))
    return step_message(text, StepText(name, stages.title(n), n, stages.total))


def _skipped(stages: Stages, n: int) -> tuple[str, ...]:
    """What is set together with the revert, for people."""
    if n != stages.revert or not stages.setting:
        return ()
    path = stages.setting[0].path
    return (f"Flagger promotes it without analysis ({path}: skipAnalysis), and analyses again after step {n + 1}.",)


def _name(record: RollbackRecord, policy: Policy) -> str:
    return policy.targets[0].name if len(policy.targets) == 1 else record.applications[0].rpartition("/")[2]


def _step_of(commit: Commit, record: RollbackRecord) -> int:
    """The number of the step that the commit says it is; 0 if it is none of this rollback's."""
    if commit.trailers.get("Rollback-Id", ()) != (record.id,):
        return 0
    said = commit.trailers.get("Rollback-Step", ("",))[0].partition("/")[0]
    return int(said) if said.isdecimal() and len(said) <= 4 else 0
