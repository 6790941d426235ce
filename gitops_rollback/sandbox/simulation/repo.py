"""A clone of the simulated repository: the port `ConfigRepo`, with all the ways in which a remote can disappoint.

It keeps the contract of the real one: what a clone has not fetched it does not know, a push that failed is followed by
a look at the remote, and the newest accepted head outlives the process where its disk does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.core.commit import REGULAR_MODE, Commit
from gitops_rollback.core.errors import BranchRewritten, ObjectMissing, RepositoryUnavailable, StalledError
from gitops_rollback.core.plan import Reversal
from gitops_rollback.core.policy import ChartVersions
from gitops_rollback.ports import Heads, PushOutcome, PushResult, RefUpdate, TreeEntry
from gitops_rollback.sandbox.simulation.gate import Gate
from gitops_rollback.sandbox.simulation.objects import Objects
from gitops_rollback.sandbox.simulation.remote import CONTROL, JOURNAL, MAIN, Remote
from gitops_rollback.sandbox.simulation.reversing import reverse

NAME = "shop/config"
URL = "https://git.example.com/shop/config.git"
AUTHOR = "gitops-rollback <gitops-rollback@example.com>"
LAG_PATIENCE = timedelta(minutes=2)


@dataclass
class Disk:
    """What outlives the process: the newest accepted head, and when it was our own push."""

    head: str | None = None
    pushed_at: datetime | None = None


class SimRepo:
    """One replica's clone. `asked` is told each push before it leaves."""

    name = NAME
    url = URL
    branch = "main"
    atomic = True

    def __init__(
        self, gate: Gate, remote: Remote, disk: Disk, asked: Callable[[SimRepo, tuple[RefUpdate, ...]], None]
    ) -> None:
        self.gate = gate
        self._turn = gate.lock()
        self.read_heads: Mapping[str, str] = {}
        self.heads: list[str] = []  # of the branch, as read in this attempt
        self.last = ""
        self.refused: frozenset[str] = frozenset()  # by a rule, in the newest push
        self._remote = remote
        self._objects: Objects = remote.objects
        self._disk = disk
        self._asked = asked
        self._known = 0
        self._lag = timedelta(0)

    # The remote

    def fetch(self) -> Heads:
        """As in `ports.ConfigRepo`."""
        heads = self.gate.call("git.fetch", self._heads, self._unavailable)
        self._take(heads)
        self.last = "fetch"
        self._compare_with_seen(heads[MAIN])
        return Heads(heads[MAIN], heads.get(JOURNAL), heads.get(CONTROL))

    def _heads(self) -> Mapping[str, str]:
        """A mirror shows things late, and for a while."""
        if self.gate.is_stale():
            self._lag = timedelta(seconds=self.gate.seconds(1, 40))
        elif self._lag and self.gate.seconds(0, 1) < 0.5:
            self._lag = timedelta(0)
        return self._remote.heads(self._lag)

    def _take(self, heads: Mapping[str, str]) -> None:
        self.read_heads = heads
        self.heads.append(heads[MAIN])
        for sha in heads.values():
            self._known |= self._objects.reach(sha)

    def _compare_with_seen(self, head: str) -> None:
        seen = self._disk.head
        if seen is not None and not self._objects.is_ancestor(seen, head):
            pushed, now = self._disk.pushed_at, self._remote.clock()
            if pushed is not None and now - pushed <= LAG_PATIENCE and self._objects.is_ancestor(head, seen):
                raise self._unavailable()
            raise BranchRewritten(NAME, f"main moved from {seen[:12]} to {head[:12]}, which does not contain it")
        if seen != head:
            self._disk.head, self._disk.pushed_at = head, None

    def push(self, updates: Sequence[RefUpdate]) -> PushResult:
        """As in `ports.ConfigRepo`."""
        asked = tuple(updates)
        self._asked(self, asked)
        struck = self.gate.enter("git.push")
        said: Mapping[str, PushOutcome] | None = None
        if struck != "before":
            said = self._remote.receive(self.gate.who, asked)
            self.gate.leave("git.push")
        refs = said if said is not None and not struck else self._look_again(asked)
        if PushOutcome.UNKNOWN not in refs.values() and PushOutcome.LANDED not in refs.values():
            self._take(self._remote.heads())  # a look at the remote is part of every push without success
        self.refused = frozenset(ref for ref, one in refs.items() if one is PushOutcome.PROTECTED)
        outcome = refs[asked[0].ref]
        self.last = f"push {' '.join(refs[update.ref].value for update in asked)}"
        if refs.get(MAIN) is PushOutcome.LANDED:
            new = next(update.new for update in asked if update.ref == MAIN)
            self._disk.head, self._disk.pushed_at = new, self._remote.clock()
        words = self._remote.words(self.gate.who, asked[-1].ref) or self._remote.words(self.gate.who, asked[0].ref)
        return PushResult(outcome, refs, words if outcome is not PushOutcome.LANDED else "")

    def _look_again(self, updates: Sequence[RefUpdate]) -> dict[str, PushOutcome]:
        """The answer was lost: read the remote; where that fails too nobody knows."""
        if self.gate.enter("git.push, read again"):
            return {update.ref: PushOutcome.UNKNOWN for update in updates}
        heads = self._remote.heads()
        found: dict[str, PushOutcome] = {}
        for update in updates:
            head = heads.get(update.ref)
            landed = head is not None and self._objects.is_ancestor(update.new, head)
            # What the server said of a rule is lost with its answer.
            found[update.ref] = PushOutcome.LANDED if landed else PushOutcome.REJECTED
        return found

    def _unavailable(self) -> RepositoryUnavailable:
        return RepositoryUnavailable(NAME, "did not answer")

    # The clone

    def _need(self, treeish: str) -> None:
        bit = self._objects.bit(treeish)
        if (bit and not bit & self._known) or (not bit and treeish not in self._objects.trees):
            raise ObjectMissing(treeish[:80], f"no such object in {NAME}")

    def has(self, sha: str) -> bool:
        """As in `ports.ConfigRepo`."""
        return bool(self._objects.bit(sha) & self._known)

    def commit(self, sha: str) -> Commit:
        """As in `ports.ConfigRepo`."""
        self._need(sha)
        return self._objects.commits[sha]

    def commits(self, since: str | None, until: str, limit: int = 1000) -> tuple[Commit, ...]:
        """As in `ports.ConfigRepo`."""
        self._need(until)
        if since is not None:
            self._need(since)
        return self._objects.between(since, until, limit)

    def recent(self, tip: str, limit: int) -> tuple[Commit, ...]:
        """As in `ports.ConfigRepo`."""
        return self.commits(None, tip, limit)

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """As in `ports.ConfigRepo`."""
        return self.has(ancestor) and self.has(descendant) and self._objects.is_ancestor(ancestor, descendant)

    def on_first_parent(self, sha: str, tip: str) -> bool:
        """As in `ports.ConfigRepo`."""
        if not (self.has(sha) and self.is_ancestor(sha, tip)):
            return False
        return self._objects.on_first_parent(sha, tip)

    def tree(self, treeish: str) -> str:
        """As in `ports.ConfigRepo`."""
        self._need(treeish)
        commit = self._objects.commits.get(treeish)
        return commit.tree if commit is not None else treeish

    def entry_id(self, treeish: str, path: str) -> str | None:
        """As in `ports.ConfigRepo`."""
        self._need(treeish)
        return self._objects.entry(treeish, path.strip("/"))

    def files(self, treeish: str, under: str = "") -> tuple[TreeEntry, ...]:
        """As in `ports.ConfigRepo`."""
        self._need(treeish)
        under = under.strip("/")
        files = self._objects.files(treeish)
        named = [path for path in files if not under or path == under or path.startswith(f"{under}/")]
        return tuple(TreeEntry(path, REGULAR_MODE, files[path]) for path in sorted(named))

    def read(self, blob: str, limit: int = 1 << 20) -> bytes:
        """As in `ports.ConfigRepo`."""
        content = self._objects.blobs.get(blob)
        if content is None:
            raise ObjectMissing(blob[:80], "no such file")
        if len(content) > limit:
            raise StalledError(blob[:12], "is too large")
        return content

    def bring(self, blobs: Collection[str]) -> None:
        """As in `ports.ConfigRepo`; a simulated clone lacks none."""

    def reverse(
        self,
        at: str,
        reverts: Sequence[str],
        mainline: int | None = None,
        good: str | None = None,
        charts: ChartVersions = ChartVersions.AS_BEFORE,
    ) -> Reversal:
        """As in `ports.ConfigRepo`; whole files are merged here, so no key is ever set back or on."""
        for sha in (at, *reverts):
            self._need(sha)
        return reverse(self._objects, at, reverts, mainline)

    def write_commit(self, tree: str, parent: str, message: str, date: datetime, merged: str | None = None) -> str:
        """As in `ports.ConfigRepo`."""
        parents = (parent,) if merged is None else (parent, merged)
        for one in parents:
            self._need(one)
        return self._wrote(self._objects.commit(tree, parents, AUTHOR, message, date))

    def head_of(self, branch: str) -> str | None:
        """As in `ports.ConfigRepo`."""
        heads = self.gate.call("git.fetch", self._heads, self._unavailable)
        self.last, ref = "fetch", f"refs/heads/{branch}"
        for sha in heads.values():
            self._known |= self._objects.reach(sha)
        # All is fetched, and this one is all that is told.
        others = {name: sha for name, sha in self.read_heads.items() if name != ref}
        self.read_heads = {**others, ref: heads[ref]} if ref in heads else others
        return heads.get(ref)

    def note(self, kind: str, sha: str) -> bytes:
        """As in `ports.ConfigRepo`: there is none."""
        return b""

    def beside(self, url: str) -> SimRepo | None:
        """As in `ports.ConfigRepo`: there is none."""
        return None

    def write_files(self, parent: str | None, files: Mapping[str, bytes | None], message: str, date: datetime) -> str:
        """As in `ports.ConfigRepo`."""
        tree = self._objects.with_files(parent, files)
        return self._wrote(self._objects.commit(tree, (parent,) if parent else (), AUTHOR, message, date))

    def _wrote(self, sha: str) -> str:
        self._known |= self._objects.bit(sha)
        return sha

    def exclusive(self) -> AbstractContextManager[None]:
        """As in `ports.ConfigRepo`; each replica has a clone of its own."""
        return self._turn
