"""What does plain git say of a bare repository's past? Commits, ref updates, blobs; nothing here knows the product.

Updates come from two logs: the reflogs, where `keep_reflogs` switched them on before anything happened, and the file
`accepted-updates` that the sandbox's git server writes for each push that it took.
Source: git-log(1) for the raw format, git-reflog(1), git-cat-file(1) for the batch format.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

NOTHING = re.compile(r"0+")
TRAILER = re.compile(r"(?m)^([A-Za-z][A-Za-z-]*): (.*)$")
_FORMAT = "%x00%H%x00%P%x00%cn <%ce>%x00%ct%x00%B%x00"
_FIELDS = 6


@dataclass(frozen=True)
class Change:
    """One path that a commit changed against its first parent; an absent side has mode and blob of zeros."""

    path: str
    old_mode: str
    new_mode: str
    old: str
    new: str


@dataclass(frozen=True)
class Made:
    """One commit as git shows it. `at`: unix seconds of the committer."""

    sha: str
    parents: tuple[str, ...]
    committer: str
    at: int
    message: str
    changes: tuple[Change, ...]

    @property
    def trailers(self) -> Mapping[str, tuple[str, ...]]:
        """The last paragraph's `Key: value` lines."""
        found: dict[str, tuple[str, ...]] = {}
        for key, value in TRAILER.findall(self.message.rstrip().rpartition("\n\n")[2]):
            found[key] = (*found.get(key, ()), value)
        return found


@dataclass(frozen=True)
class Update:
    """One move of a ref; an absent side is zeros."""

    ref: str
    old: str
    new: str

    @property
    def creates(self) -> bool:
        return NOTHING.fullmatch(self.old) is not None

    @property
    def deletes(self) -> bool:
        return NOTHING.fullmatch(self.new) is not None


@dataclass
class GitLog:
    """One look at a bare repository. Raises RuntimeError with git's words where git fails."""

    bare: Path
    refs: Mapping[str, str] = field(init=False)
    updates: tuple[Update, ...] = field(init=False)
    commits: Mapping[str, Made] = field(init=False)
    _reached: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        listed = self._git("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/").decode().splitlines()
        self.refs = {ref: sha for sha, ref in (line.split(" ", 1) for line in listed)}
        self.updates = tuple(dict.fromkeys((*self._reflogs(), *self._accepted())))
        tips = {*self.refs.values(), *(sha for one in self.updates for sha in (one.old, one.new))}
        self.commits = self._read({tip for tip in tips if not NOTHING.fullmatch(tip)})

    def line(self, ref: str) -> tuple[Made, ...]:
        """The first-parent line of a ref, oldest first; empty if there is no such ref."""
        line, sha = [], self.refs.get(ref, "")
        while sha in self.commits:
            line.append(self.commits[sha])
            sha = line[-1].parents[0] if line[-1].parents else ""
        return tuple(reversed(line))

    def reachable(self, sha: str) -> frozenset[str]:
        """The commit and all that come before it."""
        if sha not in self._reached:
            seen, waiting = set(), [sha]
            while waiting:
                one = waiting.pop()
                if one in self.commits and one not in seen:
                    seen.add(one)
                    waiting += self.commits[one].parents
            self._reached[sha] = frozenset(seen)
        return self._reached[sha]

    def blobs(self, names: Iterable[str]) -> dict[str, bytes]:
        """The contents of blobs; what is missing or no blob is left out."""
        wanted = sorted({name for name in names if not NOTHING.fullmatch(name)})
        out = self._git("cat-file", "--batch", content="".join(f"{name}\n" for name in wanted).encode())
        found, position = {}, 0
        for name in wanted:
            end = out.index(b"\n", position)
            words = out[position:end].split()
            position = end + 1
            if len(words) == 3:
                size = int(words[2])
                if words[1] == b"blob":
                    found[name] = out[position : position + size]
                position += size + 1
        return found

    def file(self, revision: str, path: str) -> tuple[str, str]:
        """Mode and blob of a path at a revision; zeros where it is not."""
        line = self._git("ls-tree", "-r", revision, "--", path).decode("utf-8", "replace")
        return (line.split()[0], line.split()[2]) if line else ("000000", "0" * 40)

    def _read(self, tips: Iterable[str]) -> Mapping[str, Made]:
        asked = "".join(f"{tip}\n" for tip in sorted(tips)).encode()
        command = ("log", "--stdin", "--ignore-missing", f"--format={_FORMAT}", "--raw", "--no-abbrev", "-r")
        if not asked:
            return {}
        out = self._git(*command, "--root", "--no-renames", "--diff-merges=first-parent", content=asked)
        parts = out.decode("utf-8", "replace").split("\0")[1:]
        rows = (parts[start : start + _FIELDS] for start in range(0, len(parts) - 1, _FIELDS))
        return {
            sha: Made(sha, tuple(parents.split()), who, int(at), message, tuple(_changes(raw)))
            for sha, parents, who, at, message, raw in rows
        }

    def _reflogs(self) -> Iterator[Update]:
        logs = self.bare / "logs"
        for path in sorted((logs / "refs" / "heads").rglob("*")):
            if path.is_file():
                for line in path.read_text("utf-8", "replace").splitlines():
                    old, new = line.split(" ", 2)[:2]
                    yield Update(path.relative_to(logs).as_posix(), old, new)

    def _accepted(self) -> Iterator[Update]:
        log = self.bare / "accepted-updates"
        for line in log.read_text("utf-8").splitlines() if log.exists() else ():
            old, new, ref = line.split(" ", 2)
            yield Update(ref, old, new)

    def _git(self, *arguments: str, content: bytes = b"") -> bytes:
        return run_git(self.bare, *arguments, content=content)


def keep_reflogs(bare: Path) -> None:
    """Let git keep a log of every move of every branch from now on, whoever moves it."""
    run_git(bare, "config", "core.logAllRefUpdates", "always")


def run_git(bare: Path, *arguments: str, content: bytes = b"") -> bytes:
    """What git prints for a bare repository. Raises: RuntimeError with git's words."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    command = ["git", "-c", "core.quotePath=false", f"--git-dir={bare}", *arguments]
    done = subprocess.run(command, input=content, capture_output=True, env=environment, check=False, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"git {arguments[0]}: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout


def _changes(raw: str) -> Iterator[Change]:
    for line in raw.splitlines():
        if line.startswith(":"):
            head, _, path = line[1:].partition("\t")
            old_mode, new_mode, old, new, _ = head.split(" ")
            yield Change(path, old_mode, new_mode, old, new)
