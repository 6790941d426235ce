"""How is a commit undone on top of a later one, without a work tree?

Each commit is undone by a three-way merge in the object database: base is the culprit, the two sides are the head and
the culprit's parent. A conflict is looked at once more by line and by key (`untangling.py`). What comes out must then
pass the gates of `gates.py`. No ref, index or lock is touched.
Source: git-merge-tree(1), git-hash-object(1), git-revert(1) for what a merge's parent number means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gitops_rollback.adapters.git import gates
from gitops_rollback.adapters.git.conflicts import (
    LATER_LIMIT,
    explain_clashes,
    explain_conflicts,
    later_commits,
    undone_by,
)
from gitops_rollback.adapters.git.difference import Differences
from gitops_rollback.adapters.git.door import LOSSLESS, Git
from gitops_rollback.adapters.git.history import log
from gitops_rollback.adapters.git.merge import MERGE_CONFIG, Merge, merge_commits
from gitops_rollback.adapters.git.objects import ObjectReader, find_entry, put_files
from gitops_rollback.adapters.git.revisions import RawCommit, Refused, Revisions, is_partial
from gitops_rollback.adapters.git.untangling import Untangled, is_complete, setters, untangle
from gitops_rollback.adapters.git.writer import ObjectWriter
from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.errors import ObjectMissing, Reason
from gitops_rollback.core.merging.matching import Path
from gitops_rollback.core.plan import Explanation, PlanOutcome, Reversal

NOBODY = "gitops-rollback <gitops-rollback@localhost>"  # of synthetic commits, which no ref ever reaches
TEXT_BYTES = 16 << 20
OFF_HISTORY = "it is not in the history of the commit that it is undone on"
DONE = "Nothing."
LOOK = "Look at this file's change, and commit it as a person."
CHECK = "Write the change by hand, and check the file as a whole."
RENAMES = ("diff-tree", "-r", "-z", "--name-status", "--diff-filter=R", "-M50%", "-l7000", "--no-ext-diff")


@dataclass(frozen=True)
class Undoing:
    """One commit to undo on `tree`. `undone` is what the commit did, by path: its parent -> itself."""

    culprit: RawCommit
    parent: RawCommit
    head: RawCommit
    tree: str
    undone: Mapping[str, FileChange]
    ancestor: bool  # the culprit lies in the head's history
    differences: Differences
    good: RawCommit | None = None  # an older state of the culprit's history that is to come back


@dataclass(frozen=True)
class Step:
    """What one rung made of an `Undoing`: a tree, or why not. `rung` 0: nothing was left to undo.

    `merge` is git's merge where that was a conflict, for the rungs behind it. `superseded` are later commits whose
    values are taken back as well.
    """

    tree: str | None
    rung: int = 0
    reason: Reason | None = None
    explained: tuple[Explanation, ...] = ()
    merge: Merge | None = None
    superseded: tuple[str, ...] = ()


Rung = Callable[[Undoing, Step], Step]


class Reverser:
    """Builds inverses in one repository. Keeps its processes until `close`; several threads may use it."""

    def __init__(self, git: Git, reader: ObjectReader | None = None) -> None:
        config = (*git.config, *MERGE_CONFIG)
        self.git = Git(
            git.git_dir,
            config=config,
            environment=git.environment,
            secrets=git.secrets,
            on_complaint=git.on_complaint,
        )
        self._foreign = reader is not None
        self.reader = reader or ObjectReader(self.git)
        self.writer = ObjectWriter(self.git)
        self.revisions = Revisions(self.git, self.reader)
        # In this order; the first sound result counts.
        self._ladder: tuple[Rung, ...] = (self._merge, self._by_key, self._target_state)

    def close(self) -> None:
        """End the processes, but not that of a reader that was given; the next call starts new ones."""
        self.writer.close()
        if not self._foreign:
            self.reader.close()

    def reverse(
        self, at: str, reverts: Sequence[str], mainline: int | None = None, good: str | None = None
    ) -> Reversal:
        """Undo `reverts`, newest first, each on the result of the one before; full or shortened SHAs.

        `mainline` is the parent, counted from 1, against which a merge is undone: None is the first one, but refuses a
        merge of more than two. `good` is the last good state: keys that were set again since go back to what it says,
        where it is here and older than the culprit; else to what stood before the culprit.
        Raises: RepositoryUnavailable if objects cannot be read or written.
        """
        try:
            head = self.revisions.find(at)
            culprits = [self.revisions.find(sha) for sha in reverts]
            pairs = [(culprit, self.parent(culprit, mainline)) for culprit in culprits]
        except Refused as refused:
            return _refusal(at, reverts, refused.reason, str(refused))
        if not pairs:
            return _refusal(at, reverts, Reason.NO_SUSPECT, "no commit to undo was named")
        return self._undo_all(head, pairs, self._known(good))

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
        self, head: RawCommit, pairs: Sequence[tuple[RawCommit, RawCommit]], good: RawCommit | None
    ) -> Reversal:
        shas = tuple(culprit.sha for culprit, _ in pairs)
        tree, rung = head.tree, 0
        superseded: tuple[str, ...] = ()
        differences = Differences(self.reader)
        works = []
        for culprit, parent in pairs:
            undone = {change.path: change for change in differences.between(parent.tree, culprit.tree)}
            ancestor = self.revisions.is_ancestor(culprit.sha, head)
            older = good is not None and good.sha != culprit.sha and self.revisions.is_ancestor(good.sha, culprit)
            works.append(Undoing(culprit, parent, head, tree, undone, ancestor, differences, good if older else None))
            step = self._undo(works[-1])
            if step.tree is None:
                return _conflict(head, shas, culprit, step)
            tree, rung = step.tree, max(rung, step.rung)
            superseded += step.superseded
        if tree == head.tree:
            return self._already_undone(head, works)
        strangers = [work.culprit.sha for work in works if not work.ancestor]
        others = tuple(sha for sha in dict.fromkeys(superseded) if sha not in shas)
        step = Step(tree, rung, superseded=others)
        return _clean(head, shas, step, differences.between(head.tree, tree), strangers)

    def _already_undone(self, head: RawCommit, works: Sequence[Undoing]) -> Reversal:
        """Success without a commit; says who took the culprits back, where one commit did."""
        shas = tuple(work.culprit.sha for work in works)
        known = [work for work in works if work.ancestor]
        doers = [undone_by(self.git, w.culprit.sha, head.sha, [*map(_inverse, w.undone.values())]) for w in known]
        explained = [Explanation(None, None, doer, "it was undone by this commit", DONE) for doer in doers if doer]
        state = "is already undone" if known else "was never"
        message = f"{_names(shas)} {state} in {head.sha[:12]}: nothing to do."
        return Reversal(PlanOutcome.EMPTY, head.sha, shas, tree=head.tree, explained=tuple(explained), message=message)

    def _undo(self, work: Undoing) -> Step:
        """The first rung's step that is sound; the last one's fault if none is."""
        step = Step(work.tree)
        for rung in self._ladder if work.undone else ():
            step = rung(work, step)
            if step.tree is not None:
                break
        return step

    def _merge(self, work: Undoing, _: Step) -> Step:
        """Rungs 1 and 2: one merge gives both; untouched paths must come out as the culprit found them."""
        theirs = self._synthetic(work, work.parent.tree)
        on_head = work.ancestor and work.tree == work.head.tree  # then the culprit is the merge base already
        merge = merge_commits(self.git, work.head.sha if on_head else self._synthetic(work, work.tree), theirs)
        if merge.tree is None:
            later = later_commits(self.git, work.culprit.sha, work.head.sha, merge.conflicts)
            explained = explain_conflicts(merge.conflicts, work.undone, later)
            return Step(None, reason=Reason.REVERT_CONFLICT, explained=explained, merge=merge)
        changes = work.differences.between(work.tree, merge.tree)
        untouched = set(changes) == {_inverse(change) for change in work.undone.values()}
        return self._judged(work, Step(merge.tree, 1 if untouched else 2), changes)

    def _by_key(self, work: Undoing, before: Step) -> Step:
        """Rung 3: the conflicted files by line and by key. Where keys clash, the explanations name them."""
        if before.merge is None:
            return before
        untangled = untangle(before.merge, self._text)
        if not untangled.faults:
            tree = put_files(self.git, self.reader, before.merge.marked, untangled.files)
            return self._last(work, Step(tree, 3), before)
        by = self._setters(work, untangled)
        return replace(before, explained=explain_clashes(before.explained, untangled.clashes, by))

    def _target_state(self, work: Undoing, before: Step) -> Step:
        """Rung 4: keys that were set again since go back to their value in the last good state, or before the culprit.

        Only where every commit that this supersedes is known.
        """
        if before.merge is None:
            return before
        untangled = untangle(before.merge, self._text, target=True, good=self._good(work))
        by = self._setters(work, untangled)
        known = all(by.get((path, key)) for path, keys in untangled.clashes.items() for key in keys)
        if untangled.faults or not known or not work.ancestor:
            return before
        superseded = tuple(dict.fromkeys(sha for shas in by.values() for sha in shas))
        tree = put_files(self.git, self.reader, before.merge.marked, untangled.files)
        return self._last(work, Step(tree, 4, superseded=superseded), before)

    def _last(self, work: Undoing, step: Step, before: Step) -> Step:
        """The step, if it passes the gates and a second undoing finds nothing more to do; else the one before."""
        judged = self._judged(work, step, work.differences.between(work.tree, str(step.tree)))
        return judged if judged.tree is not None and self._once(work, judged.tree) else before

    def _once(self, work: Undoing, tree: str) -> bool:
        """Where lines or elements repeat themselves, undoing again may take back their twins."""
        theirs = self._synthetic(work, work.parent.tree)
        merge = merge_commits(self.git, self._synthetic(work, tree), theirs)
        if merge.tree is not None:
            return merge.tree == tree
        again = untangle(merge, self._text, target=True, good=self._good(work))
        return bool(again.faults) or put_files(self.git, self.reader, merge.marked, again.files) == tree

    def _good(self, work: Undoing) -> Callable[[str], bytes | None] | None:
        """The files of the last good state; None where none was named."""
        good = work.good
        if good is None:
            return None

        def read(path: str) -> bytes | None:
            found = find_entry(self.reader, good.tree, path)
            return None if found is None or found.kind != "blob" else self._text(found.sha)

        return read

    def _setters(self, work: Undoing, untangled: Untangled) -> dict[tuple[str, Path], tuple[str, ...]]:
        """Who set each clashing key since the culprit, or since the last good state; {} where nobody can say."""
        if not untangled.clashes or work.culprit.sha == work.head.sha:
            return {}
        line = log(self.git, (work.good or work.culprit).sha, work.head.sha, LATER_LIMIT)
        history = [commit for commit in line if commit.sha != work.culprit.sha]
        return setters(history, untangled.clashes, self._text) if is_complete(history) else {}

    def _judged(self, work: Undoing, step: Step, changes: Sequence[FileChange]) -> Step:
        """The step, if its tree passes the gates."""
        faults = self._faults(work, changes)
        if not faults:
            return step
        later = later_commits(self.git, work.culprit.sha, work.head.sha, faults)
        explained = tuple(Explanation(path, None, later.get(path), why, CHECK) for path, why in faults.items())
        return Step(None, reason=Reason.GATE_FAILED, explained=explained)

    def _synthetic(self, work: Undoing, tree: str) -> str:
        """A commit of `tree` on the culprit, which makes the culprit the merge base.

        Its time must not lie before the head's, else git walks the whole history to find that base.
        """
        seconds = max(work.head.committed, work.culprit.committed)
        return self.writer.commit(tree, (work.culprit.sha,), "side of a merge\n", seconds, NOBODY)

    def _faults(self, work: Undoing, changes: Sequence[FileChange]) -> dict[str, str]:
        """What is wrong with a clean merge, by path; {} if it may be committed."""
        odd = {c.path: why for c in changes if (why := gates.blob_fault(c, work.undone.get(c.path))) is not None}
        followed = self._followed(work, changes) if odd else {}
        faults = {path: why for path, why in odd.items() if path not in followed}
        whole = {change.old_blob for change in work.undone.values()}
        partial = is_partial(self.git.git_dir)
        for change in changes:
            if change.path in faults or not gates.is_restored(change):
                continue
            if gates.is_merged(change, whole):
                undone = work.undone.get(change.path)
                before = followed.get(change.path) or (change.old_blob, undone.old_blob if undone else None)
                fault = self._merge_fault(change, before)
            else:  # in a partial clone a look at what merely comes back would cost a fetch for each file
                fault = None if partial else gates.marker_fault(self._text(str(change.new_blob)) or b"")
            if fault is not None:
                faults[change.path] = fault
        return faults

    def _followed(self, work: Undoing, changes: Sequence[FileChange]) -> dict[str, tuple[str | None, ...]]:
        """Each path where git followed a rename -> the blobs that were merged there: at the head, before the culprit.

        The culprit's file was moved since, so its new path changes; or the culprit itself moved it, and what was edited
        at the new path comes back at the old one.
        """
        since = self._renames(work.culprit.tree, work.tree)
        own = {old: new for new, old in self._renames(work.parent.tree, work.culprit.tree).items()}
        at_head = {change.path: change.old_blob for change in changes}
        found: dict[str, tuple[str | None, ...]] = {}
        for path, blob in at_head.items():
            source, twin = work.undone.get(since.get(path, "")), work.undone.get(own.get(path, ""))
            if source is not None:
                found[path] = (blob, source.old_blob)
            elif twin is not None and at_head.get(twin.path, twin.new_blob) != twin.new_blob:
                found[path] = (at_head[twin.path], work.undone[path].old_blob)
        return found

    def _renames(self, old_tree: str, new_tree: str) -> dict[str, str]:
        """New path -> old path."""
        words = self.git.run(*RENAMES, old_tree, new_tree).stdout.decode(*LOSSLESS).split("\0")
        return {new: old for old, new in zip(words[1::3], words[2::3], strict=False)}

    def _merge_fault(self, change: FileChange, before: Sequence[str | None]) -> str | None:
        content = self._text(str(change.new_blob))
        versions = [self._text(blob) for blob in before if blob is not None]
        known = tuple(version for version in versions if version is not None)
        if content is None or len(known) < len(versions):
            return "it is too large to check what the merge made of it"
        return gates.text_fault(gates.MergedText(change.path, content, known))

    def _text(self, blob: str) -> bytes | None:
        """None if it is too large to be looked at. Raises: ObjectMissing; RepositoryUnavailable."""
        found = self.reader.info(blob)
        return None if found is not None and found[1] > TEXT_BYTES else self.reader.read(blob, TEXT_BYTES)[1]


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


def _inverse(change: FileChange) -> FileChange:
    return FileChange(change.path, change.new_mode, change.old_mode, change.new_blob, change.old_blob)


def _refusal(at: str, reverts: Sequence[str], reason: Reason, message: str) -> Reversal:
    return Reversal(PlanOutcome.REFUSED, at, tuple(reverts), gate_reason=reason, message=f"Refused: {message}.")


def _conflict(head: RawCommit, shas: tuple[str, ...], culprit: RawCommit, step: Step) -> Reversal:
    files = _list([str(explanation.path) for explanation in step.explained])
    message = f"{culprit.sha[:12]} cannot be undone at {head.sha[:12]} without a person: see {files}."
    return Reversal(
        PlanOutcome.CONFLICT, head.sha, shas, explained=step.explained, gate_reason=step.reason, message=message
    )


def _clean(
    head: RawCommit, shas: tuple[str, ...], step: Step, changes: tuple[FileChange, ...], strangers: Sequence[str]
) -> Reversal:
    seen = [(change.path, gates.protected_because(change)) for change in changes]
    explained = [
        Explanation(None, None, sha, OFF_HISTORY, "Check that it was deployed here at all.") for sha in strangers
    ]
    explained += [Explanation(path, None, None, why, LOOK) for path, why in seen if why is not None]
    reason = Reason.PROTECTED_PATH if len(explained) > len(strangers) else None
    count = len(changes)
    also = f", and takes back what {_names(step.superseded)} set there since" if step.superseded else ""
    return Reversal(
        PlanOutcome.CLEAN,
        head.sha,
        shas,
        tree=step.tree,
        rung=step.rung,
        changes=changes,
        superseded=step.superseded,
        explained=tuple(explained),
        gate_reason=Reason.NOT_FIRST_PARENT if strangers else reason,
        message=f"Undoing {_names(shas)} at {head.sha[:12]} changes {count} file{'s' if count > 1 else ''}{also}.",
    )


def _names(shas: Sequence[str]) -> str:
    return _list([sha[:12] for sha in shas])


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
