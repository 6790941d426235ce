"""Who looks at the dashboard? By a token, or by a proxy that has asked; and does a form come from a page of ours?

Nothing of it is kept: a session and a form's ticket are signed, with keys that a restart (a proxy's) or another token
(its owner's) makes new.
Source: RFC 6265bis (cookies); oauth2-proxy.github.io, Behavior and Header options; OWASP, Cross-Site Request Forgery
Prevention (signed tokens bound to the session; Origin and Sec-Fetch-Site).
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.requests import Request

from gitops_rollback.app.settings_doors import DashboardLogin

COOKIE = "gitops-rollback-session"
SESSION_SECONDS = 8 * 3600
TICKET_SECONDS = 3600
MOST_KEYS = 1000


@dataclass(frozen=True)
class Who:
    """Who looks. `login` "" may only look; `name` is what the way of logging in calls them."""

    name: str = ""
    login: str = ""
    by_token: bool = False


class Rates:
    """At most `most` in `seconds` for each key; bounded, the longest silent give way."""

    def __init__(self, most: int, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._now = most, seconds, now
        self._seen: OrderedDict[str, list[float]] = OrderedDict()

    def is_full(self, key: str) -> bool:
        """Whether one more would be too many."""
        return len(self._recent(key)) >= self._most

    def _recent(self, key: str) -> list[float]:
        return [at for at in self._seen.get(key, []) if self._now() - at < self._seconds]

    def take(self, key: str) -> bool:
        """Count one more; False where that is too many."""
        seen, allowed = self._recent(key), not self.is_full(key)
        self._seen[key] = [*seen, self._now()] if allowed else seen
        self._seen.move_to_end(key)
        while len(self._seen) > MOST_KEYS:
            self._seen.popitem(last=False)
        return allowed


@dataclass
class Login:
    """Of one process. `now`: Unix time."""

    settings: DashboardLogin
    now: Callable[[], float] = time.time
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def __post_init__(self) -> None:
        proxy = self.settings.proxy
        self._trusted = [ipaddress.ip_network(one) for one in proxy.trusted] if proxy is not None else []
        self._tokens = {one.login: one.token.get_secret_value().encode() for one in self.settings.tokens}

    @property
    def by_token(self) -> bool:
        """Whether there is a page to log in at."""
        return bool(self._tokens)

    def who(self, request: Request) -> Who:
        """Whoever the session says; else whoever a trusted proxy says."""
        login = self._of_session(request.cookies.get(COOKIE, ""))
        if login:
            return Who(login, login, by_token=True)
        return self._of_proxy(request)

    def _of_proxy(self, request: Request) -> Who:
        proxy = self.settings.proxy
        if proxy is None or not self._is_trusted(request):
            return Who()
        told = request.headers.getlist(proxy.header)
        name = told[0].strip() if len(told) == 1 else ""  # with more than one nobody could say which counts
        return Who(name, proxy.people.get(name, "")) if name else Who()

    def _is_trusted(self, request: Request) -> bool:
        try:
            peer = ipaddress.ip_address(request.client.host if request.client is not None else "")
        except ValueError:
            return False
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self._trusted)

    def is_secure(self, request: Request) -> bool:
        """Whether the browser speaks TLS, by a trusted proxy's word."""
        return self._is_trusted(request) and request.headers.get("x-forwarded-proto") == "https"

    def session_of(self, token: str) -> str:
        """A new session of whoever has this token; "" where nobody has."""
        given = sha256(token.encode()).digest()
        found = [login for login, known in self._tokens.items() if hmac.compare_digest(given, sha256(known).digest())]
        if not found:
            return ""
        words = f"{found[0].encode().hex()}.{int(self.now()) + SESSION_SECONDS}"
        return f"{words}.{_signed(self._tokens[found[0]], 'session', words)}"

    def _of_session(self, cookie: str) -> str:
        words, _, signature = cookie.rpartition(".")
        name, _, end = words.partition(".")
        try:
            login = bytes.fromhex(name).decode()
        except ValueError:
            return ""
        token = self._tokens.get(login)
        if token is None or not hmac.compare_digest(signature.encode(), _signed(token, "session", words).encode()):
            return ""
        return login if self._lasts(end) else ""

    def ticket(self, login: str) -> str:
        """For one form of a page that `login` looks at; it is good once, for an hour."""
        words = f"{secrets.token_hex(12)}.{int(self.now()) + TICKET_SECONDS}"
        return f"{words}.{_signed(self._key_of(login), login, words)}"

    def redeem(self, ticket: str, login: str) -> str:
        """The ticket's own name, by which a form that is sent twice is known; "" where it is not of `login`, or old."""
        words, _, signature = ticket.rpartition(".")
        name, _, end = words.partition(".")
        good = hmac.compare_digest(signature.encode(), _signed(self._key_of(login), login, words).encode())
        return name if good and self._lasts(end) else ""

    def _key_of(self, login: str) -> bytes:
        return self._tokens.get(login, self._key)

    def _lasts(self, end: str) -> bool:
        return end.isascii() and end.isdecimal() and len(end) < 16 and self.now() < int(end)


def is_from_here(request: Request, hosts: Collection[str]) -> bool:
    """Whether a browser sent the form from a page of ours, by what a strange page cannot make it say otherwise.

    `hosts`: further names of ours; a proxy may call us by another one than the browser called it.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is None:
        return site is not None
    parts = urlsplit(origin)
    named = (parts.hostname or "").lower() in {one.lower() for one in hosts}
    return named or (bool(parts.netloc) and parts.netloc.lower() == request.headers.get("host", "").lower())


def _signed(key: bytes, use: str, words: str) -> str:
    return hmac.new(key, f"{use}\n{words}".encode(), "sha256").hexdigest()
