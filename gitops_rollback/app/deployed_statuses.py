"""What a deployed commit bears at the forge: it is watched, then it was healthy, or it was rolled back.

On transitions only, a few at a look, and after everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.forge_patience import ForgePatience
from gitops_rollback.app.tick import Sight, Tick
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import LeaseLost, RollbackError
from gitops_rollback.core.pull_request import StatusState
from gitops_rollback.core.rollback import RollbackOutcome, RollbackRecord
from gitops_rollback.ports import Clock, Forge

CONTEXT = "gitops-rollback/deployed"
MOST = 5  # statuses at one look
ENDED_WITHIN = timedelta(hours=24)  # of a rollback whose outcome is shown, over restarts too


@dataclass(frozen=True)
class Shown:
    """One status of one deployed commit."""

    sha: str
    context: str
    state: StatusState
    words: str


@dataclass
class DeployedStatuses:
    """Those of one repository's applications. Memory only spares calls: the forge writes no equal status again."""

    forge: Forge
    clock: Clock
    _shown: dict[tuple[str, str], Shown] = field(default_factory=dict)  # by application and commit
    _quiet: dict[tuple[str, str], bool] = field(default_factory=dict)  # of those under watch, at the newest look

    def __post_init__(self) -> None:
        self.patience = ForgePatience(self.clock.monotonic, self.clock.real_seconds)

    def attend(self, tick: Tick, executor: Executor) -> None:
        """Set what has changed. Raises: LeaseLost."""
        self.patience.begin()
        told = 0
        for key, wanted in {**dict(self._watched(tick)), **dict(self._rolled_back(tick))}.items():
            if told >= MOST or self._shown.get(key) == wanted or self.patience.waits(wanted.sha):
                continue
            told += 1
            try:
                executor.confirm()
                self.forge.set_status(wanted.sha, wanted.context, wanted.state, wanted.words)
            except LeaseLost:
                raise
            except RollbackError as error:
                self.patience.failed(wanted.sha, error)
                continue
            self.patience.answered()
            keep(self._shown, key, wanted)

    def _watched(self, tick: Tick) -> Iterator[tuple[tuple[str, str], Shown]]:
        now_under_watch: set[tuple[str, str]] = set()
        for sight in tick.sights:
            found = _under_watch(sight, tick)
            if found is None:
                continue
            key = (sight.watched.name, found.sha)
            now_under_watch.add(key)
            if sight.look is not None:
                keep(self._quiet, key, sight.look.is_quiet)
            yield key, found
        seen = {sight.watched.name for sight in tick.sights if sight.look is not None}
        for key, quiet in list(self._quiet.items()):
            shown = self._shown.get(key)
            if key in now_under_watch or key[0] not in seen or shown is None:
                continue
            del self._quiet[key]
            if quiet:
                yield key, Shown(shown.sha, shown.context, StatusState.SUCCESS, "healthy: no trigger fired under watch")
            else:
                yield key, Shown(shown.sha, shown.context, StatusState.ERROR, "its watch ended without a quiet look")

    def _rolled_back(self, tick: Tick) -> Iterator[tuple[tuple[str, str], Shown]]:
        for record in tick.view.journal.records.values():
            young = tick.now - max(record.times.values(), default=tick.now) <= ENDED_WITHIN
            if record.commit is None or not (record.open or young) or not record.bad_revision:
                continue
            for application in record.applications:
                yield (
                    (application, record.bad_revision),
                    Shown(record.bad_revision, _context(application), StatusState.FAILURE, _words(record)),
                )


def _under_watch(sight: Sight, tick: Tick) -> Shown | None:
    look = sight.look
    if look is None or look.event is None or not look.bad_revision:
        return None
    window = look.policy.timing.window
    if tick.now - look.event_started > window:
        return None
    words = f"watching {format_duration(window)}"
    if look.raised.raises_alarm:
        words = f"{look.raised.reason.value}: {look.raised.message}"[:140]
    return Shown(look.bad_revision, _context(look.name), StatusState.PENDING, words)


def _words(record: RollbackRecord) -> str:
    if record.open:
        return f"is being rolled back: {record.id}"
    verified = record.outcome is RollbackOutcome.VERIFIED
    return f"rolled back{'' if verified else f', {record.outcome.value}' if record.outcome else ''}: {record.id}"


def _context(application: str) -> str:
    return f"{CONTEXT}/{application.rpartition('/')[2]}"
