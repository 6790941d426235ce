"""The token of a GitHub App's installation: made for this repository alone, for an hour, and renewed before.

Works with the extra `[github-app]` only. The App proves itself by a JWT that lives for minutes.
Source: GitHub docs, "Generating a JSON Web Token (JWT) for a GitHub App", REST "Apps"; contracts/forges.md, section 3.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import jwt

from gitops_rollback.adapters.forges.answer import Answer
from gitops_rollback.adapters.forges.limits import is_limit
from gitops_rollback.adapters.forges.settings import AppKey, ForgeSettings
from gitops_rollback.adapters.http import Http, HttpFailed
from gitops_rollback.core.errors import CredentialsRejected, ForgeUnavailable, RollbackError, SettingsInvalid

RENEW_AFTER = 50 * 60.0  # seconds
LIVES = 60 * 60.0
CLOCK_DRIFT = 60  # seconds that GitHub's clock may be behind ours
JWT_LIVES = 9 * 60  # seconds; ten minutes are the most


@dataclass(frozen=True)
class _Token:
    text: str = field(repr=False)
    since: float
    permissions: Mapping[str, str]


class InstallationTokens:
    """As `credentials.Credentials`. Thread-safe: one asks, the others wait for it."""

    def __init__(
        self,
        settings: ForgeSettings,
        app: AppKey,
        http: Http,
        count: Callable[[str, str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._app = app
        self._http = http
        self._count = count
        self._now = monotonic
        self._lock = threading.Lock()
        self._token: _Token | None = None
        self._installation = app.installation
        self._login = ""
        self._jwt()  # a key that is none is a fault of the settings, so it is told at the start

    def headers(self, within: timedelta) -> Mapping[str, str]:
        with self._lock:
            return {"Authorization": f"Bearer {self._current(within).text}"}

    def renewed(self) -> bool:
        with self._lock:
            self._token = None
        return True

    def secrets(self) -> tuple[str, ...]:
        token = self._token
        return (token.text,) if token is not None else ()

    def login(self, within: timedelta) -> str:
        """`<slug>[bot]`, as comments of the App are signed."""
        with self._lock:
            if not self._login:
                slug = self._ask("GET", "/app", within)["slug"]
                self._login = f"{slug}[bot]"
            return self._login

    def permissions(self) -> Mapping[str, str]:
        token = self._token
        return token.permissions if token is not None else {}

    def _current(self, within: timedelta) -> _Token:
        token, now = self._token, self._now()
        if token is not None and now - token.since < RENEW_AFTER:
            return token
        try:
            self._token = self._fetched(within, now)
        except ForgeUnavailable:
            if token is None or now - token.since >= LIVES:
                raise
            return token  # it is good for some minutes more
        return self._token

    def _fetched(self, within: timedelta, now: float) -> _Token:
        owner_and_name = self._settings.repository
        if not self._installation:
            self._installation = int(self._ask("GET", f"/repos/{owner_and_name}/installation", within)["id"])
        only = {"repositories": [owner_and_name.rpartition("/")[2]]}
        made = self._ask("POST", f"/app/installations/{self._installation}/access_tokens", within, only)
        permissions = made.get("permissions")
        told = permissions if isinstance(permissions, dict) else {}
        return _Token(str(made["token"]), now, {str(key): str(value) for key, value in told.items()})

    def _ask(self, method: str, path: str, within: timedelta, body: object = None) -> dict[str, Any]:
        subject = self._settings.subject
        headers = {**self._settings.headers, "Authorization": f"Bearer {self._jwt()}"}
        content = json.dumps(body).encode() if body is not None else None
        try:
            found = self._http.send(method, f"{self._settings.api}{path}", within, content, headers)
        except HttpFailed as exc:
            self._count("token", exc.failure.value)
            raise ForgeUnavailable(subject, f"gives the App no token: {exc.message}") from exc
        self._count("token", str(found.status))
        answer = Answer(subject, found.status, found.headers, found.body)
        if not answer.fine:
            raise _refused(answer)
        value = answer.node().value
        if not isinstance(value, dict) or not {"token", "id", "slug"} & value.keys():
            raise ForgeUnavailable(subject, "answers what is no token of an App")
        return value

    def _jwt(self) -> str:
        now = int(time.time())
        claims = {"iat": now - CLOCK_DRIFT, "exp": now + JWT_LIVES, "iss": self._app.id}
        try:
            return jwt.encode(claims, self._app.private_key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            # The library may quote the key: nothing is chained.
            said = "forge.app.privateKey is no RSA key in PEM, as GitHub gives it"
            raise SettingsInvalid(self._settings.subject, said) from None


def _refused(answer: Answer) -> RollbackError:
    if is_limit(answer):
        return ForgeUnavailable(answer.subject, f"gives the App no token: answers {answer.status}: {answer.words()}")
    if answer.status in (401, 403, 404, 422):
        said = f"gives the App no token: answers {answer.status}: {answer.words()}; see forge.app and its installation"
        return CredentialsRejected(answer.subject, said)
    return answer.refusal()
