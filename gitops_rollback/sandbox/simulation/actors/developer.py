"""Developers push good, bad and unrelated commits, several applications at once, by merges, and policies with them."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.faults import make_bad
from gitops_rollback.sandbox.simulation.files import claim, config, deployment
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

KINDS = {
    "good": 6.0,
    "bad": 3.0,
    "bad config": 1.5,
    "unrelated": 3.0,
    "several good": 1.0,
    "several bad": 0.7,
    "shared": 0.5,
    "disarm": 0.5,
    "claim": 0.4,
    "merge bad": 0.6,
    "restart": 0.3,
}


class Developer:
    """Commits at random times until the world is calm."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("developer")
        self._count = 0
        world.schedule.after(self._random.uniform(10, 120), self._turn)

    def _turn(self) -> None:
        if self._world.calm:
            return
        kind = self._random.choices(list(KINDS), list(KINDS.values()))[0]
        self._commit(kind)
        self._world.schedule.after(self._random.expovariate(1 / self._world.setup.busy) + 2, self._turn)

    def _commit(self, kind: str) -> None:
        world, names = self._world, self._world.setup.alone
        name = self._random.choice(names)
        several = tuple(sorted(self._random.sample(names, k=max(2, len(names) // 2))))
        if kind == "unrelated":
            world.commit("developer", {"docs/notes.md": f"note {self._next()}\n".encode()}, "Note something")
        elif kind == "shared":
            world.commit("developer", {"base/common.yaml": config("common", str(self._next()))}, "Change the base")
        elif kind in ("several good", "several bad"):
            self._release(several, kind == "several bad")
        elif kind == "disarm":
            self._disarm(name)
        elif kind == "claim":
            path = f"apps/{name}/claim.yaml"
            self._release((name,), True, {path: claim(self._next())})
        elif kind == "bad config":
            world.commit("developer", self._config(name), f"Change the level of {name}")
        else:
            self._release((name,), "bad" in kind, merge="merge" in kind)

    def _release(
        self, names: Sequence[str], bad: bool, more: dict[str, bytes] | None = None, merge: bool = False
    ) -> None:
        version = f"1.{self._next()}"
        files: dict[str, bytes | None] = {f"apps/{name}/deployment.yaml": deployment(name, version) for name in names}
        files.update(more or {})
        if bad:
            self._fault(names, version)
        self._world.commit("developer", files, f"Release {version} of {', '.join(names)}", merge=merge)

    def _disarm(self, name: str) -> None:
        """A bad release that brings the policy which would let it pass."""
        version, world = f"1.{self._next()}", self._world
        policy = world.policy_at(world.head, name)
        files: dict[str, bytes | None] = {f"apps/{name}/deployment.yaml": deployment(name, version)}
        if policy is not None:
            disarmed = policy.disarmed(self._random.choice(("suspend", "severity", "threshold")))
            files[policy.path] = world.put(disarmed)
        self._fault((name,), version)
        world.commit("developer", files, f"Release {version} of {name} and its policy")

    def _config(self, name: str) -> dict[str, bytes | None]:
        level = str(self._next())
        self._fault((name,), level)
        return {f"apps/{name}/config.yaml": config(name, level)}

    def _fault(self, names: Sequence[str], word: str) -> None:
        """From now on this word makes these applications bad, sooner or later."""
        make_bad(self._world, self._random, names, word)

    def _next(self) -> int:
        self._count += 1
        return self._count + 1
