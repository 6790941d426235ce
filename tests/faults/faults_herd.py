"""Many applications recover at once, or all replicas start anew: does anybody get trampled?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from live_world import MINUTE, NO_POLLS, POLICY_PATH, quick_policy
from proxy import Exchange, FaultProxy, refuse
from replicas_world import ReplicasWorld
from scene import Scene, scene

from gitops_rollback.sandbox.argocd import AppSpec
from gitops_rollback.sandbox.prometheus import Vector
from gitops_rollback.sandbox.stories import SERVICE, release
from gitops_rollback.sandbox.world import default_application

SPEED = 3.0  # a tick each five seconds: looks at all of them should fit in
APPLICATIONS = 500
REPLICAS = 2  # one leads, the other only reads the repository
TARGETS_PER_POLICY = 250
TICK = timedelta(seconds=15)
SPAN = MINUTE
TICKS = SPAN / TICK
MOST_TIMES_STEADY = 1.5
PLACES = 8  # queries under way at once, by default
AT_A_START = 12  # requests to git of each replica: what is there, is it ours to write, the journal
SETTINGS = "metrics: [{{name: default, url: '{url}', maxQueriesPerMinute: 100000}}]\n"
NAMED = re.compile(r"shop-\d{3}")
LOOK = re.compile(rb"(shop-\d{3}).*&time=([^&]+)")
TARGET = """\
    - name: {name}
      engine: argocd
      application: {{namespace: argocd, name: {name}}}
      workload: {{kind: Deployment, namespace: shop, name: checkout-api}}
      data: {{rollback: safe, because: each release reads what the next one wrote}}
"""


@dataclass(frozen=True)
class Asked:
    """How often each host was asked in a span, for how many looks at an application, and over how many connections."""

    counts: Mapping[str, int]
    looks: int
    connections: int  # to Prometheus, at once


def herd(folder: Path, seed: int) -> tuple[str, ...]:
    """F46: after an outage, and after a restart of all, no host is asked more than 1.5 times as much as ever."""
    with scene(folder, seed, kind=Herd, speed=SPEED, controller=False, timing=NO_POLLS, **_many()) as it:
        world = it.live
        assert isinstance(world, Herd)
        release(world.telling)
        world.refresh()
        it.until(world.all_healthy, "all of them have it")
        world.start_all()
        it.until(lambda: world.looked_at() == APPLICATIONS, "it has looked at all of them")
        steady = world.asked()
        for link in world.links.all():
            link.strike(refuse())
        world.let_pass(timedelta(seconds=it.dice.uniform(20, 40)))
        world.heal()
        world.until_asked_again()
        outage = world.asked()
        world.kill_all()
        restart = world.asked(world.start_all)
        _judge(it, steady, outage, "after an outage of everything")
        _judge(it, steady, restart, "after a restart of all replicas", at_once=REPLICAS * AT_A_START)
        it.check(not it.reverts(), "an innocent release was reverted")
    return tuple(it.broken)


def _judge(it: Scene, steady: Asked, asked: Asked, when: str, at_once: int = 0) -> None:
    """Steady is what one look costs, at each application and tick: a machine that is slower now and then asks less.

    `at_once`: what replicas that start ask of git besides. Who leads may change in the middle of a look (a slow machine
    renews a Lease late), so each replica may have its places in use.
    """
    for host, count in asked.counts.items():
        if host == "git":
            most = MOST_TIMES_STEADY * steady.counts[host] + at_once
        else:
            most = MOST_TIMES_STEADY * steady.counts[host] / max(1, steady.looks) * APPLICATIONS * TICKS
        it.check(count <= most, f"{host} was asked {count} times {when}, {most:.0f} is 1.5 times as much as ever")
    it.check(asked.connections <= PLACES * REPLICAS, f"Prometheus had {asked.connections} connections at once {when}")


class Herd(ReplicasWorld):
    """Many applications of one path. Each has metrics of its own name, which are those of the one service."""

    def start_world(self) -> None:
        prometheus = self.world.prometheus
        truth = prometheus._at

        def of_the_one(query: str, at: datetime) -> Vector:
            return truth(NAMED.sub(SERVICE, query), at)

        prometheus._at = of_the_one
        super().start_world()
        config = self.folder / "settings.yaml"
        config.write_text(SETTINGS.format(url=self.more_environment["PROMETHEUS_URL"]))
        self.more_environment["GITOPS_ROLLBACK_CONFIG"] = str(config)

    def start_all(self) -> None:
        for number in range(REPLICAS):
            self.start_replica(f"replica-{number + 1}")
        self.until_led()

    def kill_all(self) -> None:
        for one in self.replicas.values():
            one.process.kill()
            one.process.wait(30)

    def looked_at(self) -> int:
        """At how many applications so far."""
        return len({name for name, _ in _looks(self.links.prometheus.seen)})

    def asked(self, first: Callable[[], object] = lambda: None) -> Asked:
        """While `first` is done and a span passes."""
        links: dict[str, FaultProxy] = {
            "git": self.links.git, "Argo CD": self.links.argocd, "Prometheus": self.links.prometheus,
        }  # fmt: skip
        for link in links.values():
            link.seen.clear()
            link.most_open = 0
        first()
        self.let_pass(SPAN)
        seen = {name: tuple(link.seen) for name, link in links.items()}
        return Asked(
            {name: len(one) for name, one in seen.items()},
            len(_looks(seen["Prometheus"])),
            self.links.prometheus.most_open,
        )

    def until_asked_again(self) -> None:
        """The first question after an outage has come."""
        self.links.prometheus.seen.clear()
        self.until(lambda: bool(self.links.prometheus.seen), "Prometheus is asked again")


def _looks(seen: Iterable[Exchange]) -> set[tuple[bytes, bytes]]:
    """Application and moment of each."""
    return {(found[1], found[2]) for one in tuple(seen) if (found := LOOK.search(one.body))}


def _many() -> dict[str, object]:
    names = [f"shop-{number:03d}" for number in range(APPLICATIONS)]
    parts = [names[first : first + TARGETS_PER_POLICY] for first in range(0, APPLICATIONS, TARGETS_PER_POLICY)]
    return {
        "applications": [_named(name) for name in names],
        "policies": {
            POLICY_PATH.replace("shop", f"part-{number}"): _policy(number, part) for number, part in enumerate(parts)
        },
    }


def _named(name: str) -> AppSpec:
    return replace(default_application("checkout-api"), name=name)


def _policy(number: int, names: list[str]) -> str:
    head, _, rest = quick_policy().partition("    - name: checkout-api\n")
    triggers = rest[rest.index("    - name: crash-loop") :]  # one query each
    text = head + "".join(TARGET.format(name=name) for name in names) + "  triggers:\n" + triggers
    return text.replace("{name: shop}", f"{{name: part-{number}}}")


FAULTS = {"F46": herd}
