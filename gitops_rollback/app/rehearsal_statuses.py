"""What a commit bears at the forge that was practised: deployed where the policy says, rolled back, verified there.

A few at a look, after everything else. Nothing is decided by it: plans read the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.directory import Fed
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.forge_patience import ForgePatience
from gitops_rollback.app.rehearsing import staged_by
from gitops_rollback.app.tick import Tick
from gitops_rollback.core.errors import LeaseLost, RepositoryUnavailable, RollbackError
from gitops_rollback.core.pull_request import StatusState
from gitops_rollback.core.rehearsal import Practised, practised_on
from gitops_rollback.ports import Clock, ConfigRepo, Forge

REHEARSED = "gitops-rollback/rehearsed"
MOST = 2  # statuses at one look
SHOWN_FOR = timedelta(days=7)  # of a rehearsal, over restarts too
COMMITS_SEEN = 300


@dataclass
class RehearsalStatuses:
    """Those of one repository. Memory only spares calls: the forge writes no equal status again."""

    repo: ConfigRepo
    forge: Forge
    clock: Clock
    _shown: dict[str, bool] = field(default_factory=dict)  # by rehearsal

    def __post_init__(self) -> None:
        self.patience = ForgePatience(self.clock.monotonic, self.clock.real_seconds)

    def attend(self, tick: Tick, executor: Executor) -> None:
        """Set what is not known to be set. Raises: LeaseLost; RepositoryUnavailable."""
        self.patience.begin()
        told = 0
        for practised, stage in self._known(tick):
            key = f"{practised.by}/{stage.name}"
            if told >= MOST or key in self._shown or self.patience.waits(key):
                continue
            told += 1
            try:
                self._tell(practised, stage, executor)
            except (LeaseLost, RepositoryUnavailable):
                raise
            except RollbackError as error:
                self.patience.failed(key, error)
                continue
            self.patience.answered()
            keep(self._shown, key, True)

    def _known(self, tick: Tick) -> Iterator[tuple[Practised, Fed]]:
        named = (staged_by(one.target, tick.listing) for one in tick.listing.watched)
        stages = {stage.name: stage for stage in named if stage is not None}
        records = tick.view.journal.records.values()
        for stage in stages.values():
            for practised in practised_on(stage.name, records):
                if tick.now - practised.at <= SHOWN_FOR:
                    yield practised, stage

    def _tell(self, practised: Practised, stage: Fed, executor: Executor) -> None:
        words = f"rolled back and verified on {stage.name.rpartition('/')[2]}: {practised.by}"
        for sha in self._carriers(practised, stage):
            executor.confirm()
            self.forge.set_status(sha, REHEARSED, StatusState.SUCCESS, words)

    def _carriers(self, practised: Practised, stage: Fed) -> tuple[str, ...]:
        """The commits that brought it there: those taken back; below a drill the newest one of its files."""
        known = [sha for sha in practised.reverts if self.repo.has(sha)]
        if not practised.drill or not known:
            return tuple(known)
        line = self.repo.recent(known[-1], COMMITS_SEEN)
        brought = [one.sha for one in line if one.sha not in known and stage.own.of(one.paths)]
        return tuple(brought[:1])
