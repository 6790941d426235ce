"""Flux: its API says nothing of use, its controllers stand still, a person suspends, sources fail, objects go away."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

from faults_engine import answers_nonsense, given_up
from faults_objects import ANSWERS
from flux_scene import FluxLive, flux_scene
from flux_world import SERVICE
from live_world import MINUTE
from scene import Scene
from spoiled_writes import spoil_writes
from storms import Storm

from gitops_rollback.sandbox.flux.status import REQUESTED_AT
from gitops_rollback.sandbox.flux_side import FLUX_NAMESPACE
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, KUSTOMIZATION
from gitops_rollback.sandbox.world import SERVICES

SOURCE = "config"


def _live(it: Scene) -> FluxLive:
    return cast(FluxLive, it.live)


def never_ends(folder: Path, seed: int) -> tuple[str, ...]:
    """F14: after our push nothing comes of what kustomize-controller does; or it is at it for ever."""
    with flux_scene(folder, seed) as it:
        given_up(it, partial(_stands_still, _live(it), seed % 2 == 1))
    return tuple(it.broken)


def _stands_still(live: FluxLive, at_work: bool) -> None:
    status = copy.deepcopy(live.status())
    if at_work:
        said = {"status": "Unknown", "reason": "Progressing", "message": "Detecting drift for revision"}
        for one in status["conditions"]:
            one.update(said if one["type"] == "Ready" else {})

    def still(body: Any) -> None:
        if body["metadata"]["name"] == SERVICE:
            body["status"] = copy.deepcopy(status)

    spoil_writes(live.kubernetes, KUSTOMIZATION, still)


def shows_an_old_state(folder: Path, seed: int) -> tuple[str, ...]:
    """F15: after our push the API shows what was: not verified until it shows the present."""
    with flux_scene(folder, seed) as it:
        live = _live(it)
        live.fail()
        it.pending()
        live.kubernetes.lag(quorum=True)
        it.until(lambda: bool(it.reverts()), "the bad release is reverted")
        it.nothing_for(4 * MINUTE, "while the API showed an old state")
        it.check(not live.telling.is_done("verified"), "verified by an old state")
        live.kubernetes.reset()
        it.verified()
    return tuple(it.broken)


def is_held(folder: Path, seed: int) -> tuple[str, ...]:
    """F17: suspended, a source that fails, or a revision that nobody understands: held, with a reason."""
    with flux_scene(folder, seed) as it:
        if seed % 8 == 7:
            _fails_after_the_push(it)
        else:
            how, spoil, reason = SPOILS[seed % 4]
            spoil(_live(it))
            it.nothing_for(6 * MINUTE, f"though {how}")
            it.check(it.explained(reason), f"it does not say that {how}")
            it.check(it.live.probe("/healthz")[0] == 200, f"it does not live though {how}")
    return tuple(it.broken)


def _applied(live: FluxLive) -> None:
    live.fail()
    live.until(lambda: live.runs(live.telling.bad), "the release is applied")


def _suspended(live: FluxLive) -> None:
    _applied(live)
    live.suspend()


def _source_suspended(live: FluxLive) -> None:
    _applied(live)
    live.change(GIT_REPOSITORY, SOURCE, lambda body: body["spec"].update(suspend=True))


def _source_fails(live: FluxLive) -> None:
    """Flux fetches nothing any more; what it fetched last stays."""
    _applied(live)
    _fetches_nothing(live, lambda _asked: True)
    live.receive()


def _fails_after_the_push(it: Scene) -> None:
    """From our own request on: the record says why it does not go on. What is in git counts once it is back."""
    live, mended = _live(it), threading.Event()
    _applied(live)
    _fetches_nothing(live, lambda asked: asked.startswith("rb-") and not mended.is_set())
    it.until(lambda: bool(it.reverts()), "the bad release is reverted")
    it.until(lambda: [one["reason"] for one in live.telling.records()] == ["SourceNotReady"], "the record says why")
    (record,) = live.telling.records()
    it.check(record["phase"] == "Syncing" and NO_ROUTE in record["message"], f"the record says {record['message']}")
    mended.set()
    live.receive()
    it.verified()


def _fetches_nothing(live: FluxLive, fails: Callable[[str], bool]) -> None:
    """`fails` is given the request that the source bears."""
    artifact = live.kubernetes.store.get(GIT_REPOSITORY, SOURCE, FLUX_NAMESPACE)["status"]["artifact"]
    said = {"status": "False", "reason": "GitOperationFailed", "message": f"failed to checkout: {NO_ROUTE}"}

    def fail(body: Any) -> None:
        if fails((body["metadata"].get("annotations") or {}).get(REQUESTED_AT, "")):
            body["status"]["artifact"] = artifact
            for one in body["status"].get("conditions") or ():
                one.update(said if one["type"] == "Ready" else {})

    spoil_writes(live.kubernetes, GIT_REPOSITORY, fail)


def _revision_odd(live: FluxLive) -> None:
    """Of what is applied from now on."""
    known = live.telling.bad

    def spoil(body: Any) -> None:
        status = body.get("status") or {}
        for name in ("lastAppliedRevision", "lastAttemptedRevision"):
            if live.telling.bad != known and status.get(name, "").endswith(live.telling.bad):
                status[name] = ODD
        for entry in status.get("history") or ():
            if live.telling.bad != known and entry["metadata"]["revision"].endswith(live.telling.bad):
                entry["metadata"]["revision"] = ODD

    spoil_writes(live.kubernetes, KUSTOMIZATION, spoil)
    live.fail()
    live.until(lambda: live.status()["lastAppliedRevision"] == ODD, "the release is applied")


ODD = "latest"
NO_ROUTE = "dial tcp: no route"
SPOILS: tuple[tuple[str, Callable[[FluxLive], None], str], ...] = (
    ("the Kustomization is suspended", _suspended, "SuspendedApplication"),
    ("the source is suspended", _source_suspended, "SuspendedSource"),
    ("the revision is odd", _revision_odd, "NoCommit"),
    ("the source cannot fetch", _source_fails, "SourceNotReady"),
)


def watch_storms(folder: Path, seed: int) -> tuple[str, ...]:
    """F20: each object changes as fast as the API can say it, much of it twice; all is done once, within bounds."""
    with flux_scene(folder, seed) as it:
        live = _live(it)
        storm = Storm(live.kubernetes, KUSTOMIZATION, [(name, FLUX_NAMESPACE) for name in SERVICES])
        with storm.blowing(again=partial(live.kubernetes.jump_back, it.dice.randint(20, 200))):
            it.nothing_for(MINUTE, "though nothing is bad")
            live.fail()
            it.pending()
            it.verified()
        storm.judge(it)
    return tuple(it.broken)


FAULTS = {
    "F13-flux": partial(answers_nonsense, opened=flux_scene, known=ANSWERS),
    "F14-flux": never_ends,
    "F15-flux": shows_an_old_state,
    "F17-flux": is_held,
    "F20-flux": watch_storms,
}
