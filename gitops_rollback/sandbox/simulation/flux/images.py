"""The images of a simulated Flux: what a registry has, which tag each policy selects, and who writes it into git.

Source: contracts/flux-kubernetes.md section 9: a policy stands at the newest version that the last scan has found,
whether or not it is suspended; an automation writes it into the marked values of its path.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import TypeVar

from gitops_rollback.sandbox.kubernetes import By
from gitops_rollback.sandbox.kubernetes.kinds import IMAGE_POLICY, IMAGE_UPDATE_AUTOMATION
from gitops_rollback.sandbox.simulation.flux.cluster import NAMESPACE, FluxCluster
from gitops_rollback.sandbox.simulation.schedule import START

T = TypeVar("T")
BY = By("image-reflector-controller", status=True)
AUTHOR = {"name": "fluxcdbot", "email": "flux@example.org"}
SCANS = 5.0, 60.0  # seconds from a push to the registry until the policy knows it
OLDEST = "1.0.0"


def ordered(tag: str) -> tuple[int, ...]:
    """A version of this world, as it is ordered among the others."""
    return tuple(int(number) for number in tag.split("."))


class Images:
    """The registry's tags by application. `selected` has, oldest first, since when each policy stands at which."""

    def __init__(self, cluster: FluxCluster, names: Sequence[str], random: Random) -> None:
        self.tags: dict[str, list[str]] = {name: [OLDEST] for name in names}
        self.selected: dict[str, list[tuple[datetime, str]]] = {}
        self.automations: dict[str, str] = {}  # of each application
        self.stopped: dict[str, list[tuple[datetime, bool]]] = {}  # when each automation was suspended, or resumed
        self._cluster = cluster
        self._random = random
        for name in names:
            policy = {"imageRepositoryRef": {"name": name}, "policy": {"semver": {"range": ">=1.0.0"}}}
            cluster.create(IMAGE_POLICY, name, policy)
            self._select(name, OLDEST)
        if random.random() < 0.5:
            self._automate("all", names, "./apps")
        else:
            for name in names:
                self._automate(name, (name,), f"./apps/{name}")

    def _automate(self, automation: str, names: Sequence[str], path: str) -> None:
        self.automations |= dict.fromkeys(names, automation)
        self.stopped[automation] = [(START, False)]
        spec = {
            "interval": f"{self._random.randint(20, 150)}s",
            "sourceRef": {"kind": "GitRepository", "name": "config"},
            "git": {"checkout": {"ref": {"branch": "main"}}, "commit": {"author": AUTHOR}},
            "update": {"path": path, "strategy": "Setters"},
        }
        self._cluster.create(IMAGE_UPDATE_AUTOMATION, automation, spec)

    def publish(self, name: str, tag: str) -> None:
        """The registry has one more image; the next scan finds it."""
        self.tags[name].append(tag)
        self._cluster.schedule.after(self._random.uniform(*SCANS), partial(self._scan, name))

    def withdraw(self, name: str, tag: str) -> None:
        """The registry has it no more."""
        self.tags[name] = [one for one in self.tags[name] if one != tag]
        self._cluster.schedule.after(self._random.uniform(*SCANS), partial(self._scan, name))

    def suspend(self, automation: str, suspended: bool) -> None:
        """A person's switch at an automation."""
        self._cluster.edit(IMAGE_UPDATE_AUTOMATION, automation, suspend=suspended)
        self.stopped[automation].append((self._cluster.schedule.now, suspended))

    def suspend_policy(self, name: str, suspended: bool) -> None:
        """A person's switch at a policy, which keeps nobody from writing what it stands at."""
        self._cluster.edit(IMAGE_POLICY, name, suspend=suspended)

    def _scan(self, name: str) -> None:
        newest = max(self.tags[name], key=ordered)
        if newest != self.selected[name][-1][1]:
            self._cluster.story.tell(self._cluster.schedule.now, "registry", f"the policy {name} selects {newest}")
            self._select(name, newest)

    def _select(self, name: str, tag: str) -> None:
        now = self._cluster.schedule.now
        self.selected[name] = [*self.selected.get(name, ()), (now, tag)]
        latest = {"name": f"registry.example/{name}", "tag": tag}

        def write(body: dict[str, object]) -> None:
            body["status"] = {"latestRef": latest, "observedGeneration": 1}

        self._cluster.store.change(IMAGE_POLICY, name, NAMESPACE, write, BY)

    def selected_within(self, name: str, at: datetime, seconds: float) -> frozenset[str]:
        """All tags at which the policy stood at some time of so many seconds before `at`."""
        return frozenset(_within(self.selected[name], at, seconds))

    def writes_since(self, name: str, at: datetime, seconds: float) -> bool:
        """True if nobody had suspended its automation at any time of so many seconds before `at`."""
        return not any(_within(self.stopped[self.automations[name]], at, seconds))


def _within(words: Sequence[tuple[datetime, T]], at: datetime, seconds: float) -> list[T]:
    begin = at - timedelta(seconds=seconds)
    later = [since for since, _ in words[1:]] + [at]
    return [word for (since, word), until in zip(words, later, strict=True) if since <= at and until >= begin]
