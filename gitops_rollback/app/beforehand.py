"""What is done while nothing is wrong, so that a rollback works when it is needed; wired once for each repository."""

from __future__ import annotations

from collections.abc import Callable

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.heartbeats import Heartbeats, Seen
from gitops_rollback.app.reconciler import Reconciler, Tick
from gitops_rollback.core.heartbeat import Beat, Rhythm
from gitops_rollback.ports import Forge


def take_heartbeats(
    reconciler: Reconciler, forge: Forge | None, rhythm: Rhythm, measured: Callable[[Beat], None]
) -> None:
    """Heartbeats are made and followed from now on."""
    repo = reconciler.surroundings.repo
    beats = Heartbeats(repo, forge, reconciler.holds, reconciler.clock, rhythm, measured)

    def attend(tick: Tick) -> None:
        executor = reconciler.executor
        if isinstance(executor, Executor):
            beats.attend(Seen(tick.view, tick.listing, tick.now, executor, _is_uneasy(tick)))

    reconciler.heartbeats = beats
    reconciler.besides = (*reconciler.besides, attend)


def _is_uneasy(tick: Tick) -> bool:
    """A rollback is looked at, or an alarm is raised or may be."""
    looks = [one.look for one in tick.sights if one.look is not None]
    return any(one.progress for one in tick.sights) or any(one.raised.act.tells or one.is_pending for one in looks)
