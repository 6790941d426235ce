"""Which commit does a written revision mean, and what does that commit's object say?

Raw objects are read, not git's view of them, so a shallow clone's cut history is seen as cut and not as a root commit.
Source: gitformat-commit (header lines, an empty line, the message; continued lines begin with a space), and
git-rev-parse(1) (`--disambiguate` knows objects only, so a branch that is named like a short SHA is never meant).
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from gitops_rollback.adapters.git import history
from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.objects import COMMIT_LIMIT, ObjectReader
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import ObjectMissing, Reason, StalledError

WRITTEN_SHA = re.compile(r"[0-9a-f]{4,64}")
SECONDS = re.compile(r"> (\d{1,18}) [+-]\d+$")
TAG_DEPTH = 8
NOT_OF_MESSAGES = frozenset({"punycode", "idna"})  # codecs of names, which take the square of a text's length
NEAR = 64  # commits that are read one by one before git is asked to walk


class Refused(StalledError):
    """A written revision means no commit here, more than one, or one that has nothing to go back to; see `reason`."""

    reason = Reason.UNKNOWN_REVISION


@dataclass(frozen=True)
class RawCommit:
    """One commit object. `committed` is in seconds since 1970, 0 where the object gives no sensible time."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    committed: int
    message: str

    @property
    def subject(self) -> str:
        return self.message.lstrip("\n").split("\n", 1)[0]


class Revisions:
    """Commits of one repository by their written revision."""

    def __init__(self, git: Git, reader: ObjectReader) -> None:
        self._git = git
        self._reader = reader

    def commit(self, sha: str) -> RawCommit:
        """The commit with this full id. Raises: ObjectMissing, also if it is something else."""
        kind, content = self._reader.read(sha, COMMIT_LIMIT)
        if kind != "commit":
            raise ObjectMissing(sha, f"is a {kind}, not a commit")
        return parse_commit(sha, content)

    def find(self, written: str) -> RawCommit:
        """The one commit that `written` means: a SHA, a prefix of at least 4 digits, or a tag object's.

        Raises: Refused UnknownRevision, AmbiguousRevision.
        """
        text = written.strip().lower()
        if not WRITTEN_SHA.fullmatch(text):
            raise Refused(
                repr(written[:80]), "is not a SHA: give 4 to 64 hexadecimal digits, as `git rev-parse` prints them"
            )
        found = self._peel(text) if is_sha(text) else None
        if found is not None and len(found.tree) == len(found.sha):
            return found
        committish = [sha for sha in self._named(text) if (self._reader.info(sha) or ("",))[0] in ("commit", "tag")]
        commits = {commit.sha: commit for commit in map(self._peel, committish) if commit is not None}
        if not commits:
            raise Refused(text, "no such commit in this repository")
        if len(commits) > 1:
            some = ", ".join(sorted(commits)[:3])
            raise Refused(
                text, f"may mean {len(commits)} commits ({some}): give more digits", Reason.AMBIGUOUS_REVISION
            )
        return next(iter(commits.values()))

    def is_ancestor(self, ancestor: str, descendant: RawCommit) -> bool:
        """True too if they are the same. As far as this clone's history goes."""
        pending, seen = deque([descendant.sha]), {descendant.sha}
        while pending and len(seen) <= NEAR:
            sha = pending.popleft()
            if sha == ancestor:
                return True
            new = [parent for parent in self._parents(sha) if parent not in seen]
            seen.update(new)
            pending.extend(new)
        return bool(pending) and history.is_ancestor(self._git, ancestor, descendant.sha)

    def _parents(self, sha: str) -> tuple[str, ...]:
        try:
            return self.commit(sha).parents
        except ObjectMissing:  # the edge of a shallow clone
            return ()

    def _named(self, prefix: str) -> list[str]:
        """Full ids of all objects that begin with `prefix`."""
        return self._git.text("rev-parse", f"--disambiguate={prefix}", ok=(0, 128)).split()

    def _peel(self, sha: str) -> RawCommit | None:
        """The commit that this object is, or that this tag object points to; None for anything else."""
        for _ in range(TAG_DEPTH):
            try:
                kind, content = self._reader.read(sha, COMMIT_LIMIT)
            except ObjectMissing:
                return None
            if kind == "commit":
                return parse_commit(sha, content)
            if kind != "tag":
                return None
            sha = content.split(b"\n", 1)[0].removeprefix(b"object ").decode("ascii", "replace")
        return None


def parse_commit(sha: str, content: bytes) -> RawCommit:
    """A commit object's content as a value; a message in a foreign or broken encoding loses what cannot be read."""
    head, _, body = content.partition(b"\n\n")
    values: dict[str, list[str]] = {}
    for line in head.decode("utf-8", "replace").split("\n"):
        key, _, value = line.partition(" ")
        values.setdefault(key, []).append(value)
    seconds = SECONDS.search(values.get("committer", [""])[0])
    return RawCommit(
        sha=sha,
        tree=values.get("tree", [""])[0],
        parents=tuple(values.get("parent", ())),
        committed=int(seconds[1]) if seconds else 0,
        message=_decode(body, values.get("encoding", ["utf-8"])[0]).replace("\0", ""),
    )


def is_partial(git_dir: Path) -> bool:
    """True if git would fetch missing objects on demand. Source: git's technical/partial-clone (`*.promisor` packs)."""
    shared = git_dir / "commondir"  # of a linked work tree
    store = git_dir / shared.read_text().strip() if shared.is_file() else git_dir
    return any(store.glob("objects/pack/*.promisor"))


def _decode(body: bytes, encoding: str) -> str:
    try:
        text = body.decode("utf-8" if codecs.lookup(encoding).name in NOT_OF_MESSAGES else encoding)
    except (LookupError, ValueError):
        text = body.decode("utf-8", "replace")
    return text.encode("utf-8", "replace").decode()  # some codecs give halves of characters
