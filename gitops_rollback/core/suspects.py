"""Which commits of the deployed range can explain a firing trigger, and may they be undone without a person?"""

from __future__ import annotations

from dataclasses import dataclass

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.sync import DeploymentRecord


@dataclass(frozen=True)
class Suspect:
    """A commit that may explain it, with the evidence for people. `record` is the deployment that brought it."""

    commit: Commit
    record: DeploymentRecord
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Attribution:
    """Whom to blame. `suspects` (newest first) would be undone; `automatic` False says why in `reason` and `message`.

    `others` are candidates of the range that are not blamed, each with its sentence.
    """

    suspects: tuple[Suspect, ...]
    automatic: bool
    reason: Reason | None = None
    message: str = ""
    others: tuple[tuple[Commit, str], ...] = ()
    last_good: DeploymentRecord | None = None
