"""Many applications recover at once, or all of the controller starts anew: does anybody get trampled?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from fault_world import FaultWorld
from live_world import MINUTE, POLICY_PATH, quick_policy
from proxy import FaultProxy, refuse
from scene import Scene, scene

from gitops_rollback.sandbox.argocd import AppSpec
from gitops_rollback.sandbox.stories import release
from gitops_rollback.sandbox.world import default_application

SPEED = 15.0
APPLICATIONS = 30
MOST_TIMES_STEADY = 1.5
SETTINGS = "metrics: [{{name: default, url: '{url}', maxQueriesPerMinute: 100000}}]\n"


def herd(folder: Path, seed: int) -> tuple[str, ...]:
    """F46: after an outage, and after a restart, no host is asked more than 1.5 times as much as ever."""
    with scene(folder, seed, kind=FaultWorld, speed=SPEED, controller=False, **_many()) as it:
        config = folder / "settings.yaml"
        config.write_text(SETTINGS.format(url=it.live.more_environment["PROMETHEUS_URL"]))
        it.live.more_environment["GITOPS_ROLLBACK_CONFIG"] = str(config)
        it.live.start_controller()
        release(it.live.telling)
        it.until(it.live.all_healthy, "all of them have it")
        it.live.let_pass(2 * MINUTE)
        steady = _asked_in(it, 2 * MINUTE)
        for link in it.live.links.all():
            link.strike(refuse())
        it.live.let_pass(MINUTE)
        it.live.heal()
        outage = _asked_in(it, 2 * MINUTE)
        it.live.kill_controller()
        it.live.start_controller()
        restart = _asked_in(it, 2 * MINUTE)
        calm = _asked_in(it, 2 * MINUTE)  # a machine that was slower before asked less than ever
        steady = {name: max(count, calm[name]) for name, count in steady.items()}
        _judge(it, steady, outage, "after an outage of everything")
        _judge(it, steady, restart, "after a restart")
        it.check(not it.reverts(), "an innocent release was reverted")
    return tuple(it.broken)


def _many() -> dict[str, object]:
    specs = [_named(number) for number in range(APPLICATIONS)]
    targets = [_policy(spec.name) for spec in specs]
    return {"applications": specs, "policies": dict(targets)}


def _named(number: int) -> AppSpec:
    return replace(default_application("checkout-api"), name=f"shop-{number:03d}")


def _policy(name: str) -> tuple[str, str]:
    text = quick_policy().replace("checkout-api-prod", name).replace("{name: shop}", f"{{name: {name}}}")
    return POLICY_PATH.replace("shop.yaml", f"{name}.yaml"), text


def _asked_in(it: Scene, span: timedelta) -> dict[str, int]:
    before = {name: len(link.seen) for name, link in _links(it).items()}
    it.live.let_pass(span)
    return {name: len(link.seen) - before[name] for name, link in _links(it).items()}


def _links(it: Scene) -> dict[str, FaultProxy]:
    return {"git": it.live.links.git, "Argo CD": it.live.links.argocd, "Prometheus": it.live.links.prometheus}


def _judge(it: Scene, steady: dict[str, int], asked: dict[str, int], when: str) -> None:
    for name, count in asked.items():
        share = count / max(1, steady[name])
        it.check(share <= MOST_TIMES_STEADY, f"{name} was asked {share:.1f} times as much as ever {when}")


FAULTS = {"F46": herd}
