"""The pull requests that brought what is under watch now: where their writers look first, and may ask for more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.tick import Tick
from gitops_rollback.core.pull_request import PullRequestState
from gitops_rollback.ports.forge import Forge


@dataclass(frozen=True)
class Brought:
    """One pull request, the commit that it became, and an application that has it now."""

    number: int
    commit: str
    watched: Watched


@dataclass
class BroughtPullRequests:
    """Memory only spares calls: which pull request a commit came by does not change."""

    forge: Forge
    _numbers: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def find(self, tick: Tick) -> Iterator[Brought]:
        """Those of deployments whose watch has not ended, one for each application. Raises: what the forge raises."""
        for sight in tick.sights:
            look = sight.look
            if look is None or look.event is None or not look.bad_revision:
                continue
            if tick.now - look.event_started > look.policy.timing.window:
                continue
            for number in self._of(look.bad_revision):
                yield Brought(number, look.bad_revision, sight.watched)

    def _of(self, sha: str) -> tuple[int, ...]:
        if sha not in self._numbers:
            found = self.forge.pull_requests_of(sha)
            merged = tuple(one.number for one in found if one.state is PullRequestState.MERGED)
            keep(self._numbers, sha, merged)
        return self._numbers[sha]
