"""How does git get in with a password that does not last, such as the token of a GitHub App?

It stands in the environment of each git process alone, and in no argument, URL or file. Only a command that speaks to
the remote waits for a new one: all others go on with what is held.
Source: git-config(1) `http.extraHeader`, git(1) `GIT_CONFIG_COUNT`; contracts/forges.md, section 2.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from gitops_rollback.core.errors import ForgeUnavailable, RepositoryUnavailable

KEPT = 3  # passwords that may still stand in some complaint


class Passwords(Protocol):
    """Where the password comes from. Thread-safe."""

    def current(self) -> str:
        """One that will last for this command; fetched where the last one ends soon.

        Raises: ForgeUnavailable, CredentialsRejected.
        """
        ...

    def held(self) -> str:
        """The last one, without asking anybody; "" before the first."""
        ...

    def refused(self) -> None:
        """The remote took it no more: the next is a new one."""
        ...

    def close(self) -> None:
        """End what is open for it."""
        ...


@dataclass(frozen=True)
class Entry:
    """What one process needs to get in, and what must never be shown of it."""

    environment: Mapping[str, str]
    secrets: tuple[str, ...]


NO_ENTRY = Entry({}, ())


def entry(origin: str, username: str, password: str) -> Entry:
    """By basic authentication, at this origin alone."""
    basic = base64.b64encode(f"{username}:{password}".encode()).decode()
    environment = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{origin}/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }
    return Entry(environment, (password, basic))


class Login:
    """The way in at one origin, as one user. Thread-safe."""

    def __init__(self, origin: str, username: str, passwords: Passwords) -> None:
        self._origin = origin
        self._username = username
        self._passwords = passwords
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}

    def environment(self, speaks: bool) -> Mapping[str, str]:
        """`speaks`: the command asks the remote. Raises then: RepositoryUnavailable, CredentialsRejected."""
        try:
            password = self._passwords.current() if speaks else self._passwords.held()
        except ForgeUnavailable as exc:
            raise RepositoryUnavailable(exc.subject, exc.message) from exc
        return self._entry(password).environment if password else {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown, of the last passwords."""
        with self._lock:
            return tuple(secret for one in self._entries.values() for secret in one.secrets)

    def refused(self) -> None:
        """As `Passwords.refused`."""
        self._passwords.refused()

    def close(self) -> None:
        """As `Passwords.close`."""
        self._passwords.close()

    def _entry(self, password: str) -> Entry:
        with self._lock:
            made = self._entries.setdefault(password, entry(self._origin, self._username, password))
            while len(self._entries) > KEPT:
                del self._entries[next(iter(self._entries))]
            return made
