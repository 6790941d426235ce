"""What one team's policies may reach: applications by the engine's own word, files, secrets and origins.

Without tenants there is one, that owns everything. A policy belongs to the first tenant whose files it is among; one
that belongs to none reaches nothing. Source: safety.md, Tenants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gitops_rollback.core.paths import Paths, matches
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.receivers import RECEIVERS


@dataclass(frozen=True)
class Tenant:
    """One team. Empty `projects`, `namespaces` or `paths` leave that open; empty `secrets` and `origins` allow none."""

    name: str
    policies: str  # a pattern of files in the config repository
    projects: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    per_day: int | None = None  # automatic rollbacks of all its applications

    def owns(self, project: str, namespace: str) -> bool:
        """True for an application of that project whose workloads live in that namespace."""
        return _among(project, self.projects) and _among(namespace, self.namespaces)


@dataclass(frozen=True)
class Tenancy:
    """All tenants, and how an origin is written: `origin_of(url)`."""

    tenants: tuple[Tenant, ...] = ()
    origin_of: Callable[[str], str] = str

    def of(self, policy: Policy) -> Tenant | None:
        """The tenant that the policy belongs to; None if it belongs to none, or there are no tenants."""
        return next((tenant for tenant in self.tenants if matches(tenant.policies, policy.path)), None)

    def refusal(self, policy: Policy, project: str, namespace: str) -> str:
        """Why the policy may not judge this application, in a sentence; "" if it may."""
        if not self.tenants:
            return ""
        tenant = self.of(policy)
        if tenant is None:
            return f"{policy.path} belongs to no tenant"
        if not tenant.owns(project, namespace):
            return f"tenant {tenant.name} does not own an application of project {project} in namespace {namespace}"
        strange = sorted(_secrets(policy) - set(tenant.secrets))
        if strange:
            return f"tenant {tenant.name} may not use the secret {strange[0]}"
        far = sorted({self.origin_of(url) for url in _urls(policy)} - set(tenant.origins))
        return f"tenant {tenant.name} may not reach {far[0]}" if far else ""

    def foreign_paths(self, policy: Policy, paths: Iterable[str]) -> tuple[str, ...]:
        """Those of `paths` that the policy's tenant does not own."""
        tenant = self.of(policy)
        if tenant is None or not tenant.paths:
            return ()
        own = Paths(tenant.paths)
        return tuple(path for path in paths if path not in own)


def _among(name: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _secrets(policy: Policy) -> set[str]:
    named = {policy.metrics.secret, *(route.secret for route in policy.notifications)}
    return named - {""}


def _urls(policy: Policy) -> set[str]:
    """What the policy itself names; the controller's own metric source belongs to nobody."""
    checks = {check.url for check in policy.verification.checks}
    told = {route.url or RECEIVERS[route.to].url for route in policy.notifications}
    return {policy.metrics.url, *checks, *told} - {""}
