"""Who asks, and what may they do? One account, one token, its rights and projects.

Source: argo-cd v3.5.1 server/server.go (getToken, Authenticate), util/jwt/jwt.go (IsValid), server/application
(getAppEnforceRBAC: without `project` a missing application and a forbidden one look the same).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gitops_rollback.sandbox.argocd.answers import ApiError

ISSUED_AT = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Access:
    """The account. `projects` None means all. `rights` are actions on applications: get, sync, update, override."""

    token: str
    username: str = "rollback"
    rights: Collection[str] = ("get", "sync")
    projects: Collection[str] | None = None

    def authenticate(self, authorization: str, cookie: str) -> None:
        """Raises: ApiError 16 for a missing, malformed or unknown token."""
        token = authorization.removeprefix("Bearer ").strip() if authorization.startswith("Bearer ") else ""
        if token.count(".") != 2:
            names = dict(part.strip().partition("=")[::2] for part in cookie.split(";") if "=" in part)
            token = names.get("argocd.token", "")
        if token.count(".") != 2:
            raise ApiError(16, "no session information")
        if token != self.token:
            raise ApiError(16, "invalid session: token signature is invalid: signature is invalid")

    def allows(self, action: str, project: str) -> bool:
        """Whether `action` on an application of `project` is allowed."""
        return action in self.rights and (self.projects is None or project in self.projects)

    def require(self, action: str, project: str, name: str) -> None:
        """Raises: ApiError 7, in the words of a refusal after the application was found."""
        if not self.allows(action, project):
            who = f"sub: {self.username}, iat: {ISSUED_AT}"
            raise ApiError(7, f"permission denied: applications, {action}, {project}/{name}, {who}")
