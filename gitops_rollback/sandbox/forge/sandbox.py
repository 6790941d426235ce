"""A forge on loopback: GitHub, GitLab, Gitea or Forgejo before one repository of a git server, at the same address.

Start the git server, attach a forge to its repository, point the settings at the address. What people do on the web is
in `people`; what is broken is in `faults`, `webhooks.trouble` and `state.knobs`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gitops_rollback.sandbox.clock import SandboxClock
from gitops_rollback.sandbox.forge.dialect import Dialect
from gitops_rollback.sandbox.forge.events import Event
from gitops_rollback.sandbox.forge.faults import Fault, Faults
from gitops_rollback.sandbox.forge.gitea import Gitea
from gitops_rollback.sandbox.forge.github import GitHub
from gitops_rollback.sandbox.forge.github_app import App
from gitops_rollback.sandbox.forge.gitlab import GitLab
from gitops_rollback.sandbox.forge.machine import Machine
from gitops_rollback.sandbox.forge.merging import Repository
from gitops_rollback.sandbox.forge.people import ForgePeople
from gitops_rollback.sandbox.forge.state import Access, Kind, Knobs, Rules, State, Token, User
from gitops_rollback.sandbox.forge.webhooks import Hook, Webhooks
from gitops_rollback.sandbox.git_door import HookAnswer, HookCall, Page, PageAnswer
from gitops_rollback.sandbox.git_server import GitServer

DIALECTS: Mapping[Kind, type[Dialect]] = {Kind.GITHUB: GitHub, Kind.GITLAB: GitLab, Kind.GITEA: Gitea}
BOT = "rollback-bot"
FORGEJO = "forgejo"  # speaks Gitea's dialect
REQUESTS_KEPT = 20_000
LOOK_SECONDS = 1.0  # of the sandbox: how often time alone is looked at
# How each makes one wait for mergeability: Gitea works it out when one is opened, the others when one asks.
KNOBS = {Kind.GITHUB: Knobs(1, 1), Kind.GITLAB: Knobs(2, 1), Kind.GITEA: Knobs(0, 1)}


class ForgeSandbox:
    """The forge of `repository` (its path at `git`, without `.git`). `people`: logins and what they may do.

    The bot `rollback-bot` may write; each login's token is `token_of(login)`.
    """

    def __init__(
        self,
        kind: str,
        git: GitServer,
        repository: str,
        clock: SandboxClock,
        people: Mapping[str, Access] | None = None,
    ) -> None:
        forgejo = kind == FORGEJO
        self.kind = Kind.GITEA if forgejo else Kind(kind)
        self.server = git
        self.clock = clock
        bare: Path = git.root / f"{repository}.git"
        self.state = State(self.kind, repository, clock.now().replace(microsecond=0), knobs=replace(KNOBS[self.kind]))
        self.state.settings.forgejo = forgejo
        self.machine = Machine(self.state, Repository(bare), clock)
        self.dialect = DIALECTS[self.kind](self.machine, git.url)
        self.faults = Faults()
        self.webhooks = Webhooks(self.kind, clock.now, git.url, forgejo)
        self.requests: deque[str] = deque(maxlen=REQUESTS_KEPT)  # method and path with the query, as they came
        self._stopped = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="forge", daemon=True)
        self.add_user(self.state.owner.partition("/")[0], Access.ADMIN)
        for login, access in (people or {}).items():
            self.add_user(login, access)
        self.add_user(BOT, Access.WRITE, bot=True)
        self.people = ForgePeople(self.machine, bare, clock)
        self.machine.listeners.append(self._tell)
        git.door = self
        git.push_options = self.dialect.push_options

    @property
    def title(self) -> str:
        """Its name, as people write it."""
        if self.state.settings.forgejo:
            return "Forgejo"
        return {Kind.GITHUB: "GitHub", Kind.GITLAB: "GitLab", Kind.GITEA: "Gitea"}[self.kind]

    @property
    def url(self) -> str:
        """Where it is served, without a slash at the end."""
        return self.server.url

    def start(self) -> None:
        """The git server serves it; this begins to send webhooks and to let time pass."""
        self.webhooks.start()
        self._ticker.start()

    def stop(self) -> None:
        self._stopped.set()
        self.faults.reset()
        self.webhooks.stop()
        self._ticker.join(timeout=5)

    # Setting up

    def add_user(self, login: str, access: Access, bot: bool = False) -> User:
        """An account with a token."""
        joined = self.state.began
        user = User(self.state.next("user"), login, f"{login}@example.com", joined, bot)
        self.state.users[login] = user
        self.state.access[login] = access
        self.state.tokens[token_of(login)] = Token(login)
        return user

    def install_app(self, app: App) -> None:
        """GitHub alone: an App whose installation has this repository; its bot is an account from now on."""
        if not isinstance(self.dialect, GitHub):
            raise ValueError("only GitHub has Apps")
        self.add_user(app.login, Access.WRITE, bot=True)
        self.dialect.apps.add(app)

    def limit_token(self, login: str, *scopes: str) -> None:
        """The token of somebody has only these scopes, in the words of the forge."""
        self.state.tokens[token_of(login)] = Token(login, frozenset(scopes))

    def protect(self, rules: Rules) -> None:
        """These rules come before those that are there."""
        self.state.rules.insert(0, rules)

    def hook(self, url: str, secret: str = "", key: str = "", events: tuple[str, ...] = ()) -> Hook:
        """Tell `url` from now on."""
        made = Hook(url, secret, events, key, self.state.next("hook"))
        self.webhooks.hooks.append(made)
        if self.kind is Kind.GITHUB:
            self.webhooks.ping(made)
        return made

    # What the git server asks

    def admit(self, repository: str, user: str, password: str, writes: bool) -> str | PageAnswer:
        if repository != self.state.repository:
            return PageAnswer(404, b"Not Found\n", {"Content-Type": "text/plain"})
        return self.dialect.admit(user, password, writes)

    def asked(self, call: HookCall) -> HookAnswer:
        """What a hook of a push is told."""
        return self.dialect.hook(call)

    def page(self, page: Page) -> PageAnswer:
        """The answer to one request of the API, with what is broken just now."""
        self.requests.append(f"{page.method} {page.path}")
        fault = self.faults.take(page)
        if fault is None:
            return self.dialect.page(page)
        if fault.delay:
            self.clock.wait(fault.delay, self.faults.over)
        if fault.status is None and not fault.cut:
            return self.dialect.page(page)
        if fault.after:
            self.dialect.page(page)
        return _broken(fault)

    def _tell(self, event: Event) -> None:
        if self.webhooks.hooks:
            for delivery in self.dialect.deliveries(event):
                self.webhooks.tell(delivery)

    def _tick(self) -> None:
        while not self.clock.wait(LOOK_SECONDS, self._stopped):
            self.machine.pass_time()


def token_of(login: str) -> str:
    """The token that an account has from the beginning."""
    return f"token-of-{login}"


def _broken(fault: Fault) -> PageAnswer:
    if fault.cut or fault.status is None:
        return PageAnswer(None)
    headers = {"Content-Type": "application/json; charset=utf-8", **fault.headers}
    return PageAnswer(fault.status, fault.body.encode(), headers)
