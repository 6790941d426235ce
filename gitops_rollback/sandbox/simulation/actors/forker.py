"""Whoever asks for a rollback from a fork: with writes or without, with more in it than the request, changed later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from gitops_rollback.core.pull_request import MergeMethod
from gitops_rollback.core.request import Execute, LastHealthy, RequestTarget, RollbackRequest, encode_request
from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.files import config
from gitops_rollback.sandbox.simulation.forge.pulls import Pull
from gitops_rollback.sandbox.simulation.forge.site import ForgeSite
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import PERSON, World

PEOPLE = ("ada", "mallory", "mallory", "eve")  # of these Ada alone may write
DEEDS = {"edits": 1.5, "approves": 1.0, "closes": 0.7, "merges": 2.5}
MORE = 0.2  # the share that changes something besides


class Forker:
    """Asks now and then, mostly about what is bad."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("forker")
        self._count = 0
        world.schedule.after(self._random.uniform(60, 240), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm or world.forge is None:
            return
        bad = [name for name in world.setup.names if world.truth.is_bad(name, world.now)]
        self._ask(world.forge, random.choice(bad if bad and random.random() < 0.7 else world.setup.names))
        world.schedule.after(random.uniform(100, 400), self._turn)

    def _ask(self, forge: ForgeSite, name: str) -> None:
        random = self._random
        self._count += 1
        title = f"fork-{self._count}-{name}"
        later = random.random() < 0.7
        request = RollbackRequest(
            path=f".gitops-rollback/requests/{title}.yaml",
            name=title,
            target=RequestTarget(name),
            to=LastHealthy(),
            reason="it looks wrong",
            execute=Execute.AFTER_MERGE if later else Execute.IN_THIS_PULL_REQUEST,
            expires=timedelta(hours=24),
        )
        by = random.choice(PEOPLE)
        self._push(forge, title, request, self._more(name))
        pull = forge.open(title, "main", f"Roll back {name}", by, fork=True)
        for seconds in (random.uniform(20, 200), random.uniform(200, 500)):
            deed = random.choices(list(DEEDS), list(DEEDS.values()))[0]
            self._world.schedule.after(seconds, partial(self._act, forge, pull, request, deed))

    def _more(self, name: str) -> dict[str, bytes | None]:
        """Something that no request may bring."""
        if self._random.random() >= MORE:
            return {}
        return {f"apps/{name}/config.yaml": config(name, f"fork{self._count}")}

    def _act(self, forge: ForgeSite, pull: Pull, request: RollbackRequest, deed: str) -> None:
        if self._world.calm:
            return
        if deed == "closes":
            forge.close(pull, "grace")
        elif deed == "approves":
            by = self._random.choice(("ada", "mallory"))
            forge.say(pull, by, f"/rollback approve {pull.head_sha}")
        elif deed == "merges":
            forge.review(pull, "grace")
            forge.merge(pull, self._random.choice(tuple(MergeMethod)), "grace", f"{pull.title} (#{pull.number})")
        elif pull.is_open:
            self._push(forge, pull.head, request, self._more(request.target.name))

    def _push(self, forge: ForgeSite, branch: str, request: RollbackRequest, more: dict[str, bytes | None]) -> None:
        """To the fork, where nobody asks what it is made on."""
        world = self._world
        base = forge.forks.get(branch, world.head)
        text = encode_request(request).replace(b"it looks wrong", f"it looks wrong at {world.now:%T}".encode())
        tree = world.objects.with_files(base, {request.path: text, **more})
        forge.pushed(branch, world.objects.commit(tree, (base,), PERSON, "Ask for a rollback", world.now))


ACTOR = Actor("forker", Forker)
