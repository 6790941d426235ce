"""What does the config repository say at a revision? The sandbox's own reader of a bare repository, by the git program.

It is apart from the product's adapter on purpose: a stand-in that shared its reader would share its mistakes.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_FULL_SHA = re.compile(r"[0-9a-f]{40}")
_KEPT_LISTINGS = 16
_TIMEOUT_SECONDS = 30.0


class RepositoryError(Exception):
    """git could not answer; the message is one line of git's own words."""


class BareRepository:
    """A bare repository on disk, read only. Used by the controller's thread and by request threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._listings: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def resolve(self, revision: str) -> str:
        """The full SHA of a branch, tag or SHA ("" is HEAD). Raises: RepositoryError."""
        if _FULL_SHA.fullmatch(revision):
            return self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
        names = [f"refs/heads/{revision}", f"refs/tags/{revision}"] if revision not in ("", "HEAD") else ["HEAD"]
        for name in names:
            try:
                return self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
            except RepositoryError:
                continue
        raise RepositoryError(f"unable to resolve '{revision or 'HEAD'}' to a commit SHA")

    def tree(self, sha: str) -> RevisionTree:
        """The files at commit `sha`."""
        return RevisionTree(self, sha)

    def metadata(self, sha: str) -> dict[str, Any]:
        """Author, date, message and tags of a commit, as the engine shows them. Raises: RepositoryError."""
        text = self._git("show", "-s", "--format=%an <%ae>%x00%at%x00%B", "--end-of-options", sha)
        author, seconds, message = text.split("\x00", 2)
        tags = self._git("tag", "--points-at", sha).split()
        return {"author": author, "author_time": int(seconds), "message": message.strip(), "tags": tags}

    def listing(self, sha: str) -> tuple[str, ...]:
        """All file paths at `sha`, sorted; the last few listings are kept."""
        if sha not in self._listings:
            names = self._git("ls-tree", "-r", "-z", "--name-only", sha).split("\x00")
            self._listings[sha] = tuple(sorted(name for name in names if name))
            while len(self._listings) > _KEPT_LISTINGS:
                self._listings.popitem(last=False)
        return self._listings[sha]

    def blobs(self, sha: str, paths: Sequence[str]) -> dict[str, bytes]:
        """The bytes of each of `paths` at `sha` that is a file there."""
        names = [path for path in paths if "\n" not in path]
        output = self._run("cat-file", "--batch", stdin="".join(f"{sha}:{path}\n" for path in names).encode())
        found: dict[str, bytes] = {}
        for path in names:
            header, _, rest = output.partition(b"\n")
            parts = header.rsplit(b" ", 2)
            if header.endswith(b" missing") or len(parts) != 3:
                output = rest
                continue
            size = int(parts[2])
            if parts[1] == b"blob":
                found[path] = rest[:size]
            output = rest[size + 1 :]
        return found

    def _git(self, *arguments: str) -> str:
        return self._run(*arguments).decode(errors="replace")

    def _run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        command = ["git", "--git-dir", str(self.directory), *arguments]
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, env=environment, timeout=_TIMEOUT_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise RepositoryError(f"git {arguments[0]}: {type(exc).__name__}") from exc
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip().splitlines()
            raise RepositoryError(words[0] if words else f"git {arguments[0]} failed")
        return done.stdout


class RevisionTree:
    """The files of one commit, as the renderer wants them."""

    def __init__(self, repository: BareRepository, sha: str) -> None:
        self._repository = repository
        self._sha = sha

    def files(self, under: str) -> Sequence[str]:
        """Paths of all files below `under`, sorted."""
        names = self._repository.listing(self._sha)
        return names if not under else [name for name in names if name.startswith(f"{under}/")]

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        """The bytes of each of `paths` that exists."""
        return self._repository.blobs(self._sha, paths) if paths else {}
