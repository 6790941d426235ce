"""A real Gitea on loopback with the people of the forge suite, in the places where the sandbox's forge has them."""

from __future__ import annotations

import getpass
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import programs
from forge_canned import Meter
from forge_doors import ForgeDoor
from sandbox_forge_world import VALUES
from systems import Machine, free_port

from gitops_rollback.adapters.forges.exchange import Exchange
from gitops_rollback.adapters.forges.settings import ForgeSettings, default_api
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.wiring_forges import CLIENTS
from gitops_rollback.ports.forge import Forge
from gitops_rollback.sandbox.forge import BOT, Rules

OWNER = "owner"
LOGINS = (OWNER, "writer", "reader", "stranger", BOT)
MAY = {"writer": "write", BOT: "write", "reader": "read"}
PASSWORD = "of-the-lab-only-1"
READY_WITHIN_SECONDS = 120.0
SETTINGS = """
RUN_USER = {user}
RUN_MODE = prod
WORK_PATH = {folder}
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {released}
OFFLINE_MODE = true
DISABLE_SSH = true
[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
[security]
INSTALL_LOCK = true
SECRET_KEY = not-a-secret
PASSWORD_HASH_ALGO = pbkdf2_v1
[service]
DISABLE_REGISTRATION = true
[repository]
ROOT = {folder}/repositories
DEFAULT_BRANCH = main
[log]
LEVEL = Warn
[cron]
ENABLED = false
"""


class RealGitea:
    """The server, with an account and a token for each of the people."""

    def __init__(self, machine: Machine) -> None:
        self.folder = machine.folder / "gitea"
        self.folder.mkdir()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = self.folder / "app.ini"
        words = {"user": getpass.getuser(), "folder": self.folder, "port": self.port}
        self._settings.write_text(SETTINGS.format(**words, released=programs.released("gitea")))
        # It writes git's global configuration. The tests' own is /dev/null, which git would replace by a plain file.
        configs = {
            f"GIT_CONFIG_{name}": str(self.folder / f"gitconfig-{name.lower()}") for name in ("GLOBAL", "SYSTEM")
        }
        self._environment = {"HOME": str(self.folder), **configs}
        self._cli("migrate")
        self.tokens = {login: self._account(login) for login in LOGINS}
        machine.start("gitea", "web", "--config", str(self._settings), environment=self._environment)
        self._until_it_answers()

    def api(self, login: str) -> httpx.Client:
        headers = {"Authorization": f"token {self.tokens[login]}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60)

    def _account(self, login: str) -> str:
        admin = ["--admin"] if login == OWNER else []
        mail = f"{login}@example.com"
        self._cli("admin", "user", "create", "--username", login, "--password", PASSWORD, "--email", mail, *admin,
                  "--must-change-password=false")  # fmt: skip
        made = self._cli("admin", "user", "generate-access-token", "--username", login, "--scopes", "all", "--raw")
        return made.split()[-1]

    def _cli(self, *arguments: str) -> str:
        command = [str(programs.path_of("gitea")), *arguments, "--config", str(self._settings)]
        variables = os.environ | self._environment
        done = subprocess.run(command, env=variables, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _until_it_answers(self) -> None:
        waiting, end = threading.Event(), time.monotonic() + READY_WITHIN_SECONDS
        while True:
            try:
                if httpx.get(f"{self.url}/api/v1/version", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                assert time.monotonic() < end, "Gitea does not come up: see its log"
            waiting.wait(0.2)


@dataclass
class RealForge:
    """One repository there, as the suite asks the sandbox's forge for it."""

    server: RealGitea
    name: str
    work: Path
    kind: str = "gitea"
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path = f"{OWNER}/{self.name}"
        self.root = f"/repos/{self.path}"
        self.url = self.server.url
        self.people = self
        self.clock = SimpleNamespace(now=lambda: datetime.now(UTC), wait=lambda seconds, over: over.wait(seconds))
        self.faults = SimpleNamespace(over=threading.Event())
        self.machine = SimpleNamespace(git=self, settle=lambda: None)
        self.state = self
        self.ask(OWNER, "POST", "/user/repos", {"name": self.name, "default_branch": "main"})
        for login, permission in MAY.items():
            self.ask(OWNER, "PUT", f"{self.root}/collaborators/{login}", {"permission": permission})
        self.git(self.work.parent, "init", "-q", "-b", "main", str(self.work))
        for message, tag in (("Initial state", "v1"), ("shop v2", "v2")):
            self._commit(OWNER, message, {VALUES: f"tag: {tag}\n"})
        self._push(OWNER, self.path, "main")

    def ask(self, login: str, method: str, path: str, body: object = None) -> Any:
        """One request of somebody; what is refused fails the test."""
        with self.server.api(login) as client:
            answer = client.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.text else None

    # What the suite asks of people

    def push(self, login: str, branch: str, message: str, files: Mapping[str, str | None], base: str = "main") -> str:
        self.git(self.work, "fetch", "-q", self._address(OWNER, self.path), "+refs/heads/*:refs/remotes/o/*")
        known = self.git(self.work, "branch", "-r", "--list", f"o/{branch}")
        self.git(self.work, "checkout", "-q", "-B", branch, f"o/{branch if known else base}")
        sha = self._commit(login, message, files)
        self._push(OWNER if branch == "main" else login, self.path, branch)
        return sha

    def open(self, login: str, head: str, title: str, base: str = "main", draft: bool = False) -> SimpleNamespace:
        wanted = {"head": head, "base": base, "title": f"WIP: {title}" if draft else title}
        waiting, end = threading.Event(), time.monotonic() + READY_WITHIN_SECONDS
        with self.server.api(login) as client:
            while True:  # a branch is known a moment after its push
                answer = client.post(f"{self.root}/pulls", json=wanted)
                if answer.status_code != 404:
                    break
                assert time.monotonic() < end, f"it never knows {head}"
                waiting.wait(0.1)
        assert answer.is_success, answer.text
        return SimpleNamespace(number=answer.json()["number"], head=head)

    def open_from_fork(self, login: str, fork: str, title: str, files: Mapping[str, str | None]) -> SimpleNamespace:
        forked = self.ask(login, "POST", f"{self.root}/forks", {})["full_name"]
        branch = f"fork-of-{login}"
        self.git(self.work, "checkout", "-q", "-B", branch, "main")
        self._commit(login, title, files)
        self._push(login, forked, branch)
        return SimpleNamespace(number=self.open(login, f"{login}:{branch}", title).number, head=branch)

    def comment(self, login: str, number: int, body: str) -> SimpleNamespace:
        made = self.ask(login, "POST", f"{self.root}/issues/{number}/comments", {"body": body})
        return SimpleNamespace(id=made["id"])

    def comment_line(self, login: str, number: int, path: str, line: int, body: str) -> None:
        lines = [{"path": path, "body": body, "new_position": line}]
        self.ask(login, "POST", f"{self.root}/pulls/{number}/reviews", {"event": "COMMENT", "comments": lines})

    def edit_comment(self, login: str, comment: SimpleNamespace, body: str) -> None:
        self.ask(login, "PATCH", f"{self.root}/issues/comments/{comment.id}", {"body": body})

    def approve(self, login: str, number: int) -> None:
        self.ask(login, "POST", f"{self.root}/pulls/{number}/reviews", {"event": "APPROVED", "body": "fine"})

    def close(self, login: str, number: int) -> None:
        self.ask(login, "PATCH", f"{self.root}/pulls/{number}", {"state": "closed"})

    def merge(self, login: str, number: int) -> None:
        self.ask(login, "POST", f"{self.root}/pulls/{number}/merge", {"Do": "merge"})

    def protect(self, rules: Rules) -> None:
        wanted: dict[str, object] = {
            "rule_name": "main",
            "enable_push": True,
            "enable_push_whitelist": rules.pushers is not None,
            "push_whitelist_usernames": list(rules.pushers or ()),
            "required_approvals": rules.approvals,
            "enable_status_check": bool(rules.checks),
            "status_check_contexts": list(rules.checks),
        }
        self.ask(OWNER, "POST", f"{self.root}/branch_protections", wanted)

    # What the suite looks at

    @property
    def pulls(self) -> dict[int, SimpleNamespace]:
        return {one["number"]: self._shown(one) for one in self.ask(OWNER, "GET", f"{self.root}/pulls?state=all")}

    def _shown(self, one: Any) -> SimpleNamespace:
        number = one["number"]
        asked = [user["login"] for user in one["requested_reviewers"] or ()]
        said = self.ask(OWNER, "GET", f"{self.root}/issues/{number}/comments")
        comments = [SimpleNamespace(reactions=self._reactions(comment["id"])) for comment in said]
        return SimpleNamespace(number=number, reviewers=asked, open=one["state"] == "open", comments=comments)

    def _reactions(self, comment: int) -> list[tuple[str, str]]:
        found = self.ask(OWNER, "GET", f"{self.root}/issues/comments/{comment}/reactions") or []
        return [(one["user"]["login"], one["content"]) for one in found]

    def statuses_of(self, sha: str) -> dict[str, SimpleNamespace]:
        found = self.ask(OWNER, "GET", f"{self.root}/commits/{sha}/status")["statuses"]
        return {one["context"]: SimpleNamespace(state=one["status"], description=one["description"]) for one in found}

    def head(self, branch: str) -> str:
        return str(self.ask(OWNER, "GET", f"{self.root}/branches/{branch}")["commit"]["id"])

    def read_commit(self, sha: str) -> SimpleNamespace:
        found = self.ask(OWNER, "GET", f"{self.root}/git/commits/{sha}")
        return SimpleNamespace(message=found["commit"]["message"])

    # git

    def git(self, where: Path, *arguments: str, more: Mapping[str, str] | None = None) -> str:
        where.mkdir(parents=True, exist_ok=True)
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=where, env=os.environ | dict(more or {}), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def _commit(self, login: str, message: str, files: Mapping[str, str | None]) -> str:
        for path, text in files.items():
            target = self.work / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                target.unlink(missing_ok=True)
            else:
                target.write_text(text)
        self.git(self.work, "add", "-A")
        names = {"GIT_AUTHOR_NAME": login, "GIT_COMMITTER_NAME": login}
        mails = {"GIT_AUTHOR_EMAIL": f"{login}@example.com", "GIT_COMMITTER_EMAIL": f"{login}@example.com"}
        self.git(self.work, "commit", "-q", "--allow-empty", "-m", message, more=names | mails)
        return self.git(self.work, "rev-parse", "HEAD")

    def _push(self, login: str, path: str, branch: str) -> None:
        self.git(self.work, "push", "-q", self._address(login, path), f"HEAD:refs/heads/{branch}")

    def _address(self, login: str, path: str) -> str:
        return self.url.replace("http://", f"http://{login}:{self.server.tokens[login]}@") + f"/{path}.git"


class NotedExchange(Exchange):
    """Keeps what is asked, as the sandbox does at the other end."""

    def __init__(self, requests: list[str], *wanted: Any) -> None:
        self._requests = requests
        super().__init__(*wanted)

    def ask(self, call: Any, request: Any) -> Any:
        self._requests.append(f"{request.method} {request.url}")
        return super().ask(call, request)


@dataclass
class GiteaDoor(ForgeDoor):
    """The client under test before a real repository."""

    def client(self, **changes: Any) -> Forge:
        forge: Any = self.stage.forge
        wanted = {
            "kind": "gitea",
            "api": default_api("gitea", forge.url),
            "repository": forge.path,
            "web_url": f"{forge.url}/{forge.path}",
            "token": forge.server.tokens[BOT],
            "settling": timedelta(seconds=2),
        }
        settings = ForgeSettings(**(wanted | changes))
        exchange = NotedExchange(forge.requests, settings, OriginRules.parse([forge.url]), self.meter)
        self.made.append(exchange)
        return CLIENTS[settings.kind](exchange)


def gitea_door(server: RealGitea, name: str, folder: Path) -> Iterator[GiteaDoor]:
    """A new repository and the client before it."""
    stage: Any = SimpleNamespace(forge=RealForge(server, name, folder / "work"))
    door = GiteaDoor("gitea", stage, Meter())
    with ExitStack() as ending:
        ending.callback(lambda: [exchange.close() for exchange in door.made])
        yield door
