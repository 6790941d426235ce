"""What does a HelmRelease ask for: names, time-outs, how often to try and how to go back?

Source: helm-controller api/v2/helmrelease_types.go; the defaults are its getters'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_rollback.sandbox.flux.status import Subject, seconds

INSTALL, UPGRADE, ROLLBACK, UNINSTALL, TEST_ACTION = "install", "upgrade", "rollback", "uninstall", "test"
COUNTER = {INSTALL: "installFailures", UPGRADE: "upgradeFailures"}
DEFAULT_TIMEOUT_SECONDS = 300.0
DEFAULT_MAX_HISTORY = 5


@dataclass(frozen=True)
class Remediation:
    """What is done when an install or an upgrade fails. `retries` below zero: without end."""

    counter: str  # the field of the status that counts its failures
    retries: int
    strategy: str
    last_too: bool  # whether the last failure is remediated, though no try follows
    ignores_tests: bool

    def count(self, status: Mapping[str, Any]) -> int:
        """How often it has failed."""
        return int(status.get(self.counter) or 0)

    def exhausted(self, status: Mapping[str, Any]) -> bool:
        """Whether no try is left."""
        return 0 <= self.retries < self.count(status)


@dataclass(frozen=True)
class HelmSpec:
    """The spec of one HelmRelease, read where it is needed."""

    spec: Mapping[str, Any]
    namespace: str
    name: str

    @classmethod
    def of(cls, subject: Subject) -> HelmSpec:
        return cls(subject.spec, subject.namespace, subject.name)

    @property
    def target_namespace(self) -> str:
        return str(self.spec.get("targetNamespace") or self.namespace)

    @property
    def storage_namespace(self) -> str:
        return str(self.spec.get("storageNamespace") or self.namespace)

    @property
    def release_name(self) -> str:
        target = self.spec.get("targetNamespace")
        return str(self.spec.get("releaseName") or (f"{target}-{self.name}" if target else self.name))

    @property
    def interval(self) -> float:
        return seconds(self.spec.get("interval"), 60.0)

    @property
    def max_history(self) -> int:
        return int(self.spec.get("maxHistory", DEFAULT_MAX_HISTORY))

    @property
    def tests(self) -> bool:
        return bool(self._part(TEST_ACTION).get("enable"))

    @property
    def ignores_tests(self) -> bool:
        return bool(self._part(TEST_ACTION).get("ignoreFailures"))

    @property
    def keeps_history(self) -> bool:
        """Whether Helm remembers a release that was uninstalled."""
        return bool(self._part(UNINSTALL).get("keepHistory"))

    def timeout(self, action: str) -> float:
        """How long an action may wait, in seconds."""
        otherwise = seconds(self.spec.get("timeout"), DEFAULT_TIMEOUT_SECONDS)
        return seconds(self._part(action).get("timeout"), otherwise)

    def waits(self, action: str) -> bool:
        """Whether an action waits for the health of what it has applied."""
        return not self._part(action).get("disableWait")

    def remediation(self, action: str) -> Remediation:
        """What is done when this action, install or upgrade, fails."""
        given = self._part(action).get("remediation") or {}
        retries = int(given.get("retries") or 0)
        ignored = given.get("ignoreTestFailures")
        last = given.get("remediateLastFailure")
        return Remediation(
            counter=COUNTER[action],
            retries=retries,
            strategy=UNINSTALL if action == INSTALL else str(given.get("strategy") or ROLLBACK),
            last_too=retries > 0 if last is None else bool(last),
            ignores_tests=self.ignores_tests if ignored is None else bool(ignored),
        )

    def active_remediation(self, status: Mapping[str, Any]) -> Remediation | None:
        """That of the action that was tried last; None before any."""
        action = str(status.get("lastAttemptedReleaseAction") or "")
        return self.remediation(action) if action in COUNTER else None

    def _part(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.spec.get(name) or {}
        return found
