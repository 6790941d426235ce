"""What is rolled back goes away meanwhile: deleted, renamed, or moved to another project. Stop, record, page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from faults_engine import Opened, unasked
from faults_objects import by_objects
from flux_scene import FluxLive, flux_scene
from flux_world import SERVICE as KUSTOMIZATION_NAME
from live_world import APPLICATION, MINUTE, SERVICE, Live
from scene import Scene

from gitops_rollback.sandbox.flux_side import FLUX_NAMESPACE
from gitops_rollback.sandbox.kubernetes.kinds import KUSTOMIZATION
from gitops_rollback.sandbox.world import default_application

LONGEST_SECONDS = 60.0  # 40 minutes of world time
OTHER = "checkout-api-blue"
CONTROL_PLANE = "argocd"


def _deleted(live: Live) -> None:
    live.argocd.delete(APPLICATION)


def _renamed(live: Live) -> None:
    live.argocd.delete(APPLICATION)
    live.argocd.add(replace(default_application(SERVICE), name=OTHER))


def _moved(live: Live) -> None:
    """Another team's project."""
    store = live.argocd._store
    assert store.write((CONTROL_PLANE, APPLICATION), lambda body: body["spec"].update(project="payments")) is not None


def _kustomization_deleted(live: Live) -> None:
    cast(FluxLive, live).kubernetes.store.delete(KUSTOMIZATION, KUSTOMIZATION_NAME, FLUX_NAMESPACE)


Away = Callable[[Live], None]
ARGO_CD: tuple[Away, ...] = (_deleted, _renamed, _moved)
FLUX: tuple[Away, ...] = (_kustomization_deleted,)


def goes_away(folder: Path, seed: int, opened: Opened, ways: tuple[Away, ...]) -> tuple[str, ...]:
    """F18: before our push nothing is done any more, after it the rollback ends unverified and a person is paged.

    One that only moved may be verified, where it is still ours to look at.
    """
    away = ways[seed % len(ways)]
    pushed = seed // len(ways) % 2 == 0 or away is _moved  # where no tenants are set, its project is nobody's matter
    with opened(folder, seed) as it:
        it.live.fail()
        it.until(lambda: it.live.runs(it.live.telling.bad), "the release is applied")
        it.pending()
        it.live.engine_rests(True)
        if pushed:
            it.until(lambda: bool(it.reverts()), "the bad release is reverted")
        away(it.live)
        it.live.engine_rests(False)
        if pushed:
            _comes_to_an_end(it, ("unverified", "verified") if away is _moved else ("unverified",))
        it.nothing_for(5 * MINUTE, "of an application that is away")
        it.check(len(it.reverts()) == int(pushed), f"{len(it.reverts())} commits of ours, {int(pushed)} were due")
        it.check(it.live.probe("/healthz")[0] == 200, "it does not live without the application")
    return tuple(it.broken)


def _comes_to_an_end(it: Scene, outcomes: tuple[str, ...]) -> None:
    it.until(lambda: bool(it.live.telling.rollbacks()[0]["outcome"]), "it came to an end", LONGEST_SECONDS)
    record = it.live.telling.rollbacks()[0]
    it.check(record["outcome"] in outcomes, f"ended {record['outcome']}, not {' or '.join(outcomes)}")
    if record["outcome"] == "unverified":
        it.until(lambda: it.paged(record["reason"]), "a person is paged")


FAULTS = {
    "F18": partial(goes_away, opened=unasked, ways=ARGO_CD),
    "F18-objects": partial(goes_away, opened=by_objects, ways=ARGO_CD),
    "F18-flux": partial(goes_away, opened=flux_scene, ways=FLUX),
}
