"""Could what runs, a commit, or a pull request be rolled back, if it turned out bad? Reads, and writes to nobody.

What is not deployed yet is judged as if it were: put on the branch's head, and then undone there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gitops_rollback.app.directory import Listing
from gitops_rollback.app.offered_trees import OfferedTrees
from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.view import View
from gitops_rollback.core.decision import Act, Circumstances, Decision, Proposal
from gitops_rollback.core.errors import Reason, RollbackError, StalledError
from gitops_rollback.core.guards.charts import GUARD as CHARTS
from gitops_rollback.core.guards.images import GUARD as IMAGES
from gitops_rollback.core.guards.references import GUARD as REFERENCES
from gitops_rollback.core.offer import PlannedHead
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.rollbackable import Readiness, Rollbackable, rollbackable
from gitops_rollback.core.sync import DeploymentRecord, SyncEvent
from gitops_rollback.core.trigger import Baseline, BaselineLevel, Level, Verdict
from gitops_rollback.ports import ConfigRepo

BECAUSE = Decision(Act.ROLL_BACK, Reason.REQUESTED, "if it turned out bad")
MOST_COMMITS = 200  # of a branch, between its head and where it left the followed one
SYNTHETIC = "a merge that nobody made\n"  # no ref ever reaches such a commit


@dataclass(frozen=True)
class Preflight:
    """Asks for one repository. `view` and `listing` are one look's."""

    repo: ConfigRepo
    reconciler: Reconciler
    trees: OfferedTrees

    def deployed(self, watched: Watched, view: View, listing: Listing, now: datetime) -> Rollbackable:
        """What runs now."""
        try:
            look = self._look(watched, view, now)
            counted = replace(look, raised=replace(BECAUSE, verdicts=look.case.verdicts))
            proposal = self.reconciler.proposer.propose(counted, view, listing, now)
        except RollbackError as error:
            return _cannot(watched, error)
        return self._answer(counted, proposal, view, now)

    def commit(self, sha: str, view: View, listing: Listing, now: datetime) -> tuple[Rollbackable, ...]:
        """A commit, for each watched application that it touches; () where it touches none.

        Raises: StalledError `UnknownRevision` for one that the clone has not, or that conflicts with the branch.
        """
        if not self.repo.has(sha):
            raise StalledError(sha[:12], "is no commit that the clone has", Reason.UNKNOWN_REVISION)
        if not self.repo.is_ancestor(sha, view.heads.branch):
            return self.merged(sha, view, listing, now)
        found = self.touched(self.repo.commit(sha).paths, sha, listing)
        return tuple(self._of_branch(sha, one, view, listing, now) for one in found)

    def merged(self, head: str, view: View, listing: Listing, now: datetime) -> tuple[Rollbackable, ...]:
        """The head of a pull request, as if it were merged now. Raises: as `commit`."""
        made = self._merge(head, view.heads.branch)
        found = self.touched(self.repo.commit(made).paths, made, listing)
        ahead = replace(view, heads=replace(view.heads, branch=made))
        return tuple(self._undone(made, one, view, ahead, listing, now) for one in found)

    def touched(self, paths: Sequence[str], at: str, listing: Listing) -> tuple[Watched, ...]:
        """The watched applications that may render from one of these files."""
        return tuple(
            one
            for one in listing.watched
            if one.own.of(paths) or any(fed.touches(paths, at) for fed in listing.named(one.name))
        )

    def _of_branch(self, sha: str, watched: Watched, view: View, listing: Listing, now: datetime) -> Rollbackable:
        """One that stands on the branch, deployed or about to be."""
        try:
            look = self._look(watched, view, now)
        except RollbackError as error:
            return _cannot(watched, error)
        if not self.repo.is_ancestor(sha, look.bad_revision):
            return self._undone(sha, watched, view, view, listing, now)
        return self._named(sha, look, view, listing, now)

    def _undone(
        self, sha: str, watched: Watched, view: View, ahead: View, listing: Listing, now: datetime
    ) -> Rollbackable:
        """As if the head of `ahead`, which holds `sha`, had been deployed at this moment."""
        try:
            look = _as_deployed(self._look(watched, view, now), ahead.heads.branch, now)
        except RollbackError as error:
            return _cannot(watched, error)
        return self._named(sha, look, ahead, listing, now)

    def _named(self, sha: str, look: Look, view: View, listing: Listing, now: datetime) -> Rollbackable:
        counted = look.raised.verdicts or look.case.verdicts
        look = replace(look, raised=replace(BECAUSE, verdicts=counted))
        try:
            proposal = self.reconciler.proposer.propose_named(look, view, listing, now, only=(sha,))
        except RollbackError as error:
            return _cannot(look.watched, error)
        return self._answer(look, proposal, view, now)

    def _look(self, watched: Watched, view: View, now: datetime) -> Look:
        feeds = self.reconciler.directory.feeder(watched)
        return self.reconciler.observer.look_anyway(watched, view, now, feeds, BECAUSE)

    def _answer(self, look: Look, proposal: Proposal, view: View, now: datetime) -> Rollbackable:
        around = Circumstances(
            stopped=self.reconciler.surroundings.stopped(look, view, now),
            suspended=f"policy {look.policy.name} is suspended" if look.policy.suspend else "",
            journal_trouble=view.journal.trouble,
        )
        return rollbackable(look.name, look.raised, proposal, look.policy, around, now)

    def _merge(self, head: str, base: str) -> str:
        """The commit that a merge would make of it, in the object database alone."""
        line = self.repo.recent(head, MOST_COMMITS)
        left = next((one.sha for one in line if self.repo.is_ancestor(one.sha, base)), None)
        tree = self.trees.merged(PlannedHead(head, left), base) if left is not None else None
        if tree is None:
            raise StalledError(head[:12], "cannot be merged into the branch as it is", Reason.UNKNOWN_REVISION)
        return self.repo.write_commit(tree, base, SYNTHETIC, self.repo.commit(base).committed_at)


@dataclass(frozen=True)
class Brought:
    """What the plan's own guards say of what a rollback would bring back; None where there is no plan.

    `images` is the worse of the answers about images and charts, `references` the one about Secrets and ConfigMaps.
    """

    images: GuardAnswer | None = None
    references: GuardAnswer | None = None


def coming_back(reconciler: Reconciler, watched: Watched, view: View, listing: Listing, now: datetime) -> Brought:
    """For what runs now. Asks no metrics. Raises: RollbackError."""
    feeds = reconciler.directory.feeder(watched)
    look = reconciler.observer.look_anyway(watched, view, now, feeds, BECAUSE, measured=False)
    plan = reconciler.proposer.propose(look, view, listing, now).plan
    guards = plan.guards if plan is not None else ()
    images = min((one for one in guards if one.guard in (IMAGES, CHARTS)), key=_gone_first, default=None)
    return Brought(images, next((one for one in guards if one.guard == REFERENCES), None))


def _gone_first(answer: GuardAnswer) -> tuple[bool, bool, bool]:
    gone = answer.reason in (Reason.IMAGE_MISSING, Reason.CHART_MISSING)
    return not gone, answer.result in (GuardResult.ALLOW, GuardResult.NOT_EVALUATED), answer.guard != IMAGES


def _cannot(watched: Watched, error: RollbackError) -> Rollbackable:
    """What cannot be seen is never a yes."""
    return Rollbackable(watched.name, Readiness.NOT_POSSIBLE, error.reason, f"{error.subject}: {error.message}")


def _as_deployed(look: Look, revision: str, now: datetime) -> Look:
    """The look as it would be right after a sync to `revision`: what was measured just now is its baseline."""
    last, index = look.records[-1], look.watched.indexes[0]
    revisions = tuple(revision if n == index else one for n, one in enumerate(last.revisions))
    newest = DeploymentRecord(revisions, look.state.sources, now, now)
    event = SyncEvent(look.watched.id, newest, last)
    verdicts = tuple(one._replace(baseline=_baseline(one)) for one in look.case.verdicts)
    return replace(
        look,
        records=(*look.records[:-1], replace(last, replaced_at=now), newest),
        event=event,
        case=replace(look.case, event=event, verdicts=verdicts),
        raised=replace(look.raised, verdicts=verdicts),
        bad_revision=revision,
        live_revision=revision,
    )


def _baseline(verdict: Verdict) -> Baseline:
    last = verdict.state.last.level if verdict.state.last is not None else None
    levels = {Level.FALSE: BaselineLevel.QUIET, Level.TRUE: BaselineLevel.FIRING}
    return Baseline(levels.get(last, BaselineLevel.NONE) if last is not None else BaselineLevel.NONE)
