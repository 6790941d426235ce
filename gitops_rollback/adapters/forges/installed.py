"""Forges that other packages bring, each one class behind an entry point whose name is the `forge.kind` of settings.

A package is trusted like our own code, since whoever installs it runs it. What it raises is a forge that gives no
answer: nothing is merged, commented or believed by it, and no other forge is harmed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from gitops_rollback.adapters.forges.exchange import Exchange
from gitops_rollback.adapters.packages import loaded, names_in
from gitops_rollback.core.errors import ForgeUnavailable, RollbackError, SettingsInvalid
from gitops_rollback.ports.forge import Forge

GROUP = "gitops_rollback.forges"
Given = ParamSpec("Given")
Found = TypeVar("Found")


def installed() -> frozenset[str]:
    """The names of all that are installed; none of their code runs for this."""
    return names_in(GROUP)


def installed_forge(exchange: Exchange) -> Forge:
    """The client of this kind. Raises: SettingsInvalid if it cannot be made."""
    kind = exchange.settings.kind
    try:
        return cast(Forge, _Careful(loaded(GROUP, kind)(exchange), exchange.settings.subject))
    except Exception as exc:
        raise SettingsInvalid(kind, f"the installed forge cannot be used: {type(exc).__name__}") from exc


class _Careful:
    """A `Forge` around somebody else's, each of whose methods raises what the port knows, and nothing else."""

    def __init__(self, forge: object, subject: str) -> None:
        self._forge = forge
        self._subject = subject

    def __getattr__(self, name: str) -> object:
        found = getattr(self._forge, name)
        return _asking(found, self._subject) if callable(found) else found


def _asking(method: Callable[Given, Found], subject: str) -> Callable[Given, Found]:
    @wraps(method)
    def asked(*given: Given.args, **named: Given.kwargs) -> Found:
        try:
            return method(*given, **named)
        except RollbackError:
            raise
        except Exception as exc:
            raise ForgeUnavailable(subject, f"the installed forge raised {type(exc).__name__}") from exc

    return asked
