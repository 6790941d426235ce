"""What is done while nothing is wrong, so that a rollback works when it is needed; wired once for each repository."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from gitops_rollback.app.deployed_statuses import DeployedStatuses
from gitops_rollback.app.drills import Drills
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.heartbeats import Heartbeats, Seen
from gitops_rollback.app.offered_trees import OfferedTrees
from gitops_rollback.app.preflight import Preflight
from gitops_rollback.app.pull_request_statuses import PullRequestStatuses
from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.rehearsal_statuses import RehearsalStatuses
from gitops_rollback.app.scheduled_drills import ScheduledDrills
from gitops_rollback.app.settings_before import Statuses
from gitops_rollback.app.tick import Tick
from gitops_rollback.app.watching_images import WatchedImages
from gitops_rollback.core.drill import Practice, practice_of
from gitops_rollback.core.drill_schedule import DrillSchedule
from gitops_rollback.core.heartbeat import Beat, Rhythm
from gitops_rollback.ports import Forge

BY_HAND = DrillSchedule()


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


def end_drills(reconciler: Reconciler, measured: Callable[[Practice], None], schedule: DrillSchedule = BY_HAND) -> None:
    """What a drill broke is taken back, too, once whoever began it is gone; and `measured` hears who was drilled when.

    What `schedule` says begins by itself. Nothing of the second changes but by the journal, and with the days.
    """
    drills = Drills(reconciler.surroundings.repo, reconciler, reconciler.holds, reconciler.clock)
    scheduled = ScheduledDrills(drills, schedule)
    known: set[tuple[str | None, date]] = set()

    def attend(tick: Tick) -> None:
        if isinstance(reconciler.executor, Executor):
            seen = Seen(tick.view, tick.listing, tick.now, reconciler.executor, _is_uneasy(tick))
            drills.attend(seen)
            scheduled.attend(seen)
        state = tick.view.journal.head, tick.now.date()
        if state not in known:
            known.clear()
            known.add(state)
            for one in tick.listing.watched:
                if one.target.drill:
                    journal = tick.view.journal
                    measured(practice_of(one.name, journal.decisions, journal.records.values(), tick.now))

    reconciler.besides = (*reconciler.besides, attend)


def set_statuses(reconciler: Reconciler, forge: Forge, wanted: Statuses) -> None:
    """Pull requests and deployed commits bear at `forge` what is known of them from now on."""
    repo, clock = reconciler.surroundings.repo, reconciler.clock
    preflight = Preflight(repo, reconciler, OfferedTrees(repo))
    before = PullRequestStatuses(repo, forge, preflight, reconciler.holds, clock, wanted)
    after = DeployedStatuses(forge, clock)
    rehearsed = RehearsalStatuses(repo, forge, clock)

    def attend(tick: Tick) -> None:
        executor = reconciler.executor
        if not isinstance(executor, Executor) or _is_uneasy(tick):
            return  # a rollback comes first, also at the forge's rate limit
        if wanted.rollbackable or wanted.hold:
            before.attend(tick, executor)
        if wanted.rehearsed:
            rehearsed.attend(tick, executor)

    def attend_deployed(tick: Tick) -> None:
        executor = reconciler.executor
        if wanted.deployed and isinstance(executor, Executor):
            after.attend(tick, executor)

    reconciler.besides = (*reconciler.besides, attend_deployed, attend)


def watch_images(reconciler: Reconciler, measured: Callable[[str, bool | None], None]) -> None:
    """The images that rollbacks would bring back are looked up from now on, while nothing is red.

    An alarm that may come is no reason to wait: what is looked up now is known when it comes.
    """
    images = WatchedImages(reconciler, measured)

    def attend(tick: Tick) -> None:
        executor = reconciler.executor
        if isinstance(executor, Executor) and not _is_red(tick):
            images.attend(tick, executor)

    reconciler.besides = (*reconciler.besides, attend)


def _is_uneasy(tick: Tick) -> bool:
    """A rollback is looked at, or an alarm is raised or may be."""
    return _is_red(tick) or any(one.look is not None and one.look.is_pending for one in tick.sights)


def _is_red(tick: Tick) -> bool:
    """A rollback is looked at, or an alarm is raised."""
    return any(one.progress or (one.look is not None and one.look.raised.act.tells) for one in tick.sights)
