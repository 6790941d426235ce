"""How is a commit undone on top of a later one, without a work tree?

Each commit is undone by a three-way merge in the object database: base is the culprit, the two sides are the head and
the culprit's parent. A conflict is looked at once more by line and by key (`ladder.py`). What comes out must then pass
the gates of `gates.py`. Generated files are made anew where there is a command for them (`rerendering.py`). No ref,
index or lock is touched.
Source: git-merge-tree(1), git-hash-object(1), git-revert(1) for what a merge's parent number means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gitops_rollback.adapters.git.answers import clean, conflict, names, refusal
from gitops_rollback.adapters.git.charts import Charts
from gitops_rollback.adapters.git.conflicts import undone_by
from gitops_rollback.adapters.git.difference import Differences
from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.ladder import Ladder
from gitops_rollback.adapters.git.merge import MERGE_CONFIG
from gitops_rollback.adapters.git.objects import ObjectReader
from gitops_rollback.adapters.git.rerendering import Rendering, Rerenderer
from gitops_rollback.adapters.git.revisions import RawCommit, Refused, Revisions
from gitops_rollback.adapters.git.undoing import Step, Undoing, inverse, joined
from gitops_rollback.adapters.git.writer import ObjectWriter
from gitops_rollback.core.errors import ObjectMissing, Reason
from gitops_rollback.core.plan import Explanation, PlanOutcome, Reversal
from gitops_rollback.core.policy import ChartVersions
from gitops_rollback.core.rendering import Render

DONE = "Nothing."
NO_RENDERING = Rendering()


class Reverser:
    """Builds inverses in one repository. Keeps its processes until `close`; several threads may use it."""

    def __init__(self, git: Git, reader: ObjectReader | None = None, rendering: Rendering = NO_RENDERING) -> None:
        self.git = git.also(MERGE_CONFIG)
        self._foreign = reader is not None
        self.reader = reader or ObjectReader(self.git)
        self.writer = ObjectWriter(self.git)
        self.revisions = Revisions(self.git, self.reader)
        self._charts = Charts(self.git, self.reader, self.writer, Ladder(self.git, self.reader, self.writer))
        self.rerenderer = Rerenderer(self.git, self.reader, self.writer, rendering)

    def close(self) -> None:
        """End the processes, but not that of a reader that was given; the next call starts new ones."""
        self.writer.close()
        if not self._foreign:
            self.reader.close()

    def reverse(
        self,
        at: str,
        reverts: Sequence[str],
        mainline: int | None = None,
        good: str | None = None,
        charts: ChartVersions = ChartVersions.AS_BEFORE,
    ) -> Reversal:
        """Undo `reverts`, newest first, each on the result of the one before; full or shortened SHAs.

        `mainline` is the parent, counted from 1, against which a merge is undone: None is the first one, but refuses a
        merge of more than two. `good` is the last good state: what was set again since goes back to what it says, where
        it is here and older than the culprit; else keys alone go back, to what stood before the culprit. `charts` says
        what becomes of the version of a chart that was raised.
        Raises: RepositoryUnavailable if objects cannot be read or written.
        """
        try:
            head = self.revisions.find(at)
            culprits = [self.revisions.find(sha) for sha in reverts]
            pairs = [(culprit, self.parent(culprit, mainline)) for culprit in culprits]
        except Refused as refused:
            return refusal(at, reverts, refused.reason, str(refused))
        if not pairs:
            return refusal(at, reverts, Reason.NO_SUSPECT, "no commit to undo was named")
        return self._undo_all(head, pairs, self._known(good), charts)

    def proved(self, at: str) -> Iterator[tuple[str, str]]:
        """As `Rerenderer.proved`. Raises: Refused; RepositoryUnavailable."""
        return self.rerenderer.proved(self.revisions.find(at))

    def _known(self, good: str | None) -> RawCommit | None:
        try:
            return None if good is None else self.revisions.find(good)
        except Refused:
            return None  # a shallow clone may lack it

    def parent(self, culprit: RawCommit, mainline: int | None) -> RawCommit:
        """What the culprit is undone against. Raises: Refused."""
        parents, short = culprit.parents, culprit.sha[:12]
        if not parents:
            raise Refused(short, "is a root commit: there is nothing before it to go back to", Reason.ROOT_COMMIT)
        if mainline is None and len(parents) > 2:
            message = f"merges {len(parents)} parents: say which one to go back to (--mainline)"
            raise Refused(short, message, Reason.OCTOPUS_MERGE)
        number = 1 if mainline is None else mainline
        if not 1 <= number <= len(parents):
            raise Refused(short, f"has no parent number {number}, only {len(parents)}", Reason.NO_SUCH_PARENT)
        try:
            return self.revisions.commit(parents[number - 1])
        except ObjectMissing as exc:
            raise Refused(short, "its parent is not in this clone: fetch more history (git fetch --deepen)") from exc

    def _undo_all(
        self,
        head: RawCommit,
        pairs: Sequence[tuple[RawCommit, RawCommit]],
        good: RawCommit | None,
        charts: ChartVersions,
    ) -> Reversal:
        shas = tuple(culprit.sha for culprit, _ in pairs)
        differences = Differences(self.reader)
        whole = [self._work(head, pair, good, differences) for pair in pairs]
        renders = self.rerenderer.of(whole)
        works = [self.rerenderer.sources(work, renders) for work in whole]
        steps = self._steps([*zip(whole, works, strict=True)], charts)
        last = steps[-1]
        if last.tree is None:
            return conflict(head, shas, works[len(steps) - 1].culprit, last)
        if all(step.reason for step in steps):
            told = steps[0] if steps[0].explained else self.rerenderer.without_sources(whole[0], renders)
            return conflict(head, shas, works[0].culprit, told)
        made = joined(last.tree, steps, shas)
        if renders:
            made = self._rendered(head, made, whole, renders)
            if made.tree is None:
                return conflict(head, shas, works[0].culprit, made)
        if made.tree == head.tree:
            return self._already_undone(head, works)
        strangers = [work.culprit.sha for work in works if not work.ancestor]
        return clean(head, shas, made, differences.between(head.tree, str(made.tree)), strangers)

    def _steps(self, works: Sequence[tuple[Undoing, Undoing]], charts: ChartVersions) -> list[Step]:
        """What became of each commit, up to the first that cannot be undone; of its sources only, where it has some."""
        edits = self._charts.edits([sources for _, sources in works], charts)
        tree = works[0][0].tree
        steps: list[Step] = []
        for whole, sources in works:
            if whole.undone and not sources.undone:
                step = Step(tree, reason=Reason.REVERT_CONFLICT)  # it counts only beside one that changed sources
            else:
                step = self._charts.undo(replace(sources, tree=tree), edits)
            steps.append(step)
            if step.tree is None:
                break
            tree = step.tree
        return steps

    def _rendered(self, head: RawCommit, step: Step, whole: Sequence[Undoing], renders: Sequence[Render]) -> Step:
        """The step with its generated files. Where these did not simply come back, it is no longer rung 1."""
        made = self.rerenderer.anew(head, step, renders)
        if made.tree is None or made.rung != 1:
            return made
        changes = whole[0].differences.between(head.tree, made.tree)
        back = {inverse(change) for work in whole for change in work.undone.values()}
        return made if set(changes) == back else replace(made, rung=2)

    def _work(
        self, head: RawCommit, pair: tuple[RawCommit, RawCommit], good: RawCommit | None, differences: Differences
    ) -> Undoing:
        culprit, parent = pair
        older = good is not None and good.sha != culprit.sha and self.revisions.is_ancestor(good.sha, culprit)
        return Undoing(
            culprit,
            parent,
            head,
            head.tree,
            undone={change.path: change for change in differences.between(parent.tree, culprit.tree)},
            ancestor=self.revisions.is_ancestor(culprit.sha, head),
            differences=differences,
            before=parent.tree,
            after=culprit.tree,
            base=culprit.sha,
            good=good if older else None,
        )

    def _already_undone(self, head: RawCommit, works: Sequence[Undoing]) -> Reversal:
        """Success without a commit; says who took the culprits back, where one commit did."""
        shas = tuple(work.culprit.sha for work in works)
        known = [work for work in works if work.ancestor]
        doers = [undone_by(self.git, w.culprit.sha, head.sha, [*map(inverse, w.undone.values())]) for w in known]
        explained = [Explanation(None, None, doer, "it was undone by this commit", DONE) for doer in doers if doer]
        state = "is already undone" if known else "was never"
        message = f"{names(shas)} {state} in {head.sha[:12]}: nothing to do."
        return Reversal(PlanOutcome.EMPTY, head.sha, shas, tree=head.tree, explained=tuple(explained), message=message)


def reverse(
    git: Git,
    at: str,
    reverts: Sequence[str],
    mainline: int | None = None,
    good: str | None = None,
    reader: ObjectReader | None = None,
) -> Reversal:
    """As `Reverser.reverse`, for one call: the processes that it starts end with it."""
    reverser = Reverser(git, reader)
    try:
        return reverser.reverse(at, reverts, mainline, good)
    finally:
        reverser.close()
