"""What git says of two branches, and what a merge makes of them, straight in the bare repository.

No work tree: a merge is `git merge-tree`, a squash a commit of its tree, a rebase one three-way merge a commit.
Source: git-merge-tree(1), git-commit-tree(1); how each forge merges is in its own dialect.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from gitops_rollback.sandbox.git_door import ZERO

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class Conflict(Exception):
    """These two cannot be merged."""


class Moved(Exception):
    """The branch is not where it was any more."""


@dataclass(frozen=True)
class Person:
    """As git names somebody."""

    name: str
    email: str

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


@dataclass(frozen=True)
class Commit:
    """One commit, read. `message` is whole."""

    sha: str
    parents: tuple[str, ...]
    author: Person
    authored_at: datetime
    committer: Person
    committed_at: datetime
    message: str
    signed: bool

    @property
    def subject(self) -> str:
        return self.message.partition("\n")[0]

    @property
    def body(self) -> str:
        return self.message.partition("\n")[2].strip("\n")


@dataclass(frozen=True)
class Change:
    """A file that differs. `status`: added | modified | removed | renamed; `was`: its old name."""

    path: str
    status: str
    additions: int
    deletions: int
    was: str = ""


class Repository:
    """The bare repository. `environment` is for looks into the quarantine of a push."""

    def __init__(self, bare: Path) -> None:
        self.bare = bare
        self.changes = lru_cache(maxsize=512)(self._changes)
        self.merge_base = lru_cache(maxsize=2048)(self._merge_base)
        self.commits = lru_cache(maxsize=512)(self._commits)
        self.conflicts = lru_cache(maxsize=512)(self._conflicts)

    def head(self, branch: str) -> str:
        """The commit of a branch; "" if there is none."""
        return self.git("rev-parse", "--quiet", "--verify", f"refs/heads/{branch}^{{commit}}", check=False)

    def has(self, sha: str) -> bool:
        return self.run(["cat-file", "-e", f"{sha}^{{commit}}"]).returncode == 0

    def branches(self) -> dict[str, str]:
        """Every branch and its commit."""
        lines = self.git("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads").splitlines()
        return dict(line.rsplit(" ", 1) for line in lines)

    def contains(self, whole: str, part: str) -> bool:
        """Is `part` in the history of `whole`?"""
        return self.run(["merge-base", "--is-ancestor", part, whole]).returncode == 0

    def move(self, ref: str, new: str, old: str) -> None:
        """Raises: Moved."""
        if self.run(["update-ref", ref, new, old]).returncode != 0:
            raise Moved(ref)

    def point(self, ref: str, sha: str) -> None:
        """Put a ref of the forge's own."""
        self.git("update-ref", ref, sha)

    def delete(self, branch: str) -> None:
        self.git("update-ref", "-d", f"refs/heads/{branch}")

    def read(self, revision: str, path: str) -> str | None:
        """A file at a revision."""
        done = self.run(["show", f"{revision}:{path}"])
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None

    def merged_tree(self, ours: str, theirs: str) -> str:
        """The tree of a merge. Raises: Conflict."""
        done = self.run(["merge-tree", "--write-tree", ours, theirs])
        if done.returncode != 0:
            raise Conflict(f"{ours} and {theirs}")
        return done.stdout.decode().split("\n", 1)[0]

    def _conflicts(self, ours: str, theirs: str) -> bool:
        try:
            self.merged_tree(ours, theirs)
        except Conflict:
            return True
        return False

    def commit(
        self,
        tree: str,
        parents: tuple[str, ...],
        message: str,
        author: tuple[Person, datetime],
        committer: tuple[Person, datetime],
    ) -> str:
        """A new commit, on no branch yet."""
        who = {"AUTHOR": author, "COMMITTER": committer}
        environment: dict[str, str] = {}
        for role, (person, at) in who.items():
            environment |= {f"GIT_{role}_NAME": person.name, f"GIT_{role}_EMAIL": person.email}
            environment[f"GIT_{role}_DATE"] = f"{int(at.timestamp())} +0000"
        arguments = [part for parent in parents for part in ("-p", parent)]
        done = self.run(["commit-tree", tree, *arguments], message.encode(), environment)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode().strip())
        return done.stdout.decode().strip()

    def rebased(self, base: str, head: str, committer: tuple[Person, datetime]) -> str:
        """The commits of `head` that `base` has not, made anew on it. Raises: Conflict."""
        on = base
        for commit in reversed(self.commits(base, head)):
            if len(commit.parents) > 1:
                continue
            tree = self._picked(on, commit)
            on = self.commit(tree, (on,), commit.message, (commit.author, commit.authored_at), committer)
        return on

    def _picked(self, on: str, commit: Commit) -> str:
        """The tree of `on` with the change of `commit`: a three-way merge with its parent as the base."""
        nobody = (Person("sandbox", "sandbox@localhost"), commit.committed_at)
        before = f"{commit.parents[0]}^{{tree}}" if commit.parents else EMPTY_TREE
        base = self.commit(self.git("rev-parse", before), (), "base", nobody, nobody)
        ours = self.commit(self.git("rev-parse", f"{on}^{{tree}}"), (base,), "ours", nobody, nobody)
        theirs = self.commit(self.git("rev-parse", f"{commit.sha}^{{tree}}"), (base,), "theirs", nobody, nobody)
        return self.merged_tree(ours, theirs)

    def tree(self, revision: str) -> str:
        return self.git("rev-parse", f"{revision}^{{tree}}")

    def _merge_base(self, one: str, other: str) -> str:
        return self.git("merge-base", one, other, check=False)

    def _commits(self, base: str, head: str, environment: tuple[tuple[str, str], ...] = ()) -> tuple[Commit, ...]:
        """Those of `head` that `base` has not, the newest first; all zeros for the base is all of them."""
        span = [head] if base in ("", ZERO) else [f"{base}..{head}"]
        shas = self.run(["rev-list", "--topo-order", *span], b"", dict(environment)).stdout.decode().split()
        return tuple(self.read_commit(sha, environment) for sha in shas)

    def read_commit(self, sha: str, environment: tuple[tuple[str, str], ...] = ()) -> Commit:
        """Raises: RuntimeError if there is none."""
        form = "%H%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B"
        done = self.run(["log", "-1", "--no-show-signature", f"--format={form}", sha], b"", dict(environment))
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode().strip())
        fields = done.stdout.decode("utf-8", "replace").split("\x00")
        raw = self.run(["cat-file", "commit", sha], b"", dict(environment)).stdout
        return Commit(
            fields[0],
            tuple(fields[1].split()),
            Person(fields[2], fields[3]),
            _moment(fields[4]),
            Person(fields[5], fields[6]),
            _moment(fields[7]),
            fields[8].rstrip("\n") + "\n",
            b"\ngpgsig " in raw.partition(b"\n\n")[0],
        )

    def _changes(self, old: str, new: str) -> tuple[Change, ...]:
        """What differs between two trees."""
        old = EMPTY_TREE if old in ("", ZERO) else old
        words = {"A": "added", "M": "modified", "D": "removed", "R": "renamed", "T": "modified"}
        numbers = self.git("diff-tree", "-r", "-M", "--numstat", "-z", old, new)
        status = self.git("diff-tree", "-r", "-M", "--name-status", "-z", old, new).split("\x00")
        counts = _counts(numbers.split("\x00"))
        found, at = [], 0
        while at < len(status) - 1:
            letter = status[at][:1]
            was = status[at + 1] if letter == "R" else ""
            path = status[at + 2] if letter == "R" else status[at + 1]
            added, deleted = counts.get(path, (0, 0))
            found.append(Change(path, words.get(letter, "modified"), added, deleted, was))
            at += 3 if letter == "R" else 2
        return tuple(found)

    def git(self, *arguments: str, check: bool = True) -> str:
        """What git says, stripped."""
        done = self.run(list(arguments))
        if check and done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise RuntimeError(f"git {' '.join(arguments)} ended with {done.returncode}: {said}")
        return done.stdout.decode("utf-8", "replace").strip()

    def run(
        self, arguments: list[str], content: bytes = b"", more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C", **(more or {})}
        command = ["git", f"--git-dir={self.bare}", *arguments]
        return subprocess.run(command, input=content, capture_output=True, env=environment, check=False, timeout=60)


def _counts(parts: list[str]) -> dict[str, tuple[int, int]]:
    """By path, from `--numstat -z`: a rename has its two names in the next two parts."""
    found, at = {}, 0
    while at < len(parts):
        fields = parts[at].split("\t")
        if len(fields) < 3:
            at += 1
            continue
        renamed = not fields[2]
        path = parts[at + 2] if renamed and at + 2 < len(parts) else fields[2]
        found[path] = (_number(fields[0]), _number(fields[1]))
        at += 3 if renamed else 1
    return found


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _moment(text: str) -> datetime:
    return datetime.fromtimestamp(int(text), UTC)
