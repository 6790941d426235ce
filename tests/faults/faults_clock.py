"""The controller's wall clock is wrong by an hour, or steps each minute; the rest of the world keeps its time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from live_world import MINUTE, NO_POLLS
from machine import lacks
from scene import Scene, hide, scene

from gitops_rollback.sandbox.stories import release

HOUR = timedelta(hours=1)
LOOK_BACK = timedelta(minutes=5)  # as far as a real Prometheus goes back for a sample
LIBRARIES = (
    Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"),
    Path("/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"),
    Path("/usr/lib/faketime/libfaketimeMT.so.1"),
)


def library() -> Path:
    """Debian's libfaketime. Missing: a failure in CI, a skip with its reason elsewhere."""
    found = next((path for path in LIBRARIES if path.exists()), None)
    return found or lacks("Debian's package `libfaketime` is not installed")


def faked(file: Path) -> dict[str, str]:
    """What a process must have so that its wall clock, but not its monotonic one, is off by what `file` says."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def set_off(file: Path, seconds: float) -> None:
    """Let `file` say so many seconds, ahead or (below 0) behind."""
    fresh = file.with_suffix(".new")
    fresh.write_text(f"{seconds:+.3f}s\n")
    fresh.replace(file)


class Watch:
    """The controller's wall clock: `off` is how far it is from the world's, in world time. Monotonic time is true."""

    def __init__(self, it: Scene) -> None:
        self._it = it
        self._file = it.live.folder / "faketime"
        self.set(timedelta(0))
        # Seconds for which a look is kept; else each look at the clock reads the file.
        it.live.more_environment |= {**faked(self._file), "FAKETIME_CACHE_DURATION": "1"}
        clock = it.live.world.clock
        hide(it, lambda _query, at: at > clock.now() + LOOK_BACK)  # no store has samples of the future

    def set(self, off: timedelta) -> None:
        set_off(self._file, self._it.live.world.clock.real_seconds(off))


def wrong_clock(folder: Path, seed: int) -> tuple[str, ...]:
    """F31: an innocent release is left alone by any clock, a bad one is undone once, and budgets hold."""
    with scene(folder, seed, controller=False, timing=NO_POLLS) as it:
        watch = Watch(it)
        it.live.start_controller(GITOPS_ROLLBACK_BUDGET_APPLICATION="1/2h")
        release(it.live.telling, "1.41.5")
        _off(it, watch, "on an innocent release")
        it.live.fail()
        it.pending()
        _off(it, watch, "while the trigger was pending", reverts=1)
        it.until(lambda: _ended(it), "it was verified, or given up with a page")
        it.live.world.failing_tags.add("1.43.0")
        release(it.live.telling, "1.43.0")
        it.live.let_pass(2 * MINUTE)
        _off(it, watch, "within the budget's two hours")
        it.nothing_for(3 * MINUTE, "within the budget's two hours")
    return tuple(it.broken)


def _ended(it: Scene) -> bool:
    """A jump of an hour may use up the verification's patience: then a person looks."""
    outcomes = [record["outcome"] for record in it.live.telling.rollbacks()]
    return outcomes == ["verified"] or (outcomes == ["unverified"] and it.paged("VerificationTimeout", "SyncTimeout"))


def _off(it: Scene, watch: Watch, when: str, reverts: int = 0) -> None:
    """One hour ahead, one behind, and steps each minute: at most so many commits of ours meanwhile."""
    before = len(it.reverts())
    faults = [(HOUR,), (-HOUR,), tuple(it.dice.uniform(-1, 1) * 10 * MINUTE for _ in range(3))]
    it.dice.shuffle(faults)
    for fault in faults:
        for off in fault:
            watch.set(off)
            it.live.let_pass(1.5 * MINUTE)
    watch.set(timedelta(0))
    pushed = len(it.reverts()) - before
    it.check(pushed <= reverts, f"{pushed} commits {when}, by a wrong clock")
    it.check(it.live.probe("/healthz")[0] == 200, f"it does not live {when}, by a wrong clock")


FAULTS = {"F31": wrong_clock}
