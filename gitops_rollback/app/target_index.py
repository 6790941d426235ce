"""Which policy and target mean an application? Found without a look at every target, since both may be thousands."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gitops_rollback.core.policy import Policy, Target
from gitops_rollback.core.selecting import Selectable, filled, placed, takes_in
from gitops_rollback.core.sync import ApplicationId

Naming = tuple[Policy, Target]


@dataclass
class Known:
    """What selectors see of the applications, as the engines told it last. Replaced as a whole."""

    applications: Mapping[ApplicationId, Selectable] = field(default_factory=dict)

    def of(self, application: ApplicationId) -> Selectable | None:
        return self.applications.get(application)


class TargetIndex:
    """Those of some policies. A target that names an application goes before one that takes it in. Thread-safe."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._by_name: dict[tuple[str, str], list[Naming]] = {}
        self._patterns: list[Naming] = []
        self._resolved: dict[ApplicationId, tuple[Selectable, Naming | None]] = {}
        self._at_clusters: dict[tuple[int, str], Policy | None] = {}
        self._lock = threading.Lock()
        for policy in policies:
            for target in policy.targets:
                if target.selector is not None:
                    self._patterns.append((policy, target))
                    continue
                key = (target.application.kind, target.application.name)
                self._by_name.setdefault(key, []).append((policy, target))

    def naming(self, application: ApplicationId, one: Selectable | None = None) -> Naming | None:
        """The first policy and target that name `application`; "" in its instance or namespace matches any.

        Or the one whose selector takes it in, as it is for this application; None where two do, or where `one` is
        None, since then nobody knows what selectors look at.
        """
        found = self._by_name.get((application.kind, application.name), ())
        named = next((pair for pair in found if names(pair[1], application)), None)
        if one is None:
            return named
        return self._taken_in(one) if named is None and self._patterns else self._placed(named, one)

    def taking_in(self, one: Selectable) -> tuple[Naming, ...]:
        """Each policy and target, as a pattern, whose selector takes in the application; more than one judges none."""
        return tuple(pair for pair in self._patterns if pair[1].selector and takes_in(pair[1].selector, one))

    def unserved(self, one: Selectable) -> tuple[Policy, ...]:
        """Policies that mean the application, and none of whose metric sources serves its cluster."""
        found = self._by_name.get((one.id.kind, one.id.name), ())
        meant = [pair for pair in found if names(pair[1], one.id)] or self.taking_in(one)
        return tuple(policy for policy, _ in meant if placed(policy, one.cluster) is None)

    def _placed(self, found: Naming | None, one: Selectable) -> Naming | None:
        """With the metric source of its cluster; kept for each cluster, as there are few."""
        if found is None or not found[0].sources:
            return found
        key = (id(found[0]), one.cluster)  # the index keeps the policy, so nothing else gets its id
        if key not in self._at_clusters:
            self._at_clusters[key] = placed(found[0], one.cluster)
        policy = self._at_clusters[key]
        return (policy, found[1]) if policy is not None else None

    def _taken_in(self, one: Selectable) -> Naming | None:
        with self._lock:
            known = self._resolved.get(one.id)
        if known is not None and known[0] == one:
            return known[1]
        found = self.taking_in(one)
        only = self._placed(found[0], one) if len(found) == 1 else None
        answer = _resolved(*only, one) if only is not None else None
        with self._lock:
            self._resolved[one.id] = one, answer
        return answer


def names(target: Target, application: ApplicationId) -> bool:
    """True if the target's reference means this application."""
    ref = target.application
    return (
        ref.name == application.name
        and ref.kind == application.kind
        and ref.namespace in ("", application.namespace)
        and ref.instance in ("", application.instance)
    )


def _resolved(policy: Policy, pattern: Target, one: Selectable) -> Naming | None:
    """The policy with the target of this application in the pattern's place."""
    target = filled(pattern, one)
    if target is None:
        return None
    return replace(policy, targets=tuple(target if each is pattern else each for each in policy.targets)), target
