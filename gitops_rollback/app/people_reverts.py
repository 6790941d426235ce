"""Which commits of people took back which earlier ones, in one application's inputs? Told by content.

A commit takes back others if the inputs are afterwards as they were before them, if it changes their files back blob
for blob, or if it is exactly what undoing one of them would give on top of what came later. Messages prove nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from gitops_rollback.app.inputs import Inputs
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.errors import ObjectMissing
from gitops_rollback.core.hindsight import Change, SameTree, TakenBack
from gitops_rollback.core.message import DRILL_TRAILER
from gitops_rollback.core.ownership import ours
from gitops_rollback.core.paths import Paths
from gitops_rollback.core.plan import PlanOutcome
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import ConfigRepo

LOOKED_BACK = timedelta(days=14)  # between a commit and one that takes it back alone
TRIED = 5  # reversals that are built for one commit
NAMED = re.compile(r"[Tt]his reverts commit ([0-9a-f]{7,64})")  # git's own words: a hint, tried first


class PeopleReverts:
    """Looks through one repository. `records` name the commits that are ours, and so nobody's."""

    def __init__(self, repo: ConfigRepo, inputs: Inputs, records: Iterable[RollbackRecord]) -> None:
        self._repo = repo
        self._inputs = inputs
        self._records = tuple(records)

    def among(self, commits: Sequence[Commit], own: Paths) -> tuple[TakenBack, ...]:
        """`commits` are all that change the files `own`, oldest first."""
        found: list[TakenBack] = []
        states = [self._state_before(commits[0], own)] if commits else []
        for place, commit in enumerate(commits):
            states.append(self._inputs.of(commit.sha, own))
            if ours(commit, self._records, None) or not commit.parents or DRILL_TRAILER in commit.trailers:
                continue
            undone = self._undone(commits[:place], commit, states, own)
            if undone:
                found.append(TakenBack(change_of(commit), undone))
        return tuple(found)

    def _state_before(self, commit: Commit, own: Paths) -> str | None:
        try:
            return self._inputs.of(commit.parents[0], own) if commit.parents else None
        except ObjectMissing:
            return None

    def _undone(
        self, before: Sequence[Commit], commit: Commit, states: Sequence[str | None], own: Paths
    ) -> tuple[str, ...]:
        """`states` are those before the first commit and after each, the last one being that after `commit`."""
        state, earlier = states[-1], states[:-1]
        if state is not None and state != earlier[-1] and state in earlier:
            since = len(earlier) - 1 - earlier[::-1].index(state)
            return tuple(one.sha for one in reversed(before[since:]))
        young = [one for one in reversed(before) if commit.committed_at - one.committed_at <= LOOKED_BACK]
        inverse = next((one.sha for one in young if _is_inverse(commit, one, own)), None)
        if inverse is not None:
            return (inverse,)
        alone = next((one.sha for one in _likely(young, commit, own) if self._is_reversal(commit, one, own)), None)
        return (alone,) if alone is not None else ()

    def _is_reversal(self, commit: Commit, culprit: Commit, own: Paths) -> bool:
        reversal = self._repo.reverse(commit.parents[0], [culprit.sha])
        if reversal.outcome is not PlanOutcome.CLEAN or reversal.tree is None:
            return False
        return self._inputs.of(reversal.tree, own) == self._inputs.of(commit.sha, own)


def change_of(commit: Commit) -> Change:
    """The commit as the table names it."""
    return Change(commit.sha, commit.committed_at, commit.subject)


def _is_inverse(commit: Commit, culprit: Commit, own: Paths) -> bool:
    back = {one.path: (one.new_blob, one.old_blob) for one in commit.changes if one.path in own}
    forth = {one.path: (one.old_blob, one.new_blob) for one in culprit.changes if one.path in own}
    return bool(back) and back == forth


def _likely(young: Sequence[Commit], commit: Commit, own: Paths) -> Iterator[Commit]:
    """The named ones first, then the newest that change the same files."""
    named = tuple(NAMED.findall(commit.message))
    files = set(own.of(commit.paths))
    said = [one for one in young if any(one.sha.startswith(name) for name in named)]
    touching = [one for one in young if one not in said and files & set(own.of(one.paths))]
    yield from [*said, *touching][:TRIED]


def same_tree(inputs: Inputs, own: Paths) -> SameTree:
    """Whether a plan's tree and a commit of people have the same files in `own`; None for what is not here."""

    def compare(tree: str, commit: str) -> bool | None:
        try:
            return inputs.of(tree, own) == inputs.of(commit, own)
        except ObjectMissing:
            return None

    return compare
