"""What happens to a Flux: sources that cannot fetch, objects that are suspended, controllers that are restarted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, KUSTOMIZATION, Kind
from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.files import CANARY
from gitops_rollback.sandbox.simulation.flux.cluster import FluxCluster
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

WHY = (
    "authentication required: Invalid username or password",
    "dial tcp: lookup git.example.com on 10.96.0.10:53: no such host",
    f"unexpected client error: server replied to https://robot:{CANARY}@git.example.com/shop/config: 401",
)
LEFT_ALONE = 0.2  # of what a person suspends nobody resumes


class FluxTrouble:
    """One deed every few minutes; in a world without Flux there is none."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("flux-trouble")
        if not isinstance(world.cluster, FluxCluster):
            return
        self._flux = world.cluster
        self._deeds: Sequence[Callable[[], str]] = (
            self._fail, self._fail, self._suspend, self._suspend_source, self._restart, self._outage,
            self._request, self._request, self._edit,
        )  # fmt: skip
        world.at_calm.append(self._end)
        world.schedule.after(self._random.uniform(30, 200), self._turn)

    def _turn(self) -> None:
        if self._world.calm:
            return
        self._world.tell("flux", self._random.choice(self._deeds)())
        self._world.schedule.after(self._random.uniform(45, 250), self._turn)

    def _fail(self) -> str:
        name, why = self._random.choice([*self._flux.sources]), self._random.choice(WHY)
        self._flux.sources[name].failing = why
        self._world.schedule.after(self._random.uniform(20, 400), partial(self._works, name))
        return f"the source {name} cannot fetch any more"

    def _works(self, name: str) -> None:
        self._flux.sources[name].failing = ""

    def _suspend(self) -> str:
        return self._suspended(KUSTOMIZATION, self._random.choice(self._world.setup.names))

    def _suspend_source(self) -> str:
        return self._suspended(GIT_REPOSITORY, self._random.choice([*self._flux.sources]))

    def _suspended(self, kind: Kind, name: str) -> str:
        self._flux.edit(kind, name, suspend=True)
        if self._random.random() >= LEFT_ALONE:
            self._world.schedule.after(
                self._random.uniform(20, 400), partial(self._flux.edit, kind, name, suspend=False)
            )
        return f"somebody suspends {kind.kind} {name}"

    def _restart(self) -> str:
        self._flux.pause(True)
        self._world.schedule.after(self._random.uniform(5, 90), partial(self._flux.pause, False))
        return "the controllers are restarted"

    def _outage(self) -> str:
        self._flux.down_until = self._world.now + timedelta(seconds=self._random.uniform(5, 90))
        return "the API does not answer"

    def _request(self) -> str:
        """A person's request may overwrite one of ours."""
        self._flux.sync(self._random.choice(self._world.setup.names), {}, "admin")
        return "somebody asks for a reconciliation"

    def _edit(self) -> str:
        """A new generation of the object, though nothing of what it applies changes."""
        name = self._random.choice(self._world.setup.names)
        self._flux.edit(KUSTOMIZATION, name, interval=f"{self._random.randint(60, 400)}s")
        return f"somebody changes the interval of {name}"

    def _end(self) -> None:
        """Faults end with the world's life; what people have suspended stays."""
        self._flux.pause(False)
        self._flux.down_until = self._world.now
        for name in self._flux.sources:
            self._works(name)


ACTOR = Actor("flux-trouble", FluxTrouble)
