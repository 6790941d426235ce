"""Is there a usable bare clone of the remote, and does it hold what is asked for?

One bare, shallow, blobless clone per config repository, made by `init` and `fetch`, so that first clone, poll and
deepening go the same way. It is never repaired: one that is corrupt is thrown away and made again.
Source: git-fetch(1) (`--shallow-since`, `--filter`, `--unshallow`), gitrepository-layout(5).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gitops_rollback.adapters.git import faults
from gitops_rollback.adapters.git.disk import FULL, told
from gitops_rollback.adapters.git.door import Git, GitFailed, GitTimeout, RepositoryUnusable
from gitops_rollback.adapters.git.history import instant
from gitops_rollback.adapters.git.lock import FileLock
from gitops_rollback.adapters.git.objects import ObjectReader
from gitops_rollback.adapters.git.remote import RepositorySettings, access, is_branch_name
from gitops_rollback.adapters.git.scratch import Scratch
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import ObjectMissing, RepositoryUnavailable, RollbackError
from gitops_rollback.crash_points import crash_point

REMOTE = "origin"
NOTES = "refs/notes/"  # what begins so is no branch, and read as one
FIRST_DEPTH = timedelta(days=30)
DEPTHS = (timedelta(days=90), timedelta(days=365), timedelta(days=1460))
STALE_SECONDS = 600.0  # a temporary object this old belongs to no living process of ours
FULL_DISK_SECONDS = 60.0
FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")
GC = ("gc.auto=6700", "gc.autoPackLimit=50", "gc.autoDetach=false")  # git's own limits, and no process left behind
BLOBLESS = "--filter=blob:none"
WITH_CONTENTS = "--filter=blob:limit=1m"
WEAKER_FILTER = {WITH_CONTENTS: BLOBLESS, BLOBLESS: "--no-filter"}
FILTER_REFUSED = re.compile(r"filter '.*' not supported")  # a server may allow some filters only
SHA256_DIGITS = 64
CLONING, POLLING = "cloning", "polling"
# A repository without a remote over the clone's objects. Asked there, git says that an object is missing; asked in a
# partial clone it begins a fetch, and dies of it when that ends before git has spoken to it.
LONELY = "without-remote"


class Clone:
    """The clone's directory and every command that fills it. Thread-safe; fetches exclude each other."""

    def __init__(self, settings: RepositorySettings) -> None:
        """Raises: SettingsInvalid. Touches neither disk nor network."""
        self._settings = settings
        self._access = access(settings)
        mark = hashlib.sha256(settings.url.encode()).hexdigest()[:12]
        slug = re.sub(r"[^a-z0-9.-]+", "-", settings.name.lower()).strip("-.")[:60] or "repository"
        self.directory = settings.state_dir / "clones" / f"{slug}-{mark}.git"
        self.branch = settings.branch
        self.broken = False
        self._scratch = Scratch(self.directory.with_suffix(".scratch"))
        self.git = self._git(self.directory)
        self.reader = ObjectReader(self.git, deadline=settings.fetch_deadline)
        objects = {"GIT_OBJECT_DIRECTORY": str(self.directory / "objects")}
        self.offline = ObjectReader(self._git(self.directory / LONELY, objects))
        self._lock = FileLock(self.directory.with_suffix(".fetch.lock"), settings.name)
        self._opened = False
        self._refused_filters: set[str] = set()

    def _git(self, directory: Path, environment: Mapping[str, str] | None = None, more: Sequence[str] = ()) -> Git:
        return Git(
            directory,
            config=(*self._access.config, *more),
            environment=self._access.environment if environment is None else environment,
            secrets=self._access.secrets,
            on_complaint=self._hear,
            scratch=self._scratch,
            login=self._access.login if environment is None else None,
        )

    def _hear(self, complaint: str) -> None:
        if faults.is_corrupt(complaint):
            self.broken = True
        if self._access.login is not None and faults.CREDENTIALS.search(complaint):
            self._access.login.refused()
        if FULL.search(complaint):
            _sweep(self.directory, FULL_DISK_SECONDS)

    def refresh(self, also: Collection[str] = ()) -> None:
        """Bring all followed refs, and the branches `also`, to what the remote has now.

        Clones first, and anew if the clone is corrupt.

        Raises: RepositoryUnavailable; CredentialsRejected; StalledError (empty, no such branch, untrusted, disk full).
        """
        with self._held():
            try:
                self._refresh(also)
            except RollbackError:
                if not self.broken:
                    raise
                self._refresh(also)

    def _refresh(self, also: Collection[str]) -> None:
        fresh = self._ensure()
        if also or not fresh:
            self._fetch_all(also)

    def tips(self, *branches: str) -> dict[str, str]:
        """The heads of these remote branches as the last `refresh` found them; one that did not exist is left out."""
        wanted = {tracking(branch): branch for branch in branches}
        output = self.git.text("for-each-ref", "--format=%(objectname) %(refname)", "--end-of-options", *wanted)
        found = (line.split(" ", 1) for line in output.splitlines())
        return {wanted[ref]: sha for sha, ref in found if ref in wanted}

    def has(self, sha: str) -> bool:
        """True if the object is here, without asking the remote for it."""
        return is_sha(sha) and self.offline.info(sha) is not None

    def need(self, sha: str) -> None:
        """Deepen until the object is here. Raises: ObjectMissing; what `refresh` raises."""
        if not self.has(sha) and not self.deepen(lambda: self.has(sha)):
            raise ObjectMissing(sha[:80], f"no such object in {self._settings.name}")

    def bring(self, blobs: Collection[str]) -> None:
        """Fetch the blobs that are not here, in one go: each alone would cost a process and a connection.

        Raises: what `refresh` raises.
        """
        missing = [blob for blob in dict.fromkeys(blobs) if not self.has(blob)]
        if not missing:
            return
        words = [*FETCH, self._allowed(BLOBLESS), "--stdin", "--end-of-options", REMOTE]
        with self._held():
            try:
                wanted = "".join(f"{blob}\n" for blob in missing).encode()
                # Without negotiation: whoever says that he has a commit is not sent what it holds.
                git = self._git(self.directory, more=("fetch.negotiationAlgorithm=noop",))
                git.run(*words, stdin=wanted, deadline=self._settings.fetch_deadline)
            except GitFailed as exc:
                raise faults.meaning(self._settings.name, exc) from exc

    def boundary(self) -> frozenset[str]:
        """The commits whose parents are not here."""
        try:
            return frozenset((self.directory / "shallow").read_text("ascii").split())
        except FileNotFoundError:
            return frozenset()

    def deepen(self, enough: Callable[[], bool]) -> bool:
        """Fetch older history of the branch, step by step, until `enough`. False if all of it is not."""
        with self._held():
            if enough():
                return True
            for age in (*DEPTHS, None):
                boundary = self.boundary()
                if not boundary:
                    break
                if age is not None and datetime.now(UTC) - age >= min(self._dates(*boundary)):
                    continue  # it would cut off what is here already
                self._fetch_older(age)
                if enough():
                    return True
        return enough()

    def _fetch_older(self, age: timedelta | None) -> None:
        try:
            self._fetch((BLOBLESS, "--unshallow" if age is None else _since(age)), (self._branch_refspec(),), CLONING)
        except RepositoryUnavailable:
            if age is None:  # else the next step asks for more, which also helps where no commit is that young
                raise

    def _dates(self, *shas: str) -> list[datetime]:
        """Committer dates, in the order of `shas`."""
        names = "".join(f"{sha}\n" for sha in shas).encode()
        output = self.git.text("log", "--no-walk=unsorted", "--format=%ct", "--stdin", stdin=names)
        return [instant(line) for line in output.split()]

    def may_lead_to(self, sha: str) -> bool:
        """True if history that is not here could still contain `sha`: some boundary commit is not older than it."""
        boundary = self.boundary()
        if not boundary:
            return False
        date, *dates = self._dates(sha, *boundary)
        return max(dates) >= date

    def tidy(self) -> None:
        """Put many packs into one, and drop what nothing has referred to for two weeks; nothing while there are few.

        Each fetch leaves a pack, and every read looks through all of them. Only while nobody builds a commit.
        """
        with self._held():
            _sweep(self.directory, STALE_SECONDS)
            git = self._git(self.directory, more=GC)
            git.run("gc", "--auto", "--quiet", deadline=self._settings.clone_deadline)
            self.close()

    def close(self) -> None:
        """End the reading processes; the next read starts them again."""
        self.reader.close()
        self.offline.close()

    def leave(self) -> None:
        """Remove the temporary files too. Only when no command of ours is under way."""
        self.close()
        self._scratch.close()
        if self._access.login is not None:
            self._access.login.close()

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._lock.held(self._settings.clone_deadline), told(self._settings.name):
            yield

    def _ensure(self) -> bool:
        """Have a clone, a whole one; True if it was made just now. Called with the lock held."""
        if self.broken or (self.directory.exists() and not self._is_whole()):
            self._discard()
        fresh = not self.directory.exists()
        if fresh:
            self._clone()
        elif not self._opened:
            _sweep(self.directory, STALE_SECONDS)
            self.branch = self._settings.branch or self._default_branch(self.git)[0]
            if not self.tips(self.branch):  # made for another branch of the same remote
                self._fetch_first(self.git)
        self._opened = True
        return fresh

    def _is_whole(self) -> bool:
        return all((folder / "config").is_file() for folder in (self.directory, self.directory / LONELY))

    def _discard(self) -> None:
        self.close()
        shutil.rmtree(self.directory)
        self.broken = False

    @crash_point("clone")
    def _clone(self) -> None:
        """Made beside its place and moved there when it is whole: a killed clone leaves nothing that looks like one."""
        parent = self.directory.parent
        parent.mkdir(parents=True, exist_ok=True)
        for leftover in parent.glob(f"{self.directory.name}.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=f"{self.directory.name}.new-", dir=parent) as folder:
            fresh = Path(folder) / "clone"
            fresh.mkdir()
            git = self._git(fresh)
            self._init(git)
            self.branch, head = self._default_branch(git)
            if len(head) == SHA256_DIGITS:
                shutil.rmtree(fresh)
                fresh.mkdir()
                self._init(git, "--object-format=sha256")
            self._fetch_first(git)
            os.replace(fresh, self.directory)
        self.broken = False

    def _init(self, git: Git, *options: str) -> None:
        lonely = git.git_dir / LONELY
        lonely.mkdir(exist_ok=True)
        for one in (git, self._git(lonely)):
            one.run("init", "--quiet", "--bare", "--template=", *options)
        git.run("config", f"remote.{REMOTE}.url", self._settings.url)

    def _default_branch(self, git: Git) -> tuple[str, str]:
        """(branch, head) that will be followed. Raises: RepositoryUnusable if there is none."""
        name, wanted = self._settings.name, self._settings.branch
        pattern = f"refs/heads/{wanted}" if wanted else "HEAD"
        try:
            output = git.text("ls-remote", "--symref", REMOTE, pattern, deadline=self._settings.fetch_deadline)
        except GitFailed as exc:
            raise faults.meaning(name, exc) from exc
        symbolic, head = wanted, ""
        for line in output.splitlines():
            value, _, ref = line.partition("\t")
            if ref == "HEAD" and value.startswith("ref: refs/heads/"):
                symbolic = value.removeprefix("ref: refs/heads/")
            elif ref == pattern and is_sha(value):
                head = value
        if not head:
            said = (
                f"the remote has no branch {wanted!r}" if wanted else "the remote is empty, or its HEAD names no branch"
            )
            raise RepositoryUnusable(name, said)
        if not symbolic or not is_branch_name(symbolic):
            raise RepositoryUnusable(name, "the remote's HEAD is detached: name the branch in the settings")
        return symbolic, head

    def _fetch_first(self, git: Git) -> None:
        """Young history is enough. A quiet repository has no young commit, an old server no such option: take more."""
        forms: tuple[tuple[str, ...], ...] = ((_since(FIRST_DEPTH),), (_since(DEPTHS[1]),), ())
        self._fetch_any([(BLOBLESS, *form) for form in forms], (self._branch_refspec(),), git)
        # Blobs too: the journal is read whole, and a blobless clone would load each of its entries alone.
        others = (self._settings.journal_branch, self._settings.control_branch)
        patterns = [_refspec(f"{branch}*") for branch in others]
        self._fetch_any([(WITH_CONTENTS, _since(FIRST_DEPTH)), (WITH_CONTENTS,)], patterns, git)

    def _fetch_any(self, forms: Sequence[tuple[str, ...]], refspecs: Sequence[str], git: Git) -> None:
        """The first of `forms` that works. Raises: what the last one raised."""
        for form in forms[:-1]:
            try:
                return self._fetch(form, refspecs, CLONING, git)
            except RepositoryUnavailable:
                continue
        return self._fetch(forms[-1], refspecs, CLONING, git)

    def _fetch_all(self, also: Collection[str]) -> None:
        others = dict.fromkeys((self._settings.journal_branch, self._settings.control_branch, *also))
        others.pop(self.branch, None)
        # By pattern: a fetch that names a branch which does not exist fails as a whole.
        refspecs = [self._branch_refspec(), *(_refspec(f"{branch}*") for branch in others)]
        # With new contents: they are small, and most are read at once. A filter it must be, since without one git
        # demands each old file that a new tree names, which a blobless clone does not have.
        self._fetch(("--prune", WITH_CONTENTS), refspecs, POLLING)

    def _branch_refspec(self) -> str:
        return _refspec(self.branch)

    def _allowed(self, option: str) -> str:
        while option in self._refused_filters:
            option = WEAKER_FILTER[option]
        return option

    def _fetch(self, options: Sequence[str], refspecs: Sequence[str], kind: str, git: Git | None = None) -> None:
        """Raises: what `faults.meaning` says. A lock that a killed git left is removed: the right to fetch is ours."""
        git = git or self.git
        deadline = self._settings.clone_deadline if kind == CLONING else self._settings.fetch_deadline
        words = [self._allowed(option) for option in options]
        try:
            git.run(*FETCH, *words, "--end-of-options", REMOTE, *refspecs, deadline=deadline)
        except GitTimeout:
            _sweep_locks(git.git_dir)
            raise
        except GitFailed as exc:
            refused = next((word for word in words if word in WEAKER_FILTER), None)
            if refused is not None and FILTER_REFUSED.search(exc.stderr):
                self._refused_filters.add(refused)
                return self._fetch(options, refspecs, kind, git)
            if faults.is_locked(exc.stderr) or exc.code < 0:
                _sweep_locks(git.git_dir)
            if "couldn't find remote ref" in exc.stderr:
                raise RepositoryUnusable(
                    self._settings.name, f"the remote no longer has branch {self.branch!r}"
                ) from exc
            raise faults.meaning(self._settings.name, exc) from exc
        return None


def _sweep(directory: Path, older_than: float) -> None:
    """Remove what killed processes left: temporary objects of some age in seconds, and locks."""
    before = time.time() - older_than
    for pattern in ("??/tmp_obj_*", "tmp_obj_*", "pack/tmp_*", "pack/.tmp-*"):
        for leftover in (directory / "objects").glob(pattern):
            with suppress(OSError):
                if leftover.stat().st_mtime < before:
                    leftover.unlink()
    _sweep_locks(directory)


def _sweep_locks(directory: Path) -> None:
    for pattern in ("*.lock", "refs/**/*.lock", "objects/info/*.lock"):
        for leftover in directory.glob(pattern):
            with suppress(OSError):  # gone, or on a read-only disk
                leftover.unlink()


def tracking(branch: str) -> str:
    """Where the last fetched head of a remote branch stands in the clone."""
    return f"refs/remotes/{REMOTE}/{branch}"


def _refspec(branch: str) -> str:
    ref = branch if branch.startswith(NOTES) else f"refs/heads/{branch}"
    return f"+{ref}:{tracking(branch)}"  # the plus is for reading only


def _since(age: timedelta) -> str:
    return f"--shallow-since={(datetime.now(UTC) - age).strftime('%Y-%m-%dT%H:%M:%SZ')}"
