"""What people and bots do to the config repository, straight in the bare repository as a forge would land it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

DEVELOPER = "Jonas Lindqvist <jonas.lindqvist@shop.example>"


class People:
    """Land commits on a branch of a bare repository, each by a compare-and-swap that is retried."""

    def __init__(self, bare: Path, branch: str = "main") -> None:
        self._bare = bare
        self.branch = branch
        self.on_push: Callable[[], None] | None = None  # called once a commit has landed

    def head(self, branch: str = "") -> str:
        """The branch's commit; "" if there is no such branch."""
        return self.git("rev-parse", "--quiet", "--verify", f"refs/heads/{branch or self.branch}", check=False)

    def push(
        self,
        message: str,
        files: Mapping[str, str | None],
        at: datetime,
        author: str = DEVELOPER,
        tries: int = 20,
        base: str = "",
    ) -> str:
        """Land a commit with these files put (None: removed); its full SHA. `base`: on this head, or not at all."""
        for _ in range(1 if base else tries):
            head = base or self.head()  # "": the first commit of a new branch
            commit = self._commit(head, message, files, at, author)
            moved = self._run(["update-ref", f"refs/heads/{self.branch}", commit, head])
            if moved.returncode == 0:
                if self.on_push is not None:
                    self.on_push()
                return commit
        raise RuntimeError("others kept landing first")

    def edit(self, message: str, path: str, old: str, new: str, at: datetime, author: str = DEVELOPER) -> str:
        """Land a commit that replaces `old` in one file; it must be there."""
        text = self.read(path)
        if old not in text:
            raise ValueError(f"{path} does not hold {old!r}")
        return self.push(message, {path: text.replace(old, new)}, at, author)

    def read(self, path: str, revision: str = "") -> str:
        """A file at a revision, by default at the head."""
        return self._run(["show", f"{revision or self.head()}:{path}"]).stdout.decode()

    def git(self, *arguments: str, check: bool = True) -> str:
        """What git says, stripped."""
        done = self._run(list(arguments))
        if check and done.returncode != 0:
            raise RuntimeError(done.stderr.decode().strip())
        return done.stdout.decode("utf-8", "replace").strip()

    def _commit(self, base: str, message: str, files: Mapping[str, str | None], at: datetime, author: str) -> str:
        stream = [
            f"commit refs/heads/landing\nauthor {author} {_stamp(at)}\ncommitter {author} {_stamp(at)}\n".encode()
        ]
        stream += [_data(message.encode()), f"from {base}\n".encode() if base else b""]
        for path, text in files.items():
            stream += (
                [f"D {path}\n".encode()]
                if text is None
                else [f"M 100644 inline {path}\n".encode(), _data(text.encode())]
            )
        landing = f"landing-{os.urandom(4).hex()}"
        content = b"".join(stream).replace(b"refs/heads/landing", f"refs/landing/{landing}".encode(), 1)
        made = self._run(["fast-import", "--quiet"], content)
        if made.returncode != 0:
            raise RuntimeError(made.stderr.decode().strip())
        commit = self.git("rev-parse", f"refs/landing/{landing}")
        self.git("update-ref", "-d", f"refs/landing/{landing}")
        return commit

    def _run(self, arguments: list[str], content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        command = ["git", f"--git-dir={self._bare}", *arguments]
        return subprocess.run(command, input=content, capture_output=True, env=environment, check=False, timeout=60)


def _stamp(at: datetime) -> str:
    return f"{int(at.timestamp())} +0000"


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)
