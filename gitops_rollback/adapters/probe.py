"""Asks a URL of a verification for its status; nothing of the body is kept."""

from __future__ import annotations

from datetime import timedelta

from gitops_rollback.adapters.http import Http
from gitops_rollback.adapters.origins import OriginRules


class HttpProbe:
    """Only allowed origins are asked, and no redirect is followed."""

    def __init__(self, rules: OriginRules) -> None:
        self._http = Http(rules)

    def status(self, url: str, timeout: timedelta) -> int:
        """The HTTP status. Raises: RollbackError where there is no answer or the origin is not allowed."""
        return self._http.get(url, timeout).status
