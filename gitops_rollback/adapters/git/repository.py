"""How does the rest of the product read and write a config repository? The only `ConfigRepo` there is.

It joins the clone, the history, the commit writer and the push, and keeps the one memory that must outlive a process:
the newest head that was accepted (in a file beside the clone), so that a rewritten branch is seen whoever looks next.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gitops_rollback.adapters.git import history, objects
from gitops_rollback.adapters.git.clone import NOTES, REMOTE, Clone
from gitops_rollback.adapters.git.commits import CommitWriter
from gitops_rollback.adapters.git.disk import told
from gitops_rollback.adapters.git.kept import Kept
from gitops_rollback.adapters.git.lock import FileLock
from gitops_rollback.adapters.git.push import Pusher, require_updates
from gitops_rollback.adapters.git.remote import RepositorySettings
from gitops_rollback.adapters.git.rerendering import Rendering
from gitops_rollback.adapters.git.reversal import Reverser
from gitops_rollback.adapters.git.signatures import signature_fault
from gitops_rollback.core.commit import Commit, is_sha
from gitops_rollback.core.errors import BranchRewritten, ObjectMissing, RepositoryUnavailable, RollbackError
from gitops_rollback.core.plan import Reversal
from gitops_rollback.core.policy import ChartVersions
from gitops_rollback.core.repository_url import same_repository
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import Heads, PushOutcome, PushResult, RefUpdate, Renderer, TreeEntry

HEADS = "refs/heads/"
KEPT_ANSWERS = 10_000
KEPT_RANGES = 256
KEPT_COMMITS = 20_000  # in all ranges together


@dataclass(frozen=True)
class Seen:
    """The newest head of the branch that was accepted; `pushed_at` (Unix time) is set if it is our own push."""

    head: str
    pushed_at: float | None = None


class GitConfigRepo:
    """Carries out `ports.ConfigRepo`. Thread-safe; whoever writes holds `exclusive()` from fetch to push."""

    def __init__(
        self,
        settings: RepositorySettings,
        renderer: Renderer | None = None,
        beside: Sequence[RepositorySettings] = (),
    ) -> None:
        """`renderer` runs the commands of the settings; without one generated files are a person's matter.

        `beside` are the repositories that writers of this one may read.

        Raises: SettingsInvalid. Touches neither disk nor network: the first `fetch` clones.
        """
        self.name = settings.name
        self.url = settings.url
        self._settings = settings
        self._clone = Clone(settings)
        self._git = self._clone.git
        self._reader = self._clone.reader
        self._writer = CommitWriter(self._git, self._reader, settings.author, settings.signing_key_file)
        rendering = Rendering(settings.render, renderer, self.bring)
        self._reverser = Reverser(self._git, self._reader, rendering)
        self._pusher = Pusher(self.name, self._git, REMOTE, settings.push_deadline, self._look, self.is_ancestor)
        self._turn = FileLock(self._clone.directory.with_suffix(".push.lock"), self.name)
        self._seen_file = self._clone.directory.with_suffix(".seen.json")
        self._seen_lock = threading.Lock()
        self._atomic = True
        self._ranges: Kept[tuple[Commit, ...]] = Kept(KEPT_RANGES, KEPT_COMMITS)
        self._kinships: Kept[bool] = Kept(KEPT_ANSWERS)
        self._beside = tuple(GitConfigRepo(one) for one in beside)

    @property
    def branch(self) -> str:
        """The followed branch; "" until the first fetch if the settings leave it to the remote's HEAD."""
        return self._clone.branch

    @property
    def directory(self) -> Path:
        """Where the bare clone is."""
        return self._clone.directory

    @property
    def atomic(self) -> bool:
        """As in `ports.ConfigRepo`; found out by the first push of several refs."""
        return self._atomic

    @crash_point("fetch")
    def fetch(self) -> Heads:
        """As in `ports.ConfigRepo`. A rewritten branch stays one until a person removes its mark, over restarts too."""
        self._clone.refresh()
        journal, control = self._settings.journal_branch, self._settings.control_branch
        tips = self._clone.tips(self.branch, journal, control)
        if self.branch not in tips:
            raise RepositoryUnavailable(self.name, "the fetched branch cannot be read")
        with self._seen_lock, told(self.name):
            self._compare_with_seen(tips[self.branch])
        return Heads(tips[self.branch], tips.get(journal), tips.get(control))

    def _compare_with_seen(self, head: str) -> None:
        seen = self._seen()
        if seen is not None and seen.head == head:
            return
        if seen is not None and not self.is_ancestor(seen.head, head):
            if self._lags(seen, head):
                raise RepositoryUnavailable(self.name, "the remote answers with an older head than our own push")
            said = f"{self.branch} moved from {seen.head[:12]} to {head[:12]}, which does not contain it"
            raise BranchRewritten(self.name, f"{said}: take that back, or accept it and remove {self._seen_file}")
        self._remember(Seen(head))

    def _lags(self, seen: Seen, head: str) -> bool:
        """A mirror may show our own push late; for longer than that it is a rewound branch."""
        if seen.pushed_at is None or not 0 <= time.time() - seen.pushed_at <= self._settings.lag_patience:
            return False
        return self.is_ancestor(head, seen.head)

    def _seen(self) -> Seen | None:
        try:
            content = json.loads(self._seen_file.read_text("utf-8"))
            seen = Seen(str(content["head"]), content.get("pushedAt"))
        except FileNotFoundError:
            return None
        except (ValueError, LookupError, TypeError, AttributeError):
            return None  # torn by a full disk: the journal still knows our own pushes
        return seen if is_sha(seen.head) and content.get("branch") == self.branch else None

    def _remember(self, seen: Seen) -> None:
        text = json.dumps({"branch": self.branch, "head": seen.head, "pushedAt": seen.pushed_at})
        fresh = self._seen_file.with_suffix(f".{os.getpid()}.new")
        fresh.write_text(text, "utf-8")
        os.replace(fresh, self._seen_file)

    def commit(self, sha: str) -> Commit:
        """As in `ports.ConfigRepo`."""
        known = self._ranges.get(sha)
        if known is not None:
            return known[0]
        self._clone.need(sha)
        self._need_parents(sha)
        found = history.log(self._git, None, sha, 1)
        return found[0] if sha in self._clone.boundary() else self._ranges.put(sha, found)[0]

    def _need_parents(self, sha: str) -> None:
        """Without them a commit at the shallow boundary seems to add every file."""
        if sha in self._clone.boundary():
            self._clone.deepen(lambda: sha not in self._clone.boundary())

    def has(self, sha: str) -> bool:
        """True if the clone holds this commit now; the remote is not asked."""
        return is_sha(sha) and self._clone.has(sha)

    def commits(self, since: str | None, until: str, limit: int = 1000) -> tuple[Commit, ...]:
        """As in `ports.ConfigRepo`. Deepens the clone where the range, or `limit`, reaches beyond it."""
        known = self._ranges.get((since, until, limit))
        return known if known is not None else self._read_commits(since, until, limit)

    def _read_commits(self, since: str | None, until: str, limit: int) -> tuple[Commit, ...]:
        self._clone.need(until)
        if since is not None:
            self._clone.need(since)
        found: tuple[Commit, ...] = ()

        def is_whole() -> bool:
            nonlocal found
            found = history.log(self._git, since, until, limit)
            boundary = self._clone.boundary()
            return not any(commit.sha in boundary for commit in found)

        if is_whole() or self._clone.deepen(is_whole):
            self._ranges.put((since, until, limit), found)
        return found

    def recent(self, tip: str, limit: int) -> tuple[Commit, ...]:
        """As in `ports.ConfigRepo`."""
        known = self._ranges.get((tip, limit))
        if known is not None:
            return known
        self._clone.need(tip)
        boundary = self._clone.boundary()
        found = tuple(one for one in history.log(self._git, None, tip, limit) if one.sha not in boundary)
        return self._ranges.put((tip, limit), found)

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """As in `ports.ConfigRepo`."""
        return self._answer_deeply(history.is_ancestor, ancestor, descendant)

    def on_first_parent(self, sha: str, tip: str) -> bool:
        """As in `ports.ConfigRepo`. False if either is unknown."""
        return self._answer_deeply(history.on_first_parent, sha, tip)

    def _answer_deeply(self, question: Callable[..., bool], older: str, newer: str) -> bool:
        """`question` of two commits; a no is believed once no missing history can turn it into a yes."""
        if older == newer:
            return self._is_known(older)
        asked = (question.__name__, older, newer)
        known = self._kinships.get(asked)
        if known is not None:
            return known
        if not (self._is_known(older) and self._is_known(newer)):
            return False
        answer = question(self._git, older, newer)
        if answer or not self._clone.may_lead_to(older):
            return self._kinships.put(asked, answer)

        def is_certain() -> bool:
            nonlocal answer
            answer = question(self._git, older, newer)
            return answer or not self._clone.may_lead_to(older)

        self._clone.deepen(is_certain)
        return answer

    def _is_known(self, sha: str) -> bool:
        try:
            self._clone.need(sha)
        except ObjectMissing:
            return False
        return True

    def tree(self, treeish: str) -> str:
        """As in `ports.ConfigRepo`."""
        self._need_treeish(treeish)
        return objects.tree_of(self._reader, treeish)

    def entry_id(self, treeish: str, path: str) -> str | None:
        """As in `ports.ConfigRepo`."""
        self._need_treeish(treeish)
        found = objects.find_entry(self._reader, treeish, path.strip("/"))
        return None if found is None else found.sha

    def files(self, treeish: str, under: str = "") -> tuple[TreeEntry, ...]:
        """As in `ports.ConfigRepo`. `under` that names a file gives that file; one that is absent gives ()."""
        self._need_treeish(treeish)
        under = under.strip("/")
        found = objects.find_entry(self._reader, treeish, under)
        if found is None:
            return ()
        if found.kind != "tree":
            return (TreeEntry(under, found.mode, found.sha),)
        listed = objects.list_files(self._git, found.sha, under, self._reader)
        return tuple(TreeEntry(path, entry.mode, entry.sha) for path, entry in listed)

    def read(self, blob: str, limit: int = 1 << 20) -> bytes:
        """As in `ports.ConfigRepo`. May fetch the blob from the remote."""
        kind, content = self._reader.read(blob, limit)
        if kind != "blob":
            raise ObjectMissing(blob, f"is a {kind}, not a file")
        return content

    def bring(self, blobs: Collection[str]) -> None:
        """As in `ports.ConfigRepo`."""
        with suppress(RollbackError):
            self._clone.bring(blobs)

    def _need_treeish(self, treeish: str) -> None:
        """A commit may lie beyond the shallow boundary; a tree is here if its commit is."""
        self._clone.need(treeish)

    @crash_point("inverse")
    def reverse(
        self,
        at: str,
        reverts: Sequence[str],
        mainline: int | None = None,
        good: str | None = None,
        charts: ChartVersions = ChartVersions.AS_BEFORE,
    ) -> Reversal:
        """As in `ports.ConfigRepo`."""
        for sha in reverts:
            if self._is_known(sha):
                self._need_parents(sha)
        self._is_known(at)
        known = good if good and self._is_known(good) else None
        return self._reverser.reverse(at, reverts, mainline, known, charts)

    def rendering(self, at: str) -> tuple[tuple[str, str], ...]:
        """Each command of the settings, and why it may not be trusted at the commit `at`; "" if it may."""
        self._clone.need(at)
        return tuple(self._reverser.proved(at))

    @crash_point("commit-build")
    def write_commit(self, tree: str, parent: str, message: str, date: datetime, merged: str | None = None) -> str:
        """As in `ports.ConfigRepo`."""
        return self._writer.commit(tree, (parent,) if merged is None else (parent, merged), message, date)

    def write_files(self, parent: str | None, files: Mapping[str, bytes | None], message: str, date: datetime) -> str:
        """As in `ports.ConfigRepo`."""
        return self._writer.commit_files(parent, files, message, date)

    def signature_fault(self, sha: str, allowed: Path) -> str:
        """As in `signatures.signature_fault`."""
        return signature_fault(self._git, sha, allowed)

    def head_of(self, branch: str) -> str | None:
        """As in `ports.ConfigRepo`."""
        return self._look((HEADS + branch,))[HEADS + branch]

    def note(self, kind: str, sha: str) -> bytes:
        """As in `ports.ConfigRepo`. Source: git-notes(1): a tree of objects' names, which fans out as it grows."""
        ref = NOTES + kind
        self._clone.refresh(also=(ref,))
        tip = self._clone.tips(ref).get(ref)
        names = (sha, f"{sha[:2]}/{sha[2:]}", f"{sha[:2]}/{sha[2:4]}/{sha[4:]}") if tip else ()
        blobs = (self.entry_id(str(tip), name) for name in names)
        return next((self.read(blob) for blob in blobs if blob is not None), b"")

    def beside(self, url: str) -> GitConfigRepo | None:
        """As in `ports.ConfigRepo`. Its clone is one of its own, so that nobody waits for who follows it as well."""
        return next((one for one in self._beside if same_repository(one.url, url)), None)

    def push(self, updates: Sequence[RefUpdate]) -> PushResult:
        """As in `ports.ConfigRepo`.

        Raises: CredentialsRejected and other StalledErrors, when the remote was read and does not have our commit.
        """
        require_updates(updates)
        several = len(updates) > 1
        result = None if several and not self._atomic else self._pusher.push(updates, atomic=several)
        if result is None:
            self._atomic = False
            refs = {update.ref: PushOutcome.REJECTED for update in updates}
            return PushResult(PushOutcome.REJECTED, refs, "this server cannot move several refs at once")
        for update in updates:
            if update.ref == HEADS + self.branch and result.refs[update.ref] is PushOutcome.LANDED:
                with self._seen_lock, suppress(OSError):  # it has landed, whatever this disk can still take
                    self._remember(Seen(update.new, time.time()))
        return result

    @crash_point("reread")
    def _look(self, refs: Sequence[str]) -> Mapping[str, str | None]:
        """Read the remote, whatever state the branch is in."""
        branches = [ref.removeprefix(HEADS) for ref in refs]
        self._clone.refresh(also=branches)
        tips = self._clone.tips(*branches)
        return {HEADS + branch: tips.get(branch) for branch in branches}

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """As in `ports.ConfigRepo`; reentrant in a thread. Raises: RepositoryUnavailable if not free in time."""
        with self._turn.held(2 * self._settings.push_deadline):
            yield

    def tidy(self) -> None:
        """Bound the clone's disk. Waits until nobody writes."""
        with self.exclusive():
            self._clone.tidy()
        for one in self._beside:
            if one.directory.exists():
                one.tidy()

    def halt(self) -> None:
        """End what may take minutes: what renders generated files, now and from now on. All else stays usable."""
        self._reverser.rerenderer.close()

    def close(self) -> None:
        """End the long-lived processes and remove what is temporary; the repository stays usable."""
        for one in self._beside:
            one.close()
        self._reverser.close()
        self._clone.leave()
