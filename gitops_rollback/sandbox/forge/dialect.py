"""What the three dialects share: the way of a request to its route, who a token is, what a push meets.

A dialect says its own words and codes; see `github`, `gitlab`, `gitea`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from gitops_rollback.sandbox.forge.events import Event
from gitops_rollback.sandbox.forge.machine import Machine
from gitops_rollback.sandbox.forge.rules import Verdict, judge_push
from gitops_rollback.sandbox.forge.state import Access, Token
from gitops_rollback.sandbox.forge.wire import Call, Refused, Reply, Route, body_of, find_route, packed, parsed
from gitops_rollback.sandbox.git_door import ZERO, HookAnswer, HookCall, Page, PageAnswer, RefChange
from gitops_rollback.sandbox.rendering import Json


@dataclass(frozen=True)
class Delivery:
    """One webhook, not signed yet. `events`: what a hook may have chosen, in the words of its configuration."""

    event: str
    body: Json
    kind: str = ""  # a finer word, where the forge has one
    headers: Mapping[str, str] = field(default_factory=dict)


class Dialect(ABC):
    """One forge's wire. `origin` is where it is served, without a slash at the end."""

    content_type = "application/json; charset=utf-8"
    refuses_each_ref = False  # by its own hook; else one refused ref refuses the whole push
    push_options = False
    git_reads: frozenset[str] = frozenset()  # the scopes that let a token fetch, and push; any of them
    git_writes: frozenset[str] = frozenset()
    tags = False  # answers carry an ETag, and one that is known is not sent again

    def __init__(self, forge: Machine, origin: str) -> None:
        self.forge = forge
        self.state = forge.state
        self.git = forge.git
        self.origin = origin
        self.routes: list[Route] = []

    @abstractmethod
    def who(self, headers: Mapping[str, str]) -> Token | None:
        """Whose the credentials are; None for nobody. Raises: Refused for wrong ones."""

    @abstractmethod
    def unknown(self, known_path: bool) -> Reply:
        """No such address, or not with this method."""

    @abstractmethod
    def broken(self, text: str) -> Reply:
        """The body is no JSON object."""

    @abstractmethod
    def check_scope(self, token: Token | None, route: Route) -> None:
        """Raises: Refused if the token may not do this."""

    @abstractmethod
    def deliveries(self, event: Event) -> list[Delivery]:
        """The webhooks that tell of it."""

    @abstractmethod
    def refuse_push(self, verdicts: list[Verdict], call: HookCall) -> HookAnswer:
        """The words for what the rules refuse."""

    @abstractmethod
    def headers(self, token: Token | None, route: Route | None) -> dict[str, str]:
        """What every answer carries."""

    @abstractmethod
    def after_push(self, call: HookCall) -> str:
        """What a push that was taken is told."""

    def page(self, page: Page) -> PageAnswer:
        """The answer to one request."""
        path, query, url = parsed(page)
        token, route = None, None
        try:
            token = self.who(page.headers)
            route, parts, known = find_route(self.routes, page.method, path)
            body, broken = body_of(page)
            if route is None:
                raise Refused(self.unknown(known))
            self.check_scope(token, route)
            if broken:
                raise Refused(self.broken(broken))
            who = token or Token("")
            call = Call(page.method, url, query, page.headers, body, who.login, who.scopes, who.app, parts)
            with self.forge.lock:
                self.forge.notice()
                reply = route.handler(call)
        except Refused as exc:
            reply = exc.reply
        answer = packed(reply, self.headers(token, route), self.content_type)
        return _unless_known(answer, page) if self.tags and page.method == "GET" else answer

    def admit(self, user: str, password: str, writes: bool) -> str | PageAnswer:
        """For git: the login, or what is answered instead."""
        token = self.state.tokens.get(password)
        if token is None and (user or password or self.state.settings.private or writes):
            return self.unauthorized(bool(user or password))
        login = token.login if token else ""
        if self.state.may(login) < Access.READ:
            return PageAnswer(404, b"Not found.\n", {"Content-Type": "text/plain"})
        if token is not None and token.scopes is not None and not token.scopes & self._git_scopes(writes):
            return self.no_scope(writes)
        if writes and self.state.may(login) < Access.WRITE:
            return self.no_write(login)
        return login

    def _git_scopes(self, writes: bool) -> frozenset[str]:
        return self.git_writes if writes else self.git_reads | self.git_writes

    def no_scope(self, writes: bool) -> PageAnswer:
        """For git: the token is not made for that."""
        words = f"{'Write access' if writes else 'Access'} to repository not granted.\n"
        return PageAnswer(403, words.encode(), {"Content-Type": "text/plain"})

    def unauthorized(self, wrong: bool) -> PageAnswer:
        """For git: credentials are wanted, or these are wrong."""
        words = b"Authentication failed\n" if wrong else b"Unauthorized\n"
        return PageAnswer(401, words, {"WWW-Authenticate": 'Basic realm="Git"', "Content-Type": "text/plain"})

    def no_write(self, login: str) -> str | PageAnswer:
        """For git: who may only read wants to push."""
        words = f"You are not allowed to push code to this project ({login}).\n"
        return PageAnswer(403, words.encode(), {"Content-Type": "text/plain"})

    def hook(self, call: HookCall) -> HookAnswer:
        """What a push meets: rules before, words after."""
        if call.name == ("update" if self.refuses_each_ref else "pre-receive"):
            with self.forge.lock:
                return self.refuse_push(judge_push(self.state, self.git, call), call)
        if call.name == "post-receive":
            with self.forge.lock:
                self.forge.notice(call.login)
                return HookAnswer(words=self.after_push(call))
        return HookAnswer()

    def new_branches(self, call: HookCall) -> list[RefChange]:
        """Those of a push that are worth a word: neither the default branch nor a deletion."""
        default = f"refs/heads/{self.state.settings.default_branch}"
        branches = [change for change in call.changes if change.ref.startswith("refs/heads/")]
        return [change for change in branches if change.ref != default and change.new != ZERO]

    def readable(self, call: Call) -> bool:
        return self.state.may(call.login) >= Access.READ


def basic(headers: Mapping[str, str]) -> tuple[str, str]:
    """The user and the password of basic authentication; two times "" if there is none."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(value).decode("utf-8", "replace").partition(":")
    except binascii.Error:
        return "", ""
    return user, password


def bearer(headers: Mapping[str, str], *kinds: str) -> str:
    """The token of an `Authorization` header of one of these kinds."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() in kinds else ""


def _unless_known(answer: PageAnswer, page: Page) -> PageAnswer:
    """The answer with its ETag, or 304 for who has it."""
    if answer.status != 200:
        return answer
    tag = f'W/"{hashlib.sha256(answer.body).hexdigest()}"'
    headers = {**answer.headers, "ETag": tag}
    if page.headers.get("if-none-match") == tag:
        return PageAnswer(304, b"", {name: value for name, value in headers.items() if name != "Content-Type"})
    return PageAnswer(200, answer.body, headers)
