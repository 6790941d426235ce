"""What people may do on the dashboard: log in, and press buttons. Every button is a form, so none needs JavaScript.

A press only waits in a box for the next look at its repository, which asks whether the person may, and answers.
Source: product.md section 8; `app.page_door`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qsl, quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gitops_rollback.app.receipts import Receipt, Receipts
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.message import for_people
from gitops_rollback.core.press import PageButton, PagePress
from gitops_rollback.ports import Clock
from gitops_rollback.web.login import COOKIE, SESSION_SECONDS, Login, Rates, Who, is_from_here

MOST_BYTES = 8 << 10
MOST_FIELDS = 20
BODY_SECONDS = 5.0
LONGEST_REASON = 300
FORM = "application/x-www-form-urlencoded"
LASTS: Mapping[str, timedelta | None] = {
    "10m": timedelta(minutes=10),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "24h": timedelta(hours=24),
    "": None,  # without an end
}
# What changes what is deployed, or ends what is under way, is written down with its reason.
WITH_REASON = frozenset({PageButton.REJECT, PageButton.STOP, PageButton.PLAN, PageButton.ROLL_BACK, PageButton.PAUSE})
POSTS = frozenset({("POST", "/login"), ("POST", "/logout"), ("POST", "/act")})
Form = Mapping[str, str]


@dataclass
class Looker:
    """Whoever looks at one page. `told`: what became of what they pressed."""

    actions: Actions
    who: Who
    told: Receipt | None = None

    @property
    def login(self) -> str:
        return self.who.login

    @property
    def name(self) -> str:
        return self.who.name

    @property
    def by_token(self) -> bool:
        return self.who.by_token

    @property
    def may_log_in(self) -> bool:
        return self.actions.login.by_token and not self.who.name

    def ticket(self) -> str:
        """For one more form of the page."""
        return self.actions.login.ticket(self.who.login)


@dataclass
class Actions:
    """The doors of the dashboard. `press` hands on to the controller; `repositories` are those that are looked at."""

    login: Login
    receipts: Receipts
    press: Callable[[PagePress], None]
    repositories: Callable[[], Collection[str]]
    clock: Callable[[], Clock]
    hosts: Collection[str] = ()
    _tries: Rates = field(default_factory=lambda: Rates(10, 60.0))  # wrong tokens, by address
    _presses: Rates = field(default_factory=lambda: Rates(30, 60.0))  # by login

    @property
    def routes(self) -> list[Route]:
        doors = {"/login": self._log_in, "/logout": self._log_out, "/act": self._act}
        return [Route(path, door, methods=["POST"]) for path, door in doors.items()]

    def looker(self, request: Request) -> Looker:
        """Who looks, and what they were told last by this very page."""
        who = self.login.who(request)
        identity = request.query_params.get("told", "")
        return Looker(self, who, self.receipts.of(identity, who.login) if who.login and identity else None)

    async def _log_in(self, request: Request) -> Response:
        form = await self._form(request)
        address = request.client.host if request.client is not None else ""
        if self._tries.is_full(address):
            raise HTTPException(429, "Too many tries: wait a minute.", {"Retry-After": "60"})
        session = self.login.session_of(form.get("token", ""))
        if not session:
            self._tries.take(address)
            raise HTTPException(403, "Nobody has this token.")
        answer = RedirectResponse("/", 303)
        secure = self.login.is_secure(request)
        answer.set_cookie(COOKIE, session, max_age=SESSION_SECONDS, secure=secure, httponly=True, samesite="lax")
        return answer

    async def _log_out(self, request: Request) -> Response:
        await self._form(request)
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def _act(self, request: Request) -> Response:
        who = self.login.who(request)
        form = await self._form(request)
        if not who.login:
            raise HTTPException(403, f"{who.name or 'Nobody'} may press buttons here only once logged in and named.")
        identity = self.login.redeem(form.get("ticket", ""), who.login)
        if not identity:
            raise HTTPException(403, "The form is old, or not yours: go back, load the page again, and press again.")
        if not self._presses.take(who.login):
            raise HTTPException(429, "Too much at once: wait a minute.", {"Retry-After": "60"})
        press = self._read(identity, who.login, form)
        if self.receipts.ask(press):
            self.press(press)
        return RedirectResponse(f"{_page_of(press)}?told={identity}", 303)

    def _read(self, identity: str, login: str, form: Form) -> PagePress:
        """The press that a form means. Raises: HTTPException 400."""
        try:
            button, lasts = PageButton(form.get("button", "")), LASTS[form.get("lasts", "")]
        except (ValueError, KeyError):
            raise HTTPException(400, "There is no such button.") from None
        reason = for_people(" ".join(form.get("reason", "").split()), LONGEST_REASON)
        about = form.get("rollback") or form.get("application", "")
        if button in WITH_REASON and not reason and not (button is PageButton.PLAN and form.get("rollback")):
            raise HTTPException(400, "Say why: it is written down.")
        if form.get("repository") not in self.repositories():
            raise HTTPException(400, "There is no such repository.")
        of_everything = button in (PageButton.PAUSE, PageButton.RESUME)
        if (not about and not of_everything) or (button is PageButton.RESUME and form.get("rollback")):
            raise HTTPException(400, "It is about nothing.")
        without = form.get("without", "")
        if without and (not is_sha(without) or form.get("rollback")):
            raise HTTPException(400, "There is no such commit.")
        return PagePress(
            identity, login, button, form["repository"], self.clock().now(),
            application=form.get("application", ""), rollback_id=form.get("rollback", ""),
            head=form.get("head", ""), seen=form.get("seen", ""), without=without, lasts=lasts, reason=reason,
        )  # fmt: skip

    async def _form(self, request: Request) -> Form:
        """The fields that a page of ours sent. Raises: HTTPException."""
        if not is_from_here(request, self.hosts):
            raise HTTPException(403, "The form does not come from a page of this dashboard.")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            raise HTTPException(415, f"Only {FORM} is taken.")
        body = b""
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for piece in request.stream():
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise HTTPException(413, "That is too much for a form.")
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
        except TimeoutError:
            raise HTTPException(408, "The form did not come.") from None
        except ValueError:
            raise HTTPException(400, "That is no form.") from None


def _page_of(press: PagePress) -> str:
    if press.rollback_id:
        return f"/r/{quote(press.rollback_id, safe='')}"
    return f"/a/{quote(press.application)}" if press.application else "/"
