"""GitHub Apps: a signed word for the App, an hour's token for its installation.

Source: contracts/forges.md, section 3; docs.github.com/apps "Generating a JSON Web Token", "Authenticating as an App
installation"; RFC 8017, section 8.2.2 (the signature).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.sandbox.forge.github_wire import error, not_found
from gitops_rollback.sandbox.forge.machine import Machine
from gitops_rollback.sandbox.forge.state import Token
from gitops_rollback.sandbox.forge.wire import Call, Refused, Reply, Route, route

SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
LONGEST = 600  # seconds that a word of the App may be good for
GOOD_FOR = timedelta(hours=1)
DEFAULT = ("contents=write", "pull_requests=write", "issues=write", "statuses=write", "checks=write", "metadata=read")


@dataclass(frozen=True)
class App:
    """A registered App and its one installation; `modulus` and `exponent` are its public key."""

    slug: str
    client_id: str
    installation: int
    modulus: int
    exponent: int = 65537
    permissions: tuple[str, ...] = DEFAULT

    @property
    def login(self) -> str:
        return f"{self.slug}[bot]"


class Apps:
    """Those that are registered; `add` one."""

    def __init__(self, forge: Machine) -> None:
        self._forge = forge
        self._apps: list[App] = []
        self._until: dict[str, datetime] = {}

    def routes(self) -> list[Route]:
        return [
            route("GET", "/api/v3/app", self._about),
            route("POST", "/api/v3/app/installations/{n}/access_tokens", self._token),
            route("GET", f"/api/v3/repos/{self._forge.state.repository}/installation", self._installation),
        ]

    def add(self, app: App) -> None:
        """Its bot must be a user of the forge."""
        self._apps.append(app)

    def by_jwt(self, word: str) -> Token:
        """The token that stands for the App itself. Raises: Refused."""
        app = next((app for app in self._apps if _signed_by(app, word)), None)
        claims = _claims(word)
        if app is None or str(claims.get("iss")) != app.client_id:
            raise Refused(error(401, "A JSON web token could not be decoded"))
        now = self._forge.now().timestamp()
        issued, ends = (float(str(claims.get(name, 0))) for name in ("iat", "exp"))
        if ends <= now:
            raise Refused(
                error(401, "'Expiration time' claim ('exp') must be a numeric value representing the future time")
            )
        if ends - max(issued, now) > LONGEST:
            raise Refused(error(401, "'Expiration time' claim ('exp') is too far in the future"))
        return Token(app.login, frozenset({"app"}), app=True)

    def expired(self, secret: str) -> bool:
        until = self._until.get(secret)
        return until is not None and until <= self._forge.now()

    def _of(self, call: Call) -> App:
        if call.scopes != frozenset({"app"}):
            raise Refused(error(401, "A JSON web token could not be decoded"))
        return next(app for app in self._apps if app.login == call.login)

    def _about(self, call: Call) -> Reply:
        app = self._of(call)
        return Reply(200, {"id": 1, "slug": app.slug, "client_id": app.client_id, "permissions": _named(app)})

    def _installation(self, call: Call) -> Reply:
        app = self._of(call)
        return Reply(200, {"id": app.installation, "app_slug": app.slug, "permissions": _named(app)})

    def _token(self, call: Call) -> Reply:
        app = self._of(call)
        if call.number(0) != app.installation:
            return not_found()
        secret = f"ghs_{hashlib.sha256(f'{app.slug} {len(self._until)}'.encode()).hexdigest()[:36]}"
        until = self._forge.now() + GOOD_FOR
        self._until[secret] = until
        self._forge.state.tokens[secret] = Token(app.login, frozenset(app.permissions), app=True)
        body = {"token": secret, "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ"), "permissions": _named(app)}
        return Reply(201, body | {"repository_selection": "selected"})


def _named(app: App) -> dict[str, str]:
    return dict(permission.split("=", 1) for permission in app.permissions)


def _claims(word: str) -> dict[str, object]:
    try:
        found = json.loads(_decoded(word.split(".")[1]))
    except (ValueError, binascii.Error):
        return {}
    return found if isinstance(found, dict) else {}


def _signed_by(app: App, word: str) -> bool:
    """RSASSA-PKCS1-v1_5 with SHA-256."""
    signed, _, signature = word.rpartition(".")
    size = (app.modulus.bit_length() + 7) // 8
    try:
        number = int.from_bytes(_decoded(signature), "big")
    except binascii.Error:
        return False
    plain = pow(number, app.exponent, app.modulus).to_bytes(size, "big")
    info = SHA256_INFO + hashlib.sha256(signed.encode()).digest()
    return plain == b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
