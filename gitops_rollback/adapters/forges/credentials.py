"""Who are we at the forge? A token that the settings hold, or one of a GitHub App that lives for an hour.

Source: contracts/forges.md, sections 3 to 5.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from gitops_rollback.adapters.extras import install
from gitops_rollback.adapters.forges.settings import GITEA, ForgeSettings
from gitops_rollback.adapters.http import Http
from gitops_rollback.core.errors import SettingsInvalid

NEEDS = f"a GitHub App needs the extra: {install('github-app')}"


class Credentials(Protocol):
    """What each request carries. Thread-safe."""

    def headers(self, within: timedelta) -> Mapping[str, str]:
        """Raises: CredentialsRejected, ForgeUnavailable where one has to be fetched first."""
        ...

    def renewed(self) -> bool:
        """Told that the forge takes them no more; True if asking again with new ones is worth it."""
        ...

    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        ...

    def login(self, within: timedelta) -> str:
        """Our name, if they know it by themselves; else ""."""
        ...

    def permissions(self) -> Mapping[str, str]:
        """What they may do, as far as they know by themselves: GitHub's names of permissions, `read` or `write`."""
        ...


@dataclass(frozen=True)
class FixedToken:
    """A token of the settings; "" asks as nobody."""

    token: str = field(repr=False)
    form: str = "Bearer"

    def headers(self, within: timedelta) -> Mapping[str, str]:
        del within
        return {"Authorization": f"{self.form} {self.token}"} if self.token else {}

    def renewed(self) -> bool:
        return False

    def secrets(self) -> tuple[str, ...]:
        return (self.token,) if self.token else ()

    def login(self, within: timedelta) -> str:
        del within
        return ""

    def permissions(self) -> Mapping[str, str]:
        return {}


def credentials_of(settings: ForgeSettings, http: Http, count: Callable[[str, str], None]) -> Credentials:
    """`count` is told operation and code of each request for a token.

    Raises: SettingsInvalid for a key that is none, or if the extra is not installed.
    """
    if settings.app is None:
        return FixedToken(settings.token, "token" if settings.kind == GITEA else "Bearer")
    try:
        module = importlib.import_module("gitops_rollback.adapters.forges.github_app")
    except ModuleNotFoundError as exc:
        raise SettingsInvalid(settings.subject, f"{NEEDS} ({exc.name} is missing)") from exc
    made: Credentials = module.InstallationTokens(settings, settings.app, http, count)
    return made
