"""How do people land a commit, or a merge? Straight in the bare repository, as a forge does, at a given time."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from gitops_rollback.sandbox.simulation.wire.gitlog import run_git

ROOM = "refs/landing/work"
Files = Mapping[str, bytes | None]


def head_of(bare: Path, branch: str) -> str:
    """The branch's commit; "" if there is no such branch."""
    return run_git(bare, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}").decode().strip()


def land(bare: Path, branch: str, files: Files, message: str, at: datetime, author: str, merge: bool = False) -> str:
    """A commit on the branch's head with these files put (None: removed); its sha. `merge`: by a side branch.

    Raises: RuntimeError if somebody else moved the branch meanwhile.
    """
    base = head_of(bare, branch)
    stamp = f"{author} {int(at.timestamp())} +0000"
    if merge:
        side = _commit(f"{message} (side)", stamp, (base,), files)
        joined = _commit(f"Merge: {message}", stamp, (base, ROOM), {})
        # The merge takes over the side's tree: fast-import begins with its first parent's.
        stream = side + joined + _changes(files)
    else:
        stream = _commit(message, stamp, (base,) if base else (), files)
    run_git(bare, "fast-import", "--quiet", "--force", content=b"feature done\n" + stream + b"done\n")
    sha = run_git(bare, "rev-parse", ROOM).decode().strip()
    run_git(bare, "update-ref", f"refs/heads/{branch}", sha, base or "0" * 40)
    run_git(bare, "update-ref", "-d", ROOM)
    return sha


def text_of(bare: Path, revision: str, path: str) -> bytes | None:
    """A file at a revision; None if it is not there."""
    done = subprocess.run(
        ["git", f"--git-dir={bare}", "cat-file", "blob", f"{revision}:{path}"], capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else None


def _commit(message: str, stamp: str, parents: tuple[str, ...], files: Files) -> bytes:
    head = f"commit {ROOM}\nauthor {stamp}\ncommitter {stamp}\n".encode() + _data(message.encode())
    words = ("from", *("merge" for _ in parents[1:]))
    lines = "".join(f"{word} {parent}\n" for word, parent in zip(words, parents, strict=False))
    return head + lines.encode() + _changes(files)


def _changes(files: Files) -> bytes:
    return b"".join(
        f"D {path}\n".encode() if text is None else f"M 100644 inline {path}\n".encode() + _data(text)
        for path, text in files.items()
    )


def _data(text: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(text), text)
