"""Somebody who asks for rollbacks by files: edits them, opens them again, and merges them when they have expired."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from gitops_rollback.core.pull_request import MergeMethod
from gitops_rollback.core.request import (
    Execute,
    LastHealthy,
    RequestTarget,
    RollbackRequest,
    To,
    Without,
    encode_request,
    is_request_path,
)
from gitops_rollback.ports import RefUpdate
from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.forge.pulls import Pull
from gitops_rollback.sandbox.simulation.forge.site import HEADS, ForgeSite
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import PERSON, World

SHORT = timedelta(minutes=3)
GUARDS = ("known-ground", "quarantine")
DEEDS = {"edits": 1.0, "closes": 1.0, "opens again": 1.0, "merges": 2.0}


class Requester:
    """Asks now and then, mostly about what is bad, and does something else about it later."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("requester")
        self._count = 0
        world.schedule.after(self._random.uniform(60, 300), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm or world.forge is None:
            return
        bad = [name for name in world.setup.names if world.truth.is_bad(name, world.now)]
        name = random.choice(bad if bad and random.random() < 0.7 else world.setup.names)
        self._ask(world.forge, self._request(name))
        world.schedule.after(random.uniform(120, 500), self._turn)

    def _request(self, name: str) -> RollbackRequest:
        random = self._random
        self._count += 1
        title = f"ask-{self._count}-{name}"
        live = self._world.objects.commits[self._world.cluster.live(name)]
        to: To = Without((live.sha,)) if random.random() < 0.3 else LastHealthy()
        return RollbackRequest(
            path=f".gitops-rollback/requests/{title}.yaml",
            name=title,
            target=RequestTarget(name),
            to=to,
            reason="it looks wrong",
            execute=Execute.AFTER_MERGE if random.random() < 0.25 else Execute.IN_THIS_PULL_REQUEST,
            acknowledge=GUARDS if random.random() < 0.5 else (),
            expires=SHORT if random.random() < 0.3 else timedelta(hours=24),
        )

    def _ask(self, forge: ForgeSite, request: RollbackRequest) -> None:
        world, branch = self._world, request.name
        text = encode_request(request)
        if self._random.random() < 0.1:
            text = text.replace(b"target:", b"targit:")
        self._push(branch, {request.path: text}, world.head)
        by = self._random.choice(("ada", "ada", "grace", "mallory"))
        pull = forge.open(branch, "main", f"Roll back {request.target.name}", by)
        for seconds in (self._random.uniform(20, 200), self._random.uniform(200, 600)):
            deed = self._random.choices(list(DEEDS), list(DEEDS.values()))[0]
            world.schedule.after(seconds, partial(self._act, forge, pull, request, deed))

    def _act(self, forge: ForgeSite, pull: Pull, request: RollbackRequest, deed: str) -> None:
        if self._world.calm:
            return
        if deed == "closes":
            forge.close(pull, "ada")
        elif deed == "opens again":
            forge.reopen(pull, "ada")
        elif deed == "merges":
            forge.review(pull, "grace")
            forge.merge(pull, self._random.choice(tuple(MergeMethod)), "grace", f"{pull.title} (#{pull.number})")
        elif pull.is_open and is_request_path(request.path):
            text = encode_request(request).replace(b"it looks wrong", b"it really looks wrong")
            self._push(pull.head, {request.path: text}, self._world.remote.refs[HEADS + pull.head])

    def _push(self, branch: str, files: dict[str, bytes | None], base: str) -> None:
        world, ref = self._world, HEADS + branch
        tree = world.objects.with_files(base, files)
        sha = world.objects.commit(tree, (base,), PERSON, "Ask for a rollback", world.now)
        world.remote.receive("requester", (RefUpdate(ref, sha, world.remote.refs.get(ref)),))


ACTOR = Actor("requester", Requester)
