"""Builds small real histories by fast-import: exact bytes, modes, names, parents and dates, so shas repeat."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PERSON = b"A Developer <developer@example.com>"
START = 1_700_000_000


@dataclass(frozen=True)
class Entry:
    """A file that is no plain text: its mode, and its content or (for 160000) the commit's id."""

    mode: str
    content: bytes


Files = Mapping[str | bytes, str | bytes | Entry | None]


class History:
    """One bare repository; each commit gets a branch of its own, `c1`, `c2`, ..."""

    def __init__(self, git_dir: Path, object_format: str = "sha1") -> None:
        self.git_dir = git_dir
        self._count = 0
        subprocess.run(["git", "init", "-q", "--bare", f"--object-format={object_format}", str(git_dir)], check=True)

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """The output of a plain git command."""
        command = ["git", f"--git-dir={self.git_dir}", *arguments]
        return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout.decode().strip()

    def commit(self, files: Files, on: Sequence[str] = (), message: str | bytes = "Change", seconds: int = 0) -> str:
        """A commit that puts these files (None: removes them) onto its first parent. () makes a root commit."""
        self._count += 1
        when = seconds or START + 60 * self._count
        text = message.encode() if isinstance(message, str) else message
        ref = f"refs/heads/c{self._count}"
        head = b"commit %s\ncommitter %s %d +0000\ndata %d\n%s\n" % (ref.encode(), PERSON, when, len(text), text)
        parents = b"".join(b"%s %s\n" % (b"merge" if place else b"from", sha.encode()) for place, sha in enumerate(on))
        stream = head + parents + b"".join(_changes(files))
        self.git("fast-import", "--quiet", stdin=stream)
        return self.git("rev-parse", "--verify", ref)

    def line(self, *steps: Files) -> tuple[str, ...]:
        """Commits in a row, each on the one before."""
        shas: list[str] = []
        for number, files in enumerate(steps):
            shas.append(self.commit(files, shas[-1:], message=f"Step {number}"))
        return tuple(shas)

    def content(self, tree: str | None) -> dict[str, str]:
        """Path -> text of all files of a tree; what is not UTF-8 shows as surrogates."""
        assert tree is not None
        listed = subprocess.run(
            ["git", f"--git-dir={self.git_dir}", "ls-tree", "-r", "-z", tree], check=True, capture_output=True
        ).stdout
        found = {}
        for record in listed.split(b"\0")[:-1]:
            meta, _, path = record.partition(b"\t")
            mode, _, sha = meta.decode().split(" ")
            found[path.decode("utf-8", "surrogateescape")] = sha if mode == "160000" else self._blob(sha)
        return found

    def _blob(self, sha: str) -> str:
        command = ["git", f"--git-dir={self.git_dir}", "cat-file", "blob", sha]
        return subprocess.run(command, check=True, capture_output=True).stdout.decode("utf-8", "surrogateescape")


def _changes(files: Files) -> Iterator[bytes]:
    for path, value in files.items():
        name = _quoted(path.encode() if isinstance(path, str) else path)
        if value is None:
            yield b"D %s\n" % name
            continue
        entry = (
            value
            if isinstance(value, Entry)
            else Entry("100644", value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value)
        )
        if entry.mode == "160000":
            yield b"M 160000 %s %s\n" % (entry.content, name)
        else:
            yield b"M %s inline %s\ndata %d\n%s\n" % (entry.mode.encode(), name, len(entry.content), entry.content)


def _quoted(path: bytes) -> bytes:
    return (
        b'"' + b"".join(b"\\%03o" % byte if byte in b'"\\\n' or byte > 126 else bytes([byte]) for byte in path) + b'"'
    )
