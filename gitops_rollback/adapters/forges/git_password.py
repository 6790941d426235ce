"""The password that git gets in with where the settings name a GitHub App: the token of its installation.

Source: GitHub docs, "Authenticating as a GitHub App installation": `x-access-token` with the token over HTTPS.
"""

from __future__ import annotations

import threading
from functools import partial

from gitops_rollback.adapters.forges.credentials import Credentials, credentials_of
from gitops_rollback.adapters.forges.settings import ForgeSettings
from gitops_rollback.adapters.http import Http, HttpSettings
from gitops_rollback.adapters.origins import OriginRules

MAX_BODY = 1 << 20


class AppPassword:
    """As `git.login.Passwords`, for one repository. Usable again after `close`."""

    def __init__(self, settings: ForgeSettings, rules: OriginRules) -> None:
        """Raises: SettingsInvalid for a key that is none, or if the extra is not installed."""
        asked = HttpSettings(ca_file=settings.ca_file, max_body=MAX_BODY, max_connections=1)
        self._settings = settings
        self._open = partial(Http, rules, asked)
        self._lock = threading.Lock()
        self._http: Http | None = None
        self._credentials = self._made()

    def current(self) -> str:
        with self._lock:
            if self._http is None:
                self._credentials = self._made()
            credentials = self._credentials
        return credentials.headers(self._settings.timeout).get("Authorization", "").rpartition(" ")[2]

    def held(self) -> str:
        return next(iter(self._credentials.secrets()), "")

    def refused(self) -> None:
        self._credentials.renewed()

    def close(self) -> None:
        with self._lock:
            if self._http is not None:
                self._http.close()
            self._http = None

    def _made(self) -> Credentials:
        self._http = self._open()
        return credentials_of(self._settings, self._http, lambda _operation, _code: None)
