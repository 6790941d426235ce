"""The journal is gone, rewound or torn, or the clone is an old one: what was done before is not done again."""

from __future__ import annotations

import shutil
from pathlib import Path

from live_world import MINUTE
from scene import Scene, scene

from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.stories import release
from gitops_rollback.sandbox.telling import JOURNAL

REF = f"refs/heads/{JOURNAL}"


def forgets(folder: Path, seed: int) -> tuple[str, ...]:
    """F34: an old clone repeats nothing; a torn entry is told; a rewound or lost journal holds and pages."""
    with scene(folder, seed) as it:
        it.rewritten = True
        state, backup = folder / "state", folder / "backup"
        it.until(lambda: it.live.probe("/readyz")[0] == 200, "ready")
        it.live.stop_controller()
        shutil.copytree(state, backup)
        it.live.start_controller()
        it.live.fail()
        it.verified()
        it.live.stop_controller()
        shutil.rmtree(state)
        shutil.copytree(backup, state)
        it.live.start_controller()
        it.nothing_for(3 * MINUTE, "by a clone from an old backup")
        _torn(it)
        if seed % 2:
            _lost(it)
        else:
            _rewound(it)
    return tuple(it.broken)


def _torn(it: Scene) -> None:
    """Half a line at the end of a day's decisions, as a full disk somewhere would leave it."""
    people = People(it.live.world.bare, JOURNAL)
    path = people.git("ls-tree", "-r", "--name-only", JOURNAL, "decisions/").splitlines()[-1]
    people.push("Tear", {path: people.read(path) + '{"at": "2026-'}, it.live.now())
    it.until(lambda: it.paged("JournalLost"), "the torn entry is told")
    it.nothing_for(MINUTE, "on a torn entry")


def _rewound(it: Scene) -> None:
    """Somebody puts the journal back to its first commit while the controller runs; then a release fails."""
    people = it.live.people
    first = people.git("rev-list", "--max-parents=0", JOURNAL)
    people.git("update-ref", REF, first)
    it.until(lambda: it.paged("JournalRewound"), "the rewound journal is paged")
    _next_release_is_held(it, "on a rewound journal")


def _lost(it: Scene) -> None:
    """The branch is deleted while nobody runs: the next process finds our commits and no journal."""
    it.live.stop_controller()
    it.live.people.git("update-ref", "-d", REF)
    it.live.start_controller()
    it.nothing_for(MINUTE, "without a journal")
    _next_release_is_held(it, "without a journal")
    it.until(lambda: it.paged("JournalLost"), "the lost journal is paged")


def _next_release_is_held(it: Scene, when: str) -> None:
    it.live.world.failing_tags.add("1.43.0")
    release(it.live.telling, "1.43.0")
    it.nothing_for(5 * MINUTE, when)
    it.check(it.live.probe("/healthz")[0] == 200, f"it does not live {when}")


FAULTS = {"F34": forgets}
