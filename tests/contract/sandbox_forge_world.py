"""A git server with a repository and a forge before it, for tests, and a receiver for its webhooks."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx

from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.forge import Access, ForgeSandbox, token_of
from gitops_rollback.sandbox.git_server import GitServer

Json = dict[str, Any]
REPOSITORY = "owner/config"
VALUES = "apps/shop/values.yaml"
PEOPLE = {"writer": Access.WRITE, "reader": Access.READ, "stranger": Access.NONE}


def git_in(work: Path, *args: str, ok: tuple[int, ...] = (0,)) -> str:
    """Plain git in a work tree."""
    done = subprocess.run(["git", *args], cwd=work, capture_output=True, check=False, timeout=60)
    assert done.returncode in ok, done.stderr.decode()
    return done.stdout.decode().strip()


def commit_in(
    work: Path, branch: str, message: str, files: Mapping[str, str], login: str = "owner", base: str = ""
) -> str:
    """As `Stage.commit`."""
    if base or git_in(work, "branch", "--show-current") != branch:
        git_in(work, "checkout", "-q", *(["-B", branch, base] if base else [branch]))
    for path, text in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    git_in(work, "add", "-A")
    who = f"{login} <{login}@example.com>"
    environment = {"GIT_COMMITTER_NAME": login, "GIT_COMMITTER_EMAIL": f"{login}@example.com"}
    command = ["git", "commit", "-q", "--allow-empty", "-m", message, "--author", who]
    subprocess.run(command, cwd=work, check=True, env={**os.environ, **environment}, timeout=60)
    return git_in(work, "rev-parse", "HEAD")


@dataclass
class Stage:
    """What a test has in its hands."""

    forge: ForgeSandbox
    work: Path
    heads: dict[str, str] = field(default_factory=dict)

    def git(self, *args: str, ok: tuple[int, ...] = (0,)) -> str:
        return git_in(self.work, *args, ok=ok)

    def push(self, login: str, *args: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """As the command line prints it, with the token of `login`."""
        address = self.forge.url.replace("http://", f"http://{login}:{token_of(login)}@")
        given = [part for option in options for part in ("-o", option)]
        command = ["git", "push", "--porcelain", *given, f"{address}/{self.forge.state.repository}.git", *args]
        return subprocess.run(command, cwd=self.work, capture_output=True, check=False, timeout=60, text=True)

    def commit(self, branch: str, message: str, files: Mapping[str, str], login: str = "owner", base: str = "") -> str:
        """A commit in the work tree, on a branch that begins at `base` (default: where it is)."""
        return commit_in(self.work, branch, message, files, login, base)

    def api(self, login: str = "rollback-bot", token: str = "") -> httpx.Client:
        """A client with somebody's token; "" for nobody."""
        prefix = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1"}[self.forge.kind]
        secret = token or (token_of(login) if login else "")
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        return httpx.Client(base_url=f"{self.forge.url}{prefix}", headers=headers, timeout=20)


@cache
def _prepared(more: tuple[tuple[str, str], ...]) -> tuple[Path, dict[str, str]]:
    """What worlds begin with, made once: a served repository, a work tree, and the commits of `main`."""
    folder = Path(mkdtemp(prefix="forge-world-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    bare, work = folder / "bare.git", folder / "work"
    for command in (["--bare", str(bare)], [str(work)]):
        subprocess.run(["git", "init", "-q", "--template=", "-b", "main", *command], check=True)
    first = {"CODEOWNERS": "/apps/ @writer\n", VALUES: "tag: v1\n", **dict(more)}
    good = commit_in(work, "main", "Initial state", first)
    bad = commit_in(work, "main", "shop v2", {VALUES: "tag: v2\n"})
    git_in(work, "push", "-q", str(bare), "main")
    return folder, {"good": good, "bad": bad}


@contextmanager
def forge_world(directory: Path, kind: str, more: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """`main` with two commits: the application, with `more` files, and its second version, which is bad."""
    prepared, heads = _prepared(tuple((more or {}).items()))
    work, root = directory / "work", directory / "served"
    shutil.copytree(prepared / "bare.git", root / f"{REPOSITORY}.git")
    shutil.copytree(prepared / "work", work)
    server = GitServer(root).start()
    forge = ForgeSandbox(kind, server, REPOSITORY, ScaledClock(), PEOPLE)
    forge.start()
    try:
        yield Stage(forge, work, dict(heads))
        assert server.failures == []
    finally:
        forge.stop()
        server.stop()


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Look until it holds; fail at the deadline."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came true"
        os.sched_yield()


@dataclass
class Received:
    """One delivery as it arrived."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        found: Json = json.loads(self.raw)
        return found


@contextmanager
def receiver() -> Iterator[tuple[str, list[Received]]]:
    """An address that takes webhooks, and what has come there."""
    received: list[Received] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(Received(self.path, dict(self.headers.items()), raw))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hooks/forge/config", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
