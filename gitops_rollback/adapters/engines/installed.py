"""Engines that other packages bring, each one class behind an entry point whose name is the engine's instance.

A package is trusted like our own code, since whoever installs it runs it; its word about what is deployed is not ours
to vouch for, so that nothing is done about its applications until a person approves. What it raises is an engine that
does not answer, and harms no other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.packages import ENGINE_GROUP, loaded, names_in
from gitops_rollback.core.errors import EngineUnavailable, Reason, RollbackError, SettingsInvalid
from gitops_rollback.core.sync import ApplicationId, ApplicationState, Obstacle
from gitops_rollback.ports import Engine, ManagedObject

UNVOUCHED = Obstacle(
    Reason.FEATURE_NOT_BUILT,
    "the engine comes from an installed package, and its word about what is deployed is not ours to vouch for",
    "look at the application there",
)


@dataclass(frozen=True)
class Access:
    """What an engine is given: its name, the cluster, the time, and the seconds between two looks of its watch."""

    instance: str
    kubernetes: Kubernetes
    now: Callable[[], datetime]
    look_every: float


def installed() -> frozenset[str]:
    """The names of all that are installed; none of their code runs for this."""
    return names_in(ENGINE_GROUP)


def installed_engine(access: Access) -> Engine:
    """The engine of this name. Raises: SettingsInvalid if it cannot be made."""
    try:
        return InstalledEngine(access.instance, loaded(ENGINE_GROUP, access.instance)(access))
    except Exception as exc:
        said = f"the installed engine cannot be used: {type(exc).__name__}"
        raise SettingsInvalid(access.instance, said) from exc


class InstalledEngine:
    """An `Engine` around somebody else's."""

    def __init__(self, instance: str, engine: Engine) -> None:
        self.instance = instance
        self._engine = engine

    def applications(self) -> tuple[ApplicationState, ...]:
        """As the engine lists them. Raises: EngineUnavailable, also for one that it gives another engine's name."""
        with _asking(self.instance):
            return tuple(map(self._own, self._engine.applications()))

    def application(self, application: ApplicationId, project: str) -> ApplicationState | None:
        """As the engine says. Raises: as `applications`."""
        with _asking(str(application)):
            found = self._engine.application(application, project)
            return None if found is None else self._own(found)

    def refresh(self, application: ApplicationId, project: str) -> None:
        """As the engine does."""
        with _asking(str(application)):
            self._engine.refresh(application, project)

    def sync(self, application: ApplicationId, project: str, prune: bool, info: Mapping[str, str]) -> bool:
        """As the engine does."""
        with _asking(str(application)):
            return self._engine.sync(application, project, prune, info)

    def terminate(self, application: ApplicationId, project: str) -> None:
        """As the engine does."""
        with _asking(str(application)):
            self._engine.terminate(application, project)

    def obstacles(self, application: ApplicationId, project: str) -> tuple[Obstacle, ...]:
        """What the engine says, and that a person has to look: this one is always in the way."""
        with _asking(str(application)):
            return _with_ours(self._engine.obstacles(application, project))

    def live_objects(self, application: ApplicationId, project: str) -> tuple[ManagedObject, ...]:
        """As the engine says."""
        with _asking(str(application)):
            return self._engine.live_objects(application, project)

    def watch(self, wake: Callable[[ApplicationId], None], stop: threading.Event) -> None:
        """As the engine does."""
        with _asking(self.instance):
            self._engine.watch(wake, stop)

    def probe(self) -> tuple[str, ...]:
        """As the engine says."""
        with _asking(self.instance):
            return self._engine.probe()

    def _own(self, state: ApplicationState) -> ApplicationState:
        if state.id.instance != self.instance:
            raise EngineUnavailable(self.instance, f"tells of an application of {state.id.instance}")
        return replace(state, obstacles=_with_ours(state.obstacles))


def _with_ours(obstacles: Iterable[Obstacle]) -> tuple[Obstacle, ...]:
    return (*obstacles, UNVOUCHED)


@contextmanager
def _asking(subject: str) -> Iterator[None]:
    try:
        yield
    except RollbackError:
        raise
    except Exception as exc:
        raise EngineUnavailable(subject, f"the installed engine raised {type(exc).__name__}") from exc
