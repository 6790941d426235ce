"""Does an address answer as a check expects?"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.policy import Check
from gitops_rollback.core.verification import CheckResult


class Probe(Protocol):
    """Asks a URL for its status."""

    def status(self, url: str, timeout: timedelta) -> int:
        """Raises: RollbackError."""
        ...


def check_address(probe: Probe, check: Check) -> CheckResult:
    """What the address of a check of type `http` says now."""
    try:
        status = probe.status(check.url, check.timeout)
    except RollbackError as error:
        return CheckResult(check.name, None, error.message)
    return CheckResult(check.name, status == check.expect_status, f"answered {status}")
