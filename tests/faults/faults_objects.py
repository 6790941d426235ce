"""Argo CD by its objects: the watch says nonsense or nothing, lists are old, writes meet others' writes."""

from __future__ import annotations

from pathlib import Path

from live_world import MINUTE, NO_POLLS
from objects_world import ObjectsLive
from proxy import asks_for, black_hole
from scene import Scene, scene

APPLICATION_WRITES = {"verbs": ("patch",), "plural": "applications"}


def _live(it: Scene) -> ObjectsLive:
    assert isinstance(it.live, ObjectsLive)
    return it.live


def watch_breaks(folder: Path, seed: int) -> tuple[str, ...]:
    """F19: 410, an ERROR without a word, old events again, a stream of which one half is left: nothing done for it."""
    with scene(folder, seed, kind=ObjectsLive) as it:
        live = _live(it)
        breaks = [
            lambda: live.kubernetes.jump_back(60),
            lambda: (live.kubernetes.expire(), live.kubernetes.watch_error(410)),
            lambda: live.kubernetes.watch_error(500, reason="InternalError"),
            live.link.cut_open,
        ]
        it.dice.shuffle(breaks)
        breaks.append(live.kubernetes.mute_watches)  # a silence is noticed in real time, in which an hour passes here
        for broken in breaks[:3]:
            broken()
            it.nothing_for(MINUTE, "though nothing is bad")
        it.live.fail()
        it.pending()
        for broken in breaks[3:]:
            broken()
        it.verified()
    return tuple(it.broken)


def list_is_old(folder: Path, seed: int) -> tuple[str, ...]:
    """F21: after the push the API shows what was: not verified, and no second commit, until it shows the present."""
    with scene(folder, seed, kind=ObjectsLive, timing=NO_POLLS) as it:
        live = _live(it)
        it.live.fail()
        it.pending()
        live.kubernetes.lag(quorum=True)
        it.until(lambda: bool(it.reverts()), "the bad release is reverted")
        it.nothing_for(3 * MINUTE, "while the lists were old")
        it.check(not it.live.telling.is_done("verified"), "verified by an old list")
        live.kubernetes.reset()
        it.verified()
    return tuple(it.broken)


def writes_meet(folder: Path, seed: int) -> tuple[str, ...]:
    """F22: each write of ours meets another's first, some answers are lost on the way: one rollback all the same."""
    with scene(folder, seed, kind=ObjectsLive, timing=NO_POLLS) as it:
        live = _live(it)
        it.live.fail()
        it.pending()
        live.kubernetes.refuse(409, times=it.dice.randint(3, 12), **APPLICATION_WRITES)
        live.link.strike(black_hole(), asks_for("/applications/", "PATCH"), times=1)
        it.verified()
    return tuple(it.broken)


FAULTS = {"F19": watch_breaks, "F21": list_is_old, "F22": writes_meet}
