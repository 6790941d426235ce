"""Whom a policy watches: one application by its name, or all that a selector takes in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ApplicationRef:
    """How a policy names an application; "" matches any instance, kind has the engine's default."""

    namespace: str
    name: str
    kind: str = "Application"
    instance: str = ""

    @property
    def full(self) -> str:
        """As full a name as a policy gives: the instance may be left out there."""
        return "/".join(part for part in (self.instance, self.kind, self.namespace, self.name) if part)


@dataclass(frozen=True)
class Selector:
    """Which applications a target means: globs, "" says nothing, and labels with a value. `namespace` is their own."""

    engine: str = "argocd"
    project: str = ""
    namespace: str = ""
    name: str = ""
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """One watched application, or with a `selector` the pattern of several. `name` is $SERVICE in queries."""

    name: str
    engine: str
    application: ApplicationRef
    workload: Workload | None = None
    paths: tuple[str, ...] = ()  # globs; () means the application's own directories
    depends_on: tuple[str, ...] = ()
    data_rollback: str = ""  # "safe", "ask", or "" where the policy does not say
    data_because: str = ""
    drill: bool = False  # it may be broken on purpose, for real
    rehearse: str = ""  # the application, by any of its names, on which rollbacks of it are practised
    selector: Selector | None = None  # None: `application` says which
