"""A remote of bare repositories that tests write to as other people do, and the settings to reach it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitops_rollback.adapters.git.remote import RepositorySettings
from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.sandbox.git_server import GitServer

DAY = 86400
MAIN = "refs/heads/main"
JOURNAL = "refs/heads/gitops-rollback-journal"


def git(*args: str, cwd: Path | None = None, content: bytes = b"", ok: tuple[int, ...] = (0,)) -> str:
    """Plain git, as the people on the other side use it."""
    done = subprocess.run(["git", *args], cwd=cwd, input=content, capture_output=True, check=False, timeout=60)
    assert done.returncode in ok, done.stderr.decode()
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def wait_until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Look until it holds; fail at the deadline."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came true"
        os.sched_yield()


@dataclass
class Remote:
    """One bare repository of the server's, `shop.git`."""

    server: GitServer
    name: str = "shop"
    made: list[GitConfigRepo] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.server.root / f"{self.name}.git"

    @property
    def url(self) -> str:
        return f"{self.server.url}/{self.name}.git"

    def create(self, *options: str) -> Remote:
        git("init", "-q", "--bare", "-b", "main", *options, str(self.path))
        return self

    def head(self, ref: str = MAIN) -> str | None:
        return git("rev-parse", "-q", "--verify", ref, cwd=self.path, ok=(0, 1)) or None

    def commit(
        self,
        files: Mapping[str, str | bytes | None],
        message: str = "Change",
        branch: str = "main",
        days_ago: float = 0.0,
        on: str = "",
    ) -> str:
        """A person's commit, straight into the repository. `on` "" is the branch's head, "none" an orphan."""
        ref = f"refs/heads/{branch}"
        base = self.head(ref) if not on else None if on == "none" else on
        when = f"A Person <person@example.com> {int(time.time() - days_ago * DAY)} +0000"
        text = message.encode("utf-8", "surrogateescape")
        lines = [f"commit {ref}\nauthor {when}\ncommitter {when}\n".encode(), b"data %d\n%s\n" % (len(text), text)]
        lines += [f"from {base}\n".encode()] if base else []
        for path, content in files.items():
            quoted = b'"%s"' % path.replace('"', '\\"').replace("\n", "\\n").encode("utf-8", "surrogateescape")
            data = content.encode() if isinstance(content, str) else content
            lines.append(
                b"D %s\n" % quoted if data is None else b"M 100644 inline %s\ndata %d\n%s\n" % (quoted, len(data), data)
            )
        git("fast-import", "--quiet", "--force", cwd=self.path, content=b"".join(lines))
        found = self.head(ref)
        assert found is not None
        return found

    def settings(self, state: Path, **changes: object) -> RepositorySettings:
        values: dict[str, object] = {"name": "shop", "url": self.url, "state_dir": state}
        return RepositorySettings(**{**values, **changes})

    def open(self, state: Path, **changes: object) -> GitConfigRepo:
        repo = GitConfigRepo(self.settings(state, **changes))
        self.made.append(repo)
        return repo
