"""What would be changed in git, and whether that may happen without a person.

A `Plan` is made of the merged tree alone; guards then judge it. `explained` says for each thing that stands in the way
which file, which key, whose commit, and what a person can do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gitops_rollback.core.certainty import Weighing
from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.image_holds import ImageHold
from gitops_rollback.core.policy import Delivery, GuardResult
from gitops_rollback.core.provision import PROVISION, Provision, delivered
from gitops_rollback.core.rendering import Rendered
from gitops_rollback.core.strategies.stages import Stages
from gitops_rollback.core.upstream import Upstream

REAPPLY = "reapply"  # the way of a plan that lands again what was taken back in vain
SUBJECT_LIMIT = 500  # characters; no tool shows more, and a commit's first line may be its whole text


class PlanOutcome(StrEnum):
    """Speaks of the tree alone: could the inverse be built?"""

    CLEAN = "clean"
    EMPTY = "empty"
    CONFLICT = "conflict"
    REFUSED = "refused"


@dataclass(frozen=True)
class Explanation:
    path: str | None
    key: str | None
    commit: str | None
    why: str
    todo: str


@dataclass(frozen=True)
class FieldEdit:
    """One field that a plan sets to a value that never stood there, since the old one may not come back."""

    path: str
    field: str
    before: str  # at the head
    after: str

    @property
    def sentence(self) -> str:
        """For people, in commits and plans."""
        return f"{self.path}: {self.field} goes on from {self.before} to {self.after}, and not back."


@dataclass(frozen=True)
class Reversal:
    """The inverse of some commits, built on `base` in the object database. `tree` is set for CLEAN and EMPTY.

    `rung` is set for CLEAN: 1 if nobody touched the paths since, so that they are as before the culprit, byte for byte;
    2 if git merged them with what came later; 3 if by line or key; 4 if what was set again since goes back as well:
    `superseded` are the later commits that this undoes, `whole` the files that go back to the last good state in one
    piece. `edits` are fields that go on instead of back, `rendered` files that a command made anew from what went back.
    `explained` names what a person must look at or solve.
    """

    outcome: PlanOutcome
    base: str
    reverts: tuple[str, ...]
    tree: str | None = None
    rung: int | None = None
    changes: tuple[FileChange, ...] = ()  # base -> tree
    superseded: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    edits: tuple[FieldEdit, ...] = ()
    rendered: tuple[Rendered, ...] = ()
    explained: tuple[Explanation, ...] = ()
    # CLEAN: set if the tree is fine, but a person must look (CI file, symlink, ...). CONFLICT, REFUSED: why.
    gate_reason: Reason | None = None
    message: str = ""
    holds: tuple[ImageHold, ...] = ()  # marks of image automations that `tree` has not, beside the inverse
    unheld: str = ""  # why no mark could be taken off, where the policy would let us

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(change.path for change in self.changes)

    @property
    def sentences(self) -> tuple[str, ...]:
        """For people: what the plan's commit is besides the inverse."""
        return (*(edit.sentence for edit in self.edits), *(one.sentence for one in self.rendered))


def revert_message(
    subject: str, sha: str, parent: str | None = None, also: Sequence[str] = (), rung: int | None = None
) -> str:
    """The words that git's own revert begins with; `parent` (of a merge only) is what the merge is undone against.

    `also` are whole sentences. The sentence with the full sha stands whole on its line, so that every tool finds it.
    `rung` is the step of the ladder that gave the tree, told as a trailer.
    """
    reversing = f"\nReversing changes made to {parent}." if parent else ""
    more = "".join(f"\n{sentence}\n" for sentence in also)
    trailers = f"\nRollback-Rung: {rung}\n" if rung is not None else ""
    return f'Revert "{subject[:SUBJECT_LIMIT]}"\n\nThis reverts commit {sha}.{reversing}\n{more}{trailers}'


@dataclass(frozen=True)
class GuardAnswer:
    """One guard's word: `reason` and `remedy` are for people, and stand in journal, commit and page."""

    guard: str
    result: GuardResult
    reason: Reason | None = None
    message: str = ""
    remedy: str = ""

    @property
    def words(self) -> str:
        """What it says, and what a person can do about it."""
        return f"{self.message}; {self.remedy}" if self.message and self.remedy else self.message or self.remedy


@dataclass(frozen=True)
class Staged:
    """The commits on the way to the revert, and the first of them as it would be pushed on the plan's base."""

    stages: Stages
    tree: str
    changes: tuple[FileChange, ...]
    message: str


@dataclass(frozen=True)
class Plan:
    """A finished proposal for one application: it undoes `reversal.reverts`, by one commit unless it is `staged`.

    A pull request always holds the one commit of `reversal` and `message`.
    """

    rollback_id: str
    applications: tuple[str, ...]
    bad_revision: str
    restores: str  # last good revision
    policy_label: str
    triggers: tuple[str, ...]
    reversal: Reversal
    message: str  # the whole commit message
    guards: tuple[GuardAnswer, ...] = ()
    evidence: tuple[str, ...] = field(default=())
    ranked: tuple[tuple[str, float | None], ...] = ()  # all suspects with their probability, the likeliest first
    weighing: Weighing | None = None  # how sure it is that the culprit is among them
    repository: str = ""
    requested_by: str = "controller"
    follows: tuple[str, str] | None = None  # the Rollback-Id that did not help before it, and the way it goes
    request: str = ""  # the path of the file by which a person asked for it
    staged: Staged | None = None
    drill: str = ""  # the id of the drill whose bad commit it takes back
    strategy: str = "rolling"  # the types of the policy's strategies that it goes by, joined by a plus

    provision: Provision | None = None  # the infrastructure that it changes
    upstream: Upstream | None = None  # what is taken back as well, where the writer of the branch reads

    def delivered(self, delivery: Delivery) -> Delivery:
        """How it is delivered, where the policy says this for all."""
        return delivered(delivery, self.provision)

    @property
    def provisioned(self) -> dict[str, object]:
        """Its infrastructure, as it stands in the evidence of a record."""
        return {PROVISION: self.provision.document} if self.provision else {}

    @property
    def coordinated(self) -> bool:
        """Nothing but its steps, in their order, may land it."""
        return self.staged is not None and self.staged.stages.coordinated

    @property
    def reapplies(self) -> bool:
        """It lands again what a rollback took back in vain."""
        return self.follows is not None and self.follows[1] == REAPPLY

    @property
    def comes_back(self) -> str:
        """The revision whose state it goes back to."""
        return self.bad_revision if self.reapplies else self.restores

    @property
    def answer(self) -> GuardResult:
        """The strictest answer of all guards; `allow` if none was asked."""
        return max((guard.result for guard in self.guards), key=lambda result: result.rank, default=GuardResult.ALLOW)
