"""Argo CD by its objects: the watch says nonsense or nothing, lists are old, writes meet others' writes."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from faults_engine import HTML, Opened, answers_nonsense, given_up, will_not_sync
from live_world import MINUTE, NO_POLLS
from objects_world import ObjectsLive
from proxy import asks_for, black_hole
from scene import Scene, scene
from spoiled_writes import spoil_writes
from storms import Storm

from gitops_rollback.sandbox.kubernetes.kinds import APPLICATION

JSON = "application/json"
STATUS = '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"%s","reason":"%s","code":%d}'
ANSWERS = (
    ("401", 401, STATUS % ("Unauthorized", "Unauthorized", 401), JSON),
    ("403", 403, STATUS % ("applications.argoproj.io is forbidden", "Forbidden", 403), JSON),
    ("404", 404, "404 page not found\n", "text/plain; charset=utf-8"),
    ("500", 500, STATUS % ("etcdserver: leader changed", "InternalError", 500), JSON),
    ("502", 502, "<html>bad gateway</html>", HTML),
    ("503", 503, STATUS % ("the server is currently unable to handle the request", "ServiceUnavailable", 503), JSON),
    ("login page", 200, "<html><body>Please log in</body></html>", HTML),
    ("empty 200", 200, "", JSON),
    ("null", 200, "null", JSON),
)
APPLICATION_WRITES = {"verbs": ("patch",), "plural": "applications"}
by_objects: Opened = partial(scene, kind=ObjectsLive, timing=NO_POLLS)


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


def never_ends(folder: Path, seed: int) -> tuple[str, ...]:
    """F14: after our push the object is Progressing, Unknown or under an operation for ever."""
    words = ("Running", "Progressing", "Unknown")
    with by_objects(folder, seed) as it:
        say = partial(_say, words[seed % len(words)])
        given_up(it, lambda: spoil_writes(_live(it).kubernetes, APPLICATION, say))
    return tuple(it.broken)


def _say(word: str, body: Any) -> None:
    status = body.setdefault("status", {})
    if word == "Running":
        status.setdefault("operationState", {})["phase"] = word
        status["operationState"].pop("finishedAt", None)
    else:
        status["health"] = {"status": word}


def shows_an_old_state(folder: Path, seed: int) -> tuple[str, ...]:
    """F15: Argo CD's controller stands still: Synced and Healthy, at the old revision. Not verified by that."""
    with by_objects(folder, seed) as it:
        it.live.fail()
        it.pending()
        it.until(lambda: it.live.runs(it.live.telling.bad), "the bad release is applied")
        it.live.let_pass(timedelta(seconds=it.dice.uniform(0, 20)))
        it.live.argocd.pause_controller(True)
        it.until(lambda: bool(it.reverts()), "the bad release is reverted")
        asked = len(it.live.engine_writes())
        it.nothing_for(5 * MINUTE, "while the engine showed an old state")
        phases = [(record["phase"], record["outcome"]) for record in it.live.telling.records()]
        it.check(phases == [("Syncing", None)], f"{phases} at the old revision")
        it.check(len(it.live.engine_writes()) - asked <= 24, "more than one operation at a tick")
        it.live.argocd.pause_controller(False)
        it.verified()
    return tuple(it.broken)


def watch_storms(folder: Path, seed: int) -> tuple[str, ...]:
    """F20: each object changes as fast as the API can say it, much of it twice; all is done once, within bounds."""
    with by_objects(folder, seed) as it:
        live = _live(it)
        storm = Storm(live.kubernetes, APPLICATION, [(one.name, one.namespace) for one in live.applications])
        with storm.blowing(again=partial(live.kubernetes.jump_back, it.dice.randint(20, 200))):
            it.nothing_for(MINUTE, "though nothing is bad")
            it.live.fail()
            it.pending()
            it.verified()
        storm.judge(it)
    return tuple(it.broken)


FAULTS = {
    "F13-objects": partial(answers_nonsense, opened=by_objects, known=ANSWERS),
    "F14-objects": never_ends,
    "F15-objects": shows_an_old_state,
    "F16-objects": partial(will_not_sync, kind=ObjectsLive),
    "F19": watch_breaks,
    "F20-objects": watch_storms,
    "F21": list_is_old,
    "F22": writes_meet,
}
