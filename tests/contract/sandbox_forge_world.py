"""A git server with a repository and a forge before it, for tests, and a receiver for its webhooks."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.forge import Access, ForgeSandbox, token_of
from gitops_rollback.sandbox.git_server import GitServer

Json = dict[str, Any]
REPOSITORY = "owner/config"
VALUES = "apps/shop/values.yaml"
PEOPLE = {"writer": Access.WRITE, "reader": Access.READ, "stranger": Access.NONE}


@dataclass
class Stage:
    """What a test has in its hands."""

    forge: ForgeSandbox
    work: Path
    heads: dict[str, str] = field(default_factory=dict)

    def git(self, *args: str, ok: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(["git", *args], cwd=self.work, capture_output=True, check=False, timeout=60)
        assert done.returncode in ok, done.stderr.decode()
        return done.stdout.decode().strip()

    def push(self, login: str, *args: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """As the command line prints it, with the token of `login`."""
        address = self.forge.url.replace("http://", f"http://{login}:{token_of(login)}@")
        given = [part for option in options for part in ("-o", option)]
        command = ["git", "push", "--porcelain", *given, f"{address}/{self.forge.state.repository}.git", *args]
        return subprocess.run(command, cwd=self.work, capture_output=True, check=False, timeout=60, text=True)

    def commit(self, branch: str, message: str, files: Mapping[str, str], login: str = "owner", base: str = "") -> str:
        """A commit in the work tree, on a branch that begins at `base` (default: where it is)."""
        if base or self.git("branch", "--show-current") != branch:
            self.git("checkout", "-q", *(["-B", branch, base] if base else [branch]))
        for path, text in files.items():
            (self.work / path).parent.mkdir(parents=True, exist_ok=True)
            (self.work / path).write_text(text)
        self.git("add", "-A")
        who = f"{login} <{login}@example.com>"
        environment = {"GIT_COMMITTER_NAME": login, "GIT_COMMITTER_EMAIL": f"{login}@example.com"}
        command = ["git", "commit", "-q", "--allow-empty", "-m", message, "--author", who]
        subprocess.run(command, cwd=self.work, check=True, env={**os.environ, **environment}, timeout=60)
        return self.git("rev-parse", "HEAD")

    def api(self, login: str = "rollback-bot", token: str = "") -> httpx.Client:
        """A client with somebody's token; "" for nobody."""
        prefix = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1"}[self.forge.kind]
        secret = token or (token_of(login) if login else "")
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        return httpx.Client(base_url=f"{self.forge.url}{prefix}", headers=headers, timeout=20)


@contextmanager
def forge_world(directory: Path, kind: str, more: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """`main` with three commits: the application, its second version that is bad, and nothing else."""
    work, root = directory / "work", directory / "served"
    root.mkdir()
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(root / f"{REPOSITORY}.git")], check=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(work)], check=True)
    server = GitServer(root).start()
    forge = ForgeSandbox(kind, server, REPOSITORY, ScaledClock(), PEOPLE)
    forge.start()
    stage = Stage(forge, work)
    try:
        first = {"CODEOWNERS": "/apps/ @writer\n", VALUES: "tag: v1\n", **(more or {})}
        stage.heads["good"] = stage.commit("main", "Initial state", first)
        stage.heads["bad"] = stage.commit("main", "shop v2", {VALUES: "tag: v2\n"})
        pushed = stage.push("owner", "main")
        assert pushed.returncode == 0, pushed.stderr
        yield stage
        assert not server.failures
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
