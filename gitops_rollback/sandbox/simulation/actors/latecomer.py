"""People who get between two steps of a cascade: they ship what went back, or another dependant, or put things back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.events import Rollback, Stepped
from gitops_rollback.sandbox.simulation.files import config, deployment
from gitops_rollback.sandbox.simulation.needing import api_file, calls_file, carried_by, level_of
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

EVERY = 3.0  # seconds
SHARE = 0.35  # of the commits of a plan
DEEDS = {
    "ship": 3.0, "ship other": 3.0, "put back": 2.0, "land again": 1.0, "crash": 2.0, "comment": 1.0, "suspend": 1.0,
    "unrelated": 2.0,
}  # fmt: skip


class Latecomer:
    """After a commit of a plan, sooner or later."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("latecomer")
        self._seen: set[str] = set()
        self._count = 0
        world.schedule.after(EVERY, self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        for plan in (one for one in world.carried if one.before):
            newest = world.plan(plan)[-1]
            if newest.commit.sha not in self._seen:
                self._seen.add(newest.commit.sha)
                if random.random() < SHARE:
                    world.schedule.after(random.uniform(1, 60), partial(self._come, plan, newest))
        world.schedule.after(EVERY, self._turn)

    def _come(self, plan: Rollback, newest: Rollback | Stepped) -> None:
        world, random = self._world, self._random
        gone = sorted(carried_by(world.truth, world.setup.names, newest))
        if world.calm or not gone:
            return
        name, deed = random.choice(gone), random.choices(list(DEEDS), list(DEEDS.values()))[0]
        path = f"apps/{name}/deployment.yaml"
        if deed == "ship":
            self._ship(name, random.choice((True, True, False)))
        elif deed == "ship other":
            others = [one for one in world.needs if one not in gone and set(world.needs[one]) & set(plan.applications)]
            self._ship(random.choice(others or gone), True)
        elif deed == "put back":
            self._put_back(plan, random.choice((*plan.before, *plan.reverts)))
        elif deed == "land again":
            self._land_again(newest)
        elif deed == "crash":
            self._crash(name, newest)
        elif deed == "comment":
            text = world.objects.text(world.head, path) or b""
            world.commit("latecomer", {path: text + f"# seen {self._next()}\n".encode()}, f"Comment on {name}")
        elif deed == "suspend":
            self._suspend(random.choice((name, *plan.applications)))
        else:
            world.commit("latecomer", {"docs/notes.md": f"late {self._next()}\n".encode()}, "Note something")

    def _ship(self, name: str, calls: bool) -> None:
        """The next one in the very midst of it, which calls what is on its way out, or does not."""
        world, version = self._world, f"7.{self._next()}"
        files = {f"apps/{name}/config.yaml": config(name, version)}
        if self._random.random() < 0.6:
            files[f"apps/{name}/deployment.yaml"] = deployment(name, version)
        for other in world.needs.get(name, ()) if calls else ():
            level = level_of(world.objects, world.head, api_file(other))
            files[calls_file(name, other)] = config(f"{name}-{other}", f"api{level}")
        world.commit("latecomer", files, f"Ship {version} of {name}")

    def _put_back(self, plan: Rollback, sha: str) -> None:
        """By hand what the plan has in mind, or has done already: the files of one of its commits."""
        world, commit = self._world, self._world.objects.commits[sha]
        files = {
            one.path: world.objects.blobs[one.old_blob] if one.old_blob else None
            for one in commit.changes
            if world.objects.files(world.head).get(one.path) == one.new_blob
        }
        if not files:
            return
        touched = [name for name in world.setup.names if world.truth.own_paths(name, files)]
        bad = {(name, world.truth.inputs(name, world.head)) for name in touched}
        if world.commit("latecomer", files, f"Put {sha[:8]} of {', '.join(touched)} back by hand") == world.head:
            world.taken_back |= bad

    def _land_again(self, newest: Rollback | Stepped) -> None:
        files = {
            one.path: self._world.objects.blobs[one.old_blob] if one.old_blob else None for one in newest.commit.changes
        }
        self._world.commit("latecomer", files, f"Land again what {newest.commit.sha[:8]} took back")

    def _crash(self, name: str, newest: Rollback | Stepped) -> None:
        """What it went back to does not start any more."""
        truth = self._world.truth
        words = truth.objects.text(newest.commit.sha, f"apps/{name}/deployment.yaml") or b""
        tag = words.rpartition(b"image: ")[2].partition(b"\n")[0].rpartition(b":")[2].decode()
        truth.faulty.setdefault(name, set()).add(tag)
        truth.crashes.add(tag)
        self._world.tell("truth", f"{tag} of {name} does not start any more")

    def _suspend(self, name: str) -> None:
        world = self._world
        policy = world.policy_at(world.head, name)
        if policy is not None:
            world.commit("latecomer", {policy.path: world.put(policy.disarmed("suspend"))}, f"Suspend {name}")

    def _next(self) -> int:
        self._count += 1
        return self._count


ACTOR = Actor("latecomer", Latecomer)
