"""Writes a request file on a branch of its own, as the person who asks, and opens the pull request.

All that follows is the controller's: it finds the request by the pull request, whoever has opened it.
Source: product.md, section 10, Manual request.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitops_rollback.core.errors import Reason, RepositoryUnavailable, StalledError
from gitops_rollback.core.message import for_people
from gitops_rollback.core.pull_request import PullRequest
from gitops_rollback.core.request import (
    REQUESTS,
    RollbackRequest,
    encode_request,
    request_body,
    request_branch,
    request_title,
)
from gitops_rollback.ports import Clock, ConfigRepo, PushOutcome, RefUpdate
from gitops_rollback.ports.forge import Forge

LABELS = ("rollback", "rollback/manual")


def path_of(name: str) -> str:
    """Where the request of this name stands."""
    return f"{REQUESTS}/{name}.yaml"


@dataclass(frozen=True)
class RequestWriter:
    """For one repository at its forge; `repo` commits as the person who asks."""

    repo: ConfigRepo
    forge: Forge
    clock: Clock

    def write(self, request: RollbackRequest, by: str) -> str:
        """The branch, pushed. Raises: StalledError where the push is refused; RepositoryUnavailable."""
        branch, why, who = request_branch(request), for_people(request.reason, 1000), for_people(by)
        words = f"{request_title(request)}\n\n{why}\n\nRequested-by: {who}\n"
        with self.repo.exclusive():
            head = self.repo.fetch().branch
            files = {request.path: encode_request(request)}
            self._push(branch, self.repo.write_files(head, files, words, self.clock.now()))
        return branch

    def open(self, request: RollbackRequest, by: str) -> PullRequest:
        """The open pull request of what was written. Raises: what the forge raises."""
        words = request_title(request), request_body(request, by)
        return self.forge.open(request_branch(request), self.repo.branch, *words, LABELS)

    def _push(self, branch: str, commit: str) -> None:
        result = self.repo.push([RefUpdate(f"refs/heads/{branch}", commit, None)])
        if result.outcome is PushOutcome.UNKNOWN:
            raise RepositoryUnavailable(self.repo.name, "did not answer the push, and cannot be read now: look again")
        if result.outcome is not PushOutcome.LANDED:
            raise StalledError(self.repo.name, f"{branch} refuses the push: {result.message}", Reason.BRANCH_PROTECTED)
